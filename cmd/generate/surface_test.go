package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryRowSaysWhatItIs: the page of options is made of these sentences.
func TestEveryRowSaysWhatItIs(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", surfacePath))
	if err != nil {
		t.Fatal(err)
	}
	var surface struct {
		Classes   surfaceRows `json:"classes"`
		Functions surfaceRows `json:"functions"`
	}
	if err := json.Unmarshal(text, &surface); err != nil {
		t.Fatal(err)
	}
	said := func(row namedRow, where string) {
		if row.Says == "" {
			t.Errorf("%s: %s%s says nothing: give it the member \"says\"", surfacePath, where, row.name)
		}
	}
	for _, class := range surface.Classes {
		said(class, "")
		for _, rows := range [...]surfaceRows{class.Options, class.Configuration, class.Methods, class.Properties} {
			for _, row := range rows {
				said(row, class.name+".")
			}
		}
	}
	for _, function := range surface.Functions {
		said(function, "")
	}
}

func TestSurfaceRowsKeepTheirOrder(t *testing.T) {
	var rows surfaceRows
	if err := json.Unmarshal([]byte(`{"b": {"unit": "bytes"}, "a": {"options": {"d": {}, "c": {}}}}`), &rows); err != nil {
		t.Fatal(err)
	}
	names := ""
	for _, row := range append(rows, rows[1].Options...) {
		names += row.name
	}
	if names != "badc" || rows[0].Unit != "bytes" {
		t.Errorf("%s, %+v", names, rows)
	}
}

func TestClassSection(t *testing.T) {
	var rows surfaceRows
	text := `{"Client": {"says": "Calls.", "options": {
		"limit": {"says": "the most", "default": 10485760, "unit": "bytes"},
		"store": {"default": {"python": "sqlite", "node": "memory"}},
		"proxy": {"default": null, "only": "node", "why": "Python reads the environment"}},
		"methods": {"send": {"says": "sends it", "parameters": {"url": {}, "session": {"only": "python", "why": "aiohttp"}}, "async": true}}}}`
	if err := json.Unmarshal([]byte(text), &rows); err != nil {
		t.Fatal(err)
	}
	got := classSection(rows[0], goClass{
		Type: "Caller", OptionsType: "CallerOptions", Names: map[string]string{"send": "Send", "fetch": "Get"},
		Absent: map[string]string{"store": "none", "proxy": "none"},
		Own:    map[string]string{"Now": "a clock", "String": "an idiom of Go"},
	})
	for _, line := range []string{
		"### Client", "Calls.", "In Go: `Caller`, with `CallerOptions`.", "- Other names: `fetch` is `Get`.",
		"- Not there: `proxy`, `store` (none).", "- There alone: `Now` (a clock).",
		"- `limit` (bytes; default `10,485,760`): the most.",
		"- `store` (default `\"sqlite\"`, in Node `\"memory\"`)",
		"- `proxy`: Node only (Python reads the environment).",
		"- `send(url, session)`; asyncio: `asend`: sends it. `session` in Python only (aiohttp).",
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("%q is not in\n%s", line, got)
		}
	}
}
