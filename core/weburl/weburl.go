// Package weburl reads the http(s) URLs that tokens and configurations name, and
// brings paths to one spelling (RFC 3986 section 6.2.2).
package weburl

import (
	"errors"
	"strings"
)

// MaxURL bounds a URL, in bytes.
const MaxURL = 8 << 10

// URL is an absolute http(s) URL in its parts. Origin is normalised (RFC 3986
// section 6.2.2.1 and 6.2.3): lower case, no default port.
type URL struct {
	Scheme      string
	Origin      string
	Host        string // lower case; an IPv6 address in its brackets
	Port        string // "" for the scheme's own
	Path        string // as written; "/" where there is none
	Query       string
	HasQuery    bool
	HasFragment bool
}

// Parse reads a URL of at most 8192 bytes. What is wrong with it is said without
// quoting it.
func Parse(text string) (URL, error) {
	if len(text) > MaxURL {
		return URL{}, errors.New("the URL is over 8192 bytes")
	}
	for i := 0; i < len(text); i++ {
		if !written[text[i]] {
			return URL{}, errors.New("the URL has a character that must be percent-encoded (or, in a host, written as punycode)")
		}
	}
	const separator = "://"
	colon := strings.Index(text, separator)
	if colon < 0 || !strings.EqualFold(text[:colon], "http") && !strings.EqualFold(text[:colon], "https") {
		return URL{}, errors.New("the URL must start with http:// or https://")
	}
	start := colon + len(separator)
	end := len(text)
	if at := strings.IndexAny(text[start:], "/?#"); at >= 0 {
		end = start + at
	}
	u := URL{Origin: strings.ToLower(text[:end])}
	u.Scheme = u.Origin[:colon]
	rest, _, hasFragment := strings.Cut(text[end:], "#")
	u.HasFragment = hasFragment
	u.Path, u.Query, u.HasQuery = strings.Cut(rest, "?")
	if u.Path == "" {
		u.Path = "/"
	}
	return u, u.readAuthority(u.Origin[start:])
}

// written marks the characters that a URL may have as they are (RFC 3986 section 2).
var written = func() (table [256]bool) {
	for c := '!'; c <= '~'; c++ {
		table[c] = true
	}
	for _, c := range "\"<>\\^`{|}" {
		table[c] = false //guard:url-characters skip
	}
	return table
}()

// readAuthority takes the part of the origin behind the scheme, in lower case.
func (u *URL) readAuthority(authority string) error {
	if strings.Contains(authority, "@") {
		return errors.New("the URL must not hold a user name or password")
	}
	host, port := authority, ""
	if colon := strings.LastIndexByte(authority, ':'); colon > strings.LastIndexByte(authority, ']') {
		host, port = authority[:colon], authority[colon+1:]
		if !validPort(port) {
			return errors.New("the URL's port is not a number from 1 to 65535")
		}
	}
	if !validHost(host) {
		return errors.New("the URL's host is missing or has a wrong character")
	}
	u.Host = host
	if u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		u.Origin = strings.TrimSuffix(u.Origin, ":"+port)
		return nil
	}
	u.Port = port
	return nil
}

// validPort takes the canonical spelling only: no sign and no leading zero.
func validPort(port string) bool {
	n := 0
	for i := 0; i < len(port); i++ {
		if port[i] < '0' || port[i] > '9' || i == 5 {
			return false
		}
		n = n*10 + int(port[i]-'0')
	}
	return port != "" && port[0] != '0' && n <= 65535
}

func validHost(host string) bool {
	inside, bracketed := strings.CutPrefix(host, "[")
	if bracketed {
		inside, bracketed = strings.CutSuffix(inside, "]")
		return bracketed && inside != "" && strings.Trim(inside, "0123456789abcdefABCDEF:.") == ""
	}
	for i := 0; i < len(host); i++ {
		c := host[i]
		if !isAlphanumeric(c) && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return host != ""
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// IsPlainPath reports whether a path has one spelling only: itself. Behind an origin
// it is all of a URL's path, without query and fragment.
func IsPlainPath(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	for i := 0; i < len(path); i++ {
		if c := path[i]; !written[c] || c == '%' || c == '?' || c == '#' { //guard:target-known-encoded drop 2; target-known-query drop 3; target-known-fragment drop 4
			return false
		}
	}
	return true
}

// NormalPath brings a percent-encoded path to one spelling (RFC 3986 section
// 6.2.2): unreserved bytes plain, all others that need it encoded in upper case.
// Dot segments stay: a server that routes them literally must see the same path.
func NormalPath(path string) string {
	if !strings.ContainsFunc(path, func(r rune) bool { return r == '%' || r >= 0x7F || r <= 0x20 }) {
		return path
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		c, encoded := path[i], false
		if d, ok := PercentAt(path, i); ok {
			c, encoded = d, true
			i += 2
		}
		switch {
		case encoded && !isUnreserved(c), c <= 0x20, c >= 0x7F:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func isUnreserved(c byte) bool {
	return isAlphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~'
}

// PercentAt reads the %XX at i.
func PercentAt(text string, i int) (byte, bool) {
	if text[i] != '%' || i+2 >= len(text) {
		return 0, false
	}
	high, ok1 := hexValue(text[i+1])
	low, ok2 := hexValue(text[i+2])
	return high<<4 | low, ok1 && ok2
}

func hexValue(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// DecodePath replaces every %XX by its byte, as WSGI servers do.
func DecodePath(path string) string {
	if !strings.Contains(path, "%") {
		return path
	}
	decoded := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		c := path[i]
		if d, ok := PercentAt(path, i); ok {
			c = d
			i += 2
		}
		decoded = append(decoded, c)
	}
	return string(decoded)
}

// HasDotSegment reports whether an HTTP client would rewrite the path (RFC 3986
// section 5.2.4), in plain or encoded spelling.
func HasDotSegment(path string) bool {
	if !strings.Contains(path, "/.") && !strings.Contains(path, "%2") {
		return false // nearly every path
	}
	for _, segment := range strings.Split(NormalPath(path), "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// EncodeForm encodes a name or value of application/x-www-form-urlencoded.
func EncodeForm(text string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case isUnreserved(c) && c != '~':
			b.WriteByte(c)
		case c == ' ':
			b.WriteByte('+')
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}
