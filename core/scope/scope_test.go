package scope

import (
	"slices"
	"testing"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, scope string
		want           bool
	}{
		{"read", "read", true}, {"read", "Read", false}, {"read", "reader", false},
		{"*", "read", true}, {"*", "a:b:c", true},
		{"tools:*", "tools:search", true}, {"tools:*", "tools:search:web", true}, {"tools:*", "tools", false}, {"tools:*", "tool:search", false},
		{"tools:*", "tools:", false}, {"tools:*", "tools::x", false}, {"tools:*", "tools:x:", false},
		{"tools:*:read", "tools:a:read", true}, {"tools:*:read", "tools:a:b:read", false}, {"tools:*:read", "tools::read", false},
		{"tools:s*h", "tools:search", true}, {"tools:s*h", "tools:s:h", false}, {"read*", "read", true}, {"re*d", "rd", false},
		{"tools:search", "tools:*", false}, {"tools:*", "tools:*", true},
		{"a:b", "a:b:c", false}, {"a:b:c", "a:b", false},
	} {
		if got := Match(c.pattern, c.scope); got != c.want {
			t.Errorf("Match(%q, %q) = %v", c.pattern, c.scope, got)
		}
	}
}

func TestFilterKeepsOrderWithoutRepeats(t *testing.T) {
	scopes, err := Parse("write namespace:b read namespace:a write admin")
	if err != nil {
		t.Fatal(err)
	}
	granted := Filter(scopes, []string{"read", "write", "namespace:*"})
	if want := []string{"write", "namespace:b", "read", "namespace:a"}; !slices.Equal(granted, want) {
		t.Errorf("granted %v, want %v", granted, want)
	}
	if got := Namespaces(granted); !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("namespaces %v", got)
	}
}

func TestParseRefusesWhatRFC6749Does(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "a b": true, "a:b~!#": true,
		"a  b": false, " a": false, "a ": false, "a\tb": false, `a"b`: false, `a\b`: false, "é": false, "a\x00": false,
	} {
		if _, err := Parse(text); (err == nil) != want {
			t.Errorf("Parse(%q): %v", text, err)
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("tools:*:read", "tools:a:read")
	f.Add("*", "a:b")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if CheckPattern(pattern) != nil {
			return
		}
		if !Match(s, s) && valid(s) && s != "" && !hasEmptySegment(s) {
			t.Errorf("%q does not match itself", s)
		}
		Match(pattern, s)
	})
}

func hasEmptySegment(s string) bool {
	return s[0] == ':' || s[len(s)-1] == ':' || slices.Contains([]byte(s), ':') && containsPair(s)
}

func containsPair(s string) bool {
	for i := 1; i < len(s); i++ {
		if s[i] == ':' && s[i-1] == ':' {
			return true
		}
	}
	return false
}

// What is looked up and passed over gives the same answer as trying every pattern.
func TestPatternsAgreeWithMatch(t *testing.T) {
	patterns := []string{"read", "tools:*", "a:*:c", "*:x", "re*d", "tools:search", "b*"}
	compiled := Compile(patterns)
	for _, s := range []string{"read", "red", "reed", "tools", "tools:search", "tools:a:b", "tools:", "a:b:c", "a:c", "q:x", ":x", "b", "bc:d", "", "*", "Read"} {
		want := slices.ContainsFunc(patterns, func(pattern string) bool { return Match(pattern, s) })
		if got := compiled.Match(s); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
	if Compile(nil).Match("read") {
		t.Error("no pattern matches something")
	}
}
