package keyring

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

const now = 1_800_000_000.5

// keys are made when they are asked for: most tests want a few.
var keys = func() (all [20]func() *jose.PrivateKey) {
	for i := range all {
		all[i] = sync.OnceValue(func() *jose.PrivateKey {
			key, err := jose.Generate(2048)
			if err != nil {
				panic(err)
			}
			return key
		})
	}
	return all
}()

func pair(i int) *jose.PrivateKey { return keys[i]() }

func pem(i int) string { return pair(i).PEM() }

func kid(i int) string { return pair(i).Public().Thumbprint() }

func entry(i int, state, more string) string {
	return fmt.Sprintf(`{"kid":%q,"state":%q,"private_pem":%q,"published_at":0%s}`, kid(i), state, pem(i), more)
}

func document(entries ...string) string {
	return `{"version":1,"keys":[` + strings.Join(entries, ",") + `]}`
}

func update(t *testing.T, r *Ring, o Options) Updated {
	t.Helper()
	if o.Lifetime == 0 {
		o.Lifetime = 330
	}
	if o.Now == 0 {
		o.Now = now
	}
	u, p := Update(r, o)
	if p != nil {
		t.Fatal(p)
	}
	return u
}

// ids are the ring's keys in their order.
func ids(r *Ring) string {
	names := []string{}
	for _, key := range r.keys {
		for i := range keys {
			if key.ID == kid(i) {
				names = append(names, fmt.Sprintf("%s %d", key.State, i))
				break
			}
		}
	}
	return strings.Join(names, ", ")
}

// Each refused document stands beside an accepted one that differs in one thing.
func TestParse(t *testing.T) {
	active := entry(0, "active", "")
	retired := func(n int) string {
		list := []string{active}
		for i := range n {
			list = append(list, entry(1+i, "retired", `,"dead_at":5`))
		}
		return document(list...)
	}
	kms := strings.Replace(active, fmt.Sprintf(`"private_pem":%q`, pem(0)), fmt.Sprintf(`"public_pem":%q`, pair(0).Public().PEM()), 1)
	for _, c := range []struct{ name, accepted, refused, says string }{
		{"version", document(active), strings.Replace(document(active), `"version":1`, `"version":2`, 1), "version"},
		{"version as text", document(active), strings.Replace(document(active), `"version":1`, `"version":"1"`, 1), "version"},
		{"no version", document(active), `{"keys":[` + active + `]}`, "version"},
		{"no active key", document(active), document(entry(0, "next", "")), "0 active"},
		{"no key", document(active), document(), "0 active"},
		{"two active keys", document(active, entry(1, "next", "")), document(active, entry(1, "active", "")), "2 active"},
		{"two next keys", document(active, entry(1, "next", "")), document(active, entry(1, "next", ""), entry(2, "next", "")), "2 keys are next"},
		{"17 retired keys", retired(16), retired(17), "17 retired"},
		{"a key twice", document(active, entry(1, "next", "")), document(active, entry(0, "next", "")), "twice"},
		{"another state", document(active), document(entry(0, "Active", "")), "state"},
		{"another kid", document(active), strings.Replace(document(active), kid(0), kid(1), 1), "thumbprint"},
		{"another key", document(active), document(strings.Replace(active, fmt.Sprintf("%q", pem(0)), fmt.Sprintf("%q", pem(1)), 1)), "thumbprint"},
		{"a KMS and a private key", document(kms), document(strings.Replace(kms, `"public_pem"`, `"private_pem":"x","public_pem"`, 1)), "KMS"},
		{"a public key as private_pem", document(kms), document(strings.Replace(kms, `"public_pem"`, `"private_pem"`, 1)), "private_pem"},
		{"a private key as public_pem", document(active), document(strings.Replace(active, `"private_pem"`, `"public_pem"`, 1)), "public_pem"},
		{"no PEM", document(active), document(fmt.Sprintf(`{"kid":%q,"state":"active","published_at":0}`, kid(0))), "KMS"},
		{"no published_at", document(active), document(strings.Replace(active, `,"published_at":0`, "", 1)), "published_at"},
		{"published_at as text", document(active), document(strings.Replace(active, `"published_at":0`, `"published_at":"0"`, 1)), "published_at"},
		{"retired without dead_at", retired(1), document(active, entry(1, "retired", "")), "dead_at"},
		{"active with dead_at", document(active), document(entry(0, "active", `,"dead_at":5`)), "dead_at"},
		{"unknown member", document(active), document(entry(0, "active", `,"use":"sig"`)), "unknown member"},
		{"unknown member of the document", document(active), `{"note":"",` + document(active)[1:], "unknown member"},
		{"a member twice", document(active), document(entry(0, "active", `,"published_at":0`)), "twice"},
		{"no object", document(active), document(active, "null"), "not an object"},
		{"no array", document(active), `{"version":1,"keys":{}}`, "array"},
		{"no JSON", document(active), pem(0), "JSON"},
	} {
		if _, p := Parse(c.accepted); p != nil {
			t.Errorf("%s: the accepted twin: %v", c.name, p)
		}
		_, p := Parse(c.refused)
		if p == nil || p.Code != problem.InvalidConfig || !strings.Contains(p.Message, c.says) || !strings.Contains(p.Message, "restore") {
			t.Errorf("%s: %v", c.name, p)
		}
		if p != nil && strings.Contains(p.Message+p.Log, "PRIVATE KEY") {
			t.Errorf("%s: the message shows a key", c.name)
		}
	}
}

