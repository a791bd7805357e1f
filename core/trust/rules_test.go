package trust

import (
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/tallystick/tallystick/core/strictjson"
)

func rules(t *testing.T, text string) *Rules {
	t.Helper()
	r, err := ParseRules(gjson.Parse(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return r
}

func TestRules(t *testing.T) {
	alice := Party{Caller: "alice.bot", CallerURL: "https://p.example/agents/alice.bot", Target: "alice.other", Labels: []string{"verified", "reputation-500"}}
	stranger := Party{Caller: "example.evil.bot", CallerURL: "https://evil.example/bot", CallerExternal: true, Target: "alice.other"}
	for _, c := range []struct {
		rules           string
		alice, stranger bool
	}{
		{`["everyone"]`, true, true},
		{`["nobody"]`, false, false},
		{`[]`, false, false},
		{`["family"]`, true, false},
		{`["platform"]`, true, false},
		{`["@alice.*"]`, true, false},
		{`["@Alice.*"]`, false, false},
		{`["@alice"]`, false, false},
		{`["@bot"]`, false, false},
		{`["https://evil.example/*"]`, false, true},
		{`["https://**/**"]`, true, true},
		{`["#verified"]`, true, false},
		{`["#Verified"]`, false, false},
		{`["#trust:verified"]`, false, false},
		{`["#reputation:500"]`, true, false},
		{`["#reputation:501"]`, false, false},
		{`["#reputation:501", "#reputation:0"]`, true, false},
		{`["#reputation-500"]`, true, false},
		{`["nobody", "@zoe", "family"]`, true, false},
		{`{"allow": ["everyone"]}`, true, true},
		{`{"allow": ["everyone"], "deny": ["@alice"]}`, false, true},
		{`{"allow": ["everyone"], "deny": ["@ALICE/bot"]}`, false, true},
		{`{"allow": ["everyone"], "deny": ["https://evil.example"]}`, true, false},
		{`{"allow": ["everyone"], "deny": ["platform"]}`, false, true},
		{`{"allow": ["everyone"], "deny": ["#verified"]}`, false, true},
		{`{"allow": ["everyone"], "deny": ["everyone"]}`, false, false},
		{`{"allow": ["everyone"], "deny": []}`, true, true},
		{`{"allow": ["everyone"], "deny": null}`, true, true},
		{`{"deny": ["@zoe"]}`, false, false},
		{`{}`, false, false},
	} {
		r := rules(t, c.rules)
		if got := r.Allow(alice); got != c.alice {
			t.Errorf("%s: alice %v", c.rules, got)
		}
		if got := r.Allow(stranger); got != c.stranger {
			t.Errorf("%s: stranger %v", c.rules, got)
		}
	}
}

func TestFamilyAndPlatform(t *testing.T) {
	for _, c := range []struct {
		party            Party
		family, platform bool
	}{
		{Party{Caller: "alice", Target: "alice"}, true, true},
		{Party{Caller: "alice", Target: "alicia"}, false, true},
		{Party{Caller: "Alice", Target: "alice"}, false, true},
		{Party{Caller: "", Target: ""}, false, false},
		{Party{Caller: "alice", OffPlatform: true, Target: "alice.x"}, true, false},
		{Party{Caller: "com.example.a", CallerExternal: true, Target: "com.example.b", TargetExternal: true}, true, false},
		{Party{Caller: "com.example.a", Target: "com.example.b", TargetExternal: true}, true, false},
		{Party{Caller: "com.evil.a", CallerExternal: true, Target: "com.example.b", TargetExternal: true}, false, false},
		{Party{Caller: "uk.co.evil", CallerExternal: true, Target: "uk.co.example", TargetExternal: true}, false, false},
		// A stranger's domain of one label is no portal's family.
		{Party{Caller: "alice.evil", CallerExternal: true, Target: "alice"}, false, false},
	} {
		if got := rules(t, `["family"]`).Allow(c.party); got != c.family {
			t.Errorf("%+v: family %v", c.party, got)
		}
		if got := rules(t, `["platform"]`).Allow(c.party); got != c.platform {
			t.Errorf("%+v: platform %v", c.party, got)
		}
	}
}

func TestReputationIsAWholeNumber(t *testing.T) {
	r := rules(t, `["#reputation:10"]`)
	for label, want := range map[string]bool{
		"reputation-10": true, "reputation-0010": true, "reputation-999999999999999": true,
		"reputation-9": false, "reputation-": false, "reputation-+10": false, "reputation--10": false, "reputation-1e9": false, "reputation-10.5": false,
		"reputation-9999999999999999": false, "reputation-0x10": false, "Reputation-10": false, "reputation:10": false,
	} {
		if got := r.Allow(Party{Caller: "a", Labels: []string{label}}); got != want {
			t.Errorf("%s: %v", label, got)
		}
	}
}

func TestParseRulesNamesThePlace(t *testing.T) {
	for _, c := range []struct{ why, accepted, refused, path string }{
		{"unknown word", `["everyone", "family"]`, `["everyone", "friends"]`, "[1]: "},
		{"case", `["everyone"]`, `["Everyone"]`, "[0]: "},
		{"in allow", `{"allow": ["@a"]}`, `{"allow": ["a"]}`, "allow[0]: "},
		{"in deny", `{"deny": ["@a", "#b"]}`, `{"deny": ["@a", "#"]}`, "deny[1]: "},
		{"pattern", `["@a.b"]`, `["@a..b"]`, "[0]: "},
		{"URL", `["https://a.example/**"]`, `["https://a.example/?**"]`, "[0]: "},
		{"label", `["#a:b"]`, `["#a b"]`, "[0]: "},
		{"length of a label", `["#` + strings.Repeat("a", 256) + `"]`, `["#` + strings.Repeat("a", 257) + `"]`, "[0]: "},
		{"reputation", `["#reputation:0"]`, `["#reputation:x"]`, "[0]: "},
		{"negative reputation", `["#reputation:1"]`, `["#reputation:-1"]`, "[0]: "},
		{"reputation's length", `["#reputation:999999999999999"]`, `["#reputation:9999999999999999"]`, "[0]: "},
		{"no string", `["nobody"]`, `[null]`, "[0]: "},
		{"no list", `{"allow": []}`, `{"allow": "everyone"}`, "allow: "},
		{"other member", `{"allow": [], "deny": []}`, `{"alow": []}`, "may have"},
		{"no rules", `[]`, `"everyone"`, "must be"},
		{"number of rules", `["nobody"` + strings.Repeat(`,"nobody"`, 9999) + `]`, `["nobody"` + strings.Repeat(`,"nobody"`, 10000) + `]`, "[10000]: "},
	} {
		if _, err := ParseRules(gjson.Parse(c.accepted)); err != nil {
			t.Errorf("%s: %v", c.why, err)
		}
		if _, err := ParseRules(gjson.Parse(c.refused)); err == nil || !strings.HasPrefix(err.Error(), c.path) {
			t.Errorf("%s: %v", c.why, err)
		}
	}
}

func TestLabelsAreAPortals(t *testing.T) {
	scopes := []string{"read", "trust:verified", "trust:", "trust:reputation-5", "trust:verified", "Trust:x"}
	if got := Labels(scopes, true); !slices.Equal(got, []string{"verified", "reputation-5"}) {
		t.Errorf("%v", got)
	}
	if got := Labels(scopes, false); got == nil || len(got) != 0 {
		t.Errorf("of another issuer: %v", got)
	}
}

// Rules that deny everybody let nobody in, whatever else they say.
func FuzzParseRules(f *testing.F) {
	for _, seed := range []string{`["family", "@a.*", "#reputation:5"]`, `{"allow":["everyone"],"deny":["platform"]}`, `{"deny":null}`, `[[]]`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strictjson.CheckObject([]byte(`{"rules":`+text+`}`)) != nil {
			return
		}
		r, err := ParseRules(gjson.Parse(text))
		if err != nil {
			return
		}
		r.deny.everyone = true
		if r.Allow(Party{Caller: "a", CallerURL: "https://a.example"}) {
			t.Fatalf("%s allows who is denied", text)
		}
	})
}
