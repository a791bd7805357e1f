package tallystick

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
)

const (
	// claimTimeout bounds a claim, and what it waits for.
	claimTimeout = 2 * time.Second
	// maxClaims bounds the claims of one verifier that are open at one time.
	maxClaims = 8192
	// quiet is how long no claim may have failed until a store is well again.
	quiet = time.Second
	// mostFailures bounds the different failures that are logged until then.
	mostFailures = 16
)

// storeClaims answers the claims of one verifier from a store. Safe for concurrent use.
type storeClaims struct {
	store   Store
	setting string
	lost    func(at int64) // tells the core
	trouble *trouble
	open    atomic.Int64

	selfTimed bool

	// Which loss the core knows of, and since when (bits of seconds since 1970).
	told   atomic.Int64
	toldAt atomic.Uint64
}

// checkStore refuses a missing store: used tokens would work again and again. It also finds the nil
// pointer of a New whose error nobody looked at.
func checkStore(store Store, development bool) error {
	switch value := reflect.ValueOf(store); {
	case value.Kind() == reflect.Pointer && value.IsNil():
		return wrongArgument("Store is a nil %T: look at the error of what made it", store)
	case store != nil || development:
		return nil
	}
	return wrongArgument("Store is missing: choose where used tokens are remembered, by one of the packages " +
		"stores/sqlite (the processes of one machine), stores/redis or stores/postgresql (many machines), " +
		"or stores/memory (this process alone)")
}

// unavailableStore is the error of a store that cannot be used. The stores' own texts begin with
// their setting.
func unavailableStore(setting string, err error) *Error {
	text := err.Error()
	if !strings.HasPrefix(text, setting) {
		text = setting + ": " + text
	}
	return &Error{Code: problem.ReplayStoreUnavailable, Message: text, cause: err}
}

func newStoreClaims(store Store, logger *slog.Logger) *storeClaims {
	setting := settingOf(store)
	_, timed := store.(selfTimed)
	return &storeClaims{
		store: store, setting: setting, trouble: &trouble{setting: setting, logger: logger}, selfTimed: timed,
	}
}

// settingOf says how a store was chosen, without its secret.
func settingOf(store Store) (setting string) {
	setting = fmt.Sprintf("store %T", store)
	if named, ok := store.(fmt.Stringer); ok {
		// It may panic, if it was not made as its package says: Check says so then.
		defer func() { _ = recover() }()
		return named.String()
	}
	return setting
}

// checked is what a store says of itself. One that was not made as its package says may panic.
func checked(ctx context.Context, store startChecker) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("store %T: Check panicked (%v): make it by its package's New", store, reason)
		}
	}()
	return store.Check(ctx)
}

// start asks a store that can tell whether it can be used. Where that is not required of it, it
// says so itself by a notice.
func (s *storeClaims) start(ctx context.Context, lost func(int64)) error {
	s.lost = lost
	if store, ok := s.store.(startChecker); ok {
		ctx, stop := context.WithTimeout(ctx, claimTimeout)
		defer stop()
		if err := checked(ctx, store); err != nil {
			return err
		}
	}
	s.logNotices()
	s.tell()
	return nil
}

// claim is the last step of a verification.
func (s *storeClaims) claim(ctx context.Context, n *need.Need) *problem.Problem {
	if a := s.answer(ctx, n); a.Claim != pipeline.Claimed {
		return pipeline.NotClaimed(n.Issuer, n.JTI, a).Problem
	}
	return nil
}

// answer is what the store says to a claim.
func (s *storeClaims) answer(ctx context.Context, n *need.Need) need.Answer {
	if s.open.Add(1) > maxClaims {
		s.open.Add(-1)
		return need.Answer{Claim: pipeline.Overloaded, Failed: fmt.Sprintf("%d claims wait for it", maxClaims)}
	}
	ask := s.ask
	if s.selfTimed {
		ask = s.askDirectly
	}
	claimed, err := ask(ctx, n)
	if err != nil && ctx.Err() != nil {
		// The caller went away: that says nothing of the store.
		return need.Answer{Claim: pipeline.Unavailable, Failed: err.Error()}
	}
	if err != nil {
		s.trouble.failed(err.Error())
		s.tell()
		return need.Answer{Claim: pipeline.Unavailable, Failed: err.Error()}
	}
	s.trouble.over()
	s.logNotices()
	s.tell()
	// The core compared the token with the loss when it asked, maybe before it was told.
	if s.told.Load() != 0 && n.Now <= math.Float64frombits(s.toldAt.Load()) {
		return need.Answer{Claim: pipeline.Unavailable, Failed: s.setting + " lost what it held during the request"}
	}
	if !claimed {
		return need.Answer{Claim: pipeline.Exists}
	}
	return need.Answer{Claim: pipeline.Claimed}
}

