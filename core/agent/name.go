package agent

import (
	"errors"
	"slices"
	"strings"
)

const (
	// DefaultAuthority resolves references where no authority is configured.
	DefaultAuthority = "https://robutler.ai"
	// MaxName bounds a name, in bytes.
	MaxName = 256

	agentsPath = "/agents/"
)

// ErrName says what a name must be.
var ErrName = errors.New("an agent's name must be 1 to 256 characters of printable ASCII without space and * ? # % @ \\ ^ | < > { } ` and quotes, with no empty part between . and /")

// errNoScheme: "127.0.0.1:5000" would be an agent of the authority.
var errNoScheme = errors.New("this looks like a URL without its scheme: put https:// in front, or @ for a name")

func looksLikeHost(name string) bool {
	host, port, found := strings.Cut(name, ":")
	return host == "localhost" || found && strings.Contains(host, ".") && strings.Trim(port, "0123456789") == ""
}

// CheckName refuses what cannot be an agent's name. Names become paths of URLs
// and are matched by patterns: nothing in them may mean something there.
func CheckName(name string) error {
	if name == "" || len(name) > MaxName {
		return ErrName
	}
	start := true // of a part; ":" there is the mark of a port in names of URLs
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c <= 0x20 || c >= 0x7F || strings.IndexByte("*?#%@\\^|<>{}`\"'", c) >= 0 {
			return ErrName
		}
		separator := c == '.' || c == '/'
		if start && (separator || c == ':') {
			return ErrName
		}
		if c == ':' && i+1 < len(name) && name[i+1] == '/' { // a misspelt scheme
			return ErrName
		}
		start = separator
	}
	if start {
		return ErrName
	}
	return nil
}

// Resolve turns a reference into the agent's URL in its canonical spelling: a URL
// stays, "@name" and "name" are agents of the authority (DefaultAuthority for "").
func Resolve(reference, authority string) (string, error) {
	if isURL(reference) {
		return Canonical(reference)
	}
	name, marked := strings.CutPrefix(reference, "@")
	if err := CheckName(name); err != nil {
		return "", err
	}
	if !marked && looksLikeHost(name) {
		return "", errNoScheme
	}
	if authority == "" {
		authority = DefaultAuthority
	}
	base, err := Canonical(authority)
	if err != nil {
		return "", errors.New("the authority: " + err.Error())
	}
	return Canonical(base + agentsPath + name)
}

// CheckBase keeps an agent's own reference, its base_url, to a URL or an "@name". A bare
// host would otherwise become a name below the authority.
func CheckBase(reference string) error {
	if isURL(reference) || strings.HasPrefix(reference, "@") {
		return nil
	}
	return errors.New("must be a URL with https:// or an @name")
}

func isURL(text string) bool {
	scheme, _, found := strings.Cut(text, "://")
	return found && (strings.EqualFold(scheme, "https") || strings.EqualFold(scheme, "http"))
}

// Alias returns the name that resolves to the agent's URL, if there is one:
// "bob" for https://robutler.ai/agents/bob.
func Alias(agentURL, authority string) (string, bool) {
	if authority == "" {
		authority = DefaultAuthority
	}
	url, err := Canonical(agentURL)
	if err != nil {
		return "", false
	}
	base, err := Canonical(authority)
	if err != nil {
		return "", false
	}
	name, ok := strings.CutPrefix(url, base+agentsPath)
	return name, ok && CheckName(name) == nil
}

// Name derives the name of whoever is verified under a URL: the host reversed,
// then the path, joined by dots; https://agents.example.com/my-bot is
// com.example.agents.my-bot. Nothing is merged or left out, so that two agents of
// a host never share a name: a port (":8443") and plain http (":http") have
// segments of their own behind the host's, an IP literal is one segment, and bytes
// of a path other than letters, digits, "-", "_" and "~" are percent-encoded, the
// "%" of the URL too. Only the border of host and path cannot be seen:
// https://b.a.example and https://a.example/b are one name, and one owner's, who
// decides who gets a name below its own. Patterns of URLs tell them apart.
func Name(url string) (string, error) {
	l, err := locate(url)
	if err != nil {
		return "", err
	}
	segments := []string{EncodeSegment(l.host.text)}
	if !l.host.literal {
		segments = strings.Split(l.host.text, ".")
		slices.Reverse(segments)
	}
	if l.port != "" {
		segments = append(segments, ":"+l.port)
	}
	if l.scheme == "http" {
		segments = append(segments, ":http")
	}
	if l.path != "" {
		for segment := range strings.SplitSeq(l.path[1:], "/") {
			segments = append(segments, EncodeSegment(segment))
		}
	}
	return strings.Join(segments, "."), nil
}

// EncodeSegment percent-encodes a text so that it is one segment of a path,
// whatever it holds.
func EncodeSegment(text string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		if isLetter(c) || isDigit(c) || c == '-' || c == '_' || c == '~' {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}
