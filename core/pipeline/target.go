package pipeline

import (
	"errors"
	"strings"
	"sync/atomic"

	"github.com/tallystick/tallystick/core/digest"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/weburl"
)

// Received is a request's line as the host received it. Texts hold one byte per
// byte of that line.
type Received struct {
	Method      string
	Path        string // below Mount
	Mount       string // without a slash at its end
	Query       string
	PathDecoded bool   // Path and Mount were percent-decoded by the host
	RawTarget   string // with PathDecoded: the request target as received, where the host has it
}

// Place is where an application is reached, as far as it knows. The zero Place
// knows nothing and compares paths below the server's mount point alone.
type Place struct {
	origin string
	path   string // without a slash at its end
	whole  bool
	last   *atomic.Pointer[string] // what a token that named this place wrote before the path; nil: nothing is kept
}

// Whole returns the place of an agent, whose URL names it wherever it is mounted: a
// path that begins with the place's is taken as it is, any other lies below it.
func (p Place) Whole() Place {
	p.whole = true
	return p
}

// begins reports whether a path lies at or below the place's own.
func (p Place) begins(path string) bool { return p.whole && below(path, p.path) }

func below(path, base string) bool {
	rest, ok := strings.CutPrefix(path, base)
	return ok && (rest == "" || rest[0] == '/')
}

// NewPlace reads a base URL; with "" the place knows nothing but what it was named before.
func NewPlace(baseURL string) (Place, error) {
	if baseURL == "" {
		return Place{last: new(atomic.Pointer[string])}, nil
	}
	u, err := weburl.Parse(baseURL)
	if err != nil {
		return Place{}, err
	}
	if u.HasQuery || u.HasFragment {
		return Place{}, errors.New("the URL must have no query and no fragment")
	}
	return Place{origin: u.Origin, path: strings.TrimRight(u.Path, "/"), last: new(atomic.Pointer[string])}, nil
}

// CheckTarget compares htm, htu and query_sha256 with the request (protocol.md
// section 1, RFC 9449 section 4.3 items 8 and 9).
func (p Place) CheckTarget(c *RequestClaims, in *Received) *problem.Problem {
	if c.Method.There() && c.Method.Text != in.Method { //guard:target-method never
		return wrongTarget("method", c.Method.Text, in.Method, "methods are case-sensitive")
	}
	if c.URL.There() {
		if refused := p.checkURL(c.URL.Text, in); refused != nil { //guard:target-url never
			return refused
		}
	}
	return checkQuery(c, in.Query)
}

const proxied = "if a proxy or a mount point changes URLs, set base_url to the URL under which callers reach this application"

func wrongTarget(what, signed, received, advice string) *problem.Problem {
	return problem.New(problem.WrongTarget, "").WithLog("the %s differs: the token was signed for %s, the request has %s; %s",
		what, problem.Quote(signed), problem.Quote(received), advice)
}

func (p Place) checkURL(signed string, in *Received) *problem.Problem {
	seen := p.seenPath(in)
	if p.knows(signed, seen.path) {
		return nil
	}
	t, err := weburl.Parse(signed)
	if err != nil || t.HasQuery || t.HasFragment { //guard:target-form drop 2 3
		return wrongTarget("URL (htu must be an http(s) URL without query and fragment)", signed, in.Path, proxied)
	}
	if p.origin != "" && t.Origin != p.origin { //guard:target-origin never
		return wrongTarget("origin", t.Origin, p.origin, "its origin is that of base_url")
	}
	matches := weburl.NormalPath(t.Path) == weburl.NormalPath(seen.path)
	if seen.decoded {
		matches = weburl.DecodePath(t.Path) == seen.path
	}
	if !matches { //guard:target-path never
		return wrongTarget("path", t.Path, seen.path, proxied)
	}
	if written, ok := strings.CutSuffix(signed, t.Path); ok && p.last != nil {
		written = strings.Clone(written)
		p.last.Store(&written)
	}
	return nil
}

// knows is the short way for nearly every request: a URL at the origin of the one
// before, its path plain and spelled as the request has it. To read a URL takes
// longer than all other comparisons.
func (p Place) knows(signed, path string) bool {
	if p.last == nil {
		return false
	}
	last := p.last.Load()
	return last != nil && len(signed) == len(*last)+len(path) && strings.HasPrefix(signed, *last) && strings.HasSuffix(signed, path) && //guard:target-known-origin drop 3; target-known-path drop 4
		weburl.IsPlainPath(path) && len(signed) <= weburl.MaxURL //guard:target-known-plain drop 1
}

// seenPath is the path as the client sees it: below base_url's path or else
// below the server's mount point. Decoded says that the original spelling is lost.
type seenPath struct {
	path    string
	decoded bool
}

func (p Place) seenPath(in *Received) seenPath {
	if spelled, ok := recoverSpelling(in); ok {
		if p.path == "" || p.begins(spelled) {
			return seenPath{path: orRoot(spelled)}
		}
		return seenPath{path: orRoot(p.path + spelled[len(in.Mount):])}
	}
	prefix := in.Mount
	if p.path != "" {
		prefix = p.path
		if in.PathDecoded {
			prefix = weburl.DecodePath(prefix)
		}
	}
	if p.whole && below(in.Mount+in.Path, prefix) {
		return seenPath{orRoot(in.Mount + in.Path), in.PathDecoded}
	}
	return seenPath{orRoot(prefix + in.Path), in.PathDecoded}
}

func orRoot(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

// recoverSpelling takes the path from the raw request target where that is the
// same path: a server may have rewritten one of them. The mount must be spelled
// plainly there, so that it can be cut off.
func recoverSpelling(in *Received) (string, bool) {
	if !in.PathDecoded {
		return "", false
	}
	raw, _, _ := strings.Cut(in.RawTarget, "?")
	if !strings.HasPrefix(raw, "/") {
		t, err := weburl.Parse(in.RawTarget) // absolute form (RFC 9112 section 3.2.2)
		if err != nil {
			return "", false
		}
		raw = t.Path
	}
	same := strings.HasPrefix(raw, in.Mount) && weburl.DecodePath(raw) == in.Mount+in.Path
	return raw, same
}

// checkQuery: where the URL is signed, an unsigned query is refused, or it could
// be added on the way.
func checkQuery(c *RequestClaims, query string) *problem.Problem {
	if !c.Query.There() {
		if c.URL.There() && query != "" { //guard:query-missing never
			return problem.New(problem.WrongTarget, "").WithLog("the request has a query, the token has htu but no query_sha256")
		}
		return nil
	}
	if !digest.Equal(c.Query.Text, digest.Hex([]byte(query))) { //guard:query-digest never
		return problem.New(problem.WrongTarget, "").WithLog("the query is not the one that was signed (query_sha256)")
	}
	return nil
}
