// Package schema_test keeps vectors.schema.json and the core's closed tables alike.
// That the vectors fit the schema is tested in cmd/docs, with a validator.
package schema_test

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tallystick/tallystick/conformance"
	"github.com/tallystick/tallystick/core/abi"
	"github.com/tallystick/tallystick/core/problem"
)

// definition is the part of an object's or an enumeration's schema that is compared.
type definition struct {
	Enum       []string
	Properties map[string]json.RawMessage
}

func read(t *testing.T) (file definition, defs map[string]definition) {
	t.Helper()
	text, err := os.ReadFile("vectors.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		definition
		Defs map[string]definition `json:"$defs"`
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	return schema.definition, schema.Defs
}

func enumOf(t *testing.T, name string) []string {
	t.Helper()
	_, defs := read(t)
	return defs[name].Enum
}

// The loader refuses members that it does not know; the schema must know the same.
func TestMembersAreTheLoaders(t *testing.T) {
	file, defs := read(t)
	for _, c := range []struct {
		name   string
		schema definition
		loader any
	}{
		{"file", file, conformance.Area{}},
		{"vector", defs["vector"], conformance.Vector{}},
		{"step", defs["step"], conformance.Step{}},
		{"expect", defs["expect"], conformance.Expect{}},
		{"response", defs["response"], conformance.Response{}},
	} {
		listed := slices.Sorted(maps.Keys(c.schema.Properties))
		if there := membersOf(c.loader); !slices.Equal(listed, there) {
			t.Errorf("%s: the schema has the members %v, the loader %v", c.name, listed, there)
		}
	}
}

func membersOf(object any) []string {
	var names []string
	for _, field := range reflect.VisibleFields(reflect.TypeOf(object)) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func TestOperationsAreTheCores(t *testing.T) {
	if listed, there := enumOf(t, "operation"), abi.Operations(); !slices.Equal(listed, there) {
		t.Errorf("the schema lists the operations %v, the core has %v", listed, there)
	}
}

func TestCodesAreTheCores(t *testing.T) {
	var there []string
	for _, row := range problem.Table() {
		there = append(there, string(row.Code))
	}
	if listed := enumOf(t, "code"); !slices.Equal(listed, there) {
		t.Errorf("the schema lists the codes %v, the core has %v", listed, there)
	}
}