func TestLife(t *testing.T) {
	u := update(t, nil, Options{})
	if u.Missing != 2 || u.Ring != nil || u.Changed {
		t.Fatalf("no key: %+v", u)
	}
	if u = update(t, nil, Options{Fresh: []string{pem(0)}}); u.Missing != 1 || u.Ring != nil {
		t.Fatalf("one key: %+v", u)
	}
	u = update(t, nil, Options{Fresh: []string{pem(0), pem(1)}})
	if !u.Changed || u.Rotated || u.Missing != 0 || ids(u.Ring) != "active 0, next 1" {
		t.Fatalf("%+v %s", u, ids(u.Ring))
	}
	first := u.Ring
	if u = update(t, first, Options{Fresh: []string{pem(2)}}); u.Changed || u.Ring != first {
		t.Errorf("nothing to do, and yet %+v", u)
	}
	if u = update(t, first, Options{Rotate: true, Publish: 300}); u.Missing != 1 || u.Changed || u.Ring != first {
		t.Errorf("rotation without a key: %+v", u)
	}
	if u = update(t, first, Options{Rotate: true, Publish: 300, Fresh: []string{pem(0)}}); u.Missing != 1 || u.Changed {
		t.Errorf("rotation with a key of the ring itself: %+v", u)
	}
	u = update(t, first, Options{Rotate: true, Publish: 300, Fresh: []string{pem(2)}})
	if !u.Changed || !u.Rotated || ids(u.Ring) != "active 1, next 2, retired 0" || ids(first) != "active 0, next 1" {
		t.Errorf("%+v %s", u, ids(u.Ring))
	}
	second := u.Ring
	if dead := second.Retired()[0].DeadAt; dead != 1_800_000_331 {
		t.Errorf("dead at %f", dead)
	}
	read, p := Parse(second.Document())
	if p != nil || read.Document() != second.Document() || ids(read) != ids(second) {
		t.Errorf("written and read: %v", p)
	}
	if n := len(read.Public(now + 330)); n != 3 {
		t.Errorf("%d published while a token lives", n)
	}
	if n := len(read.Public(now + 331)); n != 2 {
		t.Errorf("%d published when all are dead", n)
	}
	if u = update(t, read, Options{Now: now + 330}); u.Changed {
		t.Error("dropped too soon")
	}
	if u = update(t, read, Options{Now: now + 331}); !u.Changed || u.Rotated || ids(u.Ring) != "active 1, next 2" {
		t.Errorf("not dropped: %+v", u)
	}
}

func TestRotationHasItsTime(t *testing.T) {
	ring := update(t, nil, Options{Rotate: true, Fresh: []string{pem(0), pem(1), pem(2)}}).Ring
	for _, c := range []struct {
		name string
		o    Options
		says string
	}{
		{"at once", Options{Now: now, Publish: 300}, "300 seconds"},
		{"too early", Options{Now: now + 299, Publish: 300}, "rotate in 1 seconds"},
		{"in time", Options{Now: now + 300, Publish: 300}, ""},
		{"by force", Options{Now: now, Publish: 300, Force: true}, ""},
		{"without a wait", Options{Now: now, Publish: 0}, ""},
		{"the clock stepped back", Options{Now: now - 1000, Publish: 300}, "0 of 300"},
	} {
		c.o.Rotate, c.o.Lifetime, c.o.Fresh = true, 330, []string{pem(3)}
		u, p := Update(ring, c.o)
		if c.says == "" && (p != nil || !u.Rotated) || c.says != "" && (p == nil || p.Code != problem.InvalidArgument || !strings.Contains(p.Message, c.says)) {
			t.Errorf("%s: %+v %v", c.name, u, p)
		}
	}
}

