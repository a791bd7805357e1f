package prose

import (
	"strings"
	"testing"
)

func TestWrap(t *testing.T) {
	ninety := strings.Repeat("é", 90)
	for _, c := range []struct{ name, text, want string }{
		{"a short text", "a  b\nc", "- a b c\n"},
		{"a text of the whole width", ninety + " 1234567", "- " + ninety + " 1234567\n"},
		{"a column more", ninety + " 12345678", "- " + ninety + "\n  12345678\n"},
		{"a word that is too long", ninety + ninety + " a", "- " + ninety + ninety + "\n  a\n"},
		{"nothing", "", "- \n"},
	} {
		if got := Wrap(c.text, "- ", "  "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
