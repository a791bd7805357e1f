package authorizedkeys

import (
	"os"
	"strings"
	"testing"
	"unicode"
)

// FuzzFolder: each file of a folder gives its issuer keys or the folder's owner a
// warning, never both and never nothing; no private key is ever used.
func FuzzFolder(f *testing.F) {
	public, private := read(f, "elliptic.pub.pem"), read(f, "alice.pem")
	rsa := read(f, "largest.pub.pem")
	f.Add("a.pem", rsa, "b.jwks.json", read(f, "rfc7517-b.json"))
	f.Add("a.pem", rsa, "a.pub", rsa)
	f.Add("a.key", private, ".hidden.pem", rsa)
	f.Add("a\n.pem", rsa, "b.pem", public)
	f.Add("README.md", "text", "c.pem", read(f, "alice.certificate.pem"))
	f.Add(".pem", rsa, "../d.jwks.json", `{"keys":[]}`)
	f.Fuzz(func(t *testing.T, name, text, otherName, otherText string) {
		files := []File{{Name: name, Text: text}, {Name: otherName, Text: otherText}}
		set, warnings := FromFiles(files)
		warned := map[string]bool{}
		for _, w := range warnings {
			warned[w.Issuer] = true
			if w.Code == "" || w.Message == "" || strings.ContainsFunc(strings.ReplaceAll(w.Message, w.Source, ""), unicode.IsControl) {
				t.Fatalf("%+v", w)
			}
		}
		expected := map[string]bool{}
		for _, file := range files {
			if issuer, ok := IssuerOf(file.Name); ok {
				expected[issuer] = true
				if _, used := set.issuers[issuer]; !used && !warned[issuer] {
					t.Fatalf("%q is passed over in silence", file.Name)
				}
			}
		}
		for issuer, held := range set.issuers {
			if !expected[issuer] || len(held.Keys) == 0 {
				t.Fatalf("issuer %q has %d keys", issuer, len(held.Keys))
			}
			for _, key := range held.Keys {
				if key.Private != nil {
					t.Fatalf("issuer %q has a private key", issuer)
				}
			}
		}
	})
}

func read(f *testing.F, name string) string {
	f.Helper()
	text, err := os.ReadFile("../../conformance/vectors/keys/" + name)
	if err != nil {
		f.Fatal(err)
	}
	return string(text)
}