func TestRotationWithoutNext(t *testing.T) {
	alone, p := Parse(document(entry(0, "active", "")))
	if p != nil {
		t.Fatal(p)
	}
	if _, p := Update(alone, Options{Now: now, Lifetime: 1, Rotate: true, Fresh: []string{pem(1), pem(2)}}); p == nil || !strings.Contains(p.Message, "no next key") {
		t.Errorf("%v", p)
	}
	u := update(t, alone, Options{Rotate: true, Force: true, Fresh: []string{pem(1), pem(2)}})
	if ids(u.Ring) != "active 1, next 2, retired 0" {
		t.Error(ids(u.Ring))
	}
	if u = update(t, alone, Options{}); u.Missing != 1 {
		t.Errorf("%+v", u)
	}
	u = update(t, alone, Options{Fresh: []string{pem(1)}})
	if next, there := u.Ring.Next(); !there || next.PublishedAt != 1_800_000_000 || !u.Changed || u.Rotated {
		t.Errorf("%+v", u)
	}
}

func TestSeventeenthRotationWaits(t *testing.T) {
	ring := update(t, nil, Options{Fresh: []string{pem(0), pem(1)}}).Ring
	for i := range 16 {
		ring = update(t, ring, Options{Rotate: true, Force: true, Fresh: []string{pem(2 + i)}}).Ring
	}
	if _, p := Parse(ring.Document()); p != nil {
		t.Error(p)
	}
	_, p := Update(ring, Options{Now: now, Lifetime: 330, Rotate: true, Force: true, Fresh: []string{pem(18)}})
	if p == nil || !strings.Contains(p.Message, "rotate in 331 seconds") {
		t.Errorf("%v", p)
	}
	u := update(t, ring, Options{Now: now + 331, Rotate: true, Fresh: []string{pem(18)}})
	if ids(u.Ring) != "active 17, next 18, retired 16" {
		t.Error(ids(u.Ring))
	}
}

func TestOptions(t *testing.T) {
	public := pair(1).Public().PEM()
	good := Options{Now: now, Lifetime: 330, Fresh: []string{pem(0), pem(1)}}
	for _, c := range []struct {
		name   string
		change func(*Options)
		code   problem.Code
	}{
		{"nothing", func(o *Options) {}, ""},
		{"a public key for a KMS", func(o *Options) { o.Fresh[1] = public }, ""},
		{"the right bits", func(o *Options) { o.Bits = 2048 }, ""},
		{"no lifetime", func(o *Options) { o.Lifetime = 0 }, problem.InvalidArgument},
		{"a long lifetime", func(o *Options) { o.Lifetime = maxLifetime + 1 }, problem.InvalidArgument},
		{"publish", func(o *Options) { o.Publish = -1 }, problem.InvalidArgument},
		{"a long publish", func(o *Options) { o.Publish = maxPublish + 1 }, problem.InvalidArgument},
		{"odd bits", func(o *Options) { o.Bits = 2047 }, problem.InvalidArgument},
		{"other bits", func(o *Options) { o.Bits = 3072 }, problem.InvalidKey},
		{"many keys", func(o *Options) { o.Fresh = slices.Repeat(o.Fresh, 5) }, problem.InvalidArgument},
		{"no key", func(o *Options) { o.Fresh[0] = "x" }, problem.InvalidKey},
		{"two keys in one text", func(o *Options) { o.Fresh[0] += o.Fresh[1] }, problem.InvalidKey},
	} {
		o := good
		o.Fresh = slices.Clone(o.Fresh)
		c.change(&o)
		u, p := Update(nil, o)
		if c.code == "" && (p != nil || !u.Changed) || c.code != "" && (p == nil || p.Code != c.code) {
			t.Errorf("%s: %+v %v", c.name, u, p)
		}
		if p != nil && strings.Contains(p.Message, "PRIVATE") {
			t.Errorf("%s: the message shows a key", c.name)
		}
	}
	o := good
	o.Fresh = []string{pem(0), pem(0)}
	if u, p := Update(nil, o); p != nil || u.Missing != 1 {
		t.Errorf("one key twice: %+v %v", u, p)
	}
	// The first of a new ring may be an old agent's key.
	imported := Options{Now: now, Lifetime: 1, Bits: 3072, Fresh: good.Fresh[:1]}
	if u, p := Update(nil, imported); p != nil || u.Missing != 1 {
		t.Errorf("an imported key: %+v %v", u, p)
	}
	imported.Fresh = good.Fresh
	if _, p := Update(nil, imported); p == nil || !strings.Contains(p.Message, "fresh[1]") {
		t.Errorf("the second key too: %v", p)
	}
}

