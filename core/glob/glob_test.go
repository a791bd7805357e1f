package glob

import (
	"regexp"
	"strings"
	"testing"
)

func FuzzSegmentAgreesWithRegexp(f *testing.F) {
	for _, seed := range [][2]string{{"a*b", "axxb"}, {"*", ""}, {"", ""}, {"**a", "a"}, {"a*a*a", "aaaa"}, {"x", "y"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 64 || len(text) > 64 || strings.ContainsAny(text, "\n") {
			return
		}
		quoted := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `.*`)
		expression, err := regexp.Compile(`\A(?s:` + quoted + `)\z`)
		if err != nil || !isASCII(pattern+text) {
			return
		}
		if got, want := Segment(pattern, text), expression.MatchString(text); got != want {
			t.Errorf("Segment(%q, %q) = %v, the expression says %v", pattern, text, got, want)
		}
	})
}

func isASCII(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r > 0x7E }) < 0
}

// Patterns of many stars take exponential time in a naive matcher.
func TestSegmentIsNotExponential(t *testing.T) {
	pattern := strings.Repeat("a*", 100) + "b"
	if Segment(pattern, strings.Repeat("a", 10000)) {
		t.Error("matched without a b")
	}
	if !Segment(pattern, strings.Repeat("a", 10000)+"b") {
		t.Error("did not match with the b")
	}
}
