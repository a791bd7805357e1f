package parity

import (
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"unicode/utf8"

	"github.com/tallystick/tallystick/conformance"
)

// draft is a vector in the form in which it is changed.
type draft struct {
	base  conformance.Vector
	steps []*draftStep
}

// draftStep is one call. Its request is a tree, or else a text.
type draftStep struct {
	base conformance.Step
	tree *node
	text string // where tree is nil
	body string // bytes
}

func newDraft(base conformance.Vector) *draft {
	d := &draft{base: base}
	for _, step := range base.Steps {
		for range max(step.Repeat, 1) {
			d.steps = append(d.steps, newStep(step))
		}
	}
	return d
}

func newStep(base conformance.Step) *draftStep {
	s := &draftStep{base: base}
	s.base.Repeat = 0 // each call is a step of its own
	if body, err := base.BodyBytes(); err == nil {
		s.body = string(body)
	}
	if base.RequestText != nil {
		s.text = *base.RequestText
		return s
	}
	tree, err := parse(string(base.Request), true)
	if err != nil {
		s.text = string(base.Request) // of a vector that was not checked
		return s
	}
	tree.sort()
	s.tree = tree
	return s
}

// sort puts members in the order in which a request is sent.
func (n *node) sort() {
	for _, kid := range n.kids {
		kid.sort()
	}
	if n.kind != isObject {
		return
	}
	sorted := node{kind: isObject}
	names := slices.Sorted(slices.Values(n.names))
	for _, name := range names {
		sorted.add(name, n.get(name))
	}
	n.names, n.kids = sorted.names, sorted.kids
}

func (s *draftStep) clone() *draftStep {
	copied := *s
	if s.tree != nil {
		copied.tree = s.tree.clone()
	}
	return &copied
}

func (d *draft) clone() *draft {
	copied := &draft{base: d.base}
	for _, step := range d.steps {
		copied.steps = append(copied.steps, step.clone())
	}
	return copied
}

// mutate applies one mutation and reports whether it changed anything.
func (d *draft) mutate(mutation Mutation) bool {
	m, known := mutators[mutation.Name]
	if !known {
		return false
	}
	r := rand.New(rand.NewPCG(mutation.Seed, 0))
	if m.steps != nil {
		return m.steps(r, d)
	}
	at := d.pickStep(r)
	changed := d.steps[at].clone()
	if !m.changeStep(r, changed) || changed.equal(d.steps[at]) {
		return false
	}
	d.steps[at] = changed
	return true
}

// pickStep prefers calls to what goes before them: an engine that does not open
// ends a case early.
func (d *draft) pickStep(r *rand.Rand) int {
	upTo, sum := []int(nil), 0
	for _, step := range d.steps {
		weight := 5
		if step.base.Op == "engine.open" {
			weight = 2
		}
		sum += weight
		upTo = append(upTo, sum)
	}
	return pickWeighted(r, upTo)
}

func (s *draftStep) equal(other *draftStep) bool {
	return s.body == other.body && s.requestText() == other.requestText() && s.base.BodySaved == other.base.BodySaved
}

// isUTF8 reports whether the suite's format can hold the texts.
func (d *draft) isUTF8() bool {
	return !slices.ContainsFunc(d.steps, func(s *draftStep) bool { return !utf8.ValidString(s.text) })
}

// requestText is the request in the form that keeps every spelling.
func (s *draftStep) requestText() string {
	if s.tree == nil {
		return s.text
	}
	return s.tree.write(requestText)
}

// vector writes the draft in the suite's format.
func (d *draft) vector() conformance.Vector {
	vector := d.base
	vector.Steps = nil
	for _, step := range d.steps {
		vector.Steps = append(vector.Steps, step.step(d.base))
	}
	return vector
}

func (s *draftStep) step(vector conformance.Vector) conformance.Step {
	step := s.base
	step.Request, step.RequestText = nil, nil
	if s.tree != nil && s.tree.isPlain() && survivesHost(step.Op, s.tree, vector) {
		step.Request = json.RawMessage(s.tree.write(request))
	} else {
		text := s.requestText()
		step.RequestText = &text
	}
	if step.BodySaved == "" {
		step.Body, step.BodyBase64, step.BodyFill = "", "", 0
		if utf8.ValidString(s.body) {
			step.Body = s.body
		} else {
			step.BodyBase64 = base64.StdEncoding.EncodeToString([]byte(s.body))
		}
	}
	return step
}
