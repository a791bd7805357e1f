package parity

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// jsonMutators change the structure and the spelling of values.
var jsonMutators = []mutator{
	{name: "json-delete", weight: 6, fits: anyValue, value: deleteValue},
	{name: "json-retype", weight: 4, fits: unprotected, value: func(r *rand.Rand, s site) bool { return s.set(pick(r, otherValues)()) }},
	{name: "json-number", weight: 8, fits: isNumber, value: changeNumber},
	{name: "json-flip", weight: 6, fits: isFlag, value: flip},
	{name: "json-duplicate", weight: 2, fits: isMember, value: duplicate},
	{name: "json-reorder", weight: 2, fits: isMember, value: reorder},
	{name: "json-element", weight: 6, fits: isElement, value: repeatElement},
	{name: "json-copy", weight: 6, fits: isOwn, value: copyFromSibling},
	{name: "json-nest", weight: 2, fits: unprotected, value: nest},
	{name: "json-name", weight: 2, fits: isMember, value: rename},
	{name: "json-unknown", weight: 2, fits: isMember, value: addUnknown},
	{name: "json-escape", weight: 8, fits: anyText, value: escape},
	{name: "json-surrogate", weight: 2, fits: anyText, value: surrogate},
	{name: "json-inside", weight: 60, fits: holdsJSON, value: changeHeldJSON},
}

func unprotected(s site) bool { return anyValue(s) && !isProtected(s) }

// isOwn: no reference. A number of an engine that was never given may be one that
// only some of the legs have.
func isOwn(s site) bool     { return unprotected(s) && s.node().kind != isReference }
func isMember(s site) bool  { return s.isMember() }
func isElement(s site) bool { return s.parent.kind == isArray && anyValue(s) }
func isNumber(s site) bool  { return s.node().kind == isLiteral && number.MatchString(s.node().text) }
func isFlag(s site) bool    { return s.node().text == "true" || s.node().text == "false" }
func holdsJSON(s site) bool { return anyText(s) && s.depth < maxInside && isJSON(s.node().text) }

var otherValues = []func() *node{
	func() *node { return literal("null") },
	func() *node { return literal("true") },
	func() *node { return literal("0") },
	func() *node { return literal("4294967295") },
	func() *node { return literal("1.5") },
	func() *node { return str("") },
	func() *node { return str("x") },
	func() *node { return str("1700000000") },
	func() *node { return str("true") },
	func() *node { return &node{kind: isArray} },
	func() *node { return &node{kind: isObject} },
	func() *node { return &node{kind: isArray, kids: []*node{str("x")}} },
	func() *node { return &node{kind: isArray, kids: []*node{literal("null")}} },
	func() *node { return &node{kind: isObject, names: []string{"x"}, kids: []*node{str("y")}} },
}

var numbers = []string{
	"0", "-0", "1", "-1", "1.0", "1e0", "1E+2", "2", "16", "17", "63", "64", "65", "255", "256", "300", "301", "3600", "86400", "86401", "0.1", "1e400", "-1e400",
	"1e-400", "5e-324", "1e308", "9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740993", "2147483648", "4294967296",
	"9223372036854775808", "18446744073709551616", "1700000000.0", "1.7e9", "1700000000.5", "1700000000.9999999", "0.30000000000000004",
	"1" + strings.Repeat("0", 63), "1" + strings.Repeat("0", 64), "0." + strings.Repeat("3", 62), "0." + strings.Repeat("3", 63), "0e99999999999", "1e-99999999999",
}

func changeNumber(r *rand.Rand, s site) bool {
	before := s.node().text
	spelled := []string{before + ".0", before + "e0", before + "0", before + ".5", "-" + before, before + "E-1"}
	if strings.ContainsAny(before, ".eE-") || before == "0" || r.IntN(2) == 0 {
		spelled = numbers
	}
	after := pick(r, spelled)
	s.set(literal(after))
	return after != before
}

// deleteValue never takes away what makes answers repeatable.
func deleteValue(_ *rand.Rand, s site) bool {
	if isProtected(s) {
		return false
	}
	s.parent.remove(s.at)
	return true
}

func flip(_ *rand.Rand, s site) bool {
	return s.set(literal(map[string]string{"true": "false", "false": "true"}[s.node().text]))
}

