package tallystick

import (
	"context"
	"time"
)

// Store remembers which tokens were used (docs/explanation/protocol.md section 9). The packages
// below stores/ have four; any type with an atomic Claim serves.
//
// A store is safe for concurrent use by goroutines, and as many processes as share its memory.
type Store interface {
	// Claim claims an id, 32 lower-case hex digits, for some seconds from now, and reports
	// whether it was free. It is one atomic step: of many claimants exactly one is told true.
	// It answers before ctx ends. Any error refuses the request (503); its text goes to the log,
	// so it holds no secret.
	Claim(ctx context.Context, id string, seconds int64) (bool, error)
}

// ValueStore also keeps values of up to 64 KiB, for flows that wait for a browser.
type ValueStore interface {
	Store
	// Put keeps a value for some seconds. It replaces an earlier one.
	Put(ctx context.Context, id string, value []byte, seconds int64) error
	// Get returns a value, and whether there is one.
	Get(ctx context.Context, id string) ([]byte, bool, error)
	// Take is Get, and deletes the value in the same atomic step: one of many callers gets it.
	Take(ctx context.Context, id string) ([]byte, bool, error)
}

// DocumentStore also keeps documents of up to 8 MiB with versions, such as key rings, without
// expiry. A name is 1 to 200 of A-Z a-z 0-9 . _ -
type DocumentStore interface {
	ValueStore
	// Read returns a document and its version; version 0: there is none.
	Read(ctx context.Context, name string) (version int64, document []byte, err error)
	// Write writes a document where its version is still the expected one (0: there must be none)
	// and reports whether it did. Its version is then one higher.
	Write(ctx context.Context, name string, expectedVersion int64, document []byte) (bool, error)
}

// What a verifier also asks of a store that has it.
type (
	// startChecker tells at the start whether the store can be reached and used.
	startChecker interface{ Check(context.Context) error }
	// lossTeller tells when the store was last seen to have lost what it held, by the clock of
	// this host; the zero time: never. It only grows, and is set before the call that saw it ends.
	lossTeller interface{ LostAt() time.Time }
	// selfTimed answers within that time by itself, whatever happens. Other stores are called in a
	// goroutine of their own, which costs some microseconds.
	selfTimed interface{ Timeout() time.Duration }
	// noticer hands over what the operator should read, once each.
	noticer interface{ Notices() []string }
)
