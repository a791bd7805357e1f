package abi

import (
	"strings"
	"testing"

	"github.com/tallystick/tallystick/core/jose"
)

func freshPEM(t *testing.T) string {
	t.Helper()
	key, err := jose.Generate(2048)
	if err != nil {
		t.Fatal(err)
	}
	return key.PEM()
}

func TestRingUpdate(t *testing.T) {
	c := New()
	ask := func(more map[string]any) answer {
		request := map[string]any{"now": now, "lifetime": 330}
		for name, value := range more {
			request[name] = value
		}
		return call(t, c, "ring.update", request, "")
	}
	first := ask(nil)
	if _, there := first.OK["ring"]; there || first.OK["missing"] != 2.0 || first.OK["active"] != "" {
		t.Fatalf("%+v", first)
	}
	made := ask(map[string]any{"fresh": []string{freshPEM(t), freshPEM(t)}})
	if made.OK["changed"] != true || made.OK["missing"] != 0.0 || made.OK["active"] == made.OK["next"] {
		t.Fatalf("%+v", made.Error)
	}
	ring := made.OK["ring"]
	rotated := ask(map[string]any{"ring": ring, "rotate": true, "bits": 2048, "fresh": []string{freshPEM(t)}})
	if rotated.OK["rotated"] != true || rotated.OK["active"] != made.OK["next"] || rotated.OK["retired"].([]any)[0] != made.OK["active"] {
		t.Fatalf("%+v %+v", rotated.OK, rotated.Error)
	}
	again := map[string]any{"ring": rotated.OK["ring"], "rotate": true, "fresh": []string{freshPEM(t)}}
	if a := ask(again); a.Error.Code != "invalid_argument" || !strings.Contains(a.Error.Message, "300 seconds") {
		t.Errorf("too early: %+v", a.Error)
	}
	again["publish"] = 0
	if a := ask(again); a.OK["rotated"] != true {
		t.Errorf("no wait wanted: %+v", a.Error)
	}
	if a := ask(map[string]any{"ring": map[string]any{"version": 2, "keys": []any{}}}); a.Error.Code != "invalid_config" {
		t.Errorf("another version: %+v", a)
	}
	if a := ask(map[string]any{"fresh": []string{"x", "y"}}); a.Error.Code != "invalid_key" {
		t.Errorf("no keys: %+v", a)
	}
}

func TestClientSecret(t *testing.T) {
	c := New()
	made := call(t, c, "client.secret", map[string]any{}, "")
	if made.Error.Code != "" || len(made.OK["secret"].(string)) != 43 || !strings.HasPrefix(made.OK["secret_hash"].(string), "pbkdf2-sha256$10000$") {
		t.Errorf("%+v", made)
	}
	given := call(t, c, "client.secret", map[string]any{"secret": "sixteen letters!"}, "")
	if given.OK["secret"] != "sixteen letters!" || given.OK["secret_hash"] == made.OK["secret_hash"] {
		t.Errorf("%+v", given)
	}
	for _, short := range []string{"", "fifteen letters"} {
		if a := call(t, c, "client.secret", map[string]any{"secret": short}, ""); a.Error.Code != "invalid_argument" || short != "" && strings.Contains(a.Error.Message, short) {
			t.Errorf("%q: %+v", short, a)
		}
	}
}
