package abi

import (
	"encoding/json"
	"math/bits"
	"reflect"
	"strings"
	"sync"
	"unsafe"

	"github.com/tallystick/tallystick/core/digest"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

// Requests are read into Go structs by their tags: `json` names a member, which is
// required unless it has omitempty, and `abi` says what else is asked of it:
//
//	wire    a text of the request line, one character per byte (latin-1): what has
//	        others is refused with an answer, since who called is at fault
//	latin1  the same, but the program is at fault
//	digest  64 lower-case hex digits
//	status  an HTTP status
//
// encoding/json takes "ISSUER" for "issuer", null for nothing and 1e300 for a time,
// and costs more than all else of a verification but its RSA operation.

// shape is how objects of one struct type are read: made once for each type.
type shape struct {
	fields   []fieldShape
	required uint64 // a bit for each field
}

type fieldShape struct {
	name   string
	offset uintptr
	read   readValue
}

// readValue reads a member into the memory of its field.
type readValue func(m *members, v *strictjson.Member, into unsafe.Pointer)

const maxFields = 64 // a bit each

// reading says what a request's texts may be used for.
type reading bool

const (
	// borrowing: they share the request's memory, for what ends with the call or its ticket.
	borrowing reading = false
	// keeping: they are copies, so that an engine does not keep the whole request.
	keeping reading = true
)

// requestReader fills the requests of one operation from their texts. Generic code
// hands over to it in one line, since the module holds such code once for each type.
type requestReader struct {
	operation string
	texts     reading
	shape     func() *shape
	members   sync.Pool
}

func newReader(operation string, t reflect.Type, texts reading) *requestReader {
	return &requestReader{
		operation: operation, texts: texts,
		shape:   sync.OnceValue(func() *shape { return shapeOf(t) }),
		members: sync.Pool{New: func() any { return new(members) }},
	}
}

func (r *requestReader) read(text string, into unsafe.Pointer) *problem.Problem {
	m := r.members.Get().(*members)
	m.operation, m.keep = r.operation, r.texts
	m.object(&m.outermost, text, r.shape(), into)
	wrong := m.refusal()
	*m = members{} // keeps nothing of a request, which may hold secrets
	r.members.Put(m)
	return wrong
}

// reader is the requestReader of a type.
func reader[Request any](operation string, texts reading) func(text string, into *Request) *problem.Problem {
	r := newReader(operation, reflect.TypeFor[Request](), texts)
	return func(text string, into *Request) *problem.Problem { return r.read(text, unsafe.Pointer(into)) }
}

func shapeOf(t reflect.Type) *shape {
	s := &shape{}
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if options == "" {
			s.required |= 1 << i
		}
		s.fields = append(s.fields, fieldShape{name, field.Offset, readerOf(field.Type, field.Tag.Get("abi"))})
	}
	if len(s.fields) > maxFields {
		panic("abi: too many members in " + t.String())
	}
	return s
}

var (
	rawType     = reflect.TypeFor[json.RawMessage]()
	textsType   = reflect.TypeFor[[]string]()
	textMapType = reflect.TypeFor[map[string]string]()
)

// readerOf chooses how a field of a type is read.
func readerOf(t reflect.Type, tag string) readValue {
	switch t {
	case rawType:
		return readRaw
	case textsType:
		return readTexts
	case textMapType:
		return readTextMap(tag)
	}
	switch t.Kind() {
	case reflect.String:
		return readTextOf[tag]
	case reflect.Bool:
		return readFlag
	case reflect.Float64:
		return readNumber
	case reflect.Int, reflect.Int64:
		return readIntegerOf[tag]
	case reflect.Uint64:
		return readHandle
	case reflect.Pointer:
		return readPointer(t.Elem(), tag)
	case reflect.Struct:
		return readStruct(t)
	case reflect.Slice:
		return readStructs(t)
	}
	panic("abi: no reader for " + t.String())
}

var (
	readTextOf    = map[string]readValue{"": readText, "wire": readWire, "latin1": readLatin1, "digest": readDigest}
	readIntegerOf = map[string]readValue{"": readInteger, "status": readStatus}
)

// members reads objects and keeps the first thing wrong with them.
type members struct {
	operation string
	inside    string // which member of the request is read, with a colon behind it
	keep      reading
	problem   *problem.Problem
	malformed string            // the first member that no HTTP request can have had
	outermost strictjson.Reader // here, since what is read by a func value would be on the heap
}

