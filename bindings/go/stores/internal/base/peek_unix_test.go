//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package base

import (
	"io"
	"net"
	"runtime"
	"testing"
)

func TestHasToReadWaitsForNothing(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	here, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = here.Close() }()
	there, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if HasToRead(here) {
		t.Error("nothing was sent")
	}
	// A driver reads in the background.
	read := make(chan error)
	go func() {
		_, err := here.Read(make([]byte, 1))
		read <- err
	}()
	for range 100 {
		if HasToRead(here) {
			t.Fatal("nothing was sent")
		}
		runtime.Gosched()
	}
	if _, err := there.Write([]byte("ab")); err != nil || <-read != nil {
		t.Fatal(err)
	}
	if !HasToRead(here) {
		t.Error("a byte waits")
	}
	if _, err := here.Read(make([]byte, 1)); err != nil || HasToRead(here) {
		t.Error(err)
	}
	_ = there.Close()
	if _, err := here.Read(make([]byte, 1)); err != io.EOF || !HasToRead(here) {
		t.Error("its end is to be read", err)
	}
}
