// Package exclude decides which requests a guard lets through without a look at their token: CORS
// preflights, and what the program left out of it. Safe for concurrent use.
package exclude

import (
	"errors"
	"strings"
)

// MaxPattern bounds one pattern, in bytes; MaxPatterns bounds a list of them.
const (
	MaxPattern  = 2048
	MaxPatterns = 1000
)

// Reasons for refusing a pattern.
var (
	errForm = errors.New(`a pattern is a path, a path that ends in "/*", or one of both behind a method: ` +
		`"/healthz", "/docs/*", "GET /status"`)
	errAll = errors.New(`"/*" would let everybody through: name paths, or methods as in "OPTIONS /*"`)
)

// Pattern is what is left out: one path, or all below one; by one method, or by each.
type Pattern struct {
	method string // "": each
	path   string // with a "/" at its end where it stands for what is below
	below  bool
}

// Parse reads a pattern.
func Parse(text string) (Pattern, error) {
	p := Pattern{path: text}
	if method, path, there := strings.Cut(text, " "); there {
		p.method, p.path = method, path
		if !isToken(method) {
			return Pattern{}, errForm
		}
	}
	p.path, p.below = strings.CutSuffix(p.path, "*")
	switch {
	case len(text) > MaxPattern || !strings.HasPrefix(p.path, "/") || p.below && !strings.HasSuffix(p.path, "/"):
		return Pattern{}, errForm
	case !isWritten(p.path) || strings.ContainsAny(p.path, "?#*"):
		return Pattern{}, errForm
	case p.below && !isPlain(p.path):
		return Pattern{}, errForm
	case p.below && p.path == "/" && p.method == "": //guard:exclude-all never
		return Pattern{}, errAll
	}
	return p, nil
}

// Matches reports whether a request is left out, by its method and its path as they stand in the
// request line. No path is decoded. Where a pattern stands for many paths, one that servers may
// read as another is none of them: with dot segments, empty segments, escapes, path parameters or
// backslashes.
func (p Pattern) Matches(method, path string) bool {
	if p.method != "" && p.method != method { //guard:exclude-method never
		return false
	}
	if !p.below {
		return path == p.path
	}
	return strings.HasPrefix(path, p.path) && isPlain(path) //guard:exclude-plain drop 2
}

// isPlain reports whether every server reads a path as the same one.
func isPlain(path string) bool {
	if !isWritten(path) || strings.ContainsAny(path, `%\;`) || strings.Contains(path, "//") {
		return false
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

// isWritten reports whether a text is printable ASCII without a space.
func isWritten(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// isToken is RFC 9110 section 5.6.2.
func isToken(text string) bool {
	for i := 0; i < len(text); i++ {
		c := text[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return text != ""
}

// List is what one guard leaves out.
type List []Pattern

// NewList reads patterns.
func NewList(patterns []string) (List, error) {
	if len(patterns) > MaxPatterns {
		return nil, errors.New("there may be 1000 patterns")
	}
	list := make(List, len(patterns))
	for i, text := range patterns {
		p, err := Parse(text)
		if err != nil {
			return nil, err
		}
		list[i] = p
	}
	return list, nil
}

// Request is what is looked at: the request line's method and path, and the values of each header
// of these names.
type Request struct {
	Method, Path          string
	Origin, RequestMethod []string // Access-Control-Request-Method
	Authorization         []string
}

// Passes reports whether a guard lets a request through.
func (l List) Passes(r *Request) bool {
	if r.isPreflight() {
		return true
	}
	for _, p := range l {
		if p.Matches(r.Method, r.Path) {
			return true
		}
	}
	return false
}

// isPreflight: browsers ask so, without credentials, whether they may send the request itself
// (Fetch standard, CORS-preflight request).
func (r *Request) isPreflight() bool {
	return r.Method == "OPTIONS" && one(r.Origin) && one(r.RequestMethod) && len(r.Authorization) == 0 //guard:preflight-method drop 1; preflight-origin drop 2; preflight-asks drop 3; preflight-token drop 4
}

func one(values []string) bool { return len(values) == 1 && values[0] != "" }
