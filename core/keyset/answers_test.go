package keyset

import (
	"strings"
	"testing"

	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/problem"
)

// Each refused answer stands beside an accepted one that differs in one thing.
func TestAnswersOfDiscovery(t *testing.T) {
	good := document(issuer, issuer+"/keys")
	for _, c := range []struct {
		name              string
		source            Source
		accepted, refused need.Answer
		log               string
	}{
		{"another issuer", stranger, reply(good), reply(document(issuer+"/", issuer+"/keys")), "discovery document is of issuer"},
		{"upper-case issuer", stranger, reply(good), reply(document("https://Issuer.example", issuer+"/keys")), "discovery document is of issuer"},
		{"no issuer", stranger, reply(good), reply(`{"jwks_uri":"https://issuer.example/keys"}`), "discovery document is of issuer"},
		{"no jwks_uri", stranger, reply(good), reply(`{"issuer":"https://issuer.example"}`), "no jwks_uri"},
		{"jwks_uri is no string", stranger, reply(good), reply(`{"issuer":"https://issuer.example","jwks_uri":["https://issuer.example/keys"]}`), "no jwks_uri"},
		{"plain http", stranger, reply(good), reply(document(issuer, "http://issuer.example/keys")), "not https"},
		{"user name", stranger, reply(good), reply(document(issuer, "https://a@issuer.example/keys")), "user name"},
		{"fragment", stranger, reply(good), reply(document(issuer, issuer+"/keys#a")), "fragment"},
		{"another scheme", stranger, reply(good), reply(document(issuer, "file:///etc/passwd")), "http"},
		{"HTML", stranger, reply(good), reply(good, "content-type", "text/html"), "not JSON"},
		{"a member twice", stranger, reply(good), reply(`{"issuer":"x",` + good[1:]), "twice"},
		{"server error", stranger, status(404), status(500), "status 500"},
		{"too many requests", stranger, status(410), status(429), "status 429"},
		{"redirect", stranger, status(403), status(302), "redirect"},
		{"failure", stranger, status(404), failed("timed out"), "timed out"},
	} {
		try := func(a need.Answer) (string, *problem.Problem) {
			h := newHost(t, 3600, 10)
			h.web[issuer+pathDiscovery] = a
			h.web[issuer+"/keys"] = reply(jwks(jwk(0)))
			h.web[issuer+pathKeys] = reply(jwks(jwk(0)))
			step := h.drive(h.begin(c.source, kid(0)))
			return outcomeOf(step), step.Problem
		}
		if got, p := try(c.accepted); got != "1" {
			t.Errorf("%s: the accepted twin gave %s (%+v)", c.name, got, p)
		}
		got, p := try(c.refused)
		if got != "keys_unavailable" || !strings.Contains(p.Log, c.log) || p.Message != problem.Lookup(p.Code).Text {
			t.Errorf("%s: %s, %+v", c.name, got, p)
		}
	}
}

func TestAnswersOfKeys(t *testing.T) {
	good := jwks(jwk(0))
	many := strings.Repeat(`{"kty":"EC"},`, 63)
	for _, c := range []struct {
		name              string
		accepted, refused need.Answer
		log               string
	}{
		{"content type", reply(good, "content-type", "application/jwk-set+json"), reply(good, "content-type", "text/html"), "not JSON"},
		{"content type with parameters", reply(good, "content-type", "Application/JSON; charset=utf-8"), reply(good, "content-type", "application/jsonp"), "not JSON"},
		{"content type with a suffix", reply(good, "content-type", "application/x+json"), reply(good, "content-type", ""), "not JSON"},
		{"status", reply(good), need.Answer{Status: 206, Content: []byte(good), Headers: map[string]string{"content-type": "application/json"}}, "status 206"},
		{"missing", reply(good), status(404), "status 404"},
		{"not modified, though nothing is there", reply(good), status(304), "redirect"},
		{"size", reply(good + strings.Repeat(" ", maxBytes-len(good))), reply(good + strings.Repeat(" ", maxBytes-len(good)+1)), "262144"},
		{"number of keys", reply(jwks(many + jwk(0))), reply(jwks(many + `{"kty":"EC"},` + jwk(0))), "at most 64"},
		{"not strict", reply(good), reply(`{"keys":[],` + good[1:]), "twice"},
		{"no array", reply(good), reply(`{"keys":{}}`), "no array"},
		{"no keys", reply(good), reply(`{}`), "no array"},
		{"not an object", reply(good), reply(`[]`), "not a JSON object"},
		{"failure", reply(good), failed("connection\nrefused"), `connection\nrefused`},
	} {
		try := func(a need.Answer) (string, *problem.Problem) {
			h := newHost(t, 3600, 10)
			h.web[issuer+pathDiscovery] = reply(document(issuer, issuer+"/keys"))
			h.web[issuer+"/keys"] = a
			step := h.drive(h.begin(stranger, kid(0)))
			return outcomeOf(step), step.Problem
		}
		if got, p := try(c.accepted); got != "1" {
			t.Errorf("%s: the accepted twin gave %s (%+v)", c.name, got, p)
		}
		got, p := try(c.refused)
		if got != "keys_unavailable" || !strings.Contains(p.Log, c.log) || p.Message != problem.Lookup(p.Code).Text {
			t.Errorf("%s: %s, %+v", c.name, got, p)
		}
	}
}

