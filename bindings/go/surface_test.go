package tallystick_test

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"testing"

	tallystick "github.com/tallystick/tallystick/bindings/go"
)

// goTypes are the types that conformance/surface.json names.
var goTypes = map[string]reflect.Type{
	"Verifier": reflect.TypeFor[*tallystick.Verifier](), "VerifierOptions": reflect.TypeFor[tallystick.VerifierOptions](),
	"Signer": reflect.TypeFor[*tallystick.Signer](), "SignerOptions": reflect.TypeFor[tallystick.SignerOptions](),
	"Skill": reflect.TypeFor[*tallystick.Skill](), "SkillOptions": reflect.TypeFor[tallystick.SkillOptions](),
	"Authority":        reflect.TypeFor[*tallystick.Authority](),
	"AuthorityOptions": reflect.TypeFor[tallystick.AuthorityOptions](),
	"AuthContext":      reflect.TypeFor[*tallystick.AuthContext](),
	"Caller":           reflect.TypeFor[*tallystick.Caller](), "Error": reflect.TypeFor[*tallystick.Error](),
}

type surfaceClass struct{ Options, Configuration, Methods, Properties map[string]any }

type goClass struct {
	Type        string
	OptionsType string `json:"options_type"`
	Names       map[string]string
	Absent, Own map[string]string // with the reason
}

// What is public in Python and Node is public in Go, by the same name, or is left out for a reason;
// and the other way round.
func TestTheSurfaceIsTheOtherLanguages(t *testing.T) {
	text, err := os.ReadFile("../../conformance/surface.json")
	if err != nil {
		t.Fatal(err)
	}
	var surface struct {
		Classes map[string]surfaceClass
		Go      map[string]goClass
	}
	if err := json.Unmarshal(text, &surface); err != nil {
		t.Fatal(err)
	}
	for name, class := range surface.Go {
		t.Run(name, func(t *testing.T) { class.compare(t, surface.Classes[name]) })
	}
}

func (g goClass) compare(t *testing.T, class surfaceClass) {
	there := names(goTypes[g.Type])
	if g.OptionsType != "" {
		there = append(there, names(goTypes[g.OptionsType])...)
	}
	if len(there) == 0 {
		t.Fatalf("the test knows no type %s", g.Type)
	}
	wanted := map[string]bool{}
	parts := []map[string]any{class.Options, class.Configuration, class.Methods, class.Properties}
	for _, part := range parts {
		for name := range part {
			if _, absent := g.Absent[name]; absent && g.Names[name] == "" {
				continue
			}
			goName := tallystick.FieldName(name)
			if named := g.Names[name]; named != "" {
				goName = named
			}
			wanted[goName] = true
			if !slices.Contains(there, goName) {
				t.Errorf("%s: Go has no %s: add it, or say in surface.json why not", name, goName)
			}
		}
	}
	for _, name := range there {
		if _, own := g.Own[name]; !own && !wanted[name] {
			t.Errorf("%s is in Go alone: say in surface.json why", name)
		}
	}
	for name, why := range maps.All(g.Own) {
		if why == "" || !slices.Contains(there, name) {
			t.Errorf("own: %s is not there, or has no reason", name)
		}
	}
	for name, why := range g.Absent {
		known := slices.ContainsFunc(parts, func(part map[string]any) bool { return part[name] != nil })
		if why == "" || !known {
			t.Errorf("absent: %s is nowhere, or has no reason", name)
		}
	}
}

// names are a type's exported fields and methods.
func names(t reflect.Type) []string {
	var found []string
	if t == nil {
		return nil
	}
	for i := range t.NumMethod() {
		found = append(found, t.Method(i).Name)
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for i := range t.NumField() {
		if field := t.Field(i); field.IsExported() {
			found = append(found, field.Name)
		}
	}
	return found
}
