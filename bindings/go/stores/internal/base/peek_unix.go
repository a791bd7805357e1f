//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package base

import (
	"crypto/tls"
	"net"
	"syscall"
)

// HasToRead tells, without waiting, whether a connection has something to read, such as its end.
func HasToRead(connection net.Conn) bool {
	if secure, ok := connection.(*tls.Conn); ok {
		connection = secure.NetConn()
	}
	socket, ok := connection.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return true
	}
	has := true
	err = raw.Read(func(descriptor uintptr) bool {
		_, _, err := syscall.Recvfrom(int(descriptor), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		has = err != syscall.EAGAIN && err != syscall.EWOULDBLOCK
		return true
	})
	return has || err != nil
}
