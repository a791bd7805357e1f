package abi

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// BenchmarkVerifyHostRSA is what a verification costs beside the RSA operation.
func BenchmarkVerifyHostRSA(b *testing.B) {
	c := New()
	engine := open(b, c, map[string]any{"rsa": "host"})
	body := []byte(strings.Repeat("x", 1024))
	text, err := json.Marshal(sign(b, c, engine, string(body)))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for ticket := 1; b.Loop(); ticket++ {
		c.Call("request.verify", text, body)
		c.Call("engine.resume", fmt.Appendf(nil, `{"engine":%d,"ticket":%d,"now":%d,"valid":true}`, engine, ticket, now), nil)
	}
}
