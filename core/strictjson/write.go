package strictjson

import (
	"math/bits"
	"strconv"
	"unicode/utf8"
)

// AppendString appends a JSON string. There is one spelling for each text (the
// shortest of RFC 8259, non-ASCII as UTF-8), since signed bytes must be the same
// everywhere. Invalid UTF-8 becomes U+FFFD.
func AppendString(to []byte, text string) []byte {
	to = append(to, '"')
	for {
		plain := skipWritten(text)
		to = append(to, text[:plain]...)
		if plain == len(text) {
			return append(to, '"')
		}
		var size int
		to, size = appendSpecial(to, text[plain:])
		text = text[plain+size:]
	}
}

// skipWritten returns how many bytes are written as they are.
func skipWritten(text string) int {
	at := 0
	for ; at+8 <= len(text); at += 8 {
		w := LoadWord(text, at)
		if special := WordBelow(w, 0x20) | WordEqual(w, '"') | WordEqual(w, '\\') | WordEqual(w, 0x7F); special != 0 {
			return at + bits.TrailingZeros64(special)>>3
		}
	}
	for at < len(text) && plain[text[at]] && text[at] != 0x7F {
		at++
	}
	return at
}

// appendSpecial appends the first character of text, which is no plain ASCII, and
// returns how many bytes it had.
func appendSpecial(to []byte, text string) ([]byte, int) {
	const hex = "0123456789abcdef"
	switch c := text[0]; {
	case c == '"' || c == '\\':
		return append(to, '\\', c), 1
	case c < utf8.RuneSelf:
		return append(to, '\\', 'u', '0', '0', hex[c>>4], hex[c&15]), 1
	}
	r, size := utf8.DecodeRuneInString(text)
	return utf8.AppendRune(to, r), size
}

// AppendInt appends an integer.
func AppendInt(to []byte, n int64) []byte { return strconv.AppendInt(to, n, 10) }
