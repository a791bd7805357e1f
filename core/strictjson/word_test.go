package strictjson

import (
	"math/bits"
	"testing"
)

// Each byte at each place, among bytes that are not marked.
func TestMarksTheLowest(t *testing.T) {
	for place := range 8 {
		for c := range 256 {
			text := []byte("~~~~~~~~")
			text[place] = byte(c)
			w := LoadWord(string(text), 0)
			for name, m := range map[string]struct {
				marks uint64
				want  bool
			}{
				"below 0x20": {WordBelow(w, 0x20), c < 0x20 || c >= 0x80},
				"equal":      {WordEqual(w, ','), c == ',' || c >= 0x80},
			} {
				if (m.marks != 0) != m.want || m.want && bits.TrailingZeros64(m.marks)>>3 != place {
					t.Fatalf("%s: byte %#x at %d: marks %016x", name, c, place, m.marks)
				}
			}
		}
	}
}

// A borrow may mark what lies above, never what lies below.
func TestNothingBelowTheLowest(t *testing.T) {
	w := LoadWord("abc,\x2d\x2d\x2d\x2d", 0) // '-' is ',' with the lowest bit changed
	if marks := WordEqual(w, ','); bits.TrailingZeros64(marks)>>3 != 3 {
		t.Errorf("marks %016x", marks)
	}
}

func TestLoadIsLittleEndian(t *testing.T) {
	if got := LoadWord("x\x01\x02\x03\x04\x05\x06\x07\x08", 1); got != 0x0807060504030201 {
		t.Errorf("%016x", got)
	}
}
