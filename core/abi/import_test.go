package abi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/pipeline"
)

// A host that is asked within the call: what it says is the answer, and where it
// says nothing the need check comes, as in a core that nobody can be asked by.
func TestImportRSA(t *testing.T) {
	var verdict pipeline.Verdict
	asked := 0
	check := func(key, input string, sig []byte) pipeline.Verdict {
		asked++
		if key != pair().Public().Thumbprint() || !pair().Public().Verify(input, sig) {
			t.Errorf("asked with key %q, %d bytes of input, %d of signature", key, len(input), len(sig))
		}
		return verdict
	}
	for _, c := range []struct {
		name    string
		core    *Core
		verdict pipeline.Verdict
		asked   int
		want    string // code, "need" or ""
	}{
		{"valid", NewImporting(check), pipeline.Valid, 1, ""},
		{"invalid", NewImporting(check), pipeline.Invalid, 1, "invalid_signature"},
		{"no answer", NewImporting(check), pipeline.Unanswered, 1, "need"},
		{"nobody to ask", New(), pipeline.Valid, 0, "need"},
	} {
		engine := open(t, c.core, map[string]any{"rsa": "import"})
		request := sign(t, c.core, engine, "body")
		asked, verdict = 0, c.verdict
		a := call(t, c.core, "request.verify", request, "body")
		got := string(a.Error.Code)
		if a.Need.Kind == "check" {
			got = "need"
		}
		if got != c.want || asked != c.asked {
			t.Errorf("%s: %q, asked %d times: %+v", c.name, got, asked, a)
		}
		if c.want != "need" {
			continue
		}
		a = call(t, c.core, "engine.resume", map[string]any{"engine": engine, "ticket": a.Ticket, "now": now, "valid": true}, "")
		if a.OK == nil {
			t.Errorf("%s, resumed: %+v", c.name, a)
		}
	}
}

// Where two keys may have signed, each is asked about, in the call or by the need.
func TestImportRSATriesEachKey(t *testing.T) {
	other, err := jose.Generate(2048)
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]pipeline.Verdict{}
	c := NewImporting(func(key, input string, sig []byte) pipeline.Verdict { return said[key] })
	engine := open(t, c, map[string]any{"rsa": "import", "keys": map[string]any{"orchestrator": other.Public().PEM() + pair().Public().PEM()}})
	input := jose.SigningInput([]byte(`{"alg":"RS256"}`), claimsOf("orchestrator", "two-keys"))
	request := map[string]any{"engine": engine, "now": now, "authorization": []any{"Bearer " + input + "." + jose.Encode64(make([]byte, 256))}, "method": "GET", "path": "/"}
	first, second := other.Public().Thumbprint(), pair().Public().Thumbprint()

	said[first] = pipeline.Invalid
	a := call(t, c, "request.verify", request, "")
	if a.Need.Kind != "check" || a.Need.Key != second {
		t.Errorf("the second key is unknown to the host: %+v", a)
	}
	said[second] = pipeline.Invalid
	if a = call(t, c, "request.verify", request, ""); a.Error.Code != "invalid_signature" {
		t.Errorf("neither: %+v", a)
	}
	said[second] = pipeline.Valid
	if a = call(t, c, "request.verify", request, ""); a.OK["key_id"] != second {
		t.Errorf("the second: %+v", a)
	}
}

func claimsOf(issuer, jti string) []byte {
	return fmt.Appendf(nil, `{"iss":%q,"iat":%d,"exp":%d,"jti":%q,"content_sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}`, issuer, now, now+60, jti)
}

