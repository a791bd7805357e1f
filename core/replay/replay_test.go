package replay

import (
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

func id(n int) ID { return NewID("issuer", strconv.Itoa(n)) }

func TestClaimOnceUntilItExpires(t *testing.T) {
	w := New(10, 0)
	if got := w.Claim(id(1), 100, 50); got != Claimed {
		t.Fatalf("first claim: %v", got)
	}
	if got := w.Claim(id(1), 100, 100); got != Exists {
		t.Errorf("second claim in its last second: %v", got)
	}
	if got := w.Claim(id(2), 100, 50); got != Claimed {
		t.Errorf("another jti: %v", got)
	}
	if got := w.Claim(NewID("other", "1"), 100, 50); got != Claimed {
		t.Errorf("the same jti of another issuer: %v", got)
	}
}

func TestIDsDoNotRunTogether(t *testing.T) {
	if NewID("ab", "c") == NewID("a", "bc") {
		t.Error("(ab, c) and (a, bc) have one id")
	}
}

func TestFullWindowRefusesAndRecovers(t *testing.T) {
	w := New(3, 0)
	for n := range 3 {
		w.Claim(id(n), 100, 50)
	}
	if got := w.Claim(id(9), 100, 50); got != Full {
		t.Errorf("a claim in a full window: %v", got)
	}
	if got := w.Claim(id(0), 100, 50); got != Exists {
		t.Errorf("a live id in a full window: %v", got)
	}
	if got := w.Claim(id(9), 200, 101); got != Claimed {
		t.Errorf("a claim after the others expired: %v", got)
	}
}

func TestClockThatStepsBackReopensNothing(t *testing.T) {
	w := New(10, 0)
	w.Claim(id(1), 100, 50)
	w.Claim(id(2), 300, 200) // forgets id 1
	if got := w.Claim(id(1), 100, 60); got != Exists {
		t.Errorf("the forgotten id after the clock stepped back: %v", got)
	}
	if got := w.Claim(id(3), 101, 60); got != Claimed {
		t.Errorf("an expiry that was never forgotten: %v", got)
	}
}

func TestLostWindow(t *testing.T) {
	w := New(10, 100)
	if got := w.Claim(id(1), 100, 50); got != Lost {
		t.Errorf("an expiry that the lost window may have held: %v", got)
	}
	if got := w.Claim(id(1), 101, 50); got != Claimed {
		t.Errorf("a later one: %v", got)
	}
}

func TestPruningIsBoundedAndComplete(t *testing.T) {
	w := New(1000, 0)
	for n := range 500 {
		w.Claim(id(n), int64(100+n%7), 50)
	}
	for n := range 100 {
		w.Claim(id(1000+n), 900, 500)
	}
	if live := w.Stats().Live; live != 100 {
		t.Errorf("%d live ids after 100 claims that each forget %d", live, pruneStep)
	}
	if len(w.order) != 1 || len(w.slots) != 1 {
		t.Errorf("%d seconds and %d slots remain", len(w.order), len(w.slots))
	}
}

func TestOneOfManyThreadsWins(t *testing.T) {
	w := New(10000, 0)
	var won atomic.Int32
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for n := range 200 {
				if w.Claim(id(n), 100, 50) == Claimed {
					won.Add(1)
				}
			}
		})
	}
	group.Wait()
	if won.Load() != 200 {
		t.Errorf("%d claims won, want 200", won.Load())
	}
}

// The promise is at most 100 bytes for each live jti.
func TestBytesPerLiveID(t *testing.T) {
	const n = 200_000
	w := New(n, 0)
	before := heapBytes()
	for i := range n {
		w.Claim(id(i), int64(100+i%60), 50)
	}
	perID := float64(heapBytes()-before) / n
	t.Logf("%.1f bytes for each of %d live ids", perID, n)
	if perID > 100 {
		t.Errorf("%.1f bytes for each live id", perID)
	}
	runtime.KeepAlive(w)
}

func heapBytes() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func BenchmarkClaim(b *testing.B) {
	for _, live := range []int{0, 10_000, 100_000, 1_000_000} {
		b.Run(strconv.Itoa(live), func(b *testing.B) {
			w := New(maxInt, 0)
			for i := range live {
				w.Claim(id(i), int64(1000+i%60), 50)
			}
			b.ResetTimer()
			for i := 0; b.Loop(); i++ {
				w.Claim(id(live+i), int64(1000+i%60), 50)
			}
		})
	}
}

const maxInt = int(^uint(0) >> 1)
