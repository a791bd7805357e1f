package parity

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode/utf8"
)

// mutator is one way to change something. Exactly one of the three functions is
// set; each reports whether it changed anything.
type mutator struct {
	name   string
	weight int
	// steps changes the order of the calls.
	steps func(r *rand.Rand, d *draft) bool
	// raw changes the text of a request, which need not be JSON then.
	raw func(r *rand.Rand, text string) string
	// value changes one place that fits.
	value func(r *rand.Rand, s site) bool
	fits  func(s site) bool
}

// site is a place in a tree.
type site struct {
	parent *node
	at     int    // in parent
	name   string // of the nearest member around it; "body" for the body itself
	depth  int    // how many texts of JSON it is inside of
}

func (s site) node() *node          { return s.parent.kids[s.at] }
func (s site) set(value *node) bool { s.parent.kids[s.at] = value; return true }
func (s site) isMember() bool       { return s.parent.kind == isObject }

// setText replaces a string and reports whether it is another one.
func (s site) setText(text string) bool {
	changed := text != s.node().text
	s.set(str(text))
	return changed
}

var (
	// mutators has every mutator by its name, ordered those that are drawn.
	mutators = map[string]mutator{}
	ordered  []mutator
	upTo     []int // sums of the weights of ordered
)

// In init, because mutators draw others for what is inside a text.
func init() {
	for _, group := range [][]mutator{
		stepMutators, rawMutators, jsonMutators, textMutators, tokenMutators, signedMutators,
		keyMutators, patternMutators, urlMutators, headerMutators, timeMutators,
	} {
		ordered = append(ordered, group...)
	}
	sum := 0
	for _, m := range ordered {
		sum += m.weight
		upTo = append(upTo, sum)
		mutators[m.name] = m
	}
}

func pickMutator(r *rand.Rand) mutator { return ordered[pickWeighted(r, upTo)] }

func (m mutator) changeStep(r *rand.Rand, s *draftStep) bool {
	if m.raw != nil {
		s.text, s.tree = m.raw(r, s.requestText()), nil
		return utf8.ValidString(s.text) // a vector holds no other text
	}
	body := &node{kind: isArray, kids: []*node{str(s.body)}}
	found := m.places(&node{kind: isArray, kids: []*node{s.tree}}, "", 0)
	if s.body != "" && s.base.BodySaved == "" {
		// A body is often what the step is about, so it stands for several members.
		for range 1 + len(found)/3 {
			found = append(found, m.places(body, "body", 0)...)
		}
	}
	if len(found) == 0 || !m.value(r, pick(r, found)) {
		return false
	}
	s.body = body.kids[0].text
	return true
}

// places lists what fits; the root itself is none, but for a body.
func (m mutator) places(root *node, name string, depth int) []site {
	var found []site
	var walk func(parent *node, name string)
	walk = func(parent *node, name string) {
		for at, kid := range parent.kids {
			if kid == nil {
				continue
			}
			if parent.kind == isObject {
				name = parent.names[at]
			}
			s := site{parent, at, name, depth}
			if (parent != root || name == "body") && m.fits(s) {
				found = append(found, s)
			}
			walk(kid, name)
		}
	}
	walk(root, name)
	return found
}

// maxInside bounds texts of JSON in texts of JSON.
const maxInside = 2

// changeInside changes one value somewhere below a root.
func changeInside(r *rand.Rand, root *node, depth int) bool {
	around := &node{kind: isArray, kids: []*node{root}}
	for range attempts {
		m := pickMutator(r)
		if m.value == nil {
			continue
		}
		if found := m.places(around, "", depth); len(found) > 0 {
			return m.value(r, pick(r, found))
		}
	}
	return false
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func anyValue(s site) bool { return s.name != "body" || s.isMember() }
func anyText(s site) bool  { return s.node().kind == isString && !isProtected(s) }

// isProtected: what makes answers repeatable stays.
func isProtected(s site) bool {
	return s.isMember() && s.depth == 0 && slices.Contains([]string{"now", "jti", "fresh"}, s.name)
}

// isJSON reports whether a text is a JSON object or array.
func isJSON(text string) bool {
	trimmed := strings.TrimSpace(text)
	return (strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[")) && json.Valid([]byte(text))
}
