package base

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestWithoutSecret(t *testing.T) {
	for url, want := range map[string]string{
		"redis://127.0.0.1:6379/0":             "redis://127.0.0.1:6379/0",
		"redis://user:secret@host/0?a=secret":  "redis://host/0",
		"redis://secret@host#secret":           "redis://host",
		"redis://user:se/cret@host/0":          "redis://host/0",
		"redis://user:se?cret@host/0":          "redis://...",
		"redis://host/0?password=secret@other": "redis://...",
	} {
		if got := WithoutSecret(url); got != want {
			t.Errorf("%s: %s", url, got)
		}
	}
	for url, right := range map[string]bool{
		"redis://host": true, "redis://user:p%40ss@host/0": true, "redis://user:p@ss@host/0": false,
		"redis://user:p/ss@host": false, "redis://user:p?ss@host": false, "redis://user:p#ss@host": false,
	} {
		if err := OneAddress(url); (err == nil) != right {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestKey(t *testing.T) {
	key, err := Key("00ff0123456789abcdef0123456789ab")
	if err != nil || string(key) != "\x00\xff\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab" {
		t.Errorf("%x %v", key, err)
	}
	if _, err := Key("00FF0123456789abcdef0123456789ab"); err == nil {
		t.Error("upper case was taken")
	}
}

// wait does work that does not look at its context.
func wait(ctx context.Context, until <-chan struct{}) error {
	_, err := Within(ctx, func(context.Context) (bool, error) {
		<-until
		return true, nil
	})
	return err
}

func TestWithinTellsWhoEndedACall(t *testing.T) {
	never, now := make(chan struct{}), make(chan struct{})
	close(now)
	defer close(never)
	caller, leave := context.WithCancel(context.Background())
	limited, done := Limit(caller, time.Hour)
	defer done()
	if err := wait(limited, now); err != nil {
		t.Error(err)
	}
	leave()
	if err := wait(limited, never); !errors.Is(err, ErrEnded) || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	limited, done = Limit(context.Background(), time.Millisecond)
	defer done()
	if err := wait(limited, never); errors.Is(err, ErrEnded) || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	hurried, done := context.WithTimeout(context.Background(), time.Millisecond)
	defer done()
	limited, done = Limit(hurried, time.Hour)
	defer done()
	if err := wait(limited, never); !errors.Is(err, ErrEnded) || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if _, err := Wait(limited, make(chan struct{}, 1)); !errors.Is(err, ErrEnded) {
		t.Error(err)
	}
}

func TestWorkGoesOnWithoutItsCallerUntilTheDeadline(t *testing.T) {
	caller, leave := context.WithCancel(context.Background())
	limited, done := Limit(caller, time.Hour)
	defer done()
	saw, release := make(chan context.Context, 1), make(chan struct{})
	defer close(release)
	_, err := Within(limited, func(ctx context.Context) (bool, error) {
		leave()
		saw <- ctx
		<-release
		return true, nil
	})
	if !errors.Is(err, ErrEnded) {
		t.Error(err)
	}
	ctx := <-saw
	if _, has := ctx.Deadline(); !has || ctx.Err() != nil {
		t.Error(has, ctx.Err())
	}
}

func TestAPanicOfADriverIsAnError(t *testing.T) {
	_, err := Within(context.Background(), func(context.Context) (bool, error) { panic("oh") })
	if err == nil || !strings.Contains(err.Error(), "the driver panicked: oh") {
		t.Error(err)
	}
}

func TestClocks(t *testing.T) {
	now := time.Now()
	for ahead, said := range map[time.Duration]string{
		61 * time.Second: "the server's clock is 61 s ahead of this host's", -time.Hour: "3600 s behind",
		time.Minute: "", -time.Minute: "",
	} {
		err := RefuseClock(now.Add(ahead), now)
		if (err == nil) != (said == "") || (err != nil && !strings.Contains(err.Error(), said)) {
			t.Errorf("%v: %v", ahead, err)
		}
	}
}

type testLine struct{ usable, closed bool }

func (l *testLine) Usable() bool { return l.usable }
func (l *testLine) Close()       { l.closed = true }

func TestAPoolKeepsAConnectionThatIsGood(t *testing.T) {
	var opened []*testLine
	pool := NewPool(1, time.Minute, func(context.Context) (*testLine, error) {
		opened = append(opened, &testLine{usable: true})
		return opened[len(opened)-1], nil
	})
	errKept, errLost := errors.New("kept"), errors.New("lost")
	ask := func(err error) {
		t.Helper()
		_, got := Ask(context.Background(), pool, func(err error) bool { return err == errKept },
			func(context.Context, *testLine) (bool, error) { return true, err })
		if got != err {
			t.Error(got)
		}
	}
	expect := func(count int, closed ...bool) {
		t.Helper()
		if len(opened) != count {
			t.Fatal(len(opened))
		}
		for at, each := range closed {
			if opened[at].closed != each {
				t.Error(at, opened[at].closed)
			}
		}
	}
	ask(nil)
	ask(errKept)
	ask(nil)
	expect(1, false)
	ask(errLost)
	expect(1, true)
	ask(nil)
	opened[1].usable = false
	ask(nil)
	expect(3, true, true, false)
	pool.Close()
	expect(3, true, true, true)
	ask(nil)
	expect(4, true, true, true, false)
	// One that is busy while the pool is closed is closed after its answer.
	_, _ = Ask(context.Background(), pool, func(error) bool { return true },
		func(context.Context, *testLine) (bool, error) {
			pool.Close()
			return true, nil
		})
	expect(4, true, true, true, true)
}

func TestAConnectionThatArrivesTooLateServesALaterCall(t *testing.T) {
	arrive, opened := make(chan struct{}), 0
	pool := NewPool(1, time.Minute, func(ctx context.Context) (*testLine, error) {
		opened++
		select {
		case <-arrive:
			return &testLine{usable: true}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	ask := func(limit time.Duration) error {
		ctx, done := Limit(context.Background(), limit)
		defer done()
		_, err := Ask(ctx, pool, func(error) bool { return true },
			func(context.Context, *testLine) (bool, error) { return true, nil })
		return err
	}
	if err := ask(time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	close(arrive)
	if err := ask(time.Minute); err != nil || opened != 1 {
		t.Error(err, opened)
	}
	// One that cannot be opened in time is an error.
	pool.Close()
	arrive, pool.opening = make(chan struct{}), time.Millisecond
	if err := ask(time.Minute); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestNoticesAreHandedOverOnce(t *testing.T) {
	var notices Notices
	notices.Add("one")
	notices.Add("two")
	notices.Add("one")
	if got := notices.Take(); len(got) != 2 || notices.Take() != nil {
		t.Error(got)
	}
	notices.Add("one")
	if got := notices.Take(); got != nil {
		t.Error(got)
	}
}
