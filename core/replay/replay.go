// Package replay remembers used tokens: a bounded window in memory that claims
// each one once, in constant time, and refuses rather than forgets
// (protocol.md sections 3 and 8).
package replay

import (
	"container/heap"
	"crypto/sha256"
	"encoding/hex"
	"sync"
)

// ID names one (issuer, jti): the first 128 bits of a SHA-256 over both, the
// length of the issuer between them so that no two pairs share a text. Whoever
// looks for a collision must do so within one issuer's own tokens.
type ID [16]byte

// NewID hashes an issuer and a jti.
func NewID(issuer, jti string) ID {
	text := make([]byte, 0, 256)
	n := len(issuer)
	text = append(text, byte(n>>8), byte(n))
	text = append(text, issuer...)
	text = append(text, jti...)
	sum := sha256.Sum256(text)
	return ID(sum[:16])
}

// String returns 32 lower-case hex digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Verdict is the answer to a claim.
type Verdict int

// The verdicts. Full means that the window holds its capacity of live ids; Lost,
// that the id may have been claimed in a window before this one.
const (
	Claimed Verdict = iota
	Exists
	Full
	Lost
)

// pruneStep bounds the work that one claim does for others, so that a claim
// costs the same whatever has expired. It is above 1, so the window shrinks
// faster than it grows.
const pruneStep = 8

// Window is the memory. Safe for concurrent use.
//
// Ids wait in slots, one for each second of expiry. There are as many slots as
// a token may live seconds, however many ids: finding the next one to forget
// does not depend on how many are live.
type Window struct {
	mu       sync.Mutex
	capacity int
	live     map[ID]struct{}
	slots    map[int64][]ID // by expiry, in seconds
	order    seconds        // the keys of slots, soonest first
	pruned   int64          // the latest expiry of which something was forgotten
	floor    int64          // the latest expiry that a lost window may have held
}

// New returns an empty window for at most capacity live ids. Where another one
// was lost, floor is the latest expiry that it may have held; 0: none was lost.
func New(capacity int, floor int64) *Window {
	return &Window{capacity: capacity, floor: floor, live: map[ID]struct{}{}, slots: map[int64][]ID{}}
}

// Claim takes an id until expiresAt (inclusive); both times are whole seconds.
// An expiry of which ids were already forgotten counts as Exists: after the
// clock has stepped back the window cannot know, so it reopens nothing.
func (w *Window) Claim(id ID, expiresAt, now int64) Verdict {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.prune(now, pruneStep)
	if len(w.live) >= w.capacity {
		w.prune(now, len(w.live))
	}
	if _, there := w.live[id]; there || expiresAt <= w.pruned { //guard:window-stepped-back drop 2
		return Exists
	}
	if expiresAt <= w.floor {
		return Lost
	}
	if len(w.live) >= w.capacity { //guard:window-full never
		return Full
	}
	w.add(id, expiresAt)
	return Claimed
}

func (w *Window) add(id ID, expiresAt int64) {
	slot, there := w.slots[expiresAt]
	if !there {
		heap.Push(&w.order, expiresAt)
	}
	w.slots[expiresAt] = append(slot, id)
	w.live[id] = struct{}{}
}

// prune forgets up to limit ids that expired before now.
func (w *Window) prune(now int64, limit int) {
	for ; limit > 0 && len(w.order) > 0 && w.order[0] < now; limit-- {
		second := w.order[0]
		slot := w.slots[second]
		last := len(slot) - 1
		delete(w.live, slot[last])
		w.pruned = max(w.pruned, second)
		if last > 0 {
			w.slots[second] = slot[:last]
			continue
		}
		delete(w.slots, second)
		heap.Pop(&w.order)
	}
}

// seconds is a heap for container/heap.
type seconds []int64

func (s seconds) Len() int           { return len(s) }
func (s seconds) Less(i, j int) bool { return s[i] < s[j] }
func (s seconds) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }

// Push implements heap.Interface.
func (s *seconds) Push(x any) { *s = append(*s, x.(int64)) }

// Pop implements heap.Interface.
func (s *seconds) Pop() any {
	last := len(*s) - 1
	x := (*s)[last]
	*s = (*s)[:last]
	return x
}

// Stats tells how full the window is.
type Stats struct {
	Live     int `json:"live"`
	Capacity int `json:"capacity"`
}

// Stats returns the present numbers.
func (w *Window) Stats() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	return Stats{Live: len(w.live), Capacity: w.capacity}
}
