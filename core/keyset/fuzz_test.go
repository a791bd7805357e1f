package keyset

import (
	"strings"
	"testing"

	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/strictjson"
)

// FuzzAnswer gives any bytes as the answer to discovery and as a JWKS: a usable
// outcome comes of strict JSON from a JSON type alone, and of bounded size.
func FuzzAnswer(f *testing.F) {
	f.Add(200, "application/json", "max-age=60", []byte(document(issuer, issuer+"/keys")))
	f.Add(200, "application/jwk-set+json", "no-store", []byte(jwks(jwk(0), `{"kty":"EC"}`)))
	f.Add(200, "application/json", `max-age="1"`, []byte(`{"keys":[{"kty":"RSA","keys":[]},7,null]}`))
	f.Add(200, "text/html", "", []byte("<html>"))
	f.Add(404, "", "", []byte{})
	f.Fuzz(func(t *testing.T, status int, contentType, cacheControl string, body []byte) {
		for _, at := range []stage{discovery, keys} {
			p := &pending{stage: at, request: request{url: issuer}}
			a := need.Answer{Status: status, Content: body, Headers: map[string]string{"content-type": contentType, "cache-control": cacheControl}}
			got := p.read(stranger, 3600, a)
			if got.set == nil && got.located == nil {
				if got.fault == "" {
					t.Fatal("neither a fault nor an outcome")
				}
				continue
			}
			if status != 200 || strictjson.CheckObject(body) != nil || !strings.Contains(strings.ToLower(contentType), "json") {
				t.Fatalf("%d %q %q was taken", status, contentType, body)
			}
			if got.lifetime < 60 || got.lifetime > 3600 {
				t.Fatalf("a lifetime of %f of %q", got.lifetime, cacheControl)
			}
			if got.located != nil && stranger.checkURL(got.located.url) != nil {
				t.Fatalf("located at %q", got.located.url)
			}
			if got.set != nil && len(got.set.issuer.Keys) > maxKeys {
				t.Fatal("too many keys")
			}
		}
	})
}

// FuzzHistory plays any order of searches, answers, failures and clocks: nothing
// panics, the lists and the bound hold, and every search comes to an end.
func FuzzHistory(f *testing.F) {
	f.Add([]byte{0, 10, 20, 30, 40, 50, 60, 70, 80, 90})
	f.Add([]byte("a clock that steps back, a host that fails, an issuer that churns"))
	f.Add([]byte{255, 0, 255, 1, 254, 2, 253, 3, 128, 64, 32, 16, 8})
	f.Fuzz(func(t *testing.T, script []byte) {
		c := New(100, 4)
		now := start
		waiting := []need.Step{}
		begin := func(b byte) need.Step {
			s := Source{Issuer: name(int(b) % 7), Configured: b%7 == 0, Authority: b%7 == 0}
			if b%5 == 0 {
				return c.TokenEndpoint(now, s, func(float64, string) need.Step { return need.Done(1) })
			}
			return c.Find(now, s, rs256(kid(int(b)%2)), func(_ float64, found []*jose.PublicKey) need.Step {
				if len(found) == 0 {
					t.Fatal("found nothing")
				}
				return need.Done(1)
			})
		}
		for _, b := range script {
			switch b % 4 {
			case 0:
				now += float64(b)
			case 1:
				now -= float64(b) * 3
			case 2:
				if step := begin(b / 4); step.Need != nil {
					waiting = append(waiting, step)
				}
			case 3:
				if len(waiting) == 0 {
					continue
				}
				i := int(b/4) % len(waiting)
				waiting[i] = waiting[i].Resume(answerOf(waiting[i].Need.Request, b, now))
				if waiting[i].Need == nil {
					waiting = append(waiting[:i], waiting[i+1:]...)
				}
			}
			check(t, c)
		}
		for _, step := range waiting {
			for range maxAsks + 1 {
				if step.Need == nil {
					break
				}
				step = step.Resume(answerOf(step.Need.Request, 12, now))
			}
			if step.Need != nil {
				t.Fatal("a search does not end")
			}
		}
		check(t, c)
	})
}

func answerOf(r *need.HTTP, b byte, now float64) need.Answer {
	a := status(404)
	switch {
	case b%16 == 3:
		a = failed("down")
	case b%16 == 7:
		a = status(304)
	case strings.HasSuffix(r.URL, pathDiscovery) && b%16 != 11:
		iss := strings.TrimSuffix(r.URL, pathDiscovery)
		a = reply(document(iss, iss+"/keys"))
	case strings.HasSuffix(r.URL, "keys"):
		a = reply(jwks(jwk(int(b/16)%2)), "etag", `"a"`)
	}
	a.Now = now
	return a
}

func check(t *testing.T, c *Cache) {
	t.Helper()
	if n := c.idle.Len() + c.flying.Len() + c.configured.Len(); n != len(c.entries) || n > c.capacity || len(c.flights) > n || len(c.keys) > 3 || c.weight < 0 {
		t.Fatalf("%d in lists, %d entries, %d flights, %d keys, weight %d", n, len(c.entries), len(c.flights), len(c.keys), c.weight)
	}
	for _, e := range c.entries {
		if (e.home == c.flying) != (e.pending != nil && !e.source.Configured) {
			t.Fatal("an entry is in the wrong list")
		}
	}
}
