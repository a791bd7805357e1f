package request

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
)

var all = Given{Keys: true, Target: true, Body: true}

// forge signs a header and a payload as they are.
func forge(t *testing.T, header, payload string) string {
	t.Helper()
	input := jose.SigningInput([]byte(header), []byte(payload))
	signature, p := jose.Sign(input, pair())
	if p != nil {
		t.Fatal(p)
	}
	return jose.AddPart(input, signature)
}

const (
	goodHeader = `{"alg":"RS256","typ":"JWT"}`
	goodClaims = `"iss":"orchestrator","iat":1700000000,"exp":1700000060,"jti":"x"`
)

func claimsOf(t *testing.T, more string) string {
	t.Helper()
	bound := &signing{s: newSigner(t, 0)}
	if p := bound.write(outgoing(func(o *Outgoing) { o.JTI = "x" })); p != nil {
		t.Fatal(p)
	}
	token, p := jose.Parse(bound.input + ".AAAA")
	if p != nil {
		t.Fatal(p)
	}
	return token.Payload[:len(token.Payload)-1] + more + "}"
}

// The first problem of an explanation is the one that a verification ends with.
func TestExplainSaysWhatVerifySays(t *testing.T) {
	claims := claimsOf(t, "")
	good := forge(t, goodHeader, claims)
	for name, c := range map[string]struct {
		token  string
		change func(*Input)
		policy func(*Policy)
	}{
		"good":                 {token: good},
		"no token":             {token: ""},
		"two tokens":           {token: "a.b.c d.e.f"},
		"no three parts":       {token: "a.b"},
		"a header of text":     {token: forge(t, `"x"`, claims)},
		"claims of text":       {token: forge(t, goodHeader, `"x"`)},
		"claims and algorithm": {token: forge(t, `{"alg":"none"}`, `{"iss":1,"iss":1}`)},
		"another algorithm":    {token: forge(t, `{"alg":"HS256"}`, claims)},
		"crit":                 {token: forge(t, `{"alg":"RS256","crit":["x"]}`, claims)},
		"no issuer":            {token: forge(t, goodHeader, `{"exp":1700000060}`)},
		"another issuer":       {token: forge(t, goodHeader, `{"iss":"x"}`)},
		"another signature":    {token: unsignedBy(good)},
		"expired":              {token: good, change: func(in *Input) { in.Now += 60 }},
		"not yet":              {token: good, change: func(in *Input) { in.Now -= 60 }},
		"no body claim":        {token: forge(t, goodHeader, "{"+goodClaims+"}")},
		"an audience":          {token: forge(t, goodHeader, claimsOf(t, `,"aud":"x"`))},
		"another method":       {token: good, change: func(in *Input) { in.Received.Method = "PUT" }},
		"another path":         {token: good, change: func(in *Input) { in.Received.Path = "/x" }},
		"another query":        {token: good, change: func(in *Input) { in.Received.Query = "" }},
		"another origin":       {token: good, policy: func(p *Policy) { p.BaseURL = "https://b.example" }},
		"another body":         {token: good, change: func(in *Input) { in.Body.Bytes = []byte("other") }},
		"a large body":         {token: good, change: func(in *Input) { in.Body = need.ReceivedBody{TooLarge: true} }},
		"two things":           {token: good, change: func(in *Input) { in.Now, in.Received.Method = in.Now+60, "PUT" }},
	} {
		in := incoming(c.token)
		if c.change != nil {
			c.change(&in)
		}
		want := code(verify(newVerifier(t, c.policy), in))
		if got := first(newVerifier(t, c.policy).Explain(in, all)); got != want {
			t.Errorf("%s: %q, a verification says %q", name, got, want)
		}
		if (want == "") != (name == "good") {
			t.Errorf("%s: %q", name, want)
		}
	}
}

// unsignedBy has a signature of the right length that nobody made.
func unsignedBy(token string) string {
	const length = 342
	return token[:len(token)-length] + strings.Repeat("A", length)
}

func first(findings []pipeline.Finding) problem.Code {
	for _, f := range findings {
		if f.Problem != nil {
			return f.Problem.Code
		}
	}
	return ""
}

// Without keys all that the claims say is still judged, and nothing is said to be checked that
// was not.
func TestExplainWithoutKeys(t *testing.T) {
	none, _ := authorizedkeys.FromFiles(nil)
	v, p := NewVerifier(newVerifier(t, nil).policy, none)
	if p != nil {
		t.Fatal(p)
	}
	in := incoming(forge(t, `{"alg":"HS256"}`, claimsOf(t, `,"aud":"x"`)))
	in.Now += 60
	said := ""
	for _, f := range v.Explain(in, Given{}) {
		said += f.Step + ":" + f.Missing
		if f.Problem != nil {
			said += string(f.Problem.Code)
		}
		said += " "
	}
	want := fmt.Sprintf("1-2: 3:unsupported_algorithm 4-5:%s 6:%s 7:token_expired 8: 9:invalid_audience "+
		"10:%s 11:%s 14:%s ", pipeline.MissingKeys, pipeline.MissingKeys,
		pipeline.MissingTarget, pipeline.MissingBody, pipeline.MissingStore)
	if said != want {
		t.Errorf("%s\nwant %s", said, want)
	}
}

// A token that cannot be read has one problem, and no step after it was made.
func TestExplainOfWhatIsNoToken(t *testing.T) {
	for _, token := range []string{"x", forge(t, goodHeader, "[]")} {
		for i, f := range newVerifier(t, nil).Explain(incoming(token), all) {
			if (f.Problem != nil) != (i == 0) || (f.Missing == "") != (i == 0) {
				t.Errorf("%s: %+v", token, f)
			}
		}
	}
}
