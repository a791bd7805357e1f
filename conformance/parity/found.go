package parity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tallystick/tallystick/conformance"
)

// Found is a case that a leg answers unlike the reference.
type Found struct {
	Seed uint64
	Case Case   // with the mutations that are needed
	Leg  string // that differs
	// Repeats is whether the case alone shows the difference. Where it does not,
	// it depends on earlier cases, and is not made smaller.
	Repeats bool

	draft    *draft
	answered played // reference, again, the leg that differs
}

// area is the name of the area, and of the file, that the vector is written to.
func (f *Found) area() string { return fmt.Sprintf("seed-%d-case-%d", f.Seed, f.Case.Number) }

// at returns the number of the first answer that differs, and both answers.
func (f *Found) at() (number int, wanted, got []byte) {
	reference, other := f.answered.answers[reference], f.answered.answers[compared]
	for number = range max(len(reference), len(other)) {
		wanted, got = answer(reference, number), answer(other, number)
		if !bytes.Equal(wanted, got) {
			break
		}
	}
	return number + 1, wanted, got
}

func answer(answers [][]byte, at int) []byte {
	if at < len(answers) {
		return answers[at]
	}
	return []byte("(no answer: what an earlier one had to give was missing)")
}

// write shows the case, for a reader.
func (f *Found) write(out io.Writer) {
	number, wanted, got := f.at()
	fmt.Fprintf(out, "DIFFERENCE: leg %s, seed %d, case %d, made from %s\n", f.Leg, f.Seed, f.Case.Number, f.Case.Base.Name)
	for _, mutation := range f.Case.Mutations {
		fmt.Fprintf(out, "  mutation %s\n", mutation.Name)
	}
	if !f.Repeats {
		fmt.Fprintln(out, "  it did not show again when the case was repeated: it depends on the cases before it")
	}
	for at, step := range f.draft.vector().Steps {
		text := string(step.Request)
		if step.RequestText != nil {
			text = *step.RequestText
		}
		body, _ := step.BodyBytes() // was written by this package
		fmt.Fprintf(out, "  call %d  %s %s\n", at+1, step.Op, cut(text))
		if len(body) > 0 {
			fmt.Fprintf(out, "          body %q\n", cut(string(body)))
		}
	}
	fmt.Fprintf(out, "  answer %d differs\n    go: %s\n    %s: %s\n", number, cut(string(wanted)), f.Leg, cut(string(got)))
}

func cut(text string) string {
	const most = 3000
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// save writes the case and its twin as an area of the suite and returns the file.
func (f *Found) save(folder string, suite []conformance.Vector) (string, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(f.suiteArea(suite)); err != nil {
		return "", err
	}
	file := filepath.Join(folder, f.area()+".json")
	return file, os.WriteFile(file, out.Bytes(), 0o644)
}

// suiteArea holds the vector, and the accept that it needs as a twin.
func (f *Found) suiteArea(suite []conformance.Vector) conformance.Area {
	vector := f.vector()
	area := conformance.Area{Area: f.area(), About: "found by fuzz-parity: keep the vector below a name that says the fault", Vectors: []conformance.Vector{vector}}
	if vector.Kind == conformance.Reject {
		twin := f.twin(suite)
		twin.Name = vector.Twin
		area.Vectors = append(area.Vectors, twin)
	}
	return area
}

// twin is the vector that the case was made from, or the accepting one beside it.
func (f *Found) twin(suite []conformance.Vector) conformance.Vector {
	if f.Case.Base.Kind == conformance.Accept {
		return f.Case.Base
	}
	at := slices.IndexFunc(suite, func(v conformance.Vector) bool { return v.Name == f.Case.Base.Twin })
	return suite[at] // the suite was checked
}

// vector has the reference's answers as its expectations.
func (f *Found) vector() conformance.Vector {
	vector := f.draft.vector()
	number, _, _ := f.at()
	vector.Name = f.area() + "/" + strings.ReplaceAll(f.Case.Base.Name, "/", "-")
	vector.Kind, vector.Twin, vector.Note = conformance.Accept, "", ""
	vector.Says = fmt.Sprintf("leg %s and the core give different answers to call %d", f.Leg, number)
	vector.Source = fmt.Sprintf("found by fuzz-parity, seed %d case %d", f.Seed, f.Case.Number)
	var steps []conformance.Step
	answers := f.answered.answers[reference]
	for at, step := range vector.Steps[:len(answers)] {
		step.Expect = expect(answers[at])
		if step.Expect.Error != "" {
			vector.Kind, vector.Twin = conformance.Reject, f.area()+"/twin"
		}
		step.Save = saved(step.Save, answers[at])
		steps = append(steps, step)
	}
	vector.Steps = steps
	return vector
}

// saved keeps what the answer has: the runner demands it.
func saved(wanted map[string]string, answer []byte) map[string]string {
	kept := map[string]string{}
	for name, path := range wanted {
		if gjson.GetBytes(answer, path).Exists() {
			kept[name] = path
		}
	}
	return kept
}

// expect says what an answer must be, but for what is replaced before answers are
// compared.
func expect(answer []byte) conformance.Expect {
	if code := gjson.GetBytes(answer, "error.code"); code.Exists() {
		return conformance.Expect{Error: code.String()}
	}
	if need := gjson.GetBytes(answer, "need"); need.Exists() {
		return conformance.Expect{Need: withoutMarks(need.Raw)}
	}
	return conformance.Expect{OKIncludes: withoutMarks(gjson.GetBytes(answer, "ok").Raw)}
}

func withoutMarks(text string) json.RawMessage {
	root, err := parse(text, false)
	if err != nil {
		panic(err) // it is a part of an answer
	}
	root.dropMarks()
	return json.RawMessage(root.write(request))
}

// dropMarks takes out members that were replaced before the comparison, and
// arrays that hold such members.
func (n *node) dropMarks() {
	for at := len(n.kids) - 1; at >= 0; at-- {
		kid := n.kids[at]
		if kid.isMark() || kid.kind == isArray && kid.holdsMark() {
			n.remove(at)
			continue
		}
		kid.dropMarks()
	}
}

func (n *node) isMark() bool {
	return n.kind == isString && (n.text == "$engine" || n.text == "$ticket" || n.text == "$varies")
}

func (n *node) holdsMark() bool {
	holds := false
	n.each(func(inner *node) { holds = holds || inner.isMark() })
	return holds
}