// The memory of a verification is used again. Each of many at once, of which some
// wait for an answer while others pass, must still be told of its own token alone.
func TestVerificationsKeepApart(t *testing.T) {
	c := NewImporting(func(key, input string, sig []byte) pipeline.Verdict { return pipeline.Verdict(sig[0]) })
	engines := []uint64{open(t, c, map[string]any{"rsa": "import"}), open(t, c, map[string]any{"rsa": "import", "replay": "host"})}
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			engine := engines[worker%2]
			waiting := map[uint64]string{}
			for n := range 300 {
				jti := fmt.Sprintf("%d-%d-%s", worker, n, strings.Repeat("j", n%200))
				sig := make([]byte, 256)
				sig[0] = byte(n % 3)
				header := []byte(`{"alg":"RS256"}`)
				if n%7 == 0 {
					header = []byte(`{"alg":"RS256","kid":"` + pair().Public().Thumbprint() + `"}`)
				}
				token := jose.SigningInput(header, claimsOf("orchestrator", jti)) + "." + jose.Encode64(sig)
				text := fmt.Appendf(nil, `{"engine":%d,"now":%d,"authorization":["Bearer %s"],"method":"GET","path":"/"}`, engine, now, token)
				answer := c.Call("request.verify", text, nil)
				clear(text) // it was borrowed for the call
				var a answerOfVerify
				if err := json.Unmarshal(answer, &a); err != nil {
					t.Error(err)
				}
				switch pipeline.Verdict(sig[0]) {
				case pipeline.Valid:
					if worker%2 == 1 {
						a.OK = a.Need.Claimed.OK
					}
					if a.OK.Claims.JTI != jti {
						t.Errorf("%s: %s", jti, answer)
					}
				case pipeline.Invalid:
					if a.Error.Code != "invalid_signature" {
						t.Errorf("%s: %s", jti, answer)
					}
				case pipeline.Unanswered:
					if a.Need.Input+"."+a.Need.Signature != token {
						t.Errorf("%s: %s", jti, answer)
					}
					waiting[a.Ticket] = jti
				}
				if len(waiting) < 20 && n < 299 {
					continue
				}
				for ticket, jti := range waiting {
					answer := c.Call("engine.resume", fmt.Appendf(nil, `{"engine":%d,"ticket":%d,"now":%d,"valid":true}`, engine, ticket, now), nil)
					if !bytes.Contains(answer, []byte(`"jti":"`+jti+`"`)) || !bytes.Contains(answer, []byte(`{"ok":`)) {
						t.Errorf("%s: %s", jti, answer)
					}
				}
				clear(waiting)
			}
		})
	}
	all.Wait()
}

type answerOfVerify struct {
	OK   verified
	Need struct {
		Input, Signature string
		Claimed          struct{ OK verified }
	}
	Ticket uint64
	Error  struct{ Code string }
}

type verified struct {
	Claims struct{ JTI string }
}

// What one token says is forgotten before the next one is read: a claim that is
// missing must not be found in the memory of a request that had it.
func TestVerificationsForget(t *testing.T) {
	c := NewImporting(func(string, string, []byte) pipeline.Verdict { return pipeline.Valid })
	engine := open(t, c, map[string]any{"rsa": "import", "require_target": true})
	verify := func(claims map[string]any) answer {
		payload, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		token := jose.SigningInput([]byte(`{"alg":"RS256"}`), payload) + "." + jose.Encode64(make([]byte, 256))
		return call(t, c, "request.verify", map[string]any{"engine": engine, "now": now, "authorization": []any{"Bearer " + token}, "method": "GET", "path": "/"}, "")
	}
	full := func(jti string) map[string]any {
		return map[string]any{"iss": "orchestrator", "iat": now, "exp": now + 60, "jti": jti, "htm": "GET", "htu": "https://a.example/",
			"content_sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}
	}
	for _, name := range []string{"iss", "exp", "jti", "htm", "htu", "content_sha256"} {
		if a := verify(full("before no " + name)); a.OK == nil {
			t.Fatalf("before no %s: %+v", name, a)
		}
		without := full("no " + name)
		delete(without, name)
		if a := verify(without); a.Error.Code != "invalid_claims" {
			t.Errorf("without %s: %+v", name, a)
		}
	}
	withAudience := full("with aud")
	withAudience["aud"] = "somebody"
	if a := verify(withAudience); a.Error.Code != "invalid_audience" {
		t.Errorf("with aud: %+v", a)
	}
	if a := verify(full("after aud")); a.OK == nil {
		t.Errorf("an aud of the request before: %+v", a)
	}
}
