package keyset

import (
	"strconv"
	"strings"
)

// minLifetime is the least that a set is kept, in seconds, whatever its issuer
// says: else one issuer could have itself asked for every token.
const minLifetime = 60

// lifetime reads Cache-Control (RFC 9111 section 5.2.2), in seconds. A max-age that is
// no number counts as the shortest, as section 4.2.1 has it. Age is ignored:
// it could only make a set staler than its own server says.
func lifetime(cacheControl string, ttl float64) float64 {
	least := min(minLifetime, ttl)
	life := ttl
	for directive := range strings.SplitSeq(cacheControl, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			return least
		case "max-age":
			life = min(life, maxAge(value))
		}
	}
	return max(life, least)
}

// maxAge caps what no one needs: a number of more digits than a century has seconds.
func maxAge(text string) float64 {
	text = strings.Trim(text, `"`)
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0
	}
	seconds, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 1 << 32
	}
	return float64(seconds)
}
