package strictjson

import (
	"math"

	"github.com/tidwall/gjson"
)

// Value is a JSON value as gjson reads it. Only texts that passed CheckObject
// become one, so its leniencies cannot matter.
type Value = gjson.Result

// Members calls visit for each member of an object that passed CheckObject, in
// order, until visit returns false. It never reads by path: a gjson path gives
// "." and "*" in a name a meaning of their own.
//
// The values share the text's memory.
func Members(text string, visit func(name string, value Value) bool) {
	gjson.Parse(text).ForEach(func(name, value gjson.Result) bool {
		return visit(name.Str, value)
	})
}

// IsString reports whether a value is a JSON string.
func IsString(v Value) bool { return v.Type == gjson.String }

// IsNumber reports whether a value is a JSON number.
func IsNumber(v Value) bool { return v.Type == gjson.Number }

// IsBool reports whether a value is true or false.
func IsBool(v Value) bool { return v.Type == gjson.True || v.Type == gjson.False }

// maxExact is the largest magnitude of a time: 2^53, where float64 still
// counts every integer and any conversion to int64 is exact on every platform.
const maxExact = 1 << 53

// Seconds reads a time or a span: a finite JSON number within ±2^53.
func Seconds(v Value) (float64, bool) {
	if !IsNumber(v) || math.IsNaN(v.Num) || math.Abs(v.Num) > maxExact {
		return 0, false
	}
	return v.Num, true
}
