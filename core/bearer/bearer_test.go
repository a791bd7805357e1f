package bearer

import (
	"strings"
	"testing"
)

// Eight bytes are looked at in one step: a separator counts at each place, a byte
// that is not ASCII hides none, and none is seen where there is none.
func TestOneTokenAtEachPlace(t *testing.T) {
	for length := 1; length <= 24; length++ {
		for place := range length {
			for _, c := range []struct {
				with     string
				accepted bool
			}{{"x", true}, {"-", true}, {"\x80", true}, {"\xac", true}, {" ", false}, {"\t", false}, {",", false}} {
				plain := strings.Repeat("A", length)
				token := plain[:place] + c.with + plain[place+1:]
				if place == 0 && c.with == " " {
					continue // more white space before the token
				}
				got, p := Token([]string{"Bearer " + token})
				if (p == nil) != c.accepted || c.accepted && got != token {
					t.Fatalf("%q: %q, %v", token, got, p)
				}
				if _, p := Token([]string{"Bearer \xe9" + token}); (p == nil) != c.accepted {
					t.Fatalf("%q behind a byte that is not ASCII: %v", token, p)
				}
			}
		}
	}
}
