package strictjson

import "github.com/tidwall/gjson"

// Kind is what a JSON value is.
type Kind byte

// The kinds of RFC 8259 section 3.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

// Member is one member of an object. Its texts share the memory of the object's.
type Member struct {
	Name string
	Raw  string  // the value as it is written
	Text string  // what a string says
	Num  float64 // what a number says, as gjson and so strconv.ParseFloat read it
	Kind Kind
}

// Value is the member's value as gjson reads it.
func (m *Member) Value() Value {
	if m.Kind == String {
		return Value{Type: gjson.String, Raw: m.Raw, Str: m.Text}
	}
	return gjson.Parse(m.Raw)
}

// Seconds reads a time or a span, as the function of that name does.
func (m *Member) Seconds() (float64, bool) {
	return m.Num, m.Kind == Number && m.Num >= -maxExact && m.Num <= maxExact //guard:member-time drop 1
}

// Reader is CheckObject and Members in one pass, and keeps nothing on the heap:
// for the texts of every request.
//
//	object := strictjson.Read(text)
//	for object.Next() { … object.Name … }
//	if object.Err() != nil { … }
//
// Members are shown while the text is still being checked, so what was gathered
// counts only where Err is nil.
type Reader struct {
	Member
	scanner scanner
	seen    names
	ended   bool
	err     error
}

// Read returns a reader before the first member of a text's outermost object.
func Read(text string) Reader { return Reader{scanner: scanner{text: text, maxDepth: MaxDepth}} }

// ReadObject calls visit for each member as Reader shows them.
func ReadObject(text string, visit func(name string, value Value)) error {
	object := Read(text)
	for object.Next() {
		visit(object.Name, object.Value())
	}
	return object.Err()
}

// Err returns what is wrong with the text. It is known once Next has returned false.
func (r *Reader) Err() error { return r.err }

// Next goes on to the next member, and tells whether there is one.
func (r *Reader) Next() bool {
	if !r.ended {
		r.ended = !r.next()
	}
	return !r.ended
}

func (r *Reader) next() bool {
	s := &r.scanner
	first := s.depth == 0
	if first && !r.open() {
		return false
	}
	name, more, err := s.member(&r.seen, first)
	if !more {
		if err == nil {
			err = s.end()
		}
		r.err = err
		return false
	}
	r.Name = name
	r.err = s.read(&r.Member)
	return r.err == nil
}

// open passes over the outermost bracket. A text that is no object is told apart
// from one that is not even JSON.
func (r *Reader) open() bool {
	s := &r.scanner
	s.space()
	if s.peek() != '{' {
		r.err = s.topObject()
		return false
	}
	s.depth++
	s.at++
	return true
}

// read passes over a value and says what it is.
func (s *scanner) read(m *Member) error {
	start, c := s.at, s.peek()
	if c == '"' {
		text, err := s.str()
		if err != nil {
			return err
		}
		m.Kind, m.Raw, m.Text = String, s.text[start:s.at], text
		return nil
	}
	if err := s.value(); err != nil {
		return err
	}
	m.Raw, m.Text = s.text[start:s.at], "" //guard:member-text skip 2
	switch c {
	case '{':
		m.Kind = Object
	case '[':
		m.Kind = Array
	case 't', 'f':
		m.Kind = Bool
	case 'n':
		m.Kind = Null
	default:
		m.Kind, m.Num = Number, number(m.Raw)
	}
	return nil
}

// AppendStrings appends the entries of an array that was a member's Raw, and
// reports whether all of them are strings.
func AppendStrings(to []string, array string) ([]string, bool) {
	s := scanner{text: array, at: 1, maxDepth: MaxDepth}
	for s.space(); s.peek() == '"'; s.space() {
		entry, err := s.str()
		if err != nil {
			return to, false
		}
		to = append(to, entry)
		s.space()
		s.take(',')
	}
	return to, s.peek() == ']'
}

// number reads what passed the scanner's grammar; times, which every request has,
// without strconv.
func number(raw string) float64 {
	if n, ok := exactNumber(raw); ok {
		return n
	}
	return gjson.Parse(raw).Num
}

// manyDigits is one more than a number below 2^53 has.
const manyDigits = 17

// powers of ten that a float64 holds exactly.
var powers = [manyDigits]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16}

// exactNumber reads digits with at most one point among them where both the digits
// as a whole number and the power of ten that divides it are exact in float64: the
// one division then rounds correctly, as strconv.ParseFloat does.
func exactNumber(raw string) (float64, bool) {
	var n uint64
	point := len(raw)
	for i := 0; i < len(raw); i++ {
		digit := raw[i] - '0'
		switch {
		case raw[i] == '.':
			point = i + 1
		case digit > 9 || i >= manyDigits: // also behind a point in that place
			return 0, false
		default:
			n = n*10 + uint64(digit)
		}
	}
	if n > maxExact {
		return 0, false
	}
	return float64(n) / powers[len(raw)-point], true
}
