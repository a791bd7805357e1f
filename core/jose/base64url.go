package jose

import "encoding/base64"

// Encode64 returns base64url without padding.
func Encode64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// EncodeStandard64 returns base64 with padding, as RFC 7617 wants it.
func EncodeStandard64(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

// Decode64 decodes base64url strictly: no padding, no white space, no stray bits
// in the last character (RFC 7515 section 2, RFC 4648 section 3.5). Go's decoder
// skips line breaks even in strict mode, so that one token would have endlessly
// many spellings, and takes nearly twice as long in WebAssembly; a test compares
// the two.
func Decode64(text string) ([]byte, bool) {
	data := make([]byte, decodedLen(text))
	return data, decode64(data, text)
}

// decodedLen is how many bytes a text of this length stands for.
func decodedLen(text string) int { return len(text) * 3 / 4 }

// alien marks what is no character of base64url. Its bit is above the six of a
// value, so that it shows in whatever it was combined with.
const alien = 0x40

// values is the alphabet backwards.
var values = func() (table [256]byte) {
	for i := range table {
		table[i] = alien
	}
	for value, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
		table[c] = byte(value)
	}
	return table
}()

// decode64 fills data, of decodedLen bytes. They are worth nothing where it
// returns false.
func decode64(data []byte, text string) bool {
	seen := byte(0)
	for ; len(text) >= 8 && len(data) >= 6; text, data = text[8:], data[6:] {
		a, b, c, d := values[text[0]], values[text[1]], values[text[2]], values[text[3]]
		e, f, g, h := values[text[4]], values[text[5]], values[text[6]], values[text[7]]
		seen |= a | b | c | d | e | f | g | h
		data[0], data[1], data[2] = a<<2|b>>4, b<<4|c>>2, c<<6|d
		data[3], data[4], data[5] = e<<2|f>>4, f<<4|g>>2, g<<6|h
	}
	if len(text) >= 4 {
		a, b, c, d := values[text[0]], values[text[1]], values[text[2]], values[text[3]]
		seen |= a | b | c | d
		data[0], data[1], data[2] = a<<2|b>>4, b<<4|c>>2, c<<6|d
		text, data = text[4:], data[3:]
	}
	var stray byte
	switch len(text) {
	case 1:
		return false //guard:base64-length skip // six bits are no byte
	case 2:
		a, b := values[text[0]], values[text[1]]
		seen |= a | b
		data[0], stray = a<<2|b>>4, b<<4
	case 3:
		a, b, c := values[text[0]], values[text[1]], values[text[2]]
		seen |= a | b | c
		data[0], data[1], stray = a<<2|b>>4, b<<4|c>>2, c<<6
	}
	return seen&alien == 0 && stray == 0 //guard:base64-alphabet drop 1; base64-stray-bits drop 2
}
