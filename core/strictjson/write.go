package strictjson

import (
	"strconv"
	"unicode/utf8"
)

// AppendString appends a JSON string. There is one spelling for each text (the
// shortest of RFC 8259, non-ASCII as UTF-8), since signed bytes must be the same
// everywhere. Invalid UTF-8 becomes U+FFFD.
func AppendString(to []byte, text string) []byte {
	to = append(to, '"')
	start := 0
	for i := 0; i < len(text); {
		if c := text[i]; c >= 0x20 && c < 0x7F && c != '"' && c != '\\' {
			i++
			continue
		}
		to = append(to, text[start:i]...)
		var size int
		to, size = appendSpecial(to, text[i:])
		i += size
		start = i
	}
	to = append(to, text[start:]...)
	return append(to, '"')
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
