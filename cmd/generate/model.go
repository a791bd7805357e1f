package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/tallystick/tallystick/core/abi"
	"github.com/tallystick/tallystick/core/problem"
)

// shape is one object type that crosses the border.
type shape struct {
	name   string
	goType reflect.Type
	fields []field
}

type field struct {
	name     string
	optional bool
	goType   reflect.Type
}

var rawJSON = reflect.TypeFor[json.RawMessage]()

// shapesOf returns the named object types, those inside others first, each once.
func shapesOf(names []string) ([]shape, error) {
	types := map[string]reflect.Type{}
	for _, operation := range abi.Table() {
		find(operation.Request, types)
		find(operation.Result, types)
	}
	seen := map[reflect.Type]bool{}
	var all []shape
	for _, name := range names {
		t, known := types[name]
		if !known {
			return nil, fmt.Errorf("%s is imported of operations.ts, and no operation has such a type", name)
		}
		all = collect(all, t, seen)
	}
	return all, nil
}

// find names every object type that a type holds.
func find(t reflect.Type, types map[string]reflect.Type) {
	for _, s := range collect(nil, t, map[reflect.Type]bool{}) {
		types[s.name] = s.goType
	}
}

func collect(all []shape, t reflect.Type, seen map[reflect.Type]bool) []shape {
	switch {
	case t == rawJSON || seen[t]:
		return all
	case t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map:
		return collect(all, t.Elem(), seen)
	case t.Kind() != reflect.Struct:
		return all
	}
	seen[t] = true
	s := shape{name: t.Name(), goType: t}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		s.fields = append(s.fields, field{name, options != "", f.Type})
		all = collect(all, f.Type, seen)
	}
	if s.name == "Empty" {
		return all
	}
	return append(all, s)
}

// className turns "invalid_url" into "InvalidURLError" or "InvalidUrlError".
func className(code problem.Code, acronym string) string {
	var b strings.Builder
	for _, word := range strings.Split(string(code), "_") {
		if word == "url" {
			b.WriteString(acronym)
			continue
		}
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String() + "Error"
}

// sentence makes a message of the table a sentence for a doc comment.
func sentence(text string) string {
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
