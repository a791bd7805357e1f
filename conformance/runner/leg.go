// Package runner runs the vectors of package conformance through legs: ways to
// reach a core, in this process or through a driver. Every answer of every leg
// is compared with what the vector expects and, byte by byte, with the answer
// of the reference leg.
package runner

import (
	"context"
	"errors"

	"github.com/tallystick/tallystick/conformance"
)

// Call is one call of the ABI.
type Call struct {
	Op      string
	Request []byte
	Body    []byte
	// HostCrypto asks a driver that can to open engines with rsa "host", to answer
	// the needs "check" and "sign" itself and to hash bodies itself.
	HostCrypto bool
}

// Leg is one way to reach a core.
type Leg interface {
	// Call returns the answer of one call. An error means that the leg itself
	// broke: no further call is made.
	Call(ctx context.Context, call Call) ([]byte, error)
	// Close releases what the leg holds; nothing that it started goes on.
	Close() error
}

// Source names a leg and opens it.
type Source struct {
	Name string
	// HostCrypto marks a leg that does RSA and hashing outside the core wherever a
	// vector leaves the choice open.
	HostCrypto bool
	// Slow marks a leg that takes seconds where others take milliseconds: it runs
	// heavy vectors only where the plan asks for them.
	Slow bool
	// Plays says which vectors a leg can play that has no whole ABI; nil: all.
	Plays func(conformance.Vector) bool
	// Copies is how many of the leg share its vectors (0 and 1: one). For legs of
	// this process: a driver is started once.
	Copies int
	// Absent says why a run that names no legs goes without this one, "" when it
	// does not; nil is never. A leg that is named runs, or the run is broken.
	Absent func() string
	Open   func(ctx context.Context) (Leg, error)
}

// ErrTimeout is in the error of a leg that did not answer in time.
var ErrTimeout = errors.New("no answer within the time limit")
