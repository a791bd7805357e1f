package settings

import (
	"strconv"
	"strings"

	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

// fault is one thing wrong with a configuration.
type fault struct {
	path string // "trusted_issuers[0].jwks_uri"; "" for the whole
	what string
	fix  string
}

func wrong(what string) *fault { return &fault{what: what} }

// under says where a fault of an entry is.
func (f *fault) under(name string) *fault {
	switch {
	case f.path == "":
		f.path = name
	case f.path[0] == '[':
		f.path = name + f.path
	default:
		f.path = name + "." + f.path
	}
	return f
}

func (f *fault) at(index int) *fault { return f.under("[" + strconv.Itoa(index) + "]") }

func (f *fault) problem(source string) *problem.Problem {
	parts := []string{printable(source), f.path, f.what, f.fix}
	kept := parts[:0]
	for _, part := range parts {
		if part != "" {
			kept = append(kept, part)
		}
	}
	return problem.New(problem.InvalidConfig, strings.Join(kept, ": "))
}

// printable keeps a source's or a key's name on its line.
func printable(text string) string {
	quoted := problem.Quote(text)
	if quoted == `"`+text+`"` {
		return text
	}
	return quoted
}

// kindOf names a value's type as a YAML file's author knows it.
func kindOf(v strictjson.Value) string {
	switch {
	case strictjson.IsString(v):
		return "a string"
	case strictjson.IsNumber(v):
		return "a number"
	case strictjson.IsBool(v):
		return "true or false"
	case v.IsArray():
		return "a list"
	case v.IsObject():
		return "a mapping"
	}
	return "empty"
}

func wrongType(wanted string, v strictjson.Value) *fault {
	return wrong("must be " + wanted + " (it is " + kindOf(v) + ")")
}
