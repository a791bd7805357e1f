package abi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tallystick/tallystick/core/digest"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/pipeline"
)

// BenchmarkVerifyHostRSA is what an accepted request costs beside the RSA
// operation, which the host would do: here it believes any signature.
func BenchmarkVerifyHostRSA(b *testing.B) {
	believe := func(string, string, []byte) pipeline.Verdict { return pipeline.Valid }
	c := NewImporting(believe)
	engine := open(b, c, map[string]any{"rsa": "import"})
	room := make([]byte, 4096)
	body := digest.Hex([]byte(strings.Repeat("x", 1024)))
	unsigned := jose.Encode64(make([]byte, 256))
	requests := make([][]byte, 100_000)
	for n := range requests {
		claims := fmt.Sprintf(`{"iss":"orchestrator","iat":%d,"exp":%d,"jti":"%032x","content_sha256":"%s","htm":"POST","htu":"https://a.example/agent"}`, now, now+60, n, body)
		token := jose.SigningInput([]byte(`{"alg":"RS256","typ":"JWT","kid":"`+pair().Public().Thumbprint()+`"}`), []byte(claims)) + "." + unsigned
		requests[n] = fmt.Appendf(nil, `{"engine":%d,"now":%d,"authorization":["Bearer %s"],"method":"POST","path":"/agent","body_sha256":"%s"}`, engine, now, token, body)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n++ {
		if n == len(requests) {
			b.Fatalf("run it with -benchtime %dx or less: each request is accepted once", len(requests))
		}
		answer := c.CallInto(room, "request.verify", requests[n], nil)
		if !strings.HasPrefix(string(answer[:6]), `{"ok":`) {
			b.Fatal(string(answer))
		}
	}
}

func BenchmarkAccessVerifyReused(b *testing.B) {
	c := New()
	open := call(b, c, "engine.open", map[string]any{"access": map[string]any{
		"base_url": "https://agents.example.com/bob", "authority": "https://portal.example",
		"keys": map[string]any{"https://portal.example": pair().Public().PEM()},
	}}, "")
	if open.Error.Code != "" {
		b.Fatal(open.Error)
	}
	engine := uint64(open.OK["engine"].(float64))
	header := `{"alg":"RS256","typ":"JWT","kid":"` + pair().Public().Thumbprint() + `"}`
	payload := fmt.Sprintf(`{"iss":"https://portal.example","sub":"alice","aud":"https://agents.example.com/bob","iat":%d,"nbf":%d,"exp":%d,"jti":"0123456789abcdef0123456789abcdef","scope":"read write","client_id":"alice","token_type":"Bearer","agent_path":"/agents","aoauth":{"mode":"portal","agent_url":"https://portal.example/agents/alice"}}`, now, now, now+300)
	input := jose.SigningInput([]byte(header), []byte(payload))
	signature, p := jose.Sign(input, pair())
	if p != nil {
		b.Fatal(p)
	}
	request := fmt.Appendf(nil, `{"engine":%d,"now":%d,"authorization":["Bearer %s"],"method":"POST","path":"/chat"}`, engine, now, input+"."+jose.Encode64(signature))
	for b.Loop() {
		if answer := c.Call("access.verify", request, nil); answer[2] != 'o' {
			b.Fatal(string(answer))
		}
	}
}
