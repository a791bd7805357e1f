package access

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/trust"
)

const (
	explainedNow    = 1_700_000_000
	explainedIssuer = "https://portal.example"
	explainedAgent  = "https://bob.example"
)

// explained is an agent that trusts one issuer, whose key is at hand.
func explained(t *testing.T, key *jose.PrivateKey, change func(*Options)) *Agent {
	t.Helper()
	scopes := []string{"*"}
	o := Options{
		BaseURL: explainedAgent, AllowedScopes: &scopes,
		TrustedIssuers: []trust.Issuer{{Issuer: explainedIssuer, Type: trust.TypePortal}},
		Allow:          []string{"https://nobody.invalid"},
	}
	if change != nil {
		change(&o)
	}
	config, p := o.Config()
	if p != nil {
		t.Fatal(p)
	}
	config.VerifyOnly = true
	keys, err := authorizedkeys.FromTexts(map[string]string{explainedIssuer: key.Public().PEM()})
	if err != nil {
		t.Fatal(err)
	}
	a, p := New(config, nil, keys, nil)
	if p != nil {
		t.Fatal(p)
	}
	return a
}

func signedToken(t *testing.T, key *jose.PrivateKey, header, payload string) string {
	t.Helper()
	input := jose.SigningInput([]byte(header), []byte(payload))
	signature, p := jose.Sign(input, key)
	if p != nil {
		t.Fatal(p)
	}
	return jose.AddPart(input, signature)
}

const explainedHeader = `{"alg":"EdDSA","typ":"JWT"}`

// explainedClaims are right ones, some of them in place of others.
func explainedClaims(instead ...string) string {
	claims := []string{
		`"iss":"https://portal.example"`, `"sub":"alice"`, `"aud":"https://bob.example"`,
		`"exp":1700000060`, `"iat":1700000000`, `"scope":"read"`, `"client_id":"alice"`,
	}
	for _, other := range instead {
		name, _, _ := strings.Cut(other, ":")
		claims = slices.DeleteFunc(claims, func(c string) bool { return strings.HasPrefix(c, name+":") })
		claims = append(claims, strings.TrimSuffix(other, ":"))
	}
	claims = slices.DeleteFunc(claims, func(c string) bool { return !strings.Contains(c, ":") })
	return "{" + strings.Join(claims, ",") + "}"
}

func firstOf(findings []pipeline.Finding) problem.Code {
	for _, f := range findings {
		if f.Problem != nil {
			return f.Problem.Code
		}
	}
	return ""
}