func TestJWKS(t *testing.T) {
	ring := update(t, nil, Options{Rotate: true, Fresh: []string{pem(0), pem(1), pem(2)}}).Ring
	text := ring.JWKS(now)
	if err := strictjson.CheckObject([]byte(text)); err != nil || text != ring.JWKS(now+1) {
		t.Errorf("%v: %s", err, text)
	}
	published, err := jose.ParseKeys([]byte(text))
	if err != nil || len(published) != 3 {
		t.Fatalf("%d keys, %v", len(published), err)
	}
	for i, want := range []int{1, 2, 0} {
		if published[i].ID != kid(want) || published[i].Private != nil || published[i].Public.Thumbprint() != kid(want) {
			t.Errorf("key %d is %s", i, published[i].ID)
		}
	}
	if !strings.Contains(text, `"use":"sig","alg":"RS256"`) {
		t.Error(text)
	}
	if found, there := ring.Key(kid(2)); !there || found.State != Next {
		t.Errorf("%+v", found)
	}
	if _, there := ring.Key("x"); there {
		t.Error("a key of no name")
	}
}

func TestPrintingShowsNoKey(t *testing.T) {
	ring := update(t, nil, Options{Fresh: []string{pem(0), pem(1)}}).Ring
	secret := strings.Split(pem(0), "\n")[3]
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		shown := fmt.Sprintf(format+format+format, ring, *ring, ring.Active())
		if strings.Contains(shown, "PRIVATE") || strings.Contains(shown, secret) || strings.Contains(shown, "Primes") {
			t.Errorf("%s shows a private key: %s", format, shown)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(document(entry(0, "active", ""), entry(1, "next", "")))
	f.Add(document(entry(0, "active", ""), entry(1, "retired", `,"dead_at":1.5`)))
	f.Add(`{"version":1,"keys":[]}`)
	public := fmt.Sprintf(`{"kid":%q,"state":"active","public_pem":%q,"published_at":1.5}`, kid(0), pair(0).Public().PEM())
	f.Add(document(public))
	f.Add(document(public, public))
	f.Fuzz(func(t *testing.T, text string) {
		ring, p := Parse(text)
		if p != nil {
			return
		}
		again, p := Parse(ring.Document())
		if p != nil || again.Document() != ring.Document() {
			t.Fatalf("%q is written as another ring: %v", text, p)
		}
		if ring.Active().State != Active || len(ring.Public(now)) == 0 {
			t.Fatalf("%q has no active key", text)
		}
	})
}

func TestRevokeLeavesNoOldKey(t *testing.T) {
	old := Options{Now: now, Lifetime: 330}
	for range 2 {
		key, err := jose.Generate(2048)
		if err != nil {
			t.Fatal(err)
		}
		old.Fresh = append(old.Fresh, key.PEM())
	}
	first, p := Update(nil, old)
	if p != nil {
		t.Fatal(p)
	}
	again := Options{Now: now + 1, Lifetime: 330, Revoke: true, Fresh: old.Fresh}
	if updated, p := Update(first.Ring, again); p != nil || updated.Missing != 2 || updated.Changed {
		t.Fatalf("its own keys count as fresh: %+v, %v", updated, p)
	}
	for range 2 {
		key, err := jose.Generate(2048)
		if err != nil {
			t.Fatal(err)
		}
		again.Fresh = append(again.Fresh, key.PEM())
	}
	updated, p := Update(first.Ring, again)
	if p != nil || !updated.Changed || !updated.Rotated {
		t.Fatalf("%+v, %v", updated, p)
	}
	for _, key := range updated.Ring.Public(now) {
		if _, there := first.Ring.Key(key.Thumbprint()); there {
			t.Error("an old key is published")
		}
	}
	if _, there := updated.Ring.Next(); !there || len(updated.Ring.Retired()) != 0 {
		t.Error("the new ring has no next key, or retired ones")
	}
}

// A host that checks asks for a key by its name. A ring has none for PS256: its PEM could not say so.
func TestNamed(t *testing.T) {
	var none *Ring
	if none.Named("x") != nil {
		t.Error("no ring has a key")
	}
	key, err := jose.Generate(2048)
	if err != nil {
		t.Fatal(err)
	}
	id := key.Public().Thumbprint()
	document := func(public string) string {
		text, _ := json.Marshal(map[string]any{"version": 1, "keys": []map[string]any{
			{"kid": id, "state": "active", "public_pem": public, "published_at": 0},
		}})
		return string(text)
	}
	r, p := Parse(document(key.Public().JWK()))
	if p != nil {
		t.Fatal(p)
	}
	if named := r.Named(id); named == nil || named.Algorithm() != jose.RS256 || r.Named(id+".PS256") != nil {
		t.Errorf("%v", named)
	}
	if _, p := Parse(document(strings.Replace(key.Public().JWK(), "RS256", "PS256", 1))); p == nil {
		t.Error("a key for PS256 is accepted")
	}
}
