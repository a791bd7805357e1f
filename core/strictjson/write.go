package strictjson

import (
	"strconv"
	"unicode/utf8"
)

// AppendString appends a JSON string. There is one spelling for each text (the
// shortest of RFC 8259, non-ASCII as UTF-8), since signed bytes must be the same
// everywhere. Invalid UTF-8 becomes U+FFFD.
func AppendString(to []byte, text string) []byte {
	const hex = "0123456789abcdef"
	to = append(to, '"')
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '"' || c == '\\':
			to = append(to, '\\', c)
		case c < 0x20 || c == 0x7F:
			to = append(to, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(text[i:])
			to = utf8.AppendRune(to, r)
			i += size
			continue
		default:
			to = append(to, c)
		}
		i++
	}
	return append(to, '"')
}

// AppendInt appends an integer.
func AppendInt(to []byte, n int64) []byte { return strconv.AppendInt(to, n, 10) }
