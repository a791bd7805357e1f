// Package yamlconfig reads configurations in YAML, for [tallystick.SkillFromFile]. It is a package
// of its own so that a program without YAML links no reader of it:
//
//	tallystick.SkillFromFile("agent.yaml", tallystick.SkillOptions{Store: store, YAML: yamlconfig.ToJSON})
package yamlconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

const (
	maxDepth  = 64
	maxDigits = 400
)

// ToJSON returns one document of YAML 1.2 with the core schema as JSON: no is a text, and 012 is
// twelve. Aliases, anchors, tags, keys that are no text or are there twice, and a second document
// are errors. An error has the line (from 1), but for an alias without its anchor, and the fix. It
// quotes nothing of the text, which may hold secrets, but a key that is there twice, where that is
// a name of at most 40 letters, digits and _. Safe for concurrent use.
func ToJSON(text []byte) ([]byte, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if !utf8.Valid(text) {
		return nil, errors.New("not UTF-8 text: save the file as UTF-8")
	}
	reader := yaml.NewDecoder(bytes.NewReader(text))
	var document, second yaml.Node
	switch err := reader.Decode(&document); {
	case errors.Is(err, io.EOF):
		return []byte("null"), nil
	case err != nil:
		return nil, notYAML(text, err)
	}
	switch err := reader.Decode(&second); {
	case err == nil:
		return nil, at(&second, "a second document begins: keep one of them")
	case !errors.Is(err, io.EOF):
		return nil, notYAML(text, err)
	}
	var out bytes.Buffer
	if err := write(&out, &document, 0); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func at(node *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("line %d: %s", max(node.Line, 1), fmt.Sprintf(format, args...))
}

var (
	lineOf = regexp.MustCompile(`^yaml: line (\d+): `)
	// fromZero is what the reader says with a line that is counted from 0.
	fromZero = regexp.MustCompile(`: (?:did not find expected|found undefined tag|found duplicate %|found incompatible)`)
	// isName is a key that is no secret.
	isName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,39}$`)
)

// notYAML keeps the line of what the reader says: the rest may quote the text.
func notYAML(text []byte, err error) error {
	said := err.Error()
	if strings.Contains(said, "unknown anchor") {
		return errors.New("aliases (*name) are not read: write the value out")
	}
	line := 1 // where the reader says none: it counts from 0 inside
	if found := lineOf.FindStringSubmatch(said); found != nil {
		line, _ = strconv.Atoi(found[1])
		if fromZero.MatchString(said) {
			line++
		}
	} else if i := bytes.IndexFunc(text, isForbidden); i >= 0 {
		line += bytes.Count(text[:i], []byte("\n"))
	}
	return fmt.Errorf("line %d: not YAML", line)
}

// isForbidden: no YAML has the character (1.2.2 section 5.1).
func isForbidden(r rune) bool {
	return unicode.IsControl(r) && !strings.ContainsRune("\t\n\r\u0085", r) || r == '\ufffe' || r == '\uffff'
}

func write(out *bytes.Buffer, node *yaml.Node, depth int) error {
	switch {
	case depth > maxDepth:
		return at(node, "nested over %d deep", maxDepth)
	case node.Kind == yaml.AliasNode:
		return at(node, "aliases (*name) are not read: write the value out")
	case node.Anchor != "":
		return at(node, "anchors (&name) are not read: write the value out")
	case node.Style&yaml.TaggedStyle != 0:
		return at(node, "tags (!name) are not read: write a plain value")
	}
	switch node.Kind {
	case yaml.DocumentNode:
		return write(out, node.Content[0], depth)
	case yaml.MappingNode:
		return writeMapping(out, node, depth+1)
	case yaml.SequenceNode:
		return writeList(out, node, depth+1)
	case yaml.ScalarNode:
		return writeScalar(out, node)
	}
	return at(node, "not YAML")
}

func writeMapping(out *bytes.Buffer, node *yaml.Node, depth int) error {
	out.WriteByte('{')
	seen := make(map[string]bool, len(node.Content)/2)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		if i > 0 {
			out.WriteByte(',')
		}
		before := out.Len()
		if err := write(out, key, depth); err != nil {
			return err
		}
		switch {
		case out.Bytes()[before] != '"':
			return at(key, "a key must be text: put it in quotes")
		case seen[key.Value] && isName.MatchString(key.Value):
			return at(key, "the key %q is there twice", key.Value)
		case seen[key.Value]:
			return at(key, "a key is there twice")
		}
		seen[key.Value] = true
		out.WriteByte(':')
		if err := write(out, node.Content[i+1], depth); err != nil {
			return err
		}
	}
	out.WriteByte('}')
	return nil
}

func writeList(out *bytes.Buffer, node *yaml.Node, depth int) error {
	out.WriteByte('[')
	for i, entry := range node.Content {
		if i > 0 {
			out.WriteByte(',')
		}
		if err := write(out, entry, depth); err != nil {
			return err
		}
	}
	out.WriteByte(']')
	return nil
}

// YAML 1.2.2 section 10.3.2. Infinities and NaN stay text: no setting takes them.
var (
	isNull    = regexp.MustCompile(`^(?:null|Null|NULL|~|)$`)
	isBoolean = regexp.MustCompile(`^(?:true|True|TRUE|false|False|FALSE)$`)
	isInteger = regexp.MustCompile(`^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$`)
	isFloat   = regexp.MustCompile(`^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$`)
)

// quotedOrBlock are the styles of a scalar that is text, whatever it says.
const quotedOrBlock = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle

func writeScalar(out *bytes.Buffer, node *yaml.Node) error {
	value := node.Value
	switch {
	case node.Style&quotedOrBlock != 0:
	case isNull.MatchString(value):
		out.WriteString("null")
		return nil
	case isBoolean.MatchString(value):
		out.WriteString(strings.ToLower(value))
		return nil
	case isInteger.MatchString(value):
		return writeInteger(out, node)
	case isFloat.MatchString(value):
		return writeFloat(out, node)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return at(node, "not a text that can be read")
	}
	out.Write(text)
	return nil
}

func writeInteger(out *bytes.Buffer, node *yaml.Node) error {
	digits, base := node.Value, 10
	switch {
	case strings.HasPrefix(digits, "0o"):
		digits, base = digits[2:], 8
	case strings.HasPrefix(digits, "0x"):
		digits, base = digits[2:], 16
	}
	if len(digits) > maxDigits {
		return at(node, "not a number that can be read")
	}
	number, ok := new(big.Int).SetString(digits, base)
	if !ok {
		return at(node, "not a number that can be read")
	}
	out.WriteString(number.String())
	return nil
}

func writeFloat(out *bytes.Buffer, node *yaml.Node) error {
	number, err := strconv.ParseFloat(node.Value, 64)
	if err != nil || math.IsInf(number, 0) || len(node.Value) > maxDigits {
		return at(node, "not a number that can be read")
	}
	text, err := json.Marshal(number)
	out.Write(text)
	return err
}
