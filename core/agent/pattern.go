package agent

import (
	"errors"
	"strings"

	"github.com/tallystick/tallystick/core/weburl"
)

// MaxPattern bounds a pattern, in bytes.
const MaxPattern = 256

// Reasons for refusing a pattern. They quote nothing: a pattern may come out of
// an environment variable.
var (
	ErrPattern     = errors.New("a pattern must be 1 to 256 characters of printable ASCII without space, \" and \\: @name, @name.*, @name.** or https://host/path")
	ErrStars       = errors.New("a pattern may have * (within a segment) and ** (across segments), not three stars in a row")
	ErrNamePattern = errors.New("a pattern of names must have no empty part between . and / and none of ? # @ inside")
)

// Pattern is a compiled pattern of agents. "@name", "@path/name" and plain "name"
// match names, "https://…" and "http://…" agent URLs. "*" takes what is in one
// segment (between "." and "/" in names, "." in hosts, "/" in paths), alone at
// least one byte; "**" goes across segments, alone one or more, but never from a
// host into its path. A pattern of hosts names a port other than the scheme's own.
type Pattern struct {
	text        string
	url         bool
	allow, deny matcher
}

// ParsePattern compiles a pattern of at most MaxPattern bytes.
func ParsePattern(text string) (Pattern, error) {
	if text == "" || len(text) > MaxPattern {
		return Pattern{}, ErrPattern
	}
	for i := 0; i < len(text); i++ {
		if c := text[i]; c <= 0x20 || c >= 0x7F || c == '"' || c == '\\' {
			return Pattern{}, ErrPattern
		}
	}
	if strings.Contains(text, "***") {
		return Pattern{}, ErrStars
	}
	if isURL(text) {
		return parseURLPattern(text)
	}
	return parseNamePattern(text)
}

// CheckListed refuses a pattern of an allow or deny list that a reader may take for a
// host: "evil.example" is a name, and not that of https://evil.example.
func CheckListed(text string) error {
	if text == "" || text[0] == '@' || isURL(text) || strings.Trim(text, "*") == "" {
		return nil
	}
	return errors.New("must begin with @ (a name such as @alice) or https:// (a URL)")
}

func parseNamePattern(text string) (Pattern, error) {
	name := strings.TrimPrefix(text, "@")
	if name == "" || strings.ContainsAny(name, "?#@") || strings.Contains(name, "://") {
		return Pattern{}, ErrNamePattern
	}
	folded := foldName(name)
	if isSeparator(name[0]) || isSeparator(name[len(name)-1]) || strings.Contains(folded, "..") {
		return Pattern{}, ErrNamePattern
	}
	return Pattern{
		text:  text,
		allow: newMatcher(name, program{steps: compile(name, inName)}),
		deny:  newMatcher(folded, program{steps: compile(folded, inName), deny: true}),
	}, nil
}

func isSeparator(c byte) bool { return c == '.' || c == '/' }

// foldName makes a name and its look-alikes one: case, "/" for ".", separators at
// the end.
func foldName(name string) string {
	return strings.TrimRight(strings.ReplaceAll(strings.ToLower(name), "/", "."), ".")
}

// parseURLPattern reads a URL whose host, port and path may hold stars.
func parseURLPattern(text string) (Pattern, error) {
	// A star is no character of a port, and a host's may not hold one: the rest of
	// the URL is checked with a letter in its place.
	scheme, rest, _ := strings.Cut(text, "://")
	authority, path, _ := strings.Cut(rest, "/")
	host, port := authority, ""
	if colon := strings.LastIndexByte(authority, ':'); colon > strings.LastIndexByte(authority, ']') {
		host, port = authority[:colon], authority[colon+1:]
	}
	probe := scheme + "://" + strings.ReplaceAll(host, "*", "x")
	if port != "" && port != "*" || strings.HasSuffix(authority, ":") {
		probe += ":" + port
	}
	u, err := weburl.Parse(probe)
	if err != nil {
		return Pattern{}, err
	}
	if !strings.Contains(host, "*") {
		if u, err = hostOf(u); err != nil {
			return Pattern{}, err
		}
		host = u.Host
	}
	if port != "*" {
		port = u.Port
	}
	if strings.ContainsAny(rest, "?#") {
		return Pattern{}, errors.New("a pattern of URLs must not have a query or a fragment")
	}
	if path, err = canonicalPath("/" + path); err != nil {
		return Pattern{}, err
	}
	return compileURL(text, u.Scheme+"://", strings.ToLower(host), port, path), nil
}

// hostOf brings a host without stars to its one spelling.
func hostOf(u weburl.URL) (weburl.URL, error) {
	h, err := readHost(u.Host)
	u.Host = h.text
	return u, err
}

func compileURL(text, scheme, host, port, path string) Pattern {
	if port != "" {
		port = ":" + port
	}
	lower := strings.ToLower(path)
	steps := func(path string) []step {
		s := compile(host, inHost)
		return append(append(s, compile(port, inPath)...), compile(path, inPath)...)
	}
	return Pattern{
		text:  text,
		url:   true,
		allow: newMatcher(scheme+host+port+path, program{steps: append(compile(scheme, inPath), steps(path)...)}),
		// Who is denied is denied by http too.
		deny: newMatcher(host+port+lower, program{steps: steps(lower), deny: true, anyPort: port == "" && path == ""}),
	}
}

// compile turns a text into steps. A star that is a whole segment takes at least
// one byte.
func compile(text string, z zone) []step {
	steps := make([]step, 0, len(text)+1)
	for i := 0; i < len(text); {
		if text[i] != '*' {
			steps = append(steps, step{literal, z, text[i]})
			i++
			continue
		}
		stars, what := 1, run
		if strings.HasPrefix(text[i:], "**") {
			stars, what = 2, cross
		}
		alone := (i == 0 || splits(text[i-1], z)) && (i+stars == len(text) || splits(text[i+stars], z))
		if alone {
			steps = append(steps, step{one, z, 0})
		}
		steps = append(steps, step{what, z, 0})
		i += stars
	}
	return steps
}

func splits(c byte, z zone) bool {
	return c == '/' || c == '.' && z != inPath || c == ':' && z == inPath
}

// MatchAllow reports whether an agent is meant, exactly: case counts, and nothing
// below is covered. The url is canonical, or "" where it is not known.
func (p Pattern) MatchAllow(name, url string) bool {
	if p.url {
		return p.allow.match(url)
	}
	return p.allow.match(name)
}

// MatchDeny reports whether an agent or what lies above it is meant, whatever the
// spelling: case, "/" for "." in names, separators at the end, http for https.
func (p Pattern) MatchDeny(name, url string) bool {
	if p.url {
		return p.deny.match(foldURL(url))
	}
	return p.deny.match(foldName(name))
}

// foldURL makes a URL and its look-alikes one, as far as that goes: it takes texts
// that are no canonical URLs too, since an issuer may have any spelling.
func foldURL(url string) string {
	if canonical, err := Canonical(url); err == nil {
		url = canonical
	}
	url = strings.ToLower(url)
	if _, rest, found := strings.Cut(url, "://"); found {
		url = rest
	}
	url, _, _ = strings.Cut(url, "?")
	url, _, _ = strings.Cut(url, "#")
	authority, path, found := strings.Cut(url, "/")
	authority = authority[strings.LastIndexByte(authority, '@')+1:]
	host, port, hasPort := strings.Cut(authority, ":")
	if host = strings.TrimRight(host, "."); hasPort && port != "443" && port != "80" {
		host += ":" + port
	}
	if found {
		host += "/" + path
	}
	return strings.TrimRight(host, "/")
}
