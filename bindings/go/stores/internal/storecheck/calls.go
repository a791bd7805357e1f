package storecheck

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tallystick/tallystick/bindings/go"
)

// MustClaim fails the test unless a claim is answered, and as it should be.
func MustClaim(t testing.TB, store tallystick.Store, id string, want bool) {
	t.Helper()
	if free, err := store.Claim(context.Background(), id, 60); free != want || err != nil {
		t.Fatalf("%v: claimed %t: %v", store, free, err)
	}
}

// Refusal returns the text of the error of a claim, and fails the test where there is none.
func Refusal(t testing.TB, store tallystick.Store) string {
	t.Helper()
	free, err := store.Claim(context.Background(), NewID(), 60)
	if free || err == nil {
		t.Fatalf("%v: claimed %t: %v", store, free, err)
	}
	return err.Error()
}

// Say fails the test where a text does not hold all of the parts.
func Say(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q does not say %q", text, part)
		}
	}
}

// Answers waits until a store answers.
func Answers(t testing.TB, store tallystick.Store) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_, err := store.Claim(context.Background(), NewID(), 60)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal("it does not answer again: ", err)
		}
	}
}

// Fails waits until claims are refused with a text that holds a part: right after its end a server's
// connections may still be there.
func Fails(t testing.TB, store tallystick.Store, part string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		said := Refusal(t, store)
		if strings.Contains(said, part) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%q does not say %q", said, part)
		}
	}
}

// WinnersOf64 returns how many of 64 at once are told true.
func WinnersOf64(t testing.TB, try func() (bool, error)) (winners int) {
	t.Helper()
	var all sync.WaitGroup
	won := make([]bool, 64)
	for at := range won {
		all.Go(func() {
			var err error
			if won[at], err = try(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, each := range won {
		if each {
			winners++
		}
	}
	return winners
}

// RefusalsOf64 has 64 claim at once where none can be answered, and returns what they are told.
func RefusalsOf64(t testing.TB, store tallystick.Store) []string {
	t.Helper()
	var all sync.WaitGroup
	said := make([]string, 64)
	for at := range said {
		all.Go(func() {
			free, err := store.Claim(context.Background(), NewID(), 60)
			if free || err == nil {
				t.Errorf("claimed %t: %v", free, err)
				return
			}
			said[at] = err.Error()
		})
	}
	all.Wait()
	return said
}
