package settings

import (
	"strconv"
	"strings"

	"github.com/tallystick/tallystick/core/strictjson"
)

// key is one key of a mapping. The example goes into the fix of an error.
type key[T any] struct {
	name, example string
	read          func(into *T, v strictjson.Value) *fault
}

// readObject reads a mapping. A key may be written as in Python or as in Node
// (jwks_uri, jwksUri), not both; one without a value counts as absent.
func readObject[T any](into *T, v strictjson.Value, keys []key[T]) *fault {
	if !v.IsObject() {
		return wrongType("a mapping of keys", v)
	}
	var f *fault
	seen := map[string]string{}
	strictjson.Members(v.Raw, func(written string, v strictjson.Value) bool {
		k := lookUp(keys, written)
		if k == nil {
			f = unknownKey(spellings(keys), written)
			return false
		}
		if other, there := seen[k.name]; there {
			f = &fault{printable(written), "is the same key as " + other, "keep one of them"}
			return false
		}
		seen[k.name] = written
		if v.Raw == "null" {
			return true
		}
		if f = k.read(into, v); f != nil {
			if f.fix == "" {
				f.fix = "write " + written + ": " + k.example
			}
			f = f.under(written)
		}
		return f == nil
	})
	return f
}

func lookUp[T any](keys []key[T], written string) *key[T] {
	for i := range keys {
		if name := keys[i].name; name == written || camelCase(name) == written {
			return &keys[i]
		}
	}
	return nil
}

func camelCase(name string) string {
	var b strings.Builder
	for i, word := range strings.Split(name, "_") {
		if i > 0 {
			b.WriteString(strings.ToUpper(word[:1]))
			word = word[1:]
		}
		b.WriteString(word)
	}
	return b.String()
}

// spellings are the names of keys as they may be written.
func spellings[T any](keys []key[T]) []string {
	names := make([]string, 0, 2*len(keys))
	for _, k := range keys {
		names = append(names, k.name, camelCase(k.name))
	}
	return names
}

func unknownKey(names []string, written string) *fault {
	nearest, best := "", -1
	for _, name := range names {
		// In a spelling like the writer's.
		d := 2 * distance(written, name)
		if strings.ContainsRune(name, '_') == (strings.ToLower(written) != written) {
			d++
		}
		if best < 0 || d < best {
			nearest, best = name, d
		}
	}
	fix := "remove it"
	if best/2*3 <= len(written) { // with more wrong letters than that, another key was meant
		fix = "write " + nearest + " or remove it"
	}
	return &fault{printable(written), "there is no such key", fix}
}

// maxCompared bounds the work that a long unknown key makes.
const maxCompared = 64

// distance is Levenshtein's, over bytes and without case.
func distance(a, b string) int {
	a, b = strings.ToLower(a[:min(len(a), maxCompared)]), strings.ToLower(b)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// text reads a string of at most max bytes that check, if any, has nothing against.
func text(v strictjson.Value, max int, check func(string) error) (string, *fault) {
	if !strictjson.IsString(v) {
		return "", wrongType("a string", v)
	}
	if f := checkText(v.Str, max); f != nil {
		return "", f
	}
	if check != nil {
		if err := check(v.Str); err != nil {
			return "", wrong(err.Error())
		}
	}
	return v.Str, nil
}

func checkText(s string, max int) *fault {
	switch {
	case s == "":
		return wrong("must not be empty")
	case len(s) > max:
		return wrong("is too long: at most " + printInt(int64(max)) + " bytes")
	case max == MaxText && strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7F }):
		return wrong("must not have control characters")
	}
	return nil
}

// texts reads a list of strings.
func texts(v strictjson.Value, check func(string) error) ([]string, *fault) {
	list := []string{}
	f := each(v, "a list of strings", func(entry strictjson.Value) *fault {
		s, f := text(entry, MaxText, check)
		list = append(list, s)
		return f
	})
	return list, f
}

// each reads a list's entries until one is wrong.
func each(v strictjson.Value, wanted string, read func(entry strictjson.Value) *fault) *fault {
	if !v.IsArray() {
		return wrongType(wanted, v)
	}
	var f *fault
	i := 0
	v.ForEach(func(_, entry strictjson.Value) bool {
		if i == MaxEntries {
			f = wrong("has too many entries: at most " + printInt(MaxEntries))
			return false
		}
		if f = read(entry); f != nil {
			f = f.at(i)
		}
		i++
		return f == nil
	})
	return f
}

func objects[T any](v strictjson.Value, keys []key[T]) ([]T, *fault) {
	list := []T{}
	f := each(v, "a list of mappings", func(entry strictjson.Value) *fault {
		var one T
		f := readObject(&one, entry, keys)
		list = append(list, one)
		return f
	})
	return list, f
}

func integer(v strictjson.Value, min, max int64, unit string) (int64, *fault) {
	wanted := "a whole number of " + unit + " from " + printInt(min) + " to " + printInt(max)
	n, ok := strictjson.Seconds(v)
	switch {
	case !strictjson.IsNumber(v):
		return 0, wrongType(wanted, v)
	case !ok || n != float64(int64(n)) || int64(n) < min || int64(n) > max:
		return 0, wrong("must be " + wanted)
	}
	return int64(n), nil
}

func seconds(v strictjson.Value, min, max int64) (float64, *fault) {
	wanted := "a number of seconds from " + printInt(min) + " to " + printInt(max)
	n, ok := strictjson.Seconds(v)
	switch {
	case !strictjson.IsNumber(v):
		return 0, wrongType(wanted, v)
	case !ok || n < float64(min) || n > float64(max):
		return 0, wrong("must be " + wanted)
	}
	return n, nil
}

func flag(v strictjson.Value) (bool, *fault) {
	if !strictjson.IsBool(v) {
		return false, wrongType("true or false", v)
	}
	return v.Bool(), nil
}

func printInt(n int64) string { return strconv.FormatInt(n, 10) }
