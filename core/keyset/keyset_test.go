package keyset

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/need"
)

const (
	start  = 1_800_000_000.0
	issuer = "https://issuer.example"
)

// pair returns the i-th of a few keys that all tests share.
func pair(i int) *jose.PrivateKey { return pairs()[i] }

var pairs = sync.OnceValue(func() [3]*jose.PrivateKey {
	var keys [3]*jose.PrivateKey
	for i := range keys {
		key, err := jose.Generate(2048)
		if err != nil {
			panic(err)
		}
		keys[i] = key
	}
	return keys
})

func kid(i int) string { return pair(i).Public().Thumbprint() }

func jwks(entries ...string) string { return `{"keys":[` + strings.Join(entries, ",") + `]}` }

func jwk(i int) string { return pair(i).Public().JWK() }

// reply is an answer of a server of JSON.
func reply(body string, headers ...string) need.Answer {
	a := need.Answer{Status: 200, Content: []byte(body), Headers: map[string]string{"content-type": "application/json"}}
	for i := 0; i < len(headers); i += 2 {
		a.Headers[headers[i]] = headers[i+1]
	}
	return a
}

func status(code int) need.Answer { return need.Answer{Status: code} }

func failed(reason string) need.Answer { return need.Answer{HasFailed: true, Failed: reason} }

func document(iss, jwksURI string) string {
	return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q,"token_endpoint":%q}`, iss, jwksURI, iss+"/token")
}

// web answers by URL; what is not there is a 404.
type web map[string]need.Answer

// host drives steps as a binding does, and writes down what it fetched.
type host struct {
	t       *testing.T
	cache   *Cache
	web     web
	now     float64
	fetched []need.HTTP
}

func newHost(t *testing.T, ttl float64, capacity int) *host {
	return &host{t: t, cache: New(ttl, capacity), web: web{}, now: start}
}

// publish serves a set through discovery.
func (h *host) publish(iss, set string, headers ...string) {
	h.web[iss+pathDiscovery] = reply(document(iss, iss+"/keys"))
	h.web[iss+"/keys"] = reply(set, headers...)
}

func (h *host) answer(n *need.Need) need.Answer {
	if n.Kind != need.Fetch {
		h.t.Fatalf("need %q", n.Kind)
	}
	h.fetched = append(h.fetched, *n.Request)
	a, there := h.web[n.Request.URL]
	if !there {
		a = status(404)
	}
	a.Now = h.now
	return a
}

func (h *host) drive(step need.Step) need.Step {
	for range 20 {
		if step.Need == nil {
			return step
		}
		step = step.Resume(h.answer(step.Need))
	}
	h.t.Fatal("does not end")
	return step
}

func (h *host) begin(s Source, kid string) need.Step {
	return h.cache.Find(h.now, s, rs256(kid), func(now float64, keys []*jose.PublicKey) need.Step {
		if now != h.now {
			h.t.Errorf("found at %f, it is %f", now, h.now)
		}
		return need.Done(keys)
	})
}

// find returns the number of keys, or the code of the problem, and the fetches it took.
func (h *host) find(s Source, kid string) (outcome string, fetches int) {
	before := len(h.fetched)
	step := h.drive(h.begin(s, kid))
	return outcomeOf(step), len(h.fetched) - before
}

func outcomeOf(step need.Step) string {
	if step.Problem != nil {
		return string(step.Problem.Code)
	}
	return fmt.Sprint(len(step.Result.([]*jose.PublicKey)))
}

func (h *host) expect(s Source, kid, outcome string, fetches int) {
	h.t.Helper()
	got, n := h.find(s, kid)
	if got != outcome || n != fetches {
		h.t.Errorf("at +%.0f s: %s after %d fetches, want %s after %d", h.now-start, got, n, outcome, fetches)
	}
}

var stranger = Source{Issuer: issuer}

func TestDiscoveryThenKeysThenNothing(t *testing.T) {
	h := newHost(t, 3600, 10)
	h.publish(issuer, jwks(jwk(0)))
	h.expect(stranger, kid(0), "1", 2)
	h.expect(stranger, kid(0), "1", 0)
	h.expect(stranger, "", "1", 0)
	first, second := h.fetched[0], h.fetched[1]
	if first.URL != issuer+"/.well-known/openid-configuration" || second.URL != issuer+"/keys" {
		t.Errorf("fetched %s and %s", first.URL, second.URL)
	}
	if !second.Public || second.Redirects != 0 || second.MaxBytes != 262144 || second.Timeout != 5 || second.Method != "GET" || first.Flight == second.Flight {
		t.Errorf("%+v", second)
	}
	h.now += 3600
	h.expect(stranger, kid(0), "1", 2)
}

func TestHoldsAndKey(t *testing.T) {
	h := newHost(t, 100, 10)
	h.publish(issuer, jwks(jwk(0)))
	if h.cache.Holds(h.now, issuer, kid(0)) || h.cache.Key(kid(0)) != nil {
		t.Error("held before it was fetched")
	}
	h.expect(stranger, kid(0), "1", 2)
	if !h.cache.Holds(h.now, issuer, kid(0)) || h.cache.Holds(h.now, issuer, kid(1)) || h.cache.Holds(h.now, issuer+"x", kid(0)) {
		t.Error("holds something else than the set")
	}
	if key := h.cache.Key(kid(0)); key == nil || key.Thumbprint() != kid(0) {
		t.Error("no key for its thumbprint")
	}
	h.now += 100
	if h.cache.Holds(h.now, issuer, kid(0)) {
		t.Error("held at its end")
	}
	if e := h.cache.Entries(h.now); len(e) != 1 || e[0].ExpiresIn != 0 || e[0].Keys != 1 || e[0].URL != issuer+"/keys" {
		t.Errorf("%+v", e)
	}
}

// A key is shared between issuers by its name: another's modulus for PS256 is another key.
func TestOneModulusForTwoAlgorithms(t *testing.T) {
	h := newHost(t, 100, 10)
	ps256 := strings.Replace(jwk(0), "RS256", "PS256", 1)
	h.publish("https://stranger.example", jwks(ps256))
	h.publish(issuer, jwks(jwk(0)))
	for _, c := range []struct {
		issuer    string
		algorithm jose.Algorithm
	}{{"https://stranger.example", jose.PS256}, {issuer, jose.RS256}} {
		source, wanted := stranger, Wanted{KeyID: kid(0), Algorithm: c.algorithm}
		source.Issuer = c.issuer
		found := h.drive(h.cache.Find(h.now, source, wanted, func(_ float64, keys []*jose.PublicKey) need.Step {
			return need.Done(keys)
		}))
		keys, _ := found.Result.([]*jose.PublicKey)
		if len(keys) != 1 || keys[0].Algorithm() != c.algorithm {
			t.Errorf("%s: %+v", c.issuer, found)
		}
		name := jose.KeyName(kid(0), c.algorithm)
		if key := h.cache.Key(name); key == nil || key.Algorithm() != c.algorithm {
			t.Errorf("%s is not %s", name, c.algorithm)
		}
		if !h.cache.Holds(h.now, c.issuer, name) {
			t.Errorf("%s: %s is not held", c.issuer, name)
		}
	}
	if h.cache.Holds(h.now, issuer, jose.KeyName(kid(0), jose.PS256)) {
		t.Error("holds a key for an algorithm that its set does not have")
	}
}

func rs256(kid string) Wanted { return Wanted{KeyID: kid, Algorithm: jose.RS256} }
