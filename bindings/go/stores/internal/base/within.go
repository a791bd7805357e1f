package base

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrEnded is the error of a call whose caller ended it, by its context.
var ErrEnded = errors.New("the caller's context ended")

// errLimit tells the store's time limit from a deadline of the caller.
var errLimit = errors.New("the store's time limit")

// Limit returns the caller's context with the store's time limit.
func Limit(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, timeout, errLimit)
}

// Wait waits for a place and returns it with a function that frees it.
func Wait(ctx context.Context, places chan struct{}) (free func(), err error) {
	// An ended context must not win a place by chance.
	if ctx.Err() == nil {
		select {
		case places <- struct{}{}:
			return func() { <-places }, nil
		case <-ctx.Done():
		}
	}
	return nil, whyEnded(ctx)
}

// Within does something until the deadline of ctx, and returns when ctx ends, even where the work
// does not. A caller that goes away ends the wait but not the work, which gets a context without
// the cancellation: else everyone who hangs up would cost a connection.
func Within[Found any](ctx context.Context, work func(context.Context) (Found, error)) (Found, error) {
	type answer struct {
		found Found
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		own := context.WithoutCancel(ctx)
		if end, limited := ctx.Deadline(); limited {
			var free context.CancelFunc
			own, free = context.WithDeadline(own, end)
			defer free()
		}
		var got answer
		got.found, got.err = recovered(own, work)
		answered <- got
	}()
	select {
	case got := <-answered:
		return got.found, got.err
	case <-ctx.Done():
		var none Found
		return none, whyEnded(ctx)
	}
}

// recovered does something, whose panic would end the program: no handler's recover sees it here.
func recovered[Found any](ctx context.Context, work func(context.Context) (Found, error)) (found Found, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("the driver panicked: %v", reason)
		}
	}()
	return work(ctx)
}

func whyEnded(ctx context.Context) error {
	if context.Cause(ctx) == errLimit {
		return ctx.Err()
	}
	return errors.Join(ErrEnded, ctx.Err())
}
