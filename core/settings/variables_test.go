package settings

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestVariables(t *testing.T) {
	for config, want := range map[string][]string{
		`{}`: {},
		`{"a": "${X}", "b": ["${Y}${X}"], "c": {"d": "-${_Z1}-"}}`: {"X", "Y", "_Z1"},
		`{"${KEY}": "x"}`:                                               {},
		`{"a": "$${X} $X {X} $"}`:                                       {},
		`{"a": "${} ${1} ${A-B} ${OK} ${open"}`:                         {"OK"},
		`{"skills": {"auth": {"a": "${X}"}, "b": "${Y}"}, "c": "${Z}"}`: {"X"},
		`{"skills": {"auth": null}}`:                                    {},
		`{"skills": 1, "a": "${X}"}`:                                    {},
		`"${X}"`:                                                        {"X"},
	} {
		if got := Variables(json.RawMessage(config)); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", config, got, want)
		}
	}
}

func TestInterpolation(t *testing.T) {
	values := map[string]string{"X": "x", "QUOTE": `a"b\c`, "NESTED": "${X}", "EMPTY": ""}
	for text, want := range map[string]string{
		"${X}": "x", "-${X}${X}-": "-xx-", "$${X}": "${X}", "$X": "$X", "$": "$", "a$": "a$", "{X}": "{X}", "$$": "$$", "$$$": "$$$",
		"${QUOTE}": `a"b\c`, "${NESTED}": "${X}", "$${": "${", "}": "}",
	} {
		a, p := read(t, Input{Config: json.RawMessage(`{"keys_dir": ` + quoted(text) + `}`), Variables: values})
		if p != nil || a.KeysDir != want {
			t.Errorf("%q: %q, %v", text, a.KeysDir, p)
		}
	}
	for _, text := range []string{"${MISSING}", "${EMPTY}", "${", "${}", "${ X}", "${X", "${1}", "${X:-y}", "${" + strings.Repeat("A", 129) + "}"} {
		if _, p := read(t, Input{Config: json.RawMessage(`{"keys_dir": ` + quoted(text) + `}`), Variables: values}); p == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

// A short configuration of a long value must not grow without bound.
func TestInterpolationIsBounded(t *testing.T) {
	names := func(n int) json.RawMessage {
		return json.RawMessage(`{"client_key": "` + strings.Repeat("${X}", n) + `"}`)
	}
	values := map[string]string{"X": strings.Repeat("x", 64<<10)}
	if _, f := resolve(names(15), values); f != nil {
		t.Error(f)
	}
	if _, f := resolve(names(17), values); f != tooLarge {
		t.Errorf("%v", f)
	}
	_, p := Read(Input{Config: names(100000), Variables: values, Source: "auth.yaml"})
	if p == nil || p.Message != "auth.yaml: the configuration is over 1048576 bytes: make its lists shorter, or use patterns" {
		t.Errorf("%v", p)
	}
	large := json.RawMessage(`{"keys_dir": "` + strings.Repeat("x", MaxConfig) + `"}`)
	if _, p := Read(Input{Config: large}); p == nil || !strings.Contains(p.Message, "1048576") {
		t.Errorf("%v", p)
	}
	if _, p := Read(Input{Config: json.RawMessage(`{}`), Options: large}); p == nil || !strings.HasPrefix(p.Message, "options: ") {
		t.Errorf("%v", p)
	}
}