func (m *members) wrong(name, what string) {
	m.problem = problem.Newf(problem.InvalidArgument, "%s: %smember %s %s", m.operation, m.inside, name, what)
}

// object reads all members. A fault of the text goes before whatever is wrong with
// what was read of it.
func (m *members) object(object *strictjson.Reader, text string, s *shape, into unsafe.Pointer) {
	*object = strictjson.Read(text)
	var seen uint64
	for object.Next() {
		if m.problem != nil {
			continue
		}
		i := s.find(object.Name, bits.Len64(seen))
		if i < 0 {
			m.wrong(problem.Quote(object.Name), "is unknown")
			continue
		}
		seen |= 1 << i
		s.fields[i].read(m, &object.Member, unsafe.Add(into, s.fields[i].offset))
	}
	if err := object.Err(); err != nil {
		m.problem = notStrict(m.operation, err)
	}
	if missing := s.required &^ seen; missing != 0 && m.problem == nil { //guard:member-missing never
		m.wrong(s.fields[bits.TrailingZeros64(missing)].name, "is missing")
	}
}

// find returns a field's place, -1 where there is none. Most hosts write the members
// in the order of the fields.
func (s *shape) find(name string, next int) int {
	if next < len(s.fields) && s.fields[next].name == name {
		return next
	}
	for i := range s.fields {
		if s.fields[i].name == name {
			return i
		}
	}
	return -1
}

func (m *members) text(text string) string {
	if m.keep {
		return strings.Clone(text)
	}
	return text
}

func readText(m *members, v *strictjson.Member, into unsafe.Pointer) {
	if v.Kind != strictjson.String {
		m.wrong(v.Name, "must be a string")
		return
	}
	*(*string)(into) = m.text(v.Text)
}

func readWire(m *members, v *strictjson.Member, into unsafe.Pointer) {
	if !m.bytes(v, into) && m.malformed == "" {
		m.malformed = v.Name
	}
}

func readLatin1(m *members, v *strictjson.Member, into unsafe.Pointer) {
	if !m.bytes(v, into) {
		m.wrong(v.Name, "must have one character per byte (latin-1)")
	}
}

// bytes also reports whether each character is one.
func (m *members) bytes(v *strictjson.Member, into unsafe.Pointer) bool {
	if readText(m, v, into); m.problem != nil {
		return true
	}
	bytes, ok := latin1(*(*string)(into))
	*(*string)(into) = bytes
	return ok
}

// refusal is what is wrong, or that no HTTP request can have been so.
func (m *members) refusal() *problem.Problem {
	if m.problem == nil && m.malformed != "" { //guard:wire-malformed never
		return problem.New(problem.MalformedRequest, "").WithLog("%s has a character above U+00FF, which no byte of a request is", m.malformed)
	}
	return m.problem
}

func latin1(text string) (string, bool) {
	plain := true
	for i := 0; i < len(text) && plain; i++ {
		plain = text[i] < 0x80
	}
	if plain {
		return text, true
	}
	bytes := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xFF {
			return "", false
		}
		bytes = append(bytes, byte(r))
	}
	return string(bytes), true
}

// readDigest reads what digest.Hex writes.
func readDigest(m *members, v *strictjson.Member, into unsafe.Pointer) {
	if readText(m, v, into); m.problem == nil && !digest.IsHex(v.Text) { //guard:member-digest never
		m.wrong(v.Name, "must be 64 lower-case hex digits")
	}
}

func readFlag(m *members, v *strictjson.Member, into unsafe.Pointer) {
	if v.Kind != strictjson.Bool {
		m.wrong(v.Name, "must be true or false")
		return
	}
	*(*bool)(into) = v.Raw == "true"
}

// readNumber refuses what is beyond 2^53: a conversion to int64 gives one number
// natively and another in WebAssembly.
func readNumber(m *members, v *strictjson.Member, into unsafe.Pointer) {
	n, ok := v.Seconds()
	if !ok { //guard:number-exact never
		m.wrong(v.Name, "must be a number within 2^53")
		return
	}
	*(*float64)(into) = n
}

