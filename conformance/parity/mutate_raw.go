package parity

import (
	"math/rand/v2"
	"strings"
)

// rawMutators change the text of a request as a text: most of what they make
// is no JSON, or JSON in which something stands where few writers put it.
var rawMutators = []mutator{
	{name: "raw-space", weight: 4, raw: spaceOut},
	{name: "raw-character", weight: 2, raw: func(r *rand.Rand, text string) string { return changeText(r, text, jsonPieces) }},
	{name: "raw-after", weight: 1, raw: func(r *rand.Rand, text string) string { return text + pick(r, afterObject) }},
	{name: "raw-before", weight: 1, raw: func(r *rand.Rand, text string) string { return pick(r, beforeObject) + text }},
	{name: "raw-cut", weight: 1, raw: func(r *rand.Rand, text string) string { return text[:r.IntN(len(text)+1)] }},
}

var (
	spaces       = []string{" ", "\t", "\n", "\r", "\r\n", "\v", "\f", "\u00a0", "\u2028", "\ufeff", "\x00", "//\n", "/**/"}
	afterObject  = []string{" ", "\n", "\x00", "{}", ",", "}", "]", "null", "\ufeff", "//", "\x1a"}
	beforeObject = []string{" ", "\n", "\x00", "\ufeff", "[", "{", "null", ",", ")]}'\n"}
	jsonPieces   = []string{
		`"`, `\`, `{`, `}`, `[`, `]`, `,`, `:`, `\u0000`, `\ud800`, `\uD83D\uDE00`, `\x41`, `\/`, `'`, "\x7f", "\x01", "\u0085",
		"NaN", "Infinity", "-", "+1", "01", ".5", "5.", "1e", "0x10", "true", "True", "nul", "é", "\U0001F600", "\n",
	}
)

// spaceOut puts a space, or what some take for one, beside a structural character.
func spaceOut(r *rand.Rand, text string) string {
	var found []int
	for at, character := range []byte(text) {
		if strings.IndexByte("{}[]:,", character) >= 0 {
			found = append(found, at+r.IntN(2))
		}
	}
	if len(found) == 0 {
		return text + pick(r, spaces)
	}
	at := pick(r, found)
	return text[:at] + pick(r, spaces) + text[at:]
}
