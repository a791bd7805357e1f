package memory_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/bindings/go/stores/internal/storecheck"
	"github.com/tallystick/tallystick/bindings/go/stores/memory"
	"github.com/tallystick/tallystick/bindings/go/storetest"
)

var _ tallystick.ValueStore = (*memory.Store)(nil)

func newStore(t *testing.T, options memory.Options) *memory.Store {
	t.Helper()
	store, err := memory.New(options)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestStoreTest(t *testing.T) {
	open := func(string) (tallystick.Store, error) { return memory.New(memory.Options{}) }
	storetest.Run(t, open, storetest.Options{Processes: 1})
}

func TestRefusesWrongArguments(t *testing.T) {
	storecheck.RefusesWrongArguments(t, newStore(t, memory.Options{}))
	for _, options := range []memory.Options{{MostClaims: -1}, {MostValues: -1}} {
		if store, err := memory.New(options); err == nil || store != nil {
			t.Errorf("%+v was taken: %v", options, store)
		}
	}
}

func TestAFullStoreRefusesAndForgetsNothing(t *testing.T) {
	ctx := context.Background()
	store := newStore(t, memory.Options{MostClaims: 3, MostValues: 3})
	id := func(number int) string { return fmt.Sprintf("%032x", number) }
	for number := range 3 {
		if free, err := store.Claim(ctx, id(number), 60); !free || err != nil {
			t.Fatal(free, err)
		}
		if err := store.Put(ctx, id(number), nil, 60); err != nil {
			t.Fatal(err)
		}
	}
	if free, err := store.Claim(ctx, id(3), 60); free || err == nil ||
		!strings.HasPrefix(err.Error(), "store memory: is full (3 that have not expired): raise its option MostClaims") {
		t.Fatal(free, err)
	}
	if err := store.Put(ctx, id(3), nil, 60); err == nil || !strings.Contains(err.Error(), "MostValues") {
		t.Fatal(err)
	}
	if free, err := store.Claim(ctx, id(0), 60); free || err != nil {
		t.Fatal("a claim was forgotten", free, err)
	}
	if err := store.Put(ctx, id(0), []byte("other"), 60); err != nil {
		t.Fatal("a value that is there may be replaced", err)
	}
	if value, there, err := store.Get(ctx, id(0)); string(value) != "other" || !there || err != nil {
		t.Fatal(value, there, err)
	}
}

func TestAValueIsACopy(t *testing.T) {
	ctx := context.Background()
	store, id, value := newStore(t, memory.Options{}), storecheck.NewID(), []byte("value")
	if err := store.Put(ctx, id, value, 60); err != nil {
		t.Fatal(err)
	}
	value[0] = 'X'
	found, _, _ := store.Get(ctx, id)
	found[1] = 'X'
	if again, _, _ := store.Get(ctx, id); string(again) != "value" {
		t.Fatalf("%q", again)
	}
}

func TestSaysOncePerProcessThatItIsOfOneProcess(t *testing.T) {
	var said []string
	for range 2 {
		store := newStore(t, memory.Options{})
		if err := store.Check(context.Background()); err != nil {
			t.Fatal(err)
		}
		said = append(said, store.Notices()...)
		said = append(said, store.Notices()...)
	}
	if len(said) != 1 || !strings.HasPrefix(said[0], "used tokens are remembered in the memory of this process alone") {
		t.Fatal(said)
	}
	if store := newStore(t, memory.Options{}); store.String() != "store memory:" || store.Notices() != nil {
		t.Fatal(store)
	}
}

// A clock that steps back reopens nothing: what was forgotten by the later clock is not free.
func TestAClockThatStepsBackReopensNothing(t *testing.T) {
	store, now := newStore(t, memory.Options{}), time.Unix(1_800_000_000, 0)
	store.SetClock(func() time.Time { return now })
	first := storecheck.NewID()
	for _, step := range []struct {
		id    string
		later time.Duration
		free  bool
	}{
		{first, 0, true},
		{first, 0, false},
		{storecheck.NewID(), 2 * time.Hour, true}, // may forget the first
		{first, 0, false},
		{storecheck.NewID(), 3 * time.Hour, true},
	} {
		now = time.Unix(1_800_000_000, 0).Add(step.later)
		free, err := store.Claim(context.Background(), step.id, 60)
		if free != step.free || err != nil && (free || !strings.Contains(err.Error(), "was set back")) {
			t.Errorf("%v: %v %v", step, free, err)
		}
	}
}
