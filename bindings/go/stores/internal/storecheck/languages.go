package storecheck

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/bindings/go/internal/peers"
)

// Others are processes of Python's and of Node's package that have opened the store of a test, each
// by its own code.
type Others map[string]*peers.Peer

// OpenOthers starts two processes of each language, whose stores of a kind ("sqlite", "redis" or
// "postgresql") are where the test's is: at a path or a URL. It skips the test where a language is
// not installed.
func OpenOthers(t testing.TB, kind, where string) Others {
	t.Helper()
	python, node := peers.Python(t, "peer.py"), peers.Node(t)
	others := Others{"Python": peers.Start(t, python), "Node": peers.Start(t, node)}
	others["another Python"] = peers.Start(t, peers.Python(t, "peer.py"))
	others["another Node"] = peers.Start(t, peers.Node(t))
	var all sync.WaitGroup // they make a file or its tables at the same moment, too
	for name, other := range others {
		all.Go(func() {
			if wrong := other.Try(nil, "store", kind, where); wrong != "" {
				t.Error(name, wrong)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return others
}

// each is the store in each language.
func (o Others) each(t testing.TB, store tallystick.ValueStore) map[string]language {
	all := map[string]language{"Go": inGo{t, store}}
	for name, other := range o {
		all[name] = elsewhere{other}
	}
	return all
}

// language is a store as one of them has it. Values are in hex; "": there is none.
type language interface {
	claim(id string, seconds int64) bool
	put(id, value string, seconds int64)
	get(id string) string
	take(id string) string
	read(name string) (version int64, document string)
	write(name string, expected int64, document string) bool
}

type inGo struct {
	t     testing.TB
	store tallystick.ValueStore
}

func (g inGo) fail(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Error(err)
	}
}

func (g inGo) claim(id string, seconds int64) bool {
	free, err := g.store.Claim(context.Background(), id, seconds)
	g.fail(err)
	return free
}

func (g inGo) put(id, value string, seconds int64) {
	g.fail(g.store.Put(context.Background(), id, g.bytes(value), seconds))
}

func (g inGo) get(id string) string {
	value, _, err := g.store.Get(context.Background(), id)
	g.fail(err)
	return hex.EncodeToString(value)
}

func (g inGo) take(id string) string {
	value, _, err := g.store.Take(context.Background(), id)
	g.fail(err)
	return hex.EncodeToString(value)
}

func (g inGo) read(name string) (int64, string) {
	version, document, err := g.store.(tallystick.DocumentStore).Read(context.Background(), name)
	g.fail(err)
	return version, hex.EncodeToString(document)
}

func (g inGo) write(name string, expected int64, document string) bool {
	wrote, err := g.store.(tallystick.DocumentStore).Write(context.Background(), name, expected, g.bytes(document))
	g.fail(err)
	return wrote
}

func (g inGo) bytes(value string) []byte {
	decoded, err := hex.DecodeString(value)
	g.fail(err)
	return decoded
}

type elsewhere struct{ peer *peers.Peer }

func (e elsewhere) must(into any, task ...any) {
	e.peer.T.Helper()
	if wrong := e.peer.Try(into, task...); wrong != "" {
		e.peer.T.Error(task[0], wrong) // from any goroutine
	}
}

func (e elsewhere) claim(id string, seconds int64) (free bool) {
	e.must(&free, "claim", id, seconds)
	return free
}

func (e elsewhere) put(id, value string, seconds int64) { e.must(nil, "put", id, value, seconds) }

func (e elsewhere) get(id string) (value string) {
	e.must(&value, "get", id)
	return value
}

func (e elsewhere) take(id string) (value string) {
	e.must(&value, "take", id)
	return value
}

func (e elsewhere) read(name string) (int64, string) {
	var found struct {
		Version int64
		Value   string
	}
	e.must(&found, "read", name)
	return found.Version, found.Value
}

func (e elsewhere) write(name string, expected int64, document string) (wrote bool) {
	e.must(&wrote, "write", name, expected, document)
	return wrote
}

// atOnce has all languages do one thing at one time, and returns what each was told.
func atOnce[T any](all map[string]language, do func(language) T) map[string]T {
	var done sync.WaitGroup
	var lock sync.Mutex
	said := map[string]T{}
	for name, each := range all {
		done.Go(func() {
			answer := do(each)
			lock.Lock()
			defer lock.Unlock()
			said[name] = answer
		})
	}
	done.Wait()
	return said
}

// Race has four claimants of each process claim the same ids at the same time: each id has one
// winner among all. It returns the ids.
func (o Others) Race(t testing.TB, store tallystick.Store, number int) []string {
	t.Helper()
	ids := make([]string, number)
	for at := range ids {
		ids[at] = NewID()
	}
	var all sync.WaitGroup
	var lock sync.Mutex
	winners, won := map[string]int{}, map[string]int{}
	add := func(who string, free []string) {
		lock.Lock()
		defer lock.Unlock()
		won[who] += len(free)
		for _, id := range free {
			winners[id]++
		}
	}
	for name, other := range o {
		all.Go(func() {
			var free []string
			if wrong := other.Try(&free, "claim_all", ids); wrong != "" {
				t.Error(name, wrong)
			}
			add(name, free)
		})
	}
	for range 4 {
		all.Go(func() { add("Go", claimAll(t, store, ids)) })
	}
	all.Wait()
	for _, id := range ids {
		if winners[id] != 1 {
			t.Errorf("%s has %d winners", id, winners[id])
		}
	}
	if len(winners) != number || slices.Max(slices.Collect(maps.Values(won))) == number {
		t.Errorf("%d ids were won, by %v", len(winners), won)
	}
	t.Log("won by ", won)
	return ids
}

func claimAll(t testing.TB, store tallystick.Store, ids []string) (free []string) {
	for _, at := range rand.Perm(len(ids)) {
		got, err := store.Claim(context.Background(), ids[at], 600)
		if err != nil {
			t.Error(err)
			return free
		}
		if got {
			free = append(free, ids[at])
		}
	}
	return free
}

// Agree checks that what one language stored is there for every other, for as long as it was said:
// used ids and values.
func (o Others) Agree(t testing.TB, store tallystick.ValueStore) {
	t.Helper()
	all := o.each(t, store)
	used, short, put := map[string]string{}, map[string]string{}, map[string]string{}
	for who, one := range all {
		used[who], short[who], put[who] = NewID(), NewID(), NewID()
		if !one.claim(used[who], 600) || !one.claim(short[who], 1) {
			t.Error(who, "cannot claim what is free")
		}
		one.put(put[who], value, 1)
	}
	for who := range all {
		for other, free := range atOnce(all, func(l language) bool { return l.claim(used[who], 600) }) {
			if free {
				t.Error(other, "claims what is used by", who)
			}
		}
		agreeOnAValue(t, who, all)
	}
	for who := range all {
		expires(t, who, all, short[who], put[who])
		if free := all[who].claim(used[who], 600); free {
			t.Error(who, "claims what is used")
		}
	}
}

const value = "00ff0d0a275c"

// expires waits until an id is free again, for one and for no other, and a value gone.
func expires(t testing.TB, who string, all map[string]language, id, put string) {
	t.Helper()
	winners := 0
	end := time.Now().Add(20 * time.Second)
	for winners == 0 && time.Now().Before(end) {
		for _, free := range atOnce(all, func(l language) bool { return l.claim(id, 600) }) {
			if free {
				winners++
			}
		}
	}
	if winners != 1 {
		t.Error(winners, "claim what expired after", who)
	}
	for other, each := range all {
		for each.get(put) != "" {
			if time.Now().After(end) {
				t.Fatal(other, " still gets what ", who, " put for a second")
			}
		}
	}
}

func agreeOnAValue(t testing.TB, who string, all map[string]language) {
	t.Helper()
	id := NewID()
	all[who].put(id, "aa", 600)
	all[who].put(id, value, 600)
	for other, found := range atOnce(all, func(l language) string { return l.get(id) }) {
		if found != value {
			t.Errorf("%s gets %q from %s", other, found, who)
		}
	}
	takers := 0
	for other, found := range atOnce(all, func(l language) string { return l.take(id) }) {
		if found != "" {
			takers++
		}
		if found != "" && found != value {
			t.Errorf("%s takes %q from %s", other, found, who)
		}
	}
	if takers != 1 {
		t.Error(takers, "take the value of", who)
	}
}

// AgreeOnDocuments checks that each language reads what every other wrote, and that of all that
// write the next version one does.
func (o Others) AgreeOnDocuments(t testing.TB, store tallystick.DocumentStore) {
	t.Helper()
	all := o.each(t, store)
	name, version := "doc-"+NewID(), int64(0)
	for who, one := range all {
		document := hex.EncodeToString([]byte("\x00\xff" + who))
		if !one.write(name, version, document) {
			t.Fatal(who, " cannot write version ", version+1)
		}
		version++
		stale := atOnce(all, func(l language) bool { return l.write(name, version-1, "aa") })
		for other, found := range atOnce(all, func(l language) string { return read(l, name) }) {
			if want := fmt.Sprint(version, " ", document); found != want || stale[other] {
				t.Errorf("%s reads %q and not %q from %s, and writes an old version: %t", other, found, want, who, stale[other])
			}
		}
	}
	for range 20 {
		wrote := atOnce(all, func(l language) bool { return l.write(name, version, "bb") })
		winners := slices.DeleteFunc(slices.Collect(maps.Values(wrote)), func(won bool) bool { return !won })
		if version++; len(winners) != 1 {
			t.Errorf("version %d was written by %v", version, wrote)
		}
	}
	for other, found := range atOnce(all, func(l language) string { return read(l, name) }) {
		if want := fmt.Sprint(version, " bb"); found != want {
			t.Errorf("%s reads %q, not %q", other, found, want)
		}
	}
}

func read(l language, name string) string {
	version, document := l.read(name)
	return fmt.Sprint(version, " ", document)
}
