package trust

import (
	"strings"
	"testing"
)

func TestNewIssuers(t *testing.T) {
	const partner = "https://partner.example"
	for _, c := range []struct {
		why               string
		accepted, refused Config
		names             string
	}{
		{"spelling", Config{Trusted: []Issuer{{Issuer: partner + "/"}}}, Config{Trusted: []Issuer{{Issuer: "https://Partner.example"}}}, "trusted_issuers[0]: issuer: "},
		{"default port", Config{Trusted: []Issuer{{Issuer: partner + ":8443"}}}, Config{Trusted: []Issuer{{Issuer: partner + ":443"}}}, "trusted_issuers[0]: issuer: "},
		{"two slashes", Config{Trusted: []Issuer{{Issuer: partner + "/x/"}}}, Config{Trusted: []Issuer{{Issuer: partner + "/x//"}}}, "trusted_issuers[0]: issuer: "},
		{"no URL", Config{Trusted: []Issuer{{Issuer: partner}}}, Config{Trusted: []Issuer{{Issuer: "partner"}}}, "trusted_issuers[0]: issuer: "},
		{"http", Config{Trusted: []Issuer{{Issuer: "http://localhost:8000"}}}, Config{Trusted: []Issuer{{Issuer: "http://partner.example"}}}, "trusted_issuers[0]: issuer: "},
		{"type", Config{Trusted: []Issuer{{Issuer: partner, Type: "user"}}}, Config{Trusted: []Issuer{{Issuer: partner, Type: "users"}}}, "trusted_issuers[0]: type: "},
		{"twice", Config{Trusted: []Issuer{{Issuer: partner}, {Issuer: partner + "/"}}}, Config{Trusted: []Issuer{{Issuer: partner}, {Issuer: partner}}}, "trusted_issuers[1]: issuer: "},
		{"jwks_uri", Config{Trusted: []Issuer{{Issuer: partner, JWKSURI: "http://127.0.0.1/k?x"}}}, Config{Trusted: []Issuer{{Issuer: partner, JWKSURI: "http://partner.example/k"}}}, "trusted_issuers[0]: jwks_uri: "},
		{"fragment of jwks_uri", Config{Trusted: []Issuer{{Issuer: partner, JWKSURI: partner + "/k"}}}, Config{Trusted: []Issuer{{Issuer: partner, JWKSURI: partner + "/#k"}}}, "trusted_issuers[0]: jwks_uri: "},
		{"authority", Config{Authority: "https://portal.example"}, Config{Authority: "http://portal.example"}, "authority: "},
		{"type of the authority", Config{Authority: partner, Trusted: []Issuer{{Issuer: partner}}}, Config{Authority: partner, Trusted: []Issuer{{Issuer: partner, Type: "agent"}}}, "trusted_issuers[0]: type: "},
		{"allow", Config{Allow: []string{"@a"}}, Config{Allow: []string{"@b", "@a b"}}, "allow[1]: "},
		{"deny", Config{Deny: []string{"@a"}}, Config{Deny: []string{"@a..b"}}, "deny[0]: "},
		{"number", Config{Trusted: make([]Issuer, 0, MaxIssuers)}, Config{Trusted: make([]Issuer, MaxIssuers+1)}, "trusted_issuers: "},
	} {
		if _, err := NewIssuers(c.accepted); err != nil {
			t.Errorf("%s: %v", c.why, err)
		}
		if _, err := NewIssuers(c.refused); err == nil || !strings.HasPrefix(err.Error(), c.names) {
			t.Errorf("%s: %v", c.why, err)
		}
	}
}
