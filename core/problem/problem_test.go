package problem

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	seen := map[Code]bool{}
	word := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	for _, row := range Table() {
		switch {
		case seen[row.Code]:
			t.Errorf("%s is there twice", row.Code)
		case !word.MatchString(string(row.Code)):
			t.Errorf("%s is no name", row.Code)
		case row.Status < 400 || row.Status > 599, row.Words == "", row.Text == "":
			t.Errorf("%+v", row)
		case strings.ContainsAny(row.Text, `"\`):
			t.Errorf("%s: its text would break a challenge: %s", row.Code, row.Text)
		case Lookup(row.Code) != row:
			t.Errorf("%s is not found", row.Code)
		}
		seen[row.Code] = true
	}
	if Lookup("no_such_code").Code != Internal {
		t.Error("an unknown code is no internal error")
	}
	Table()[0].Words = "changed"
	if Table()[0].Words == "changed" {
		t.Error("the table can be changed from outside")
	}
}

func TestVerdicts(t *testing.T) {
	for _, code := range []Code{InvalidSignature, TokenExpired, ReplayDetected, TrustDenied} {
		if !Lookup(code).IsVerdict() {
			t.Errorf("%s judges nobody", code)
		}
	}
	for _, code := range []Code{KeysUnavailable, ReplayStoreUnavailable, Overloaded, Internal, InvalidArgument} {
		if Lookup(code).IsVerdict() {
			t.Errorf("%s judges the caller", code)
		}
	}
}

func TestResponses(t *testing.T) {
	unknown := New(UnknownIssuer, "")
	unknown.Subject = `mall"ory`
	lacking := New(InsufficientScope, "")
	lacking.Scope = "tools:*"
	for _, c := range []struct {
		name      string
		problem   *Problem
		status    int
		words     string
		challenge string
		retry     string
	}{
		{"bare", New(MissingAuthorization, ""), 401, "Missing/Invalid Authorization header", `Bearer realm="r"`, ""},
		{"two headers", New(AmbiguousAuthorization, ""), 400, "Missing/Invalid Authorization header", `Bearer realm="r", error="invalid_request"`, ""},
		{"a signature", New(InvalidSignature, ""), 401, "Invalid Signature", `Bearer realm="r", error="invalid_token"`, ""},
		{"an issuer", unknown, 401, `Unknown Issuer: mall"ory`, `Bearer realm="r", error="invalid_token"`, ""},
		{"a scope", lacking, 403, "Insufficient Scope", `scope="tools:*"`, ""},
		{"a replay", New(ReplayDetected, ""), 429, "Replay Detected", `error="invalid_token"`, ""},
		{"a large body", New(BodyTooLarge, ""), 413, "Body Too Large", "", ""},
		{"a store that is down", New(ReplayStoreUnavailable, ""), 503, "Replay Store Unavailable", "", "1"},
	} {
		got := c.problem.WithLog("secret of the host").Response(Challenge{Realm: "r"})
		var body struct{ Error, Code string }
		if err := json.Unmarshal([]byte(got.Body), &body); err != nil {
			t.Fatal(err)
		}
		challenge, challenged := got.Headers["www-authenticate"]
		switch {
		case got.Status != c.status, body.Error != c.words, Code(body.Code) != c.problem.Code:
			t.Errorf("%s: %d %s", c.name, got.Status, got.Body)
		case challenged != (c.challenge != ""), !strings.Contains(challenge, c.challenge):
			t.Errorf("%s: %s", c.name, challenge)
		case got.Headers["retry-after"] != c.retry, got.Headers["cache-control"] != "no-store":
			t.Errorf("%s: %v", c.name, got.Headers)
		case strings.Contains(got.Body+challenge, "secret of the host"):
			t.Errorf("%s: the log is in the response", c.name)
		case strings.Contains(challenge, "mall"):
			t.Errorf("%s: the caller's text is in a header", c.name)
		}
	}
}

func TestMessages(t *testing.T) {
	if got := New(InvalidKey, "").Message; got != Lookup(InvalidKey).Text {
		t.Error(got)
	}
	if got := Newf(InvalidKey, "of %d bits", 512).Error(); got != "invalid_key: of 512 bits" {
		t.Error(got)
	}
}

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"a":                      `"a"`,
		"a\nb\x1b[m":             `"a\nb\x1b[m"`,
		"\u202e":                 `"\u202e"`,
		strings.Repeat("x", 256): `"` + strings.Repeat("x", 256) + `"`,
		strings.Repeat("x", 257): `"` + strings.Repeat("x", 256) + `"…`,
	} {
		if got := Quote(text); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
}
