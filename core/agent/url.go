// Package agent knows who an agent is: references, URLs in one spelling, dotted
// names, namespaces, and the patterns that allow and deny them (protocol.md
// sections 2 and 5). Everything in it is a pure function or never changes once
// made, so it is safe for concurrent use.
package agent

import (
	"errors"
	"strings"

	"github.com/tallystick/tallystick/core/weburl"
)

// MaxURL bounds an agent's URL, in bytes.
const MaxURL = 2048

// Canonical brings the URL of an agent or an issuer to its one spelling: lower
// case scheme and host, no default port, no slash at the end, percent-encoding as
// RFC 3986 section 6.2.2 has it. A URL with user info, a query, a fragment, dot
// segments or empty segments names nobody and is an error.
func Canonical(text string) (string, error) {
	l, err := locate(text)
	return l.text(), err
}

// location is a canonical URL in its parts.
type location struct {
	origin string
	scheme string
	host   host
	port   string // "" for the scheme's own
	path   string // "" or "/a/b"
}

func (l location) text() string { return l.origin + l.path }

func locate(text string) (location, error) {
	if len(text) > MaxURL { //guard:url-size never
		return location{}, errors.New("the URL is over 2048 bytes")
	}
	u, err := weburl.Parse(text)
	switch {
	case err != nil:
		return location{}, err
	case u.HasQuery || u.HasFragment:
		return location{}, errors.New("the URL must not have a query or a fragment")
	}
	h, err := readHost(u.Host)
	if err != nil {
		return location{}, err
	}
	l := location{scheme: u.Scheme, host: h, port: u.Port, origin: u.Scheme + "://" + h.text}
	if u.Port != "" {
		l.origin += ":" + u.Port
	}
	l.path, err = canonicalPath(u.Path)
	if err == nil && len(l.text()) > MaxURL {
		err = errors.New("the URL is over 2048 bytes")
	}
	if err != nil {
		return location{}, err
	}
	return l, nil
}

func canonicalPath(path string) (string, error) {
	path = strings.TrimSuffix(weburl.NormalPath(path), "/")
	switch {
	case path == "":
		return "", nil
	case strings.Contains(path, "//") || strings.HasSuffix(path, "/"):
		return "", errors.New("the URL's path must not have empty segments")
	case climbs(path):
		return "", errors.New("the URL's path must not have dot segments")
	case !wellEncoded(path):
		return "", errors.New("the URL's path has a % that is not followed by two hex digits")
	}
	return path, nil
}

// climbs reports whether some server on the way may read the path as leading
// upwards: dot segments, plain or encoded, behind an encoded slash or a backslash,
// or with a path parameter ("/..;x/"), which Java servers cut off.
func climbs(path string) bool {
	decoded := weburl.DecodePath(path)
	if !strings.Contains(decoded, ".") {
		return false
	}
	for segment := range strings.FieldsFuncSeq(decoded, func(r rune) bool { return r == '/' || r == '\\' }) {
		segment, _, _ = strings.Cut(segment, ";")
		if segment == "." || segment == ".." { //guard:url-dot-segment drop 1
			return true
		}
	}
	return false
}

func wellEncoded(path string) bool {
	for i := 0; i < len(path); i++ {
		if path[i] == '%' && (i+2 >= len(path) || !isHex(path[i+1]) || !isHex(path[i+2])) {
			return false
		}
	}
	return true
}

func isHex(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// Under reports whether an agent's URL is an issuer's or lies below it, at a "/"
// border: "https://a.example" is not above "https://a.example.evil". Spellings do
// not matter; what is no URL of an agent is under nothing.
func Under(agentURL, issuer string) bool {
	child, err := Canonical(agentURL)
	if err != nil {
		return false
	}
	parent, err := Canonical(issuer)
	return err == nil && below(child, parent)
}

func below(child, parent string) bool {
	rest, ok := strings.CutPrefix(child, parent)
	return ok && (rest == "" || rest[0] == '/')
}

// Covers reports whether a token for agentURL may be sent to url: the same origin
// and a path at or below the agent's. The url is a request's, so it may have a
// query; a path that a server may read as leading upwards is never covered.
func Covers(agentURL, url string) bool {
	l, err := locate(agentURL)
	if err != nil {
		return false
	}
	u, err := weburl.Parse(url)
	if err != nil || climbs(u.Path) || !wellEncoded(u.Path) {
		return false
	}
	h, err := readHost(u.Host)
	if err != nil || u.Scheme != l.scheme || h.text != l.host.text || u.Port != l.port {
		return false
	}
	return below(weburl.NormalPath(u.Path), l.path)
}
