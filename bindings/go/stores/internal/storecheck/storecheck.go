// Package storecheck has what the tests of the stores share.
package storecheck

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tallystick/tallystick/bindings/go"
)

// NewID returns an id that nobody has claimed.
func NewID() string {
	return fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64())
}

var (
	wrongIDs = []string{"", strings.Repeat("0", 31), strings.Repeat("0", 33), strings.Repeat("A", 32),
		strings.Repeat("g", 32), strings.Repeat("0", 31) + "\n", strings.Repeat("é", 16)}
	wrongSeconds = []int64{0, -1, 1<<31 + 1}
	wrongNames   = []string{"", strings.Repeat("a", 201), "a/b", "a b", "ä", "a\n"}
)

// RefusesWrongArguments checks that a store refuses wrong arguments with its setting and what they
// must be like, and takes the largest that are right.
func RefusesWrongArguments(t *testing.T, store tallystick.ValueStore) {
	t.Helper()
	ctx := context.Background()
	refused := func(what string, err error, must string) {
		t.Helper()
		if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprint(store)+": ") || !strings.Contains(err.Error(), must) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, id := range wrongIDs {
		const must = "id must be 32 lower-case hex digits"
		_, err := store.Claim(ctx, id, 60)
		refused("claim "+id, err, must)
		refused("put "+id, store.Put(ctx, id, nil, 60), must)
		_, _, err = store.Get(ctx, id)
		refused("get "+id, err, must)
		_, _, err = store.Take(ctx, id)
		refused("take "+id, err, must)
	}
	for _, seconds := range wrongSeconds {
		const must = "seconds must be 1 to 2^31"
		_, err := store.Claim(ctx, NewID(), seconds)
		refused(fmt.Sprint("claim for ", seconds), err, must)
		refused(fmt.Sprint("put for ", seconds), store.Put(ctx, NewID(), nil, seconds), must)
	}
	large := make([]byte, 64<<10+1)
	refused("put", store.Put(ctx, NewID(), large, 60), "value must be at most 64 KiB")
	if err := store.Put(ctx, NewID(), large[1:], 1<<31); err != nil {
		t.Error(err)
	}
	if free, err := store.Claim(ctx, NewID(), 1<<31); !free || err != nil {
		t.Error(free, err)
	}
	if documents, ok := store.(tallystick.DocumentStore); ok {
		refusesWrongDocuments(t, documents, refused)
	}
}

func refusesWrongDocuments(t *testing.T, store tallystick.DocumentStore, refused func(string, error, string)) {
	t.Helper()
	ctx := context.Background()
	for _, name := range wrongNames {
		const must = "name must be 1 to 200 of A-Z a-z 0-9 . _ -"
		_, _, err := store.Read(ctx, name)
		refused("read "+name, err, must)
		_, err = store.Write(ctx, name, 0, nil)
		refused("write "+name, err, must)
	}
	_, err := store.Write(ctx, "name", -1, nil)
	refused("write -1", err, "expectedVersion must be 0 or more")
	_, err = store.Write(ctx, "name", 0, make([]byte, 8<<20+1))
	refused("write", err, "document must be at most 8 MiB")
	name := "A-z0_9." + strings.Repeat("a", 193)
	if wrote, err := store.Write(ctx, name, 0, nil); !wrote || err != nil {
		t.Error(wrote, err)
	}
}