// The first problem of an explanation is the one that a verification ends with.
func TestExplainSaysWhatVerifySays(t *testing.T) {
	key, stranger := ed25519Key(t), ed25519Key(t)
	bound := `"htm":"GET","htu":"https://bob.example/","jti":"x","content_sha256":"` + strings.Repeat("0", 64) + `"`
	for name, c := range map[string]struct {
		token  string
		change func(*Options)
		want   problem.Code
	}{
		"good":         {token: signedToken(t, key, explainedHeader, explainedClaims())},
		"at+jwt":       {token: signedToken(t, key, `{"alg":"EdDSA","typ":"at+jwt"}`, explainedClaims())},
		"no token":     {want: problem.MalformedToken},
		"no claims":    {token: signedToken(t, key, explainedHeader, `[]`), want: problem.MalformedToken},
		"twice":        {token: signedToken(t, key, explainedHeader, `{"iss":1,"iss":1}`), want: problem.MalformedToken},
		"crit":         {token: signedToken(t, key, `{"alg":"EdDSA","crit":["x"]}`, explainedClaims()), want: problem.MalformedToken},
		"algorithm":    {token: signedToken(t, key, `{"alg":"HS256"}`, explainedClaims()), want: problem.UnsupportedAlgorithm},
		"key's":        {token: signedToken(t, key, `{"alg":"ES256"}`, explainedClaims()), want: problem.UnsupportedAlgorithm},
		"no issuer":    {token: signedToken(t, key, explainedHeader, explainedClaims(`"iss":`)), want: problem.InvalidClaims},
		"other issuer": {token: signedToken(t, key, explainedHeader, explainedClaims(`"iss":"https://x.example"`)), want: problem.UnknownIssuer},
		"denied": {
			token:  signedToken(t, key, explainedHeader, explainedClaims()),
			change: func(o *Options) { o.Deny = []string{explainedIssuer} }, want: problem.IssuerDenied,
		},
		"signature": {token: signedToken(t, stranger, explainedHeader, explainedClaims()), want: problem.InvalidSignature},
		"expired":   {token: signedToken(t, key, explainedHeader, explainedClaims(`"exp":1699990000`, `"iat":1699980000`)), want: problem.TokenExpired},
		"no sub":    {token: signedToken(t, key, explainedHeader, explainedClaims(`"sub":`)), want: problem.InvalidClaims},
		"no aud":    {token: signedToken(t, key, explainedHeader, explainedClaims(`"aud":`)), want: problem.InvalidClaims},
		"audience":  {token: signedToken(t, key, explainedHeader, explainedClaims(`"aud":"x"`)), want: problem.InvalidAudience},
		"bound":     {token: signedToken(t, key, explainedHeader, explainedClaims(bound)), want: problem.WrongTarget},
		"half bound": {
			token: signedToken(t, key, explainedHeader, explainedClaims(`"htm":"GET"`)), want: problem.InvalidClaims,
		},
		"two things": {
			token: signedToken(t, stranger, explainedHeader, explainedClaims(`"aud":"x"`)), want: problem.InvalidSignature,
		},
	} {
		step := explained(t, key, c.change).Verify(&Input{Now: explainedNow, Token: &c.token})
		if step.Need != nil {
			t.Fatalf("%s: asks for %s", name, step.Need.Kind)
		}
		verdict, said := &Verdict{step.Problem}, problem.Code("")
		if step.Problem != nil {
			said = step.Problem.Code
		}
		findings := explained(t, key, c.change).Explain(c.token, explainedNow, verdict)
		if got := firstOf(findings); said != c.want || got != said {
			t.Errorf("%s: %q, a verification says %q, want %q", name, got, said, c.want)
		}
		// Whatever is wrong with the claims is said also where nobody has the keys.
		unjudged := firstOf(explained(t, key, c.change).Explain(c.token, explainedNow, nil))
		switch name {
		case "key's", "signature", "other issuer", "denied", "audience", "bound", "two things":
			if unjudged != "" {
				t.Errorf("%s: without a verdict %q", name, unjudged)
			}
		default:
			if unjudged != c.want {
				t.Errorf("%s: without a verdict %q, want %q", name, unjudged, c.want)
			}
		}
	}
}

func ed25519Key(t *testing.T) *jose.PrivateKey {
	t.Helper()
	key, err := jose.GenerateType(jose.TypeEd25519, 0)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// All that is wrong is found, and what was not looked at says why.
func TestExplainSaysAll(t *testing.T) {
	key := ed25519Key(t)
	token := signedToken(t, key, `{"alg":"HS256"}`, explainedClaims(`"aud":"x"`, `"exp":1`, `"iat":0`))
	said := func(verdict *Verdict) string {
		b := &strings.Builder{}
		for _, f := range explained(t, key, nil).Explain(token, explainedNow, verdict) {
			what := f.Missing
			if f.Problem != nil {
				what = string(f.Problem.Code)
			}
			fmt.Fprintf(b, "%s %s; ", f.Step, what)
		}
		return b.String()
	}
	want := "2 ; 3 unsupported_algorithm; 4 issuer; 5 keys; 6 keys; 7 token_expired; 8 ; 9 audience; 12 scopes; 13 rules; "
	if got := said(nil); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	want = "2 ; 3 unsupported_algorithm; 4 ; 5 key; 6 key; 7 token_expired; 8 ; 9 invalid_audience; 12 scopes; 13 rules; "
	if got := said(&Verdict{problem.New(problem.UnsupportedAlgorithm, "")}); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
