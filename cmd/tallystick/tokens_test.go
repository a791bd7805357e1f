package main

import (
	"strings"
	"testing"
	"time"

	"github.com/tallystick/tallystick/core/request"
)

const url = "https://agent.example/agent?x=1"

// checkNotWhole fails where a text has what would make the token usable.
func checkNotWhole(t *testing.T, token string, o outcome) {
	t.Helper()
	parts := strings.Split(token, ".")
	for _, part := range []string{parts[len(parts)-1], token} {
		if len(part) > 20 && strings.Contains(o.stdout+o.stderr, part) {
			t.Error("the token is shown: " + o.stdout)
		}
	}
}

func TestInspect(t *testing.T) {
	u := newTool(t)
	good := u.token(nil)
	u.now = now.Add(12 * time.Second)
	u.file("token.txt", good+"\n")
	checkNotWhole(t, good, u.exits(0, "inspect", "@token.txt"))
	u.now = now.Add(2 * time.Hour)
	bad := forged(t, `{"alg":"RS256","kid":"\u0007"}`, `{"iss":"alice","aud":"x","exp":1796040000,"note":"a\nb \u202e"}`)
	u.stdin = "Authorization: Bearer " + bad
	checkNotWhole(t, bad, u.exits(3, "inspect"))
	u.stdin = good
	checkNotWhole(t, good, u.exits(3, "inspect", "--json"))
	u.stdin = "not.a.token"
	u.exits(3, "inspect", "-")
	u.stdin = forged(t, `{"alg":"RS256"}`, `{"exp":1e300,"iat":"x","a":1,"a":2}`)
	u.exits(3, "inspect")
	// An access token: of another provider, and of nobody who can be trusted.
	u.stdin = forged(t, `{"alg":"ES256","typ":"at+jwt"}`, `{"iss":"https://login.example","sub":"a|1","aud":"https://b.example",`+
		`"exp":1796050000,"iat":1796047000,"scp":["read"],"azp":"c"}`)
	u.exits(0, "inspect")
	u.stdin = forged(t, `{"alg":"ES256"}`, `{"iss":"nobody","aud":["x",1],"exp":1,"scope":7,"htm":"GET","token_use":"id"}`)
	u.exits(3, "inspect")
	// Roles alone, and no audience: what counts of them the issuer's entry says.
	u.stdin = forged(t, `{"alg":"RS256"}`, `{"iss":"https://login.example","sub":"a","client_id":"c","token_use":"access",`+
		`"realm_access":{"roles":["x"]},"exp":1796050000,"iat":1796047000}`)
	u.exits(0, "inspect")
	u.golden("inspect")
	u.fails(4, "the token is missing", "inspect")
	u.fails(4, "there is no nowhere", "inspect", "@nowhere")
	u.fails(2, "write @FILE", "inspect", "token.txt")
	for _, as := range []string{good, "Bearer " + good} {
		o := u.exits(2, "inspect", as)
		checkNotWhole(t, good, o)
		if !strings.Contains(o.stderr, "a token is no argument") {
			t.Error(o.stderr)
		}
		checkNotWhole(t, good, u.exits(2, as))
		checkNotWhole(t, good, u.exits(2, "verify", "x", as))
	}
	u.stdin = strings.Repeat("a", 20<<10)
	u.fails(4, "is over", "inspect")
}

func TestVerify(t *testing.T) {
	u := newTool(t)
	good := u.token(nil)
	u.file("token.txt", good)
	u.file("keys/alice.pem", alice().Public().PEM())
	u.file("alice.pem", alice().Public().PEM())
	u.file("bob.pem", bob().Public().PEM())
	u.file("body", "hello")
	whole := []string{"verify", "@token.txt", "--keys-dir", "keys", "--method", "POST", "--url", url, "--body", "@body"}
	checkNotWhole(t, good, u.exits(0, whole...))
	checkNotWhole(t, good, u.exits(0, append(whole, "--json")...))
	u.exits(0, "verify", "@token.txt", "--keys", "alice.pem")
	refused := []string{"verify", "@token.txt", "--keys", "bob.pem", "--method", "PUT", "--url", url, "--body", "@body"}
	checkNotWhole(t, good, u.exits(3, refused...))
	u.golden("verify")
}