func TestUnsuitableKeysAreSkipped(t *testing.T) {
	good := strings.TrimPrefix(jwk(1), "{")
	for name, entry := range map[string]string{
		"EC":               `{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"x"}`,
		"oct":              `{"kty":"oct","k":"AAAA","kid":"x"}`,
		"private":          pair(1).JWK(),
		"private d alone":  `{"d":"AQAB",` + good,
		"for encryption":   strings.Replace(jwk(1), `"use":"sig"`, `"use":"enc"`, 1),
		"RS512":            strings.Replace(jwk(1), `"alg":"RS256"`, `"alg":"RS512"`, 1),
		"even exponent":    strings.Replace(jwk(1), `"e":"AQAB"`, `"e":"AQAA"`, 1),
		"weak":             `{"kty":"RSA","n":"` + strings.Repeat("_", 100) + `","e":"AQAB"}`,
		"a set inside":     `{"keys":[` + jwk(1) + `]}`,
		"no object":        `"key"`,
		"a long kid":       `{"kid":"` + strings.Repeat("k", 300) + `",` + strings.Replace(good, `"kid"`, `"kid2"`, 1),
		"a kid of no text": `{"kid":7,` + strings.Replace(good, `"kid"`, `"kid2"`, 1),
	} {
		h := newHost(t, 3600, 10)
		h.publish(issuer, jwks(entry, jwk(0)))
		if got, _ := h.find(stranger, kid(0)); got != "1" {
			t.Errorf("%s: its neighbour is lost: %s", name, got)
		}
		if e := h.cache.Entries(h.now)[0]; e.Keys != 1 || !strings.Contains(e.Note, "not used") {
			t.Errorf("%s: %+v", name, e)
		}
		step := h.drive(h.begin(stranger, kid(1)))
		if outcomeOf(step) != "unknown_key" || !strings.Contains(step.Problem.Log, "not used") {
			t.Errorf("%s: it is used, or the log is silent: %+v", name, step)
		}
	}
	h := newHost(t, 3600, 10)
	h.publish(issuer, jwks(jwk(1), jwk(0)))
	h.expect(stranger, kid(1), "1", 2)
}

func TestCandidates(t *testing.T) {
	named := func(i int, id string) string {
		return strings.Replace(jwk(i), `"kid":"`+kid(i)+`"`, `"kid":"`+id+`"`, 1)
	}
	bare := func(i int) string { return strings.Replace(jwk(i), `"kid":"`+kid(i)+`",`, "", 1) }
	for _, c := range []struct{ name, set, kid, want string }{
		{"duplicate kids", jwks(named(0, "a"), named(1, "a")), "a", "2"},
		{"by the key's own kid", jwks(named(0, "a"), named(1, "b")), "b", "1"},
		{"by thumbprint", jwks(named(0, "a")), kid(0), "1"},
		{"another kid", jwks(named(0, "a")), "c", "unknown_key"},
		{"no kid in the token", jwks(named(0, "a"), named(1, "b")), "", "2"},
		{"no kids in the set", jwks(bare(0), bare(1)), "a", "2"},
		{"empty", jwks(), "a", "unknown_key"},
		{"empty, no kid", jwks(), "", "unknown_key"},
	} {
		h := newHost(t, 3600, 10)
		h.publish(issuer, c.set)
		h.expect(stranger, c.kid, c.want, 2)
	}
}
