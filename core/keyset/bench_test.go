package keyset

import (
	"testing"

	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/need"
)

// BenchmarkFind is what each verification with a warm set pays.
func BenchmarkFind(b *testing.B) {
	c := New(3600, 1000)
	fixed := Source{Issuer: issuer, Configured: true, JWKSURI: issuer + "/keys"}
	found := func(float64, []*jose.PublicKey) need.Step { return need.Done(1) }
	step := c.Find(start, fixed, rs256(kid(0)), found)
	a := reply(jwks(jwk(0)))
	a.Now = start
	step.Resume(a)
	b.ReportAllocs()
	for b.Loop() {
		if c.Find(start, fixed, rs256(kid(0)), found).Need != nil {
			b.Fatal("the set is not warm")
		}
	}
}

// BenchmarkChurn is one new issuer in a full cache.
func BenchmarkChurn(b *testing.B) {
	c := New(3600, 1000)
	found := func(float64, []*jose.PublicKey) need.Step { return need.Done(1) }
	a := status(500)
	a.Now = start
	for i := 0; b.Loop(); i++ {
		c.Find(start, Source{Issuer: name(i)}, rs256(""), found).Resume(a)
	}
}
