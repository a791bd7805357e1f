package pipeline

import (
	"strings"
	"sync"
	"testing"

	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/problem"
)

var ownKey, otherKey = sync.OnceValue(generated(2048)), sync.OnceValue(generated(2048))
var largeKey = sync.OnceValue(generated(3072))

func generated(bits int) func() *jose.PrivateKey {
	return func() *jose.PrivateKey {
		key, err := jose.Generate(bits)
		if err != nil {
			panic(err)
		}
		return key
	}
}

// signedToken is a token of the first key.
func signedToken(t *testing.T) *jose.Token {
	t.Helper()
	input := jose.SigningInput([]byte(`{"alg":"RS256"}`), []byte(`{"iss":"a"}`))
	signature, p := jose.Sign(input, ownKey())
	if p != nil {
		t.Fatal(p)
	}
	token, p := jose.Parse(jose.AddPart(input, signature))
	if p != nil {
		t.Fatal(p)
	}
	return token
}

// search looks for the key, by whomever checks, and ends in the id of the key.
func search(t *testing.T, rsa RSA) *KeySearch {
	return &KeySearch{Token: signedToken(t), Issuer: "a", RSA: rsa, Now: new(float64), Found: func(id string) need.Step { return need.Done(id) }}
}

func TestTheCoreFindsTheKey(t *testing.T) {
	own, other, large := ownKey().Public(), otherKey().Public(), largeKey().Public()
	for _, c := range []struct {
		name  string
		keys  []*jose.PublicKey
		found bool
	}{
		{"alone", []*jose.PublicKey{own}, true},
		{"behind another", []*jose.PublicKey{other, own}, true},
		{"behind one of another size", []*jose.PublicKey{large, own}, true},
		{"not there", []*jose.PublicKey{other, large}, false},
		{"no keys", nil, false},
	} {
		step := search(t, RSA{}).Among(c.keys)
		switch {
		case c.found && step.Result != own.Thumbprint():
			t.Errorf("%s: %+v", c.name, step)
		case !c.found && code(step.Problem) != problem.InvalidSignature:
			t.Errorf("%s: %+v", c.name, step)
		}
	}
}

func TestWhereNoKeyMadeIt(t *testing.T) {
	s := search(t, RSA{})
	s.None = func(need.Step) need.Step { return need.Done("looked elsewhere") }
	if step := s.Among([]*jose.PublicKey{otherKey().Public()}); step.Result != "looked elsewhere" {
		t.Errorf("%+v", step)
	}
}

// The host is asked for one key after another, never for one whose size does not fit.
func TestTheHostChecks(t *testing.T) {
	own, other, large := ownKey().Public(), otherKey().Public(), largeKey().Public()
	begin := func() need.Step {
		step := search(t, RSA{Host: true}).Among([]*jose.PublicKey{large, other, own})
		if step.Need == nil || step.Need.Kind != need.Check || step.Need.Key != other.Thumbprint() {
			t.Fatalf("%+v", step)
		}
		return step
	}
	next := begin().Resume(need.Answer{HasValid: true})
	if next.Need == nil || next.Need.Key != own.Thumbprint() {
		t.Fatalf("%+v", next)
	}
	if end := next.Resume(need.Answer{HasValid: true, Valid: true}); end.Result != own.Thumbprint() {
		t.Errorf("a valid signature: %+v", end)
	}
	for name, c := range map[string]struct {
		answer need.Answer
		want   problem.Code
	}{
		"it failed":          {need.Answer{HasFailed: true, Failed: "out of order"}, problem.CheckFailed},
		"it says nothing":    {need.Answer{}, problem.InvalidArgument},
		"valid, not as such": {need.Answer{Valid: true}, problem.InvalidArgument},
		"failed and valid":   {need.Answer{HasFailed: true, HasValid: true, Valid: true}, problem.CheckFailed},
	} {
		if end := begin().Resume(c.answer); code(end.Problem) != c.want {
			t.Errorf("%s: %+v", name, end)
		}
	}
}

