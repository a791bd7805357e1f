package strictjson

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// Each refused text stands beside an accepted one that differs in the one thing.
func TestCheckObject(t *testing.T) {
	for _, c := range []struct {
		name, accepted, refused string
		want                    error
	}{
		{"repeated member", `{"iss":"a","isz":"b"}`, `{"iss":"a","iss":"b"}`, ErrRepeated},
		{"repeated through an escape", `{"iss":"a","\u0069st":"b"}`, `{"iss":"a","\u0069ss":"b"}`, ErrRepeated},
		{"repeated deep inside", `{"a":[{"b":1},{"b":1}]}`, `{"a":[{"b":1,"b":1}]}`, ErrRepeated},
		{"repeated among many", manyNames("z"), manyNames("n3"), ErrRepeated},
		{"unpaired high surrogate", `{"a":"\ud83d\ude00"}`, `{"a":"\ud83d"}`, ErrSurrogate},
		{"unpaired low surrogate", `{"a":"\ud83d\ude00"}`, `{"a":"\ude00"}`, ErrSurrogate},
		{"two high surrogates", `{"a":"\ud83d\ude00"}`, `{"a":"\ud83d\ud83d"}`, ErrSurrogate},
		{"UTF-8", "{\"a\":\"\u00e9\"}", "{\"a\":\"\xe9\"}", ErrUTF8},
		{"overlong UTF-8", "{\"a\":\"/\"}", "{\"a\":\"\xc0\xaf\"}", ErrUTF8},
		{"encoded surrogate", "{\"a\":\"\ud7ff\"}", "{\"a\":\"\xed\xa0\x80\"}", ErrUTF8},
		{"depth", nested(MaxDepth), nested(MaxDepth + 1), ErrDepth},
		{"control character", `{"a":"\n"}`, "{\"a\":\"\n\"}", ErrSyntax},
		{"null", `{}`, `null`, ErrNotObject},
		{"array", `{"a":[]}`, `[]`, ErrNotObject},
		{"text behind", `{} `, `{} {}`, ErrSyntax},
		{"comma at the end", `{"a":1}`, `{"a":1,}`, ErrSyntax},
		{"comma in an array", `{"a":[1]}`, `{"a":[1,]}`, ErrSyntax},
		{"leading zero", `{"a":0}`, `{"a":00}`, ErrSyntax},
		{"plus sign", `{"a":1}`, `{"a":+1}`, ErrSyntax},
		{"fraction", `{"a":1.5}`, `{"a":1.}`, ErrSyntax},
		{"exponent", `{"a":1e+5}`, `{"a":1e+}`, ErrSyntax},
		{"long number", `{"a":1` + strings.Repeat("0", maxNumber-1) + `}`, `{"a":1` + strings.Repeat("0", maxNumber) + `}`, ErrNumber},
		{"literal", `{"a":true}`, `{"a":True}`, ErrSyntax},
		{"NaN", `{"a":1}`, `{"a":NaN}`, ErrSyntax},
		{"quotes", `{"a":1}`, `{'a':1}`, ErrSyntax},
		{"escape", `{"a":"\/"}`, `{"a":"\x"}`, ErrSyntax},
		{"byte order mark", `{"a":1}`, "\ufeff{\"a\":1}", ErrSyntax},
		{"cut off", `{"a":"b"}`, `{"a":"b`, ErrSyntax},
		{"cut off in an escape", `{"a":"\u0061"}`, `{"a":"\u00`, ErrSyntax},
	} {
		if err := CheckObject([]byte(c.accepted)); err != nil {
			t.Errorf("%s: %q refused: %v", c.name, c.accepted, err)
		}
		if err := CheckObject([]byte(c.refused)); !errors.Is(err, c.want) {
			t.Errorf("%s: %q gave %v, want %v", c.name, c.refused, err, c.want)
		}
	}
}

func nested(depth int) string {
	return strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth)
}

func manyNames(last string) string {
	var b strings.Builder
	for i := range 40 {
		b.WriteString(`"n` + string(rune('0'+i/10)) + string(rune('0'+i%10)) + `":1,`)
	}
	return `{"n3":1,` + b.String() + `"` + last + `":1}`
}

// Twenty thousand brackets must not reach the stack of a host.
func TestDepthIsBoundedBeforeRecursion(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 20000)
	if err := CheckObject([]byte(deep)); !errors.Is(err, ErrDepth) {
		t.Errorf("20,000 objects gave %v", err)
	}
}

func TestSeconds(t *testing.T) {
	for text, want := range map[string]bool{
		"0": true, "1.5": true, "-1": true, "9007199254740992": true, "1e15": true,
		"9007199254740992.4": true, // rounds to 2^53
		"9007199254740994":   false, "1e300": false, "-1e300": false, "1e999": false, `"1"`: false, "true": false, "null": false,
	} {
		Members(`{"exp":`+text+`}`, func(_ string, v Value) bool {
			if _, ok := Seconds(v); ok != want {
				t.Errorf("Seconds(%s) = %v, want %v", text, ok, want)
			}
			return true
		})
	}
}

func FuzzCheckObject(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `{"iss":"a","\u0069ss":"b"}`, `{"a":"\ud83d\ude00"}`, `{"a":[1,{"b":null}]}`, nested(17), `{"a":1e5}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := CheckObject(text)
		if err == nil {
			if !json.Valid(text) || !utf8.Valid(text) {
				t.Fatalf("accepted %q, which is not valid JSON in UTF-8", text)
			}
			compareReaders(t, text)
		}
		if errors.Is(err, ErrSyntax) && json.Valid(text) && utf8.Valid(text) {
			t.Fatalf("called %q wrong syntax, encoding/json does not", text)
		}
	})
}

// compareReaders: what passes must read the same in gjson and encoding/json.
func compareReaders(t *testing.T, text []byte) {
	var want map[string]json.RawMessage
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	n := 0
	Members(string(text), func(name string, v Value) bool {
		n++
		raw, there := want[name]
		if !there {
			t.Fatalf("%q: gjson sees a member %q, encoding/json does not", text, name)
		}
		var s string
		if IsString(v) && (json.Unmarshal(raw, &s) != nil || s != v.Str) {
			t.Fatalf("%q: member %q is %q in gjson, %s in encoding/json", text, name, v.Str, raw)
		}
		return true
	})
	if n != len(want) {
		t.Fatalf("%q: %d members in gjson, %d in encoding/json", text, n, len(want))
	}
}

func FuzzAppendString(f *testing.F) {
	f.Add("a\"\\\n\x7f\u00e9\u2028\U0001f600")
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		written := AppendString(nil, text)
		var read string
		if err := json.Unmarshal(written, &read); err != nil || read != text {
			t.Fatalf("%q was written as %s and read as %q (%v)", text, written, read, err)
		}
		if err := CheckObject([]byte(`{"a":` + string(written) + `}`)); err != nil {
			t.Fatalf("%s is refused: %v", written, err)
		}
	})
}
