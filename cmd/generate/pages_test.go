package main

import (
	"strings"
	"testing"
)

func TestFill(t *testing.T) {
	const page = "before\n<!-- generated: a -->\nold\n<!-- end -->\nafter\n"
	for _, c := range []struct {
		name, page, want, fault string
		blocks                  map[string]string
	}{
		{"a block", page, "before\n<!-- generated: a -->\nnew\n<!-- end -->\nafter\n", "", map[string]string{"a": "new\n"}},
		{"an unknown block", page, "", "unknown", map[string]string{}},
		{"a block twice", page + page, "", "twice", map[string]string{"a": "new\n"}},
		{"a block that is missing", "before\n", "", "missing", map[string]string{"a": "new\n"}},
	} {
		got, err := fill(c.page, c.blocks)
		if c.fault == "" && (err != nil || got != c.want) {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
		if c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.fault)
		}
	}
}
