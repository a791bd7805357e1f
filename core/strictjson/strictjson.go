// Package strictjson decides once what a JSON text says, before any other
// reader sees it: RFC 8259 to the letter, valid UTF-8, no unpaired surrogate,
// no member twice at any depth, bounded nesting. What passes here reads the
// same in gjson, encoding/json, Python and JavaScript (protocol.md section 8;
// RFC 7515 section 4, RFC 8725 section 2.4).
package strictjson

import (
	"errors"
	"math/bits"
	"unicode/utf8"
)

// MaxDepth is how deep objects and arrays may nest. 20,000 brackets overflow
// the stack of a WebAssembly host, so the depth is capped before anything else.
const MaxDepth = 16

// manyMembers is from where on a map is cheaper than comparing each pair of
// names, so that an object of thousands of members costs linear time.
const manyMembers = 16

// The reasons for refusing a text. They hold nothing of the text.
var (
	ErrSyntax    = errors.New("not valid JSON")
	ErrNotObject = errors.New("not a JSON object")
	ErrUTF8      = errors.New("not valid UTF-8")
	ErrSurrogate = errors.New("an unpaired surrogate in a string")
	ErrDepth     = errors.New("nested too deeply")
	ErrRepeated  = errors.New("a member appears twice")
	ErrNumber    = errors.New("a number is too long")
)

// maxNumber bounds the text of a number, in bytes: it is more than any float64
// needs, and Python refuses integers of over 4,300 digits with an exception.
const maxNumber = 64

// CheckObject refuses a text that is not exactly one strict JSON object.
func CheckObject(text []byte) error { return CheckObjectWithin(text, MaxDepth) }

// CheckObjectWithin is CheckObject with another limit of depth: for texts that
// are passed on and decide nothing.
func CheckObjectWithin(text []byte, maxDepth int) error {
	// Nothing of the text is kept, so it is looked at in place.
	s := scanner{text: TextOf(text), maxDepth: maxDepth}
	return s.topObject()
}

type scanner struct {
	text     string
	at       int
	depth    int
	maxDepth int
}

func (s *scanner) topObject() error {
	s.space()
	isObject := s.peek() == '{'
	if err := s.document(); err != nil {
		return err
	}
	if !isObject { //guard:json-object never
		return ErrNotObject
	}
	return nil
}

func (s *scanner) document() error {
	s.space()
	if err := s.value(); err != nil {
		return err
	}
	return s.end()
}

func (s *scanner) end() error {
	s.space()
	if s.at != len(s.text) { //guard:json-trailing never
		return ErrSyntax
	}
	return nil
}

// peek returns the next byte, or 0 at the end (no token of JSON starts with 0).
func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) take(want byte) bool {
	if s.peek() != want {
		return false
	}
	s.at++
	return true
}

// space is small so that it is compiled into its callers: most texts have none.
func (s *scanner) space() {
	if s.at < len(s.text) && s.text[s.at] <= ' ' {
		s.spaces()
	}
}

func (s *scanner) spaces() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

func (s *scanner) value() error {
	switch c := s.peek(); {
	case c == '"':
		_, err := s.str()
		return err
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	case c == '{' || c == '[':
		return s.nested(c)
	default:
		return s.literal()
	}
}

func (s *scanner) nested(bracket byte) error {
	s.depth++
	if s.depth > s.maxDepth { //guard:json-depth never
		return ErrDepth
	}
	s.at++ // the bracket
	var err error
	if bracket == '{' {
		err = s.object()
	} else {
		err = s.array()
	}
	s.depth--
	return err
}

func (s *scanner) object() error {
	var seen names
	for first := true; ; first = false {
		_, more, err := s.member(&seen, first)
		if !more {
			return err
		}
		if err := s.value(); err != nil {
			return err
		}
	}
}

// member goes on to the value of an object's next member. Without one there is no
// more, or an error.
func (s *scanner) member(seen *names, first bool) (name string, more bool, err error) {
	s.space()
	if s.take('}') {
		return "", false, nil
	}
	if !first {
		if !s.take(',') {
			return "", false, ErrSyntax
		}
		s.space()
	}
	if s.peek() != '"' {
		return "", false, ErrSyntax
	}
	if name, err = s.str(); err != nil {
		return "", false, err
	}
	if !seen.add(name) { //guard:json-repeated never
		return "", false, ErrRepeated
	}
	s.space()
	if !s.take(':') { //guard:json-colon never
		return "", false, ErrSyntax
	}
	s.space()
	return name, true, nil
}

func (s *scanner) array() error {
	for first := true; ; first = false {
		s.space()
		if first && s.take(']') {
			return nil
		}
		if err := s.value(); err != nil {
			return err
		}
		s.space()
		if s.take(']') {
			return nil
		}
		if !s.take(',') {
			return ErrSyntax
		}
	}
}

