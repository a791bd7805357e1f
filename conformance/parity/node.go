package parity

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
)

type kind byte

const (
	isObject    kind = iota
	isArray          // of elements
	isString         // text is its value
	isReference      // text is the name of a saved value
	isLiteral        // text is its spelling: a number, true, false or null
)

// node is a JSON value that can say what encoding/json cannot: a member twice, an
// order of members, a number or a string spelled in some way.
type node struct {
	kind    kind
	text    string
	spelled string // of a string: how it is written, quotes included; "" is the plain way
	names   []string
	// spelledNames has the spelling of a name where it is not the plain one.
	spelledNames map[int]string
	kids         []*node // members, in the order of names, or elements
}

func str(text string) *node         { return &node{kind: isString, text: text} }
func literal(spelling string) *node { return &node{kind: isLiteral, text: spelling} }

// parse reads one JSON value. References ("$name") and escaped dollars are told
// apart where the text is a vector's request.
func parse(text string, isRequest bool) (*node, error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	root, err := parseValue(decoder, isRequest)
	if err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("text after the value")
	}
	return root, nil
}

func parseValue(decoder *json.Decoder, isRequest bool) (*node, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	switch value := token.(type) {
	case json.Delim:
		return parseNested(decoder, value, isRequest)
	case string:
		return parseString(value, isRequest), nil
	case json.Number:
		return literal(value.String()), nil
	case bool:
		if value {
			return literal("true"), nil
		}
		return literal("false"), nil
	}
	return literal("null"), nil
}

func parseNested(decoder *json.Decoder, open json.Delim, isRequest bool) (*node, error) {
	nested := &node{kind: isArray}
	if open == '{' {
		nested.kind = isObject
	}
	for decoder.More() {
		if nested.kind == isObject {
			name, err := decoder.Token()
			if err != nil {
				return nil, err
			}
			nested.names = append(nested.names, name.(string))
		}
		kid, err := parseValue(decoder, isRequest)
		if err != nil {
			return nil, err
		}
		nested.kids = append(nested.kids, kid)
	}
	_, err := decoder.Token()
	return nested, err
}

func parseString(value string, isRequest bool) *node {
	if name, dollar := strings.CutPrefix(value, "$"); dollar && isRequest {
		if strings.HasPrefix(name, "$") {
			return str(name)
		}
		return &node{kind: isReference, text: name}
	}
	return str(value)
}

// clone returns a deep copy.
func (n *node) clone() *node {
	copied := *n
	copied.names = slices.Clone(n.names)
	copied.spelledNames = nil
	for at, spelling := range n.spelledNames {
		copied.spellName(at, spelling)
	}
	copied.kids = nil
	for _, kid := range n.kids {
		copied.kids = append(copied.kids, kid.clone())
	}
	return &copied
}

func (n *node) spellName(at int, spelling string) {
	if n.spelledNames == nil {
		n.spelledNames = map[int]string{}
	}
	n.spelledNames[at] = spelling
}

// remove takes out a member or an element.
func (n *node) remove(at int) {
	n.kids = slices.Delete(slices.Clone(n.kids), at, at+1)
	if n.kind == isObject {
		n.names = slices.Delete(slices.Clone(n.names), at, at+1)
		n.spelledNames = nil // their positions moved
	}
}

// add puts a member or an element last; an array has no use for the name.
func (n *node) add(name string, value *node) {
	n.kids = append(n.kids, value)
	if n.kind == isObject {
		n.names = append(n.names, name)
	}
}

// set replaces the member with a name, or adds it.
func (n *node) set(name string, value *node) {
	if at := slices.Index(n.names, name); at >= 0 {
		n.kids[at] = value
		return
	}
	n.add(name, value)
}

// get returns the first member with a name, or nil.
func (n *node) get(name string) *node {
	if at := slices.Index(n.names, name); at >= 0 {
		return n.kids[at]
	}
	return nil
}

// spelling says in which of a step's two members a text is written.
type spelling byte

const (
	asItIs      spelling = iota // no references
	requestText                 // "$name" stands for a saved value, nothing is escaped
	request                     // "$name" stands for a saved value, "$$" for "$"
)

// write returns compact JSON.
func (n *node) write(as spelling) string {
	var out strings.Builder
	n.writeTo(&out, as)
	return out.String()
}

func (n *node) writeTo(out *strings.Builder, as spelling) {
	switch n.kind {
	case isObject:
		n.writeKids(out, as, '{', '}')
	case isArray:
		n.writeKids(out, as, '[', ']')
	case isLiteral:
		out.WriteString(n.text)
	case isReference:
		out.WriteString(quote("$" + n.text))
	case isString:
		out.WriteString(n.writeString(as))
	}
}

func (n *node) writeString(as spelling) string {
	if n.spelled != "" {
		return n.spelled
	}
	if rest, dollar := strings.CutPrefix(n.text, "$"); dollar {
		switch as {
		case request:
			return quote("$" + n.text)
		case requestText: // never a reference by chance
			return `"\u0024` + quote(rest)[1:]
		}
	}
	return quote(n.text)
}

func (n *node) writeKids(out *strings.Builder, as spelling, open, shut byte) {
	out.WriteByte(open)
	for at, kid := range n.kids {
		if at > 0 {
			out.WriteByte(',')
		}
		if n.kind == isObject {
			name := n.spelledNames[at]
			if name == "" {
				name = quote(n.names[at])
			}
			out.WriteString(name)
			out.WriteByte(':')
		}
		kid.writeTo(out, as)
	}
	out.WriteByte(shut)
}

func quote(text string) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(text); err != nil {
		panic(err) // a string can always be written
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// each visits every node, parents first.
func (n *node) each(visit func(*node)) {
	visit(n)
	for _, kid := range n.kids {
		kid.each(visit)
	}
}

// isPlain reports whether reading and writing the value with encoding/json,
// which sorts members, changes nothing.
func (n *node) isPlain() bool {
	plain := true
	n.each(func(inner *node) {
		ascending := slices.IsSortedFunc(inner.names, func(a, b string) int {
			if a == b {
				return -1 // twice
			}
			return strings.Compare(a, b)
		})
		plain = plain && inner.spelled == "" && len(inner.spelledNames) == 0 && ascending
	})
	return plain
}