// One thing is changed in each; the first has none.
func TestVerdicts(t *testing.T) {
	u := newTool(t)
	u.file("keys/alice.pem", alice().Public().PEM())
	u.file("bob.pem", bob().Public().PEM())
	u.file("alice.pem", alice().Public().PEM())
	post := func(url string) []string { return []string{"--method", "POST", "--url", url} }
	unbound := u.token(func(o *request.Outgoing) { o.Unbound = true })
	for name, c := range map[string]struct {
		want  string
		args  []string
		token string
		later time.Duration
	}{
		"good":                    {want: ""},
		"another key":             {want: "invalid_signature", args: []string{"--keys", "bob.pem"}},
		"its key":                 {args: []string{"--keys", "alice.pem"}},
		"its key and name":        {args: []string{"--keys", "alice.pem", "--issuer", "alice"}},
		"its key, another's":      {want: "unknown_issuer", args: []string{"--keys", "alice.pem", "--issuer", "bob"}},
		"another method":          {want: "wrong_target", args: []string{"--method", "PUT", "--url", url}},
		"another origin":          {want: "wrong_target", args: post("https://b.example/agent?x=1")},
		"another query":           {want: "wrong_target", args: post("https://agent.example/agent?x=2")},
		"its target":              {args: post(url)},
		"another body":            {want: "body_tampered", args: []string{"--body", "other"}},
		"an empty body":           {want: "body_tampered", args: []string{"--body", ""}},
		"its body":                {args: []string{"--body", "hello"}},
		"expired":                 {want: "token_expired", later: time.Minute},
		"expired, forgiven":       {args: []string{"--leeway", "1s"}, later: time.Minute},
		"from the future":         {want: "token_not_yet_valid", later: -6 * time.Second},
		"from the near future":    {later: -5 * time.Second},
		"from a forgiven future":  {args: []string{"--clock-skew", "10s"}, later: -10 * time.Second},
		"without a target":        {token: unbound},
		"without a needed target": {want: "invalid_claims", token: unbound, args: []string{"--require-target"}},
	} {
		u.now, u.stdin = now.Add(c.later), c.token
		if c.token == "" {
			u.stdin = u.token(nil)
		}
		args := append([]string{"verify", "--json"}, c.args...)
		if len(c.args) == 0 || c.args[0] != "--keys" {
			args = append(args, "--keys-dir", "keys")
		}
		code, verdict := 0, "accepted"
		if c.want != "" {
			code, verdict = 3, "refused"
		}
		data := u.data(u.exits(code, args...))
		if got, _ := data["code"].(string); got != c.want || data["verdict"] != verdict {
			t.Errorf("%s: %v %q, want %q", name, data["verdict"], got, c.want)
		}
	}
}

func TestHowVerifyIsUsed(t *testing.T) {
	u := newTool(t)
	u.file("keys/alice.pem", alice().Public().PEM())
	u.file("alice.pem", alice().Public().PEM())
	u.file("private.pem", alice().PEM())
	for _, c := range []struct {
		code  int
		words string
		args  []string
	}{
		{2, "give --keys or --keys-dir, not both", []string{"--keys", "alice.pem", "--keys-dir", "keys"}},
		{2, "give the caller's key", nil},
		{2, "a folder says it", []string{"--keys-dir", "keys", "--issuer", "alice"}},
		{2, "together", []string{"--keys-dir", "keys", "--method", "POST"}},
		{2, "together", []string{"--keys-dir", "keys", "--url", url}},
		{2, "both read from standard input", []string{"--keys", "-"}},
		{2, "both read from standard input", []string{"--keys-dir", "keys", "--body", "-"}},
		{2, "--leeway must be from 0s to 5m", []string{"--keys-dir", "keys", "--leeway", "1h"}},
		{2, "--clock-skew must be from 0s to 5m", []string{"--keys-dir", "keys", "--clock-skew", "301s"}},
		{2, "--leeway must be from 0s to 5m", []string{"--keys-dir", "keys", "--leeway", "-1s"}},
		{2, "--url: the URL must start with", []string{"--keys-dir", "keys", "--method", "GET", "--url", "agent"}},
		{2, "--body @ names no file", []string{"--keys-dir", "keys", "--body", "@"}},
		{4, "--body: there is no nowhere", []string{"--keys-dir", "keys", "--body", "@nowhere"}},
		{4, "there is no folder nowhere", []string{"--keys-dir", "nowhere"}},
		{4, "holds a private key", []string{"--keys", "private.pem"}},
	} {
		u.stdin = u.token(nil)
		u.fails(c.code, c.words, append([]string{"verify"}, c.args...)...)
	}
	u.stdin = u.token(nil)
	u.exits(0, "verify", "--keys-dir", "keys")
}