func (m *members) integer(v *strictjson.Member) (int64, bool) {
	n, ok := v.Seconds()
	if !ok || strings.ContainsAny(v.Raw, ".eE") { //guard:integer-exact drop 1; integer-digits drop 2
		m.wrong(v.Name, "must be an integer")
		return 0, false
	}
	return int64(n), true
}

// An int has 64 bits wherever the core runs: readInteger is for it too.
const _ = uint(bits.UintSize - 64)

func readInteger(m *members, v *strictjson.Member, into unsafe.Pointer) {
	*(*int64)(into), _ = m.integer(v)
}

func readStatus(m *members, v *strictjson.Member, into unsafe.Pointer) {
	n, ok := m.integer(v)
	if ok && (n < 100 || n > 999) { //guard:status-range never
		m.wrong(v.Name, "must be an HTTP status")
	}
	*(*int64)(into) = n
}

// readHandle reads a number that the core gave out.
func readHandle(m *members, v *strictjson.Member, into unsafe.Pointer) {
	n, ok := m.integer(v)
	if ok && n < 1 { //guard:handle-positive never
		m.wrong(v.Name, "must be a positive integer")
	}
	*(*uint64)(into) = uint64(max(n, 0))
}

func readRaw(m *members, v *strictjson.Member, into unsafe.Pointer) {
	if v.Kind == strictjson.Null {
		m.wrong(v.Name, "is null")
		return
	}
	*(*json.RawMessage)(into) = json.RawMessage(v.Raw)
}

// readTexts takes any characters: in a header, what is no base64url is a malformed
// token, of whatever alphabet.
func readTexts(m *members, v *strictjson.Member, into unsafe.Pointer) {
	if v.Kind != strictjson.Array {
		m.wrong(v.Name, "must be an array of strings")
		return
	}
	texts := *(*[]string)(into)
	if texts == nil {
		texts = []string{}
	}
	texts, ok := strictjson.AppendStrings(texts[:0], v.Raw)
	if !ok { //guard:entries-strings never
		m.wrong(v.Name, "must be an array of strings")
		return
	}
	for i := range texts {
		texts[i] = m.text(texts[i])
	}
	*(*[]string)(into) = texts
}

func readTextMap(tag string) readValue {
	read := readTextOf[tag]
	return func(m *members, v *strictjson.Member, into unsafe.Pointer) {
		if v.Kind != strictjson.Object {
			m.wrong(v.Name, "must be an object of strings")
			return
		}
		texts := map[string]string{}
		object := strictjson.Read(v.Raw)
		for m.problem == nil && object.Next() {
			var text string
			read(m, &object.Member, unsafe.Pointer(&text))
			texts[m.text(object.Name)] = text
		}
		*(*map[string]string)(into) = texts
	}
}

// readPointer tells a member that is there from one that is not.
func readPointer(t reflect.Type, tag string) readValue {
	read := readerOf(t, tag)
	return func(m *members, v *strictjson.Member, into unsafe.Pointer) {
		value := reflect.New(t).UnsafePointer()
		read(m, v, value)
		*(*unsafe.Pointer)(into) = value
	}
}

func readStruct(t reflect.Type) readValue {
	made := sync.OnceValue(func() *shape { return shapeOf(t) })
	return func(m *members, v *strictjson.Member, into unsafe.Pointer) {
		if v.Kind != strictjson.Object {
			m.wrong(v.Name, "must be an object")
			return
		}
		m.nested(v.Name, v.Raw, made(), into)
	}
}

func readStructs(t reflect.Type) readValue {
	made := sync.OnceValue(func() *shape { return shapeOf(t.Elem()) })
	return func(m *members, v *strictjson.Member, into unsafe.Pointer) {
		if v.Kind != strictjson.Array {
			m.wrong(v.Name, "must be an array of objects")
			return
		}
		entries := v.Value().Array()
		list := reflect.MakeSlice(t, len(entries), len(entries))
		for i, entry := range entries {
			if !entry.IsObject() {
				m.wrong(v.Name, "must be an array of objects")
				return
			}
			if m.nested(v.Name, entry.Raw, made(), list.Index(i).Addr().UnsafePointer()); m.problem != nil {
				return
			}
		}
		reflect.NewAt(t, into).Elem().Set(list)
	}
}

func (m *members) nested(name, text string, s *shape, into unsafe.Pointer) {
	outside := m.inside
	m.inside += name + ": "
	m.object(new(strictjson.Reader), text, s, into)
	m.inside = outside
}
