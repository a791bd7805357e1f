package abi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tallystick/tallystick/core/digest"
	"github.com/tallystick/tallystick/core/jose"
)

// BenchmarkVerifyHostRSA is what an accepted request costs beside the RSA
// operation, which the host would do: here it believes any signature.
func BenchmarkVerifyHostRSA(b *testing.B) {
	c := New()
	engine := open(b, c, map[string]any{"rsa": "host"})
	body := digest.Hex([]byte(strings.Repeat("x", 1024)))
	signature := jose.Encode64(make([]byte, 256))
	requests := make([][]byte, 100_000)
	for n := range requests {
		claims := fmt.Sprintf(`{"iss":"orchestrator","iat":%d,"exp":%d,"jti":"%032x","content_sha256":"%s","htm":"POST","htu":"https://a.example/agent"}`, now, now+60, n, body)
		token := jose.SigningInput([]byte(`{"alg":"RS256","typ":"JWT","kid":"`+pair().Public().Thumbprint()+`"}`), []byte(claims)) + "." + signature
		requests[n] = fmt.Appendf(nil, `{"engine":%d,"now":%d,"authorization":["Bearer %s"],"method":"POST","path":"/agent","body_sha256":"%s"}`, engine, now, token, body)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n++ {
		if n == len(requests) {
			b.Fatalf("run it with -benchtime %dx or less: each request is accepted once", len(requests))
		}
		c.Call("request.verify", requests[n], nil)
		answer := c.Call("engine.resume", fmt.Appendf(nil, `{"engine":%d,"ticket":%d,"now":%d,"valid":true}`, engine, n+1, now), nil)
		if !strings.HasPrefix(string(answer[:6]), `{"ok":`) {
			b.Fatal(string(answer))
		}
	}
}
