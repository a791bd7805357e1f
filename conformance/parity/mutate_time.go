package parity

import (
	"math/rand/v2"
	"slices"
	"strconv"
)

// timeMutators move clocks. They never take one away: the core has none.
var timeMutators = []mutator{
	{name: "time-shift", weight: 40, fits: isTime, value: shiftTime},
	{name: "time-edge", weight: 14, fits: isTime, value: func(r *rand.Rand, s site) bool { return s.set(literal(pick(r, instants))) }},
}

var timeNames = []string{"now", "published_at", "dead_at", "exp", "iat", "nbf", "ttl", "lifetime", "leeway", "clock_skew", "max_lifetime", "token_ttl", "jwks_cache_ttl", "reload_seconds", "replay_floor", "publish"}

func isTime(s site) bool { return isNumber(s) && slices.Contains(timeNames, s.name) }

func shiftTime(r *rand.Rand, s site) bool {
	seconds, err := strconv.ParseInt(s.node().text, 10, 64)
	if err != nil {
		return false
	}
	by := pick(r, []int64{-86401, -3600, -301, -61, -60, -31, -30, -2, -1, 1, 2, 29, 30, 31, 58, 59, 60, 61, 89, 90, 91, 299, 300, 301, 330, 600, 3599, 3600, 3601, 86400, 86401, 90000, 700000})
	fraction := pick(r, []string{"", "", "", ".0", ".5", ".25", ".999", ".0000001"})
	return s.set(literal(strconv.FormatInt(seconds+by, 10) + fraction))
}

// instants are good numbers near the borders of what a clock may say.
var instants = []string{
	"0", "-1", "1", "1.5", "1700000000", "1700000000.0", "1.7e9", "1700000000.000001", "9007199254740991", "9007199254740992", "-9007199254740991", "1e15", "4294967296", "2147483648", "1e-7", "253402300800",
}
