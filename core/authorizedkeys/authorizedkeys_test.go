package authorizedkeys

import (
	"strings"
	"testing"

	"github.com/tallystick/tallystick/core/jose"
)

func generate(t *testing.T) *jose.PrivateKey {
	t.Helper()
	key, err := jose.Generate(2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// A bad file costs its own issuer only; the warning names the file.
func TestFromFiles(t *testing.T) {
	key := generate(t)
	public := key.Public().PEM()
	set, warnings := FromFiles([]File{
		{Name: "good.pem", Text: public},
		{Name: "https://x.pem", Text: public},
		{Name: "private.pem", Text: key.PEM()},
		{Name: "both.pem", Text: public}, {Name: "both.pub", Text: public},
		{Name: "locked.pem", Failed: "permission denied"},
		{Name: "empty.key", Text: " \n"},
		{Name: ".hidden.pem", Text: public}, {Name: "README.md", Text: public}, {Name: ".pem", Text: public},
		{Name: "set.jwks.json", Text: `{"keys":[` + key.Public().JWK() + `]}`},
	})
	var issuers []string
	set.Issuers(func(name string, _ Issuer) { issuers = append(issuers, name) })
	if got := strings.Join(issuers, " "); got != "good https://x set" {
		t.Errorf("issuers: %s", got)
	}
	codes := map[string]string{}
	for _, w := range warnings {
		codes[w.Issuer] = w.Code
		if !strings.Contains(w.Message, w.Source) {
			t.Errorf("the warning does not name %s: %s", w.Source, w.Message)
		}
		if advises := strings.HasSuffix(w.Message, "its issuer gets 503 until this user can read it"); advises != (w.Code == codeUnreadable) {
			t.Errorf("%s: %s", w.Code, w.Message)
		}
	}
	for issuer, want := range map[string]string{"private": codePrivateKey, "both": codeDuplicate, "locked": codeUnreadable, "empty": codeEmpty} {
		if codes[issuer] != want {
			t.Errorf("%s: %s, want %s", issuer, codes[issuer], want)
		}
	}
}

func TestCandidates(t *testing.T) {
	first, second, plain := generate(t).Public(), generate(t).Public(), generate(t).Public()
	issuer := Issuer{Keys: []jose.Key{{Public: first, ID: "1"}, {Public: second, ID: "2"}, {Public: plain}}}
	for kid, want := range map[string][]*jose.PublicKey{
		"":                  {first, second, plain},
		"2":                 {second},
		first.Thumbprint():  {first},
		"unknown":           {plain},
		plain.Thumbprint():  {plain},
		second.Thumbprint(): {second},
	} {
		got := issuer.Candidates(kid, jose.RS256)
		if len(got) != len(want) || len(got) > 0 && got[0] != want[0] {
			t.Errorf("kid %q: %d candidates, want %d", kid, len(got), len(want))
		}
	}
	many := Issuer{}
	for range 20 {
		many.Keys = append(many.Keys, jose.Key{Public: first})
	}
	if got := len(many.Candidates("", jose.RS256)); got != MaxTried {
		t.Errorf("%d candidates of 20 keys", got)
	}
	if got := (Issuer{Keys: []jose.Key{{Public: first, ID: "1"}}}).Candidates("unknown", jose.RS256); got != nil {
		t.Error("a kid that the set does not have found a key")
	}
}