// str passes over a string and returns what it says, unescaped: "\u0069ss" and
// "iss" are the same name. Without an escape it is a slice of the text.
func (s *scanner) str() (string, error) {
	s.at++ // the opening quote
	start := s.at
	for {
		s.at = skipPlain(s.text, s.at)
		if s.at == len(s.text) {
			return "", ErrSyntax
		}
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return s.text[start : s.at-1], nil
		case c == '\\':
			said, err := s.escaped([]byte(s.text[start:s.at]))
			return string(said), err
		case c < 0x20:
			return "", ErrSyntax
		}
		if err := s.multibyte(); err != nil {
			return "", err
		}
	}
}

// skipPlain returns the place of the first byte from at on that does not stand
// for itself in a string, or the text's length.
func skipPlain(text string, at int) int {
	for ; at+8 <= len(text); at += 8 {
		w := LoadWord(text, at)
		if special := WordBelow(w, 0x20) | WordEqual(w, '"') | WordEqual(w, '\\'); special != 0 {
			return at + bits.TrailingZeros64(special)>>3
		}
	}
	for at < len(text) && plain[text[at]] {
		at++
	}
	return at
}

// plain marks the bytes of a string that stand for themselves: most of a token.
var plain = func() (table [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		table[c] = c != '"' && c != '\\'
	}
	return table
}()

func (s *scanner) multibyte() error {
	r, size := utf8.DecodeRuneInString(s.text[s.at:])
	if r == utf8.RuneError && size <= 1 { //guard:json-utf8 never
		return ErrUTF8
	}
	s.at += size
	return nil
}

// escaped reads on from the first backslash of a string.
func (s *scanner) escaped(said []byte) ([]byte, error) {
	for s.at < len(s.text) {
		start := s.at
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return said, nil
		case c == '\\':
			r, err := s.escape()
			if err != nil {
				return nil, err
			}
			said = utf8.AppendRune(said, r)
		case c < 0x20: //guard:json-control never
			return nil, ErrSyntax
		case c < utf8.RuneSelf:
			s.at++
			said = append(said, c)
		default:
			if err := s.multibyte(); err != nil {
				return nil, err
			}
			said = append(said, s.text[start:s.at]...)
		}
	}
	return nil, ErrSyntax
}

func (s *scanner) escape() (rune, error) {
	s.at++ // the backslash
	c := s.peek()
	s.at++
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		return s.unicode()
	}
	return 0, ErrSyntax
}

const (
	highSurrogate = 0xD800
	lowSurrogate  = 0xDC00
	endSurrogate  = 0xE000
)

func (s *scanner) unicode() (rune, error) {
	r, err := s.hex4()
	if err != nil || r < highSurrogate || r >= endSurrogate {
		return r, err
	}
	if r >= lowSurrogate || !s.take('\\') || !s.take('u') {
		return 0, ErrSurrogate
	}
	low, err := s.hex4()
	if err != nil {
		return 0, err
	}
	if low < lowSurrogate || low >= endSurrogate { //guard:json-surrogate never; json-surrogate-end drop 2
		return 0, ErrSurrogate
	}
	return 0x10000 + (r-highSurrogate)<<10 + (low - lowSurrogate), nil
}

func (s *scanner) hex4() (rune, error) {
	if len(s.text)-s.at < 4 {
		return 0, ErrSyntax
	}
	var r rune
	for i := range 4 {
		digit, ok := hexDigit(s.text[s.at+i])
		if !ok { //guard:json-hex never
			return 0, ErrSyntax
		}
		r = r<<4 | digit
	}
	s.at += 4
	return r, nil
}

func hexDigit(c byte) (rune, bool) {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0'), true
	case c >= 'a' && c <= 'f':
		return rune(c-'a') + 10, true
	case c >= 'A' && c <= 'F':
		return rune(c-'A') + 10, true
	}
	return 0, false
}

func (s *scanner) number() error {
	start := s.at
	s.take('-')
	if !s.take('0') && !s.digits() {
		return ErrSyntax
	}
	if s.take('.') && !s.digits() { //guard:json-fraction never
		return ErrSyntax
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		if !s.digits() { //guard:json-exponent never
			return ErrSyntax
		}
	}
	if s.at-start > maxNumber { //guard:json-number-size never
		return ErrNumber
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.at
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.at++
	}
	return s.at > start
}

func (s *scanner) literal() error {
	for _, word := range [...]string{"true", "false", "null"} {
		if len(s.text)-s.at >= len(word) && s.text[s.at:s.at+len(word)] == word {
			s.at += len(word)
			return nil
		}
	}
	return ErrSyntax
}

// names is the set of names that one object has shown so far.
type names struct {
	few  [manyMembers]string
	n    int
	many map[string]struct{}
}

func (n *names) add(name string) bool {
	if n.many != nil {
		if _, there := n.many[name]; there {
			return false
		}
		n.many[name] = struct{}{}
		return true
	}
	for _, other := range n.few[:n.n] {
		if other == name {
			return false
		}
	}
	if n.n < len(n.few) {
		n.few[n.n] = name
		n.n++
		return true
	}
	n.many = make(map[string]struct{}, 2*manyMembers)
	for _, other := range n.few {
		n.many[other] = struct{}{}
	}
	n.many[name] = struct{}{}
	return true
}
