package base

import (
	"context"
	"time"
)

// Server is what a store in a server has of it: how it was chosen, its connections, and what its
// failures mean. It is filled before its first use.
type Server[L Line] struct {
	// Setting is how the store was chosen, without its secret.
	Setting string
	// Timeout is how long a call may last, with all that it waits for.
	Timeout time.Duration
	// NotRequired lets a verifier start although the server cannot be used.
	NotRequired bool
	// Stays tells whether a connection is kept after an error.
	Stays func(error) bool
	// Explain says what an error means, and what to do.
	Explain func(error) (what, fix string)

	Notices Notices
	Pool    *Pool[L]
}

// Question asks a server something within its time limit.
func Question[L Line, Found any](
	ctx context.Context, s *Server[L], question func(context.Context, L) (Found, error),
) (Found, error) {
	ctx, done := Limit(ctx, s.Timeout)
	defer done()
	found, err := Ask(ctx, s.Pool, s.Stays, question)
	if err != nil {
		err = Failed(s.Setting, s.Timeout, err, s.Explain)
	}
	return found, err
}

// Check tells whether the server can be reached and used, over a new connection. Where it need not
// be, it is a notice.
func (s *Server[L]) Check(ctx context.Context) error {
	s.Pool.Close()
	_, err := Question(ctx, s, func(context.Context, L) (struct{}, error) { return struct{}{}, nil })
	if err != nil && s.NotRequired {
		s.Notices.Add(err.Error())
		return nil
	}
	return err
}

// Said is an error of the store's own, such as a wrong argument.
func (s *Server[L]) Said(err error) error { return Said(s.Setting+": "+err.Error(), err) }