func TestTheHostChecksWithinTheCall(t *testing.T) {
	own, other := ownKey().Public(), otherKey().Public()
	says := func(verdicts map[string]Verdict) RSA {
		return RSA{Host: true, Now: func(key, _ string, _ []byte) Verdict { return verdicts[key] }}
	}
	keys := []*jose.PublicKey{other, own}
	valid := says(map[string]Verdict{other.Thumbprint(): Invalid, own.Thumbprint(): Valid})
	if step := search(t, valid).Among(keys); step.Result != own.Thumbprint() {
		t.Errorf("valid: %+v", step)
	}
	invalid := says(map[string]Verdict{other.Thumbprint(): Invalid, own.Thumbprint(): Invalid})
	if step := search(t, invalid).Among(keys); code(step.Problem) != problem.InvalidSignature {
		t.Errorf("invalid: %+v", step)
	}
	cannot := says(map[string]Verdict{other.Thumbprint(): Invalid})
	if step := search(t, cannot).Among(keys); step.Need == nil || step.Need.Key != own.Thumbprint() {
		t.Errorf("unanswered: %+v", step)
	}
}

func TestWhatASignerMade(t *testing.T) {
	token := signedToken(t)
	own, other, large := ownKey().Public(), otherKey().Public(), largeKey().Public()
	made := need.Answer{Signature: token.Signature}
	for _, c := range []struct {
		name   string
		by     By
		public *jose.PublicKey
		answer need.Answer
		want   problem.Code
	}{
		{"its own", ByExternal, own, made, ""},
		{"by another key", ByExternal, other, made, problem.SignerFailed},
		{"by another key, and the host's own crypto is believed", ByHost, other, made, ""},
		{"of another size, by whomever", ByHost, large, made, problem.SignerFailed},
		{"without a known key", ByExternal, nil, made, ""},
		{"without a known key, too short", ByExternal, nil, need.Answer{Signature: make([]byte, 255)}, problem.SignerFailed},
		{"without a known key, too long", ByExternal, nil, need.Answer{Signature: make([]byte, 1025)}, problem.SignerFailed},
		{"failed", ByExternal, own, need.Answer{HasFailed: true, Signature: token.Signature}, problem.SignerFailed},
		{"nothing", ByExternal, own, need.Answer{}, problem.SignerFailed},
	} {
		signature, p := c.by.Made(c.public, token.SigningInput, c.answer)
		if got := code(p); got != c.want || (p == nil) != (signature != nil) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// A header never chooses: a key of another algorithm is not tried, whatever it could verify.
func TestAKeyIsGoodForOneAlgorithm(t *testing.T) {
	rs := ownKey().Public()
	ps, err := jose.OnePublic([]byte(strings.Replace(rs.JWK(), "RS256", "PS256", 1)))
	if err != nil {
		t.Fatal(err)
	}
	ec, err := jose.GenerateType(jose.TypeEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	step := search(t, RSA{}).Among([]*jose.PublicKey{ps.Public, ec.Public()})
	if code(step.Problem) != problem.UnsupportedAlgorithm || !strings.Contains(step.Problem.Log, "says RS256, and its key is for ES256") {
		t.Errorf("%+v", step)
	}
	if step := search(t, RSA{}).Among([]*jose.PublicKey{ps.Public, ec.Public(), rs}); step.Result != rs.Thumbprint() {
		t.Errorf("%+v", step)
	}
	if step := search(t, RSA{}).Among([]*jose.PublicKey{ps.Public, otherKey().Public()}); code(step.Problem) != problem.InvalidSignature {
		t.Errorf("%+v", step)
	}
}

func TestAlgorithmsAreNarrowed(t *testing.T) {
	token := signedToken(t)
	for _, names := range [][]string{nil, {"RS256"}, {"ES256", "RS256"}} {
		allowed, err := NewAllowed(names)
		if err != nil || allowed.Check(token) != nil {
			t.Error(names, err)
		}
	}
	allowed, err := NewAllowed([]string{"ES256", "EdDSA"})
	if err != nil || code(allowed.Check(token)) != problem.UnsupportedAlgorithm {
		t.Error(err)
	}
	for _, names := range [][]string{{}, {""}, {"none"}, {"HS256"}, {"Ed25519"}, {"rs256"}, {"RS256", "x"}} {
		if _, err := NewAllowed(names); err == nil {
			t.Error(names)
		}
	}
}
