// Package schema_test keeps vectors.schema.json and the core's closed tables alike.
// That the vectors fit the schema is tested in cmd/docs, with a validator.
package schema_test

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/tallystick/tallystick/core/abi"
	"github.com/tallystick/tallystick/core/problem"
)

func enumOf(t *testing.T, definition string) []string {
	t.Helper()
	text, err := os.ReadFile("vectors.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Defs map[string]struct{ Enum []string } `json:"$defs"`
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	return schema.Defs[definition].Enum
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
