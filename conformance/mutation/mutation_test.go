package mutation

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryMarkedGuardGivesAProgram(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	guards, err := Guards(root)
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckTypes(t.Context(), root, guards); err != nil {
		t.Error(err)
	}
}

func TestOperators(t *testing.T) {
	for _, test := range []struct{ says, code, mutant string }{
		{"never: if", `if a := f(x); a == 1 { //guard:g never`, `if a := f(x); ((a == 1) && !true) { //guard:g never`},
		{"always: if", `if a == 1 { //guard:g always`, `if ((a == 1) || true) { //guard:g always`},
		{"never: return", `return a < 1 //guard:g never`, `return ((a < 1) && !true) //guard:g never`},
		{"always: call", `need(a < 1) //guard:g always`, `need(((a < 1) || true)) //guard:g always`},
		{"never: argument", `need(x, y, true) //guard:g never 3`, `need(x, y, ((true) && !true)) //guard:g never 3`},
		{"always: operand", `ok = a && (b || c) //guard:g always 3`, `ok = a && (b || ((c) || true)) //guard:g always 3`},
		{"never: case", "switch {\ncase a == 1: //guard:g never\n}", "switch {\ncase ((a == 1) && !true): //guard:g never\n}"},
		{"drop: or", `if a == 1 || b { //guard:g drop 1`, `if ((a == 1) && !true) || b { //guard:g drop 1`},
		{"drop: and, two", `if a && b && c { //guard:g drop 1 3`, `if ((a) || true) && b && ((c) || true) { //guard:g drop 1 3`},
		{"drop: inner chain", `if a || any(func() bool { return b && c }) { //guard:g drop 4`, `if a || any(func() bool { return b && ((c) || true) }) { //guard:g drop 4`},
		{"drop: value", "switch x {\ncase 1, 2: //guard:g drop 2\n}", "switch x {\ncase 1: //guard:g drop 2\n}"},
		{"drop: first value", "switch x {\ncase 1, 2: //guard:g drop 1\n}", "switch x {\ncase 2: //guard:g drop 1\n}"},
		{"join", "switch x {\ncase 1:\ncase 2: //guard:g join\n}", "switch x {\ncase 1, 2:\n //guard:g join\n}"},
		{"bound", `if a >= 1 { //guard:g bound`, `if a > 1 { //guard:g bound`},
		{"bound: second", `if a >= 1 && b < 2 { //guard:g bound 2`, `if a >= 1 && b <= 2 { //guard:g bound 2`},
		{"term", `if a >= b+c { //guard:g term`, `if a >= b+0*(c) { //guard:g term`},
		{"skip", `x = f(1) //guard:g skip`, `if !true { x = f(1) } //guard:g skip`},
		{"skip: target", `x, y = 1, 2 //guard:g skip 2`, `x, _ = 1, 2 //guard:g skip 2`},
		{"cut", `return equal(a, b) //guard:g cut`, `return equal((a)[:1], (b)[:1]) //guard:g cut`},
		{"letter", `n := strings.Count(x, " \t,") //guard:g letter 3`, `n := strings.Count(x, " \t") //guard:g letter 3`},
	} {
		t.Run(test.says, func(t *testing.T) {
			code, want := inFunction(test.code), inFunction(test.mutant)
			got, err := mutate(t, code)
			if err != nil || got != want {
				t.Errorf("got %s (%v), want %s", got, err, want)
			}
		})
	}
}

// TestNestedEdits: what stands on one line for several guards is switched off one by one.
func TestNestedEdits(t *testing.T) {
	code := []byte(inFunction("if a || b && c { //guard:all never; last drop 3; second drop 2"))
	guards, err := markers("x.go", code)
	if err != nil {
		t.Fatal(err)
	}
	var edits []edit
	for _, g := range guards {
		l, err := newLine(g, code, g.Name)
		if err != nil || l.fixed {
			t.Fatal(err, l.fixed)
		}
		edits = append(edits, l.edits...)
	}
	want := "if ((a || ((b) || second) && ((c) || last)) && !all) {"
	if got := string(edited(code, edits)); !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestNeverLeavesOutACaseThatComparesAValue(t *testing.T) {
	got, err := mutate(t, inFunction("switch x {\ncase 1: //guard:g never\ngone()\ndefault:\n}"))
	if err != nil || strings.Contains(got, "gone()") || !strings.Contains(got, "default:") {
		t.Errorf("got %s (%v)", got, err)
	}
}

func TestOperatorsThatDoNotFitTheLine(t *testing.T) {
	for _, code := range []string{
		`x() //guard:g never`,
		`if a || b { //guard:g drop 3`,
		`if a || b { //guard:g drop`,
		`if a { //guard:g bound`,
		"switch x {\ncase 1: //guard:g always\n}",
		"switch x {\ncase 1: //guard:g drop 1\n}",
		"switch {\ndefault: //guard:g never\n}",
		`x() //guard:g letter 1`,
		`x("ab") //guard:g letter 3`,
		`x() //guard:g skip 1`,
	} {
		if got, err := mutate(t, inFunction(code)); err == nil {
			t.Errorf("%s: became %s", code, got)
		}
	}
}

func TestMarkers(t *testing.T) {
	found, err := markers("x.go", []byte("package x\n\nvar a = 1 //guard:first-one never; second drop 1 2 // a remark\n"))
	if err != nil || len(found) != 2 {
		t.Fatal(found, err)
	}
	first, second := found[0], found[1]
	if first.Name != "first-one" || first.Operator != "never" || first.Line != 3 || first.Operands != nil {
		t.Error(first)
	}
	if second.Name != "second" || second.Operator != "drop" || len(second.Operands) != 2 {
		t.Error(second)
	}
	for _, comment := range []string{"// guard: a never", "// guard:a never", "//guard:a", "//guard:a perhaps", "//guard:A never", "//guard:a never;b never", "//guard:a drop 0", "//guards:a never"} {
		if found, err := markers("x.go", []byte("package x\n\nvar a = 1 "+comment+"\n")); err == nil {
			t.Errorf("%s was read as %v", comment, found)
		}
	}
}

func inFunction(code string) string {
	if strings.Contains(code, "{ //") {
		code += "\n}"
	}
	return "package x\n\nfunc f() {\n" + code + "\n}\n"
}

// mutate returns what becomes of code with one marker.
func mutate(t *testing.T, code string) (string, error) {
	t.Helper()
	guards, err := markers("x.go", []byte(code))
	if err != nil || len(guards) != 1 {
		t.Fatal(guards, err)
	}
	got, err := mutant(guards[0], []byte(code))
	return string(got), err
}