// duplicate writes a member twice: readers differ in which of the two they take.
func duplicate(r *rand.Rand, s site) bool {
	value := s.node().clone()
	if r.IntN(2) == 0 {
		value = pick(r, otherValues)()
	}
	s.parent.add(s.name, value)
	if r.IntN(3) == 0 {
		s.parent.spellName(len(s.parent.names)-1, escaped(r, s.name))
	}
	return true
}

func reorder(r *rand.Rand, s site) bool {
	other := r.IntN(len(s.parent.kids))
	names, kids := s.parent.names, s.parent.kids
	names[s.at], names[other] = names[other], names[s.at]
	kids[s.at], kids[other] = kids[other], kids[s.at]
	s.parent.spelledNames = nil
	return other != s.at
}

func repeatElement(r *rand.Rand, s site) bool {
	for range pick(r, []int{1, 1, 1, 2, 7, 8, 9, 64}) {
		s.parent.add("", s.node().clone())
	}
	return true
}

// copyFromSibling puts one value in the place of another.
func copyFromSibling(r *rand.Rand, s site) bool {
	other := r.IntN(len(s.parent.kids))
	s.set(s.parent.kids[other].clone())
	return other != s.at
}

func nest(r *rand.Rand, s site) bool {
	value := s.node()
	for range pick(r, []int{1, 1, 2, 10, 11, 12, 13, 14, 15, 16, 17, 40}) {
		if r.IntN(2) == 0 {
			value = &node{kind: isArray, kids: []*node{value}}
		} else {
			value = &node{kind: isObject, names: []string{"x"}, kids: []*node{value}}
		}
	}
	return s.set(value)
}

func rename(r *rand.Rand, s site) bool {
	if isProtected(s) {
		return false
	}
	before := s.parent.names[s.at]
	after := pick(r, []func(string) string{
		strings.ToUpper, camelCase, func(name string) string { return changeText(r, name, pieces) },
		func(name string) string { return name + "\x00" }, func(name string) string { return " " + name },
		func(string) string { return pick(r, s.parent.names) }, func(name string) string { return strings.Replace(name, "s", "ſ", 1) },
	})(before)
	if after == before {
		s.parent.spellName(s.at, escaped(r, before))
	}
	s.parent.names[s.at] = after
	return true
}

// camelCase is the spelling of the seed's TypeScript form.
func camelCase(name string) string {
	words := strings.Split(name, "_")
	for at, word := range words {
		if at > 0 && word != "" {
			words[at] = strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return strings.Join(words, "")
}

func addUnknown(r *rand.Rand, s site) bool {
	s.parent.add(pick(r, []string{"x", "", "__proto__", "constructor", "toString", "0", "é", "\U0001F600", "crit", "b64", "kid", "alg"}), pick(r, otherValues)())
	return true
}

// escaped spells a string with escapes that mean the same.
func escaped(r *rand.Rand, text string) string {
	var out strings.Builder
	out.WriteByte('"')
	every := 1 + r.IntN(4)
	for at, character := range []rune(text) {
		switch {
		case character < 0x10000 && at%every == 0:
			fmt.Fprintf(&out, pick(r, []string{`\u%04x`, `\u%04X`}), character)
		case character == '/':
			out.WriteString(`\/`)
		default:
			plain := quote(string(character))
			out.WriteString(plain[1 : len(plain)-1])
		}
	}
	out.WriteByte('"')
	return out.String()
}

func escape(r *rand.Rand, s site) bool {
	text := s.node().text
	if text == "" {
		return false
	}
	s.set(&node{kind: isString, text: text, spelled: escaped(r, text)})
	return true
}

// surrogate puts half a character or a whole one into a string, in escapes.
func surrogate(r *rand.Rand, s site) bool {
	halves := []string{`\ud800`, `\udfff`, `\udc00\ud800`, `\ud83d\ude00`, `\uD83D\uDE00`, `\u0000`, `\ud83d`, `\ufffd`, `\uffff`, `\u007f`, `\u0080`}
	plain := quote(s.node().text)
	at := pick(r, []int{1, len(plain) - 1})
	s.set(&node{kind: isString, text: s.node().text, spelled: plain[:at] + pick(r, halves) + plain[at:]})
	return true
}

// changeHeldJSON changes something inside a text of JSON: a JWK, a key set, what a
// client or a server sent.
func changeHeldJSON(r *rand.Rand, s site) bool {
	root, err := parse(s.node().text, false)
	if err != nil || !changeInside(r, root, s.depth+1) {
		return false
	}
	return s.setText(root.write(asItIs))
}
