package parity

import (
	"math/rand/v2"
	"strings"
	"unicode/utf8"
)

// textMutators change a string, whatever it says.
var textMutators = []mutator{
	{name: "text-character", weight: 14, fits: anyText, value: func(r *rand.Rand, s site) bool { return s.setText(changeText(r, s.node().text, pieces)) }},
	{name: "text-case", weight: 8, fits: anyText, value: changeCase},
	{name: "text-replace", weight: 6, fits: anyText, value: func(r *rand.Rand, s site) bool { return s.setText(pick(r, texts)) }},
	{name: "text-long", weight: 4, fits: anyText, value: lengthen},
	{name: "text-cut", weight: 4, fits: anyText, value: cutText},
	{name: "text-around", weight: 6, fits: anyText, value: surround},
	{name: "body-bytes", weight: 8, fits: isBody, value: func(r *rand.Rand, s site) bool { return s.setText(changeBinary(r, s.node().text)) }},
	{name: "text-digest", weight: 6, fits: isDigest, value: changeDigest},
}

// pieces are characters that some reader somewhere takes for another.
var pieces = []string{
	"a", "Z", "0", "9", "_", "-", ".", "/", "\\", ":", "*", "**", "?", "[", "]", "{", "}", "@", "#", "%", "+", "=", "&", ",", ";", "~", "^", "|", "!", "$", "'", `"`, "`",
	" ", "  ", "\t", "\n", "\r\n", "\x00", "\x01", "\x1f", "\x7f", "\u0080", "\u0085", "\u00a0", "é", "e\u0301", "ÿ", "İ", "ı", "ſ", "\u212a", "ß", "ﬁ", "．", "。", "％",
	"\u200b", "\u200d", "\u202e", "\u2028", "\ufeff", "\ufffd", "\uffff", "\U0001F600", "\U0010ffff", "%00", "%2f", "%2E", "%25", "%c3%a9", "%zz", "%", "..",
}

var texts = []string{
	"", " ", "\x00", ".", "..", "/", "//", "*", "**", "@", "#", "://", "https://", "null", "true", "0", "-1", "NaN", "__proto__", "$", "$$", "${X}", "%", "é", "e\u0301",
	"\ufeff", "\U0001F600", "\u202e", "=", "==", "{}", "[]", "{", `"`, "\\", "everyone", "nobody", "family", "platform", "@alice", "https://alice.example", "alice",
	"https://agents.example.com/bob", "RS256", "none", "read", "read write", "Bearer", "-----BEGIN PUBLIC KEY-----",
}

// changeText inserts, replaces or deletes at one place, mostly near a border
// of what the text says.
func changeText(r *rand.Rand, text string, from []string) string {
	at, after := place(r, text)
	switch r.IntN(5) {
	case 0:
		return text[:at] + text[after:]
	case 1, 2:
		return text[:at] + pick(r, from) + text[after:]
	}
	return text[:at] + pick(r, from) + text[at:]
}

// place returns the borders of one character.
func place(r *rand.Rand, text string) (at, after int) {
	at = r.IntN(len(text) + 1)
	switch r.IntN(4) {
	case 0:
		at = 0
	case 1:
		at = len(text)
	case 2:
		if border := strings.IndexAny(text[at:], ":/.@#?& =,*-"); border >= 0 {
			at += border
		}
	}
	for at > 0 && at < len(text) && !utf8.RuneStart(text[at]) {
		at--
	}
	_, width := utf8.DecodeRuneInString(text[at:])
	return at, at + width
}

func changeCase(r *rand.Rand, s site) bool {
	text := s.node().text
	if r.IntN(2) == 0 {
		at, after := place(r, text)
		return s.setText(text[:at] + swapCase(text[at:after]) + text[after:])
	}
	return s.setText(pick(r, []func(string) string{strings.ToUpper, strings.ToLower, swapCase})(text))
}

func swapCase(text string) string {
	if upper := strings.ToUpper(text); upper != text {
		return upper
	}
	return strings.ToLower(text)
}

// lengthen goes to the limits of documents: names, tokens, texts.
func lengthen(r *rand.Rand, s site) bool {
	piece := pick(r, []string{"a", "é", ".", "/a", ":a", "a.", "*", " a", "%61", "\U0001F600"})
	times := pick(r, []int{15, 16, 63, 64, 127, 128, 253, 255, 256, 257, 511, 512, 513, 1024, 2048, 4097})
	text := s.node().text
	at, _ := place(r, text)
	return s.setText(text[:at] + strings.Repeat(piece, times) + text[at:])
}

func cutText(r *rand.Rand, s site) bool {
	text := s.node().text
	at, _ := place(r, text)
	if r.IntN(2) == 0 {
		return s.setText(text[:at])
	}
	return s.setText(text[at:])
}

func surround(r *rand.Rand, s site) bool {
	text, piece := s.node().text, pick(r, pieces)
	return s.setText(pick(r, []string{piece + text, text + piece, piece + text + piece, text + text, text + piece + text}))
}

// isBody: a body is bytes, and need not be a text.
func isBody(s site) bool { return s.name == "body" && !s.isMember() && s.depth == 0 }

func isDigest(s site) bool {
	return anyText(s) && (strings.Contains(s.name, "sha256") || strings.Contains(s.name, "digest"))
}

func changeDigest(r *rand.Rand, s site) bool {
	text := s.node().text
	return s.setText(pick(r, []string{
		strings.ToUpper(text), text + "0", text + "00", "0x" + text, text + "\n", " " + text, strings.Repeat("0", 64), strings.Repeat("g", 64),
		strings.Repeat("é", 32), strings.TrimSuffix(text, "0"), "sha-256=:" + text + ":", strings.Repeat("0", 63) + "O",
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	}))
}
