package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Substitute returns compact JSON in which every string "$name" is replaced by
// the value that lookup has for the name, and "$$…" by "$…". Numbers keep their
// spelling. A name that lookup does not know is an error.
func Substitute(text json.RawMessage, lookup func(name string) (json.RawMessage, bool)) ([]byte, error) {
	if text == nil {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	value, err := replace(value, lookup)
	if err != nil {
		return nil, err
	}
	return compact(value)
}

// SubstituteText replaces every "$name" in a text that need not be JSON, quotes
// included, by the saved value. Other names stay.
func SubstituteText(text string, saved map[string]json.RawMessage) string {
	for name, value := range saved {
		text = strings.ReplaceAll(text, `"$`+name+`"`, string(value))
	}
	return text
}

// compact writes JSON without spaces, and without the HTML escapes that
// encoding/json puts in by default.
func compact(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

func replace(value any, lookup func(string) (json.RawMessage, bool)) (any, error) {
	var err error
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			if v[name], err = replace(member, lookup); err != nil {
				return nil, err
			}
		}
	case []any:
		for at, element := range v {
			if v[at], err = replace(element, lookup); err != nil {
				return nil, err
			}
		}
	case string:
		return replaceString(v, lookup)
	}
	return value, nil
}

func replaceString(text string, lookup func(string) (json.RawMessage, bool)) (any, error) {
	name, isReference := strings.CutPrefix(text, "$")
	if !isReference {
		return text, nil
	}
	if strings.HasPrefix(name, "$") {
		return name, nil
	}
	saved, there := lookup(name)
	if !there {
		return nil, fmt.Errorf("%q: no earlier step saved it", text)
	}
	return saved, nil
}
