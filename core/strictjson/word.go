package strictjson

import "unsafe"

// Texts are looked at eight bytes at a time, and bytes as texts without a copy: tokens
// are long, and a step for each byte is what a verification in WebAssembly would mostly
// consist of.

const (
	each = 0x0101010101010101
	high = 0x8080808080808080
)

// LoadWord reads eight bytes, the first one lowest, in one instruction where the
// machine has one.
func LoadWord(text string, at int) uint64 {
	b := text[at : at+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// WordBelow marks the highest bit of bytes below limit, which is at most 0x80, and of
// bytes from 0x80 on. It is exact up to the lowest marked byte: above that one
// there may be a borrow.
func WordBelow(w uint64, limit byte) uint64 { return (w | (w - uint64(limit)*each)) & high }

// WordEqual marks the highest bit of bytes that are c, which is below 0x80, and of
// bytes from 0x80 on, as exactly as WordBelow.
func WordEqual(w uint64, c byte) uint64 { return WordBelow(w^(uint64(c)*each), 1) }

// TextOf looks at bytes that nobody changes while the text is in use.
func TextOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// BytesOf looks at a text; nobody may write to them.
func BytesOf(text string) []byte { return unsafe.Slice(unsafe.StringData(text), len(text)) }
