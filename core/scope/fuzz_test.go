package scope

import (
	"regexp"
	"strings"
	"testing"
)

// expression writes a pattern as a regular expression: protocol.md section 4 a
// second time.
func expression(pattern string) *regexp.Regexp {
	segments := strings.Split(pattern, ":")
	for i, segment := range segments {
		switch {
		case segment != "*":
			segments[i] = strings.ReplaceAll(regexp.QuoteMeta(segment), `\*`, `[^:]*`)
		case i == len(segments)-1:
			segments[i] = `[^:]+(:[^:]+)*`
		default:
			segments[i] = `[^:]+`
		}
	}
	return regexp.MustCompile(`\A` + strings.Join(segments, ":") + `\z`)
}

// FuzzPatternsAgreeWithRegexp: a list of patterns takes a scope when one of them,
// written as an expression, does.
func FuzzPatternsAgreeWithRegexp(f *testing.F) {
	f.Add("tools:*:read", "write", "tools:a:read")
	f.Add("*", "a:*", "a:b:c")
	f.Add("a:*", "*:b", "a:")
	f.Add("re*d*", "**:x", ":x")
	f.Add("a::*", ":", "a::b")
	f.Add("a:*", "x", "a:b:")
	f.Add("*", "a:*", "a:b::c")
	f.Fuzz(func(t *testing.T, first, second, scope string) {
		if CheckPattern(first) != nil || CheckPattern(second) != nil || !valid(scope) || len(scope) > 256 {
			return
		}
		want := false
		for _, pattern := range []string{first, second} {
			takes := expression(pattern).MatchString(scope)
			if Match(pattern, scope) != takes {
				t.Errorf("Match(%q, %q) = %v", pattern, scope, !takes)
			}
			want = want || takes
		}
		if granted := Filter([]string{scope, scope}, []string{first, second}); (len(granted) == 1 && granted[0] == scope) != want || len(granted) > 1 {
			t.Errorf("Filter(%q, %q, %q) = %v", scope, first, second, granted)
		}
	})
}
