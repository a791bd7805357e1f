package request

import (
	"strings"

	"github.com/tallystick/tallystick/core/digest"
	"github.com/tallystick/tallystick/core/problem"
)

// checkTarget compares htm, htu and query_sha256 with the request (protocol.md
// section 1, RFC 9449 section 4.3 items 8 and 9).
func (v *Verifier) checkTarget(c *claims, in *Input) *problem.Problem {
	if c.method.there() && c.method.text != in.Method {
		return wrongTarget("method", c.method.text, in.Method)
	}
	if c.url.there() {
		if p := v.checkURL(c.url.text, in); p != nil {
			return p
		}
	}
	return checkQuery(c, in.Query)
}

func wrongTarget(what, signed, received string) *problem.Problem {
	return problem.New(problem.WrongTarget, "").WithLog(
		"the %s differs: the token was signed for %s, the request has %s; if a proxy or a mount point changes URLs, set base_url to the URL under which callers reach this application",
		what, problem.Quote(signed), problem.Quote(received))
}

func (v *Verifier) checkURL(signed string, in *Input) *problem.Problem {
	t, err := parseURL(signed)
	if err != nil || t.hasQuery || t.fragment {
		return wrongTarget("URL (htu must be an http(s) URL without query and fragment)", signed, in.Path)
	}
	if v.baseOrigin != "" && t.origin != v.baseOrigin {
		return wrongTarget("origin", t.origin, v.baseOrigin+" (base_url)")
	}
	seen := v.seenPath(in)
	matches := normalPath(t.path) == normalPath(seen.path)
	if seen.decoded {
		matches = decodePath(t.path) == seen.path
	}
	if !matches {
		return wrongTarget("path", t.path, seen.path)
	}
	return nil
}

// seenPath is the path as the client sees it: below base_url's path or else
// below the server's mount point. Decoded says that the original spelling is lost.
type seenPath struct {
	path    string
	decoded bool
}

func (v *Verifier) seenPath(in *Input) seenPath {
	if spelled, ok := recoverSpelling(in); ok {
		if v.basePath == "" {
			return seenPath{path: orRoot(spelled)}
		}
		return seenPath{path: orRoot(v.basePath + spelled[len(in.Mount):])}
	}
	prefix := in.Mount
	if v.basePath != "" {
		prefix = v.basePath
		if in.PathDecoded {
			prefix = decodePath(prefix)
		}
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
func recoverSpelling(in *Input) (string, bool) {
	if !in.PathDecoded {
		return "", false
	}
	raw, _, _ := strings.Cut(in.RawTarget, "?")
	if !strings.HasPrefix(raw, "/") {
		t, err := parseURL(in.RawTarget) // absolute form (RFC 9112 section 3.2.2)
		if err != nil {
			return "", false
		}
		raw = t.path
	}
	same := strings.HasPrefix(raw, in.Mount) && decodePath(raw) == in.Mount+in.Path
	return raw, same
}

// checkQuery: where the URL is signed, an unsigned query is refused, or it could
// be added on the way.
func checkQuery(c *claims, query string) *problem.Problem {
	if !c.query.there() {
		if c.url.there() && query != "" {
			return problem.New(problem.WrongTarget, "").WithLog("the request has a query, the token has htu but no query_sha256")
		}
		return nil
	}
	if !digest.Equal(c.query.text, digest.Hex([]byte(query))) {
		return problem.New(problem.WrongTarget, "").WithLog("the query is not the one that was signed (query_sha256)")
	}
	return nil
}
