package tallystick

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// lookEvery is how long after a look the next one is made, at the earliest.
	lookEvery = time.Second
	// lookPatience is how long a request waits for a look at another machine.
	lookPatience = 500 * time.Millisecond
)

// watchedText is a shared text, and which version of it was delivered. Safe for concurrent use.
type watchedText interface {
	// read returns the text, which counts as delivered.
	read() (sharedVersion, error)
	// update changes the document. changed delivers what was committed, before any later version
	// can be delivered: an older ring must not replace a newer one, which may have revoked it.
	update(ctx context.Context, change sharedChange, changed func()) error
	// refresh delivers the text if it has changed. If that fails, the content of before stays in
	// use, the log says so once, and the next look tries again.
	refresh(ctx context.Context, deliver func(sharedVersion) error)
}

// sayOnce logs each failure once, until it is over.
type sayOnce struct {
	logger *slog.Logger
	said   string
}

func (s *sayOnce) failed(err error) {
	said := err.Error()
	var e *Error
	if errors.As(err, &e) {
		said = e.Message
	}
	if said != s.said {
		s.logger.Error(said)
	}
	s.said = said
}

// watchedFile watches a text on this machine: each look is made at once, by one goroutine.
type watchedFile struct {
	text   *sharedFile
	looked atomic.Int64 // when, in nanoseconds since 1970

	lock     sync.Mutex
	seen     *sharedLook // nil: nothing counts as delivered
	found    bool
	complain sayOnce
	stray    string
}

func newWatchedFile(text *sharedFile, logger *slog.Logger) *watchedFile {
	return &watchedFile{text: text, complain: sayOnce{logger: logger}}
}

func (w *watchedFile) read() (sharedVersion, error) {
	w.lock.Lock()
	defer w.lock.Unlock()
	// Before it is read: the next look shows a change in between.
	seen := w.text.look(nil)
	version, err := w.text.read()
	if err != nil {
		return version, err
	}
	w.seen, w.found = seen, version.there
	w.looked.Store(time.Now().UnixNano())
	w.warnOfStray()
	return version, nil
}

func (w *watchedFile) update(ctx context.Context, change sharedChange, changed func()) error {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.seen = nil
	version, err := w.text.update(ctx, change)
	if err != nil {
		return err
	}
	w.found = version.there
	if changed != nil {
		changed()
	}
	return nil
}

func (w *watchedFile) refresh(_ context.Context, deliver func(sharedVersion) error) {
	now := time.Now().UnixNano()
	if since := now - w.looked.Load(); since >= 0 && since < int64(lookEvery) || !w.lock.TryLock() {
		return
	}
	defer w.lock.Unlock()
	w.looked.Store(now)
	before := w.seen
	seen := w.text.look(before)
	if seen.same(before) {
		w.seen = seen
		return
	}
	w.seen = nil
	if err := w.deliver(deliver); err != nil {
		w.complain.failed(err)
	} else {
		w.complain.said, w.seen = "", seen
	}
	w.warnOfStray()
}

func (w *watchedFile) deliver(deliver func(sharedVersion) error) error {
	version, err := w.text.read()
	if err != nil {
		return err
	}
	if !version.there && w.found {
		return w.text.wrong("is gone", "put it back; what was read goes on")
	}
	if err := deliver(version); err != nil {
		return err
	}
	w.found = version.there
	return nil
}

func (w *watchedFile) warnOfStray() {
	stray := w.text.stray()
	if stray != "" && stray != w.stray {
		w.complain.logger.Warn(stray)
	}
	w.stray = stray
}

// watchedStore watches a document on another machine: each look goes on in a goroutine of its own.
type watchedStore struct {
	text *storedDocument

	lock     sync.Mutex
	known    *sharedVersion
	seen     storedLook
	complain sayOnce
	// The look that is under way, and when it began; when the last one ended.
	looking      chan struct{}
	began, ended time.Time
}

func newWatchedStore(text *storedDocument, logger *slog.Logger) *watchedStore {
	return &watchedStore{text: text, complain: sayOnce{logger: logger}}
}

func (w *watchedStore) read() (sharedVersion, error) {
	version, seen, err := w.text.look(context.Background())
	if err != nil {
		return version, err
	}
	w.lock.Lock()
	defer w.lock.Unlock()
	w.known, w.seen, w.ended = &version, seen, time.Now()
	return version, nil
}

func (w *watchedStore) update(ctx context.Context, change sharedChange, changed func()) error {
	version, err := w.text.update(ctx, change)
	if err != nil {
		return err
	}
	w.lock.Lock()
	defer w.lock.Unlock()
	if w.isNewer(version) {
		w.known, w.seen = &version, storedLook{}
		if changed != nil {
			changed()
		}
	}
	return nil
}

func (w *watchedStore) isNewer(version sharedVersion) bool {
	return w.known == nil || version.number >= w.known.number
}

func (w *watchedStore) refresh(ctx context.Context, deliver func(sharedVersion) error) {
	w.lock.Lock()
	if w.looking == nil {
		if time.Since(w.ended) < lookEvery {
			w.lock.Unlock()
			return
		}
		w.looking, w.began = make(chan struct{}), time.Now()
		go w.look(w.looking, deliver)
	}
	// A store that does not answer holds nobody up again until it does.
	looking, left, waits := w.looking, lookPatience-time.Since(w.began), w.complain.said == ""
	w.lock.Unlock()
	if !waits || left <= 0 {
		return
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-looking:
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (w *watchedStore) look(looking chan struct{}, deliver func(sharedVersion) error) {
	version, seen, err := w.text.look(context.Background())
	w.lock.Lock()
	defer w.lock.Unlock()
	defer close(looking)
	w.looking, w.ended = nil, time.Now()
	if err == nil && seen != w.seen && w.isNewer(version) {
		err = deliver(version)
	}
	if err != nil {
		w.complain.failed(err)
		return
	}
	w.known, w.seen, w.complain.said = &version, seen, ""
}
