package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"sort"
)

func compareObject(what string, want, got json.RawMessage, compare func(path string, want, got any) error) error {
	if got == nil {
		return fmt.Errorf("expected %q", what)
	}
	wanted, err := decode(want)
	if err != nil {
		return err
	}
	found, err := decode(got)
	if err != nil {
		return err
	}
	return compare(what, wanted, found)
}

func decode(text json.RawMessage) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	err := decoder.Decode(&value)
	return value, err
}

// exact compares two JSON values; objects must have the same members.
func exact(path string, want, got any) error {
	wanted, isObject := want.(map[string]any)
	found, bothObjects := got.(map[string]any)
	if isObject && bothObjects {
		for _, name := range sortedNames(found) {
			if _, there := wanted[name]; !there {
				return fmt.Errorf("%s.%s is not expected", path, name)
			}
		}
	}
	return compareValues(path, want, got, exact)
}

// includes is exact, but objects may have more members than are wanted.
func includes(path string, want, got any) error {
	return compareValues(path, want, got, includes)
}

func compareValues(path string, want, got any, inner func(string, any, any) error) error {
	switch wanted := want.(type) {
	case map[string]any:
		found, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("%s: expected an object, got %s", path, show(got))
		}
		for _, name := range sortedNames(wanted) {
			member, there := found[name]
			if !there {
				return fmt.Errorf("%s.%s is missing", path, name)
			}
			if err := inner(path+"."+name, wanted[name], member); err != nil {
				return err
			}
		}
		return nil
	case []any:
		found, ok := got.([]any)
		if !ok || len(found) != len(wanted) {
			return fmt.Errorf("%s: expected an array of %d, got %s", path, len(wanted), show(got))
		}
		for at := range wanted {
			if err := inner(fmt.Sprintf("%s[%d]", path, at), wanted[at], found[at]); err != nil {
				return err
			}
		}
		return nil
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Errorf("%s: expected %s, got %s", path, show(want), show(got))
	}
	return nil
}

func sortedNames(object map[string]any) []string {
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// show writes a value for a report, cut to one line.
func show(value any) string {
	text, err := compact(value)
	if err != nil {
		return err.Error()
	}
	const most = 300
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(text)
}