func (s *storeClaims) askDirectly(ctx context.Context, n *need.Need) (claimed bool, err error) {
	defer s.open.Add(-1)
	defer func() {
		if reason := recover(); reason != nil {
			claimed, err = false, s.panicked(reason)
		}
	}()
	return s.store.Claim(ctx, n.ID, n.Seconds)
}

func (s *storeClaims) panicked(reason any) error {
	return fmt.Errorf("%s: Claim panicked: %v", s.setting, reason)
}

type claimAnswer struct {
	claimed bool
	err     error
}

// ask waits no longer than the time limit, whatever the store does: one that hangs keeps a
// goroutine, and its place among the open claims, until it answers.
func (s *storeClaims) ask(ctx context.Context, n *need.Need) (bool, error) {
	ctx, stop := context.WithTimeout(ctx, claimTimeout)
	answered := make(chan claimAnswer, 1)
	go func() {
		defer stop()
		defer s.open.Add(-1)
		defer func() {
			if reason := recover(); reason != nil {
				answered <- claimAnswer{err: s.panicked(reason)}
			}
		}()
		claimed, err := s.store.Claim(ctx, n.ID, n.Seconds)
		answered <- claimAnswer{claimed, err}
	}()
	select {
	case a := <-answered:
		return a.claimed, a.err
	case <-ctx.Done():
	}
	// It may have answered while the time ended.
	select {
	case a := <-answered:
		return a.claimed, a.err
	default:
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return false, fmt.Errorf("%s: Claim did not answer within %v", s.setting, claimTimeout)
		}
		return false, fmt.Errorf("%s: the request ended during Claim", s.setting)
	}
}

// tell tells the core that the store lost what it held.
func (s *storeClaims) tell() {
	at := s.lostAt()
	if at == 0 || at <= s.told.Load() {
		return
	}
	s.lost(at)
	// In this order: whoever sees the second sees the first.
	s.toldAt.Store(math.Float64bits(secondsOf(time.Now())))
	s.told.Store(at)
}

func (s *storeClaims) lostAt() int64 {
	teller, ok := s.store.(lossTeller)
	if !ok {
		return 0
	}
	at := teller.LostAt()
	if at.IsZero() {
		return 0
	}
	return int64(math.Ceil(secondsOf(at)))
}

func (s *storeClaims) logNotices() {
	if n, ok := s.store.(noticer); ok {
		for _, notice := range n.Notices() {
			s.trouble.logger.Warn(notice)
		}
	}
}

// trouble logs each distinct failure of a store once, and once that it is over.
type trouble struct {
	setting string
	logger  *slog.Logger
	goingOn atomic.Bool

	lock   sync.Mutex
	logged map[string]bool
	last   time.Time
}

func (t *trouble) failed(reason string) {
	t.lock.Lock()
	t.last = time.Now()
	t.goingOn.Store(true)
	said := t.logged[reason] || len(t.logged) >= mostFailures
	if t.logged == nil {
		t.logged = map[string]bool{}
	}
	if !said {
		t.logged[reason] = true
	}
	t.lock.Unlock()
	if !said {
		t.logger.Error(reason)
	}
}

// over logs that the store answers, unless others still fail.
func (t *trouble) over() {
	if !t.goingOn.Load() {
		return
	}
	t.lock.Lock()
	if time.Since(t.last) < quiet || !t.goingOn.Swap(false) {
		t.lock.Unlock()
		return
	}
	t.logged = nil
	t.lock.Unlock()
	t.logger.Warn(t.setting + " answers again")
}
