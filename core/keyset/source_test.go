package keyset

import (
	"fmt"
	"testing"

	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/problem"
)

func TestWhereKeysAreLookedFor(t *testing.T) {
	for _, c := range []struct {
		name   string
		source Source
		at     string // what has the keys
		want   string
	}{
		{"well known", stranger, issuer + "/.well-known/jwks.json", "1"},
		{"well known, slash at the end", Source{Issuer: issuer + "/"}, issuer + "/.well-known/jwks.json", "1"},
		{"portal of an authority", Source{Issuer: issuer, Configured: true, Authority: true}, issuer + "/api/auth/jwks", "1"},
		{"portal of a stranger", stranger, issuer + "/api/auth/jwks", "keys_unavailable"},
		{"fixed", Source{Issuer: issuer, Configured: true, JWKSURI: "https://10.0.0.1/set"}, "https://10.0.0.1/set", "1"},
		{"fixed, issuer is a name", Source{Issuer: "partner", Configured: true, JWKSURI: "https://p.example/set"}, "https://p.example/set", "1"},
		{"fixed, elsewhere", Source{Issuer: issuer, Configured: true, JWKSURI: "https://10.0.0.1/set"}, issuer + "/.well-known/jwks.json", "keys_unavailable"},
	} {
		h := newHost(t, 3600, 10)
		h.web[c.at] = reply(jwks(jwk(0)))
		if got, _ := h.find(c.source, kid(0)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestIssuersThatCannotBeAsked(t *testing.T) {
	for _, c := range []struct {
		name   string
		source Source
		asked  bool
	}{
		{"https", Source{Issuer: "https://a.example/x"}, true},
		{"port", Source{Issuer: "https://a.example:8443"}, true},
		{"upper case", Source{Issuer: "https://A.example"}, true},
		{"http", Source{Issuer: "http://a.example"}, false},
		{"http, configured", Source{Issuer: "http://a.example", Configured: true}, false},
		{"http on loopback, configured", Source{Issuer: "http://127.0.0.1:8000", Configured: true}, true},
		{"http, development", Source{Issuer: "http://127.0.0.1:8000", HTTPAllowed: true}, true},
		{"user", Source{Issuer: "https://b@a.example"}, false},
		{"query", Source{Issuer: "https://a.example/?x="}, false},
		{"query, configured", Source{Issuer: "https://a.example/?x=", Configured: true}, false},
		{"fragment", Source{Issuer: "https://a.example/#"}, false},
		{"dot segment", Source{Issuer: "https://a.example/b/../c"}, false},
		{"encoded dot segment", Source{Issuer: "https://a.example/b/%2e%2E/c"}, false},
		{"dot at the end of the host", Source{Issuer: "https://a.example."}, false},
		{"name", Source{Issuer: "orchestrator"}, false},
		{"white space", Source{Issuer: "https://a.example/ b"}, false},
		{"another scheme", Source{Issuer: "ftp://a.example"}, false},
	} {
		h := newHost(t, 3600, 10)
		step := h.begin(c.source, "")
		if asked := step.Need != nil; asked != c.asked {
			t.Errorf("%s: asked %v", c.name, asked)
		}
		if !c.asked && (step.Problem.Code != problem.UnknownIssuer || h.cache.Stats().Cached != 0) {
			t.Errorf("%s: %+v, %d entries", c.name, step.Problem, h.cache.Stats().Cached)
		}
	}
}

func TestWhichAddresses(t *testing.T) {
	local := "http://127.0.0.1:8000"
	for _, c := range []struct {
		name   string
		source Source
		jwks   string
		public bool
		want   string
	}{
		{"stranger", Source{Issuer: issuer}, "https://10.0.0.1/keys", true, "1"},
		{"configured", Source{Issuer: issuer, Configured: true}, "https://10.0.0.1/keys", false, "1"},
		{"configured, http on loopback", Source{Issuer: issuer, Configured: true}, "http://127.0.0.1/keys", false, "1"},
		{"configured, http", Source{Issuer: issuer, Configured: true}, "http://10.0.0.1/keys", false, "keys_unavailable"},
		{"development, own origin", Source{Issuer: local, HTTPAllowed: true}, local + "/keys", false, "1"},
		{"development, another origin", Source{Issuer: local, HTTPAllowed: true}, "https://127.0.0.1:9000/keys", true, "1"},
		{"development, another origin, http", Source{Issuer: local, HTTPAllowed: true}, "http://127.0.0.1:9000/keys", true, "keys_unavailable"},
	} {
		h := newHost(t, 3600, 10)
		h.web[c.source.Issuer+pathDiscovery] = reply(document(c.source.Issuer, c.jwks))
		h.web[c.jwks] = reply(jwks(jwk(0)))
		got, _ := h.find(c.source, "")
		last := h.fetched[len(h.fetched)-1]
		if got != c.want || got == "1" && (last.Public != c.public || last.Redirects > 0 != c.source.Configured) {
			t.Errorf("%s: %s, %+v", c.name, got, last)
		}
	}
}

func TestTokenEndpoint(t *testing.T) {
	authority := Source{Issuer: issuer, Configured: true, Authority: true}
	endpoint := func(h *host) (string, *problem.Problem) {
		step := h.drive(h.cache.TokenEndpoint(h.now, authority, func(_ float64, url string) need.Step { return need.Done(url) }))
		if step.Problem != nil {
			return "", step.Problem
		}
		return step.Result.(string), nil
	}
	without := fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, issuer, issuer+"/keys")
	for _, c := range []struct {
		name   string
		answer need.Answer
		want   string
		asked  int
	}{
		{"named", reply(document(issuer, issuer+"/keys")), issuer + "/token", 1},
		{"no discovery", status(404), issuer + "/auth/token", 2},
		{"not named", reply(without), "", 1},
		{"no http URL", reply(without[:len(without)-1] + `,"token_endpoint":"mailto:a@b"}`), "", 1},
		{"another issuer", reply(document(issuer+"x", issuer+"/keys")), "", 1},
		{"down", failed("down"), "", 1},
	} {
		h := newHost(t, 100, 10)
		h.web[issuer+pathDiscovery] = c.answer
		got, p := endpoint(h)
		if got != c.want || len(h.fetched) != c.asked {
			t.Errorf("%s: %q after %d fetches, %+v", c.name, got, len(h.fetched), p)
		}
		if c.want == "" && (p.Code != problem.TokenUnavailable || p.Log == "") {
			t.Errorf("%s: %+v", c.name, p)
		}
		if endpoint(h); len(h.fetched) != c.asked {
			t.Errorf("%s: asked again at once", c.name)
		}
	}
	h := newHost(t, 100, 10)
	h.publish(issuer, jwks(jwk(0)))
	endpoint(h)
	h.expect(authority, kid(0), "1", 1) // discovery is shared
	h.now += 100
	h.web[issuer+pathDiscovery] = failed("down")
	if got, p := endpoint(h); got != issuer+"/token" {
		t.Errorf("stale: %q %+v", got, p)
	}
	h.now += maxStale
	if got, _ := endpoint(h); got != "" {
		t.Error("a day too stale")
	}
}
