package settings

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

// FuzzVariables puts a secret wherever a configuration names a variable: nothing
// that is said of a bad configuration holds it, and the same configuration is
// always read alike.
func FuzzVariables(f *testing.F) {
	f.Add(`{"robutler": {"client_id": "${A}", "client_secret": "${B}"}, "base_url": "https://a.example/${C}"}`)
	f.Add(`{"trusted_issuers": [{"issuer": "${A}", "type": "${B}"}], "token_ttl": "${C}"}`)
	f.Add(`{"skills": {"auth": {"allow": ["${A}*"], "accept_from": {"deny": ["#${B}"]}}}}`)
	f.Add(`{"clients": [{"client_id": "c", "public_key": "${A}", "secret_hash": "${B}", "scopes": ["${C}"]}]}`)
	f.Fuzz(func(t *testing.T, config string) {
		const secret = "hunter2 hunter2"
		if strictjson.CheckObject([]byte(config)) != nil || strings.Contains(config, "hunter2") {
			return
		}
		variables := map[string]string{}
		for _, name := range Variables(json.RawMessage(config)) {
			variables[name] = secret
		}
		in := Input{Config: json.RawMessage(config), Variables: variables}
		read, p := Read(in)
		again, q := Read(in)
		if !reflect.DeepEqual(read, again) || !reflect.DeepEqual(p, q) {
			t.Fatalf("%s is read as %+v, %v and as %+v, %v", config, read, p, again, q)
		}
		if p == nil {
			return
		}
		said := p.Message + p.Log
		if p.Code != problem.InvalidConfig || strings.Contains(said, "hunter2") || strings.ContainsFunc(said, unicode.IsControl) {
			t.Fatalf("%s: %v, log %q", config, p, p.Log)
		}
	})
}
