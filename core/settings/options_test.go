package settings

import (
	"reflect"
	"testing"

	"github.com/tallystick/tallystick/core/access"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/strictjson"
	"github.com/tallystick/tallystick/core/trust"
)

// What a host adds is no key of a configuration.
var ofHost = []string{
	"IsAuthority", "Providers", "HostReplay", "ReplayCapacity", "ReplayFloor", "ReplayLostAt", "RSA", "Signing", "HostDerives",
}

func TestOptionsHaveAllKeys(t *testing.T) {
	key, err := jose.Generate(2048)
	if err != nil {
		t.Fatal(err)
	}
	text := []byte(`{"authority":"https://portal.example","agent_id":"bob","base_url":"https://agents.example/bob",
		"token_ttl":60,"allowed_scopes":["a"],"trusted_issuers":[{"issuer":"https://x.example","type":"user"}],
		"allow":["@a"],"deny":["@d"],"accept_from":["family"],"talk_to":["platform"],"jwks_cache_ttl":61,
		"google":{"client_id":"g"},"robutler":{"client_id":"r","client_secret":"s"},"client_id":"c",
		"client_secret":"secret","audience":["https://b.example"],"jwks_uri":"https://k.example/keys",
		"issuer":"https://k.example","dev_mode":true,"leeway":1,"clock_skew":2,"max_lifetime":62,"max_body":63,
		"max_buffered":64,"require_binding":true,"algorithms":["ES256"],"realm":"r"}`)
	if err := strictjson.CheckObject(text); err != nil {
		t.Fatal(err)
	}
	read, p := Read(Input{Config: text})
	if p != nil {
		t.Fatal(p)
	}
	read.ClientKey = key.PEM() // beside a secret, which no configuration has
	options := read.Options()
	given := reflect.ValueOf(options)
	for i := range given.NumField() {
		name := given.Type().Field(i).Name
		host := false
		for _, one := range ofHost {
			host = host || one == name
		}
		if given.Field(i).IsZero() != host {
			t.Errorf("%s is zero: %v", name, given.Field(i).IsZero())
		}
	}
	if *options.TokenTTL != 60 || *options.JWKSCacheTTL != 61 || *options.MaxLifetime != 62 || *options.MaxBody != 63 ||
		*options.MaxBuffered != 64 || *options.Leeway != 1 || *options.ClockSkew != 2 || *options.Realm != "r" ||
		options.AcceptFrom != `["family"]` || options.TalkTo != `["platform"]` ||
		!reflect.DeepEqual(options.TrustedIssuers[0], trust.Issuer{Issuer: "https://x.example", Type: "user"}) ||
		*options.Robutler != (access.Credentials{ClientID: "r", ClientSecret: "s"}) {
		t.Errorf("%+v", options)
	}
	config, p := options.Config()
	if p != nil || config.Mode != access.Portal || config.BaseURL != "https://agents.example/bob" || config.AgentID != "bob" {
		t.Error(config, p)
	}
}
