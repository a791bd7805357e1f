package abi

import (
	"reflect"
	"testing"

	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

func checkObject(text []byte) error { return strictjson.CheckObject(text) }

// compareReader: both refuse or both read the same. The reader by hand knows
// bounds that types do not say, so it may refuse more: times beyond 2^53, numbers
// below 1 for what the core numbered, a ttl out of range, characters over a byte.
func compareReader[T any](t *testing.T, text []byte, read func([]byte, *T) *problem.Problem) {
	var byHand, byType T
	p := read(text, &byHand)
	err := decode(text, &byType)
	if p == nil && err != nil {
		t.Fatalf("%s: read by hand, decode says %v", text, err)
	}
	if p == nil && isASCII(text) && !reflect.DeepEqual(byHand, byType) {
		t.Fatalf("%s: %+v by hand, %+v by decode", text, byHand, byType)
	}
}

// isASCII leaves out what latin-1 turns into other bytes.
func isASCII(text []byte) bool {
	for _, c := range text {
		if c >= 0x80 || c == '\\' {
			return false
		}
	}
	return true
}
