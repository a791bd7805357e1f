package provider

import (
	"strings"
	"testing"
)

func TestEveryRowHasItsSource(t *testing.T) {
	good := map[string]Preset{
		"auth0":    {Domain: "example.eu.auth0.com"},
		"cognito":  {Region: "eu-central-1", Pool: "eu-central-1_AbCdEfGhI"},
		"entra":    {Tenant: "8d0e7a52-4c1b-4f6e-9a3d-2b7c5e1f0a94"},
		"google":   {},
		"keycloak": {Domain: "id.example.com:8443", Realm: "agents"},
		"okta":     {Domain: "example.okta.com"},
	}
	if len(good) != len(table) {
		t.Fatal("the test has other rows than the table")
	}
	for _, row := range table {
		preset, there := good[row.name]
		preset.Name = row.name
		reading, f := preset.Read()
		if !there || row.source == "" || f != nil || len(reading.Issuers) == 0 {
			t.Errorf("%s: %q, %v, %+v", row.name, row.source, f, reading)
		}
		if len(reading.Scopes) == 0 && !reading.ServiceAccounts {
			t.Errorf("%s: its tokens have no scopes", row.name)
		}
		for _, issuer := range reading.Issuers {
			if !strings.HasPrefix(issuer.Issuer, "https://") {
				t.Errorf("%s: %s", row.name, issuer.Issuer)
			}
		}
		if !strings.Contains(Names(), row.name) {
			t.Errorf("%s is not among %s", row.name, Names())
		}
	}
}

func TestAFaultNamesTheKeyAndTheFix(t *testing.T) {
	for _, c := range []struct {
		preset Preset
		says   string
	}{
		{Preset{}, "preset.name: is missing: write name: one of auth0"},
		{Preset{Name: "acme"}, "preset.name: there is no such preset: write one of auth0"},
		{Preset{Name: "okta"}, `preset.domain: is missing: okta needs it: write domain: "example.okta.com"`},
		{Preset{Name: "google", Realm: "x"}, "preset.realm: is no parameter of google: remove it"},
		{Preset{Name: "entra", Tenant: "common"}, "preset.tenant: must be the directory's id"},
		{Preset{Name: "cognito", Region: "us-east-1", Pool: "eu-west-1_x"}, "preset.pool: is of another region"},
	} {
		if _, f := c.preset.Read(); f == nil || !strings.HasPrefix(f.Error(), c.says) {
			t.Errorf("%+v: %v", c.preset, f)
		}
	}
}
