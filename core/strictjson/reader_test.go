package strictjson

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

// FuzzReader: the quick readers say what the gate and gjson say.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { "a" : 1 } `, `{"a":"b","c":true,"d":false,"e":null,"f":[1,"x",{"y":2}],"g":{"h":"i"}}`,
		`{"now":1764269000.123,"b":1764269000.1234567,"c":0.1,"d":-1,"e":1e3,"f":9007199254740993,"g":0.30000000000000004}`,
		`{"a":18446745773709611.616,"b":18446744073709551.61600000000000000000000000,"c":12345678901234567.8,"d":1234567890123456.78}`,
		`{"a":"12345678\"9","b":"1234567\u00e9","c":"` + strings.Repeat("x", 40) + `"}`, `{"a":1,}`, `{"a":1,"a":2}`, `{"a":1`, `[]`, `null`, `{"a":1} x`,
		`{"a":["b" , "c"]}`, "{\"a\":\"12345\n78\"}", `{"a":[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var want []member
		refused := CheckObject([]byte(text))
		if refused == nil {
			gjson.Parse(text).ForEach(func(name, v gjson.Result) bool {
				want = append(want, member{name.Str, v})
				return true
			})
		}
		var got []member
		r := Read(text)
		for r.Next() {
			sameMember(t, &r.Member)
			got = append(got, member{r.Name, r.Value()})
		}
		if !errors.Is(r.Err(), refused) {
			t.Fatalf("%q: %v, the gate says %v", text, r.Err(), refused)
		}
		if r.Next() {
			t.Fatalf("%q: goes on after its end", text)
		}
		if refused == nil {
			sameMembers(t, got, want)
		}
	})
}

type member struct {
	name  string
	value Value
}

func sameMembers(t *testing.T, got, want []member) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d members, gjson sees %d", len(got), len(want))
	}
	for i := range want {
		if got[i].name != want[i].name {
			t.Fatalf("a member is called %q, in gjson %q", got[i].name, want[i].name)
		}
		sameValue(t, got[i].value, want[i].value)
	}
}

func sameValue(t *testing.T, got, want Value) {
	t.Helper()
	if got.Type != want.Type || got.Raw != want.Raw || got.Str != want.Str || got.Num != want.Num {
		t.Fatalf("read as %+v, by gjson as %+v", got, want)
	}
}

// sameMember compares what the reader itself says of a value with gjson.
func sameMember(t *testing.T, m *Member) {
	t.Helper()
	want := gjson.Parse(m.Raw)
	kinds := map[gjson.Type]Kind{gjson.Null: Null, gjson.True: Bool, gjson.False: Bool, gjson.Number: Number, gjson.String: String, gjson.JSON: Object}
	kind := kinds[want.Type]
	if want.IsArray() {
		kind = Array
	}
	if m.Kind != kind || kind == Number && m.Num != want.Num || m.Text != want.Str {
		t.Fatalf("read as %+v, by gjson as %+v", m, want)
	}
	if kind == Array {
		sameStrings(t, m.Raw, want.Array())
	}
}

func sameStrings(t *testing.T, array string, entries []gjson.Result) {
	t.Helper()
	var want []string
	for _, entry := range entries {
		if entry.Type != gjson.String {
			if _, all := AppendStrings(nil, array); all {
				t.Fatalf("%s was read as strings", array)
			}
			return
		}
		want = append(want, entry.Str)
	}
	if got, all := AppendStrings(nil, array); !all || !slices.Equal(got, want) {
		t.Fatalf("%s was read as %q (%v), by gjson as %q", array, got, all, want)
	}
}

// Eight bytes are looked at in one step: each place of each special byte counts.
func TestSkipPlainFindsEveryPlace(t *testing.T) {
	for _, length := range []int{0, 1, 7, 8, 9, 15, 16, 17, 24} {
		plainText := strings.Repeat("~", length)
		if got := skipPlain(plainText, 0); got != length {
			t.Errorf("%d plain bytes: stopped at %d", length, got)
		}
		for at := range length {
			for c := range 256 {
				text := plainText[:at] + string([]byte{byte(c)}) + plainText[at+1:]
				want := length
				if !plain[c] {
					want = at
				}
				if got := skipPlain(text, 0); got != want {
					t.Fatalf("byte %#x at %d of %d: stopped at %d", c, at, length, got)
				}
			}
		}
	}
}

// A refused text shows nothing after its fault.
func TestReaderStops(t *testing.T) {
	r := Read(`{"a":1,"b":x,"c":3}`)
	var seen []string
	for r.Next() {
		seen = append(seen, r.Name)
	}
	if len(seen) != 1 || !errors.Is(r.Err(), ErrSyntax) {
		t.Errorf("saw %v, then %v", seen, r.Err())
	}
}
