// Package scope reads scope strings (RFC 6749 section 3.3) and filters them by
// patterns (protocol.md section 4).
package scope

import (
	"errors"
	"strings"

	"github.com/tallystick/tallystick/core/glob"
)

// MaxPattern bounds one pattern, in bytes; MaxPatterns bounds a list of them.
const (
	MaxPattern  = 256
	MaxPatterns = 10000
)

// Reasons for refusing a scope string or a pattern.
var (
	ErrScope   = errors.New("scope must be words of printable ASCII without \" and \\, separated by single spaces")
	ErrPattern = errors.New("a scope pattern must be 1 to 256 characters of printable ASCII without space, \" and \\")
)

// NamespacePrefix begins a scope that says which namespace an authority put its
// bearer into.
const NamespacePrefix = "namespace:"

// Parse splits a scope string. The empty string holds no scope.
func Parse(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	scopes := strings.Split(text, " ")
	for _, s := range scopes {
		if !valid(s) { //guard:scope-words never
			return nil, ErrScope
		}
	}
	return scopes, nil
}

// Valid reports whether a text is one scope.
func Valid(s string) bool { return valid(s) }

// valid is scope-token of RFC 6749 section 3.3.
func valid(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x21 || c > 0x7E || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}

// CheckPattern refuses a pattern that could never match a scope.
func CheckPattern(pattern string) error {
	if len(pattern) > MaxPattern || !valid(pattern) {
		return ErrPattern
	}
	return nil
}

// Match reports whether a scope matches a pattern. Segments are split by ":".
// A lone "*" takes one segment, as the last one all that remain (one or more);
// within a segment it takes any run. A lone "*" takes no empty segment. Only
// patterns have wildcards: a "*" in a scope is a letter.
func Match(pattern, s string) bool {
	for {
		wanted, morePattern, patternGoesOn := strings.Cut(pattern, ":")
		segment, moreScope, scopeGoesOn := strings.Cut(s, ":")
		if wanted == "*" {
			if segment == "" {
				return false
			}
			if !patternGoesOn {
				return !strings.Contains(s, "::") && !strings.HasSuffix(s, ":")
			}
		} else if !glob.Segment(wanted, segment) {
			return false
		}
		if patternGoesOn != scopeGoesOn {
			return false
		}
		if !patternGoesOn {
			return true
		}
		pattern, s = morePattern, moreScope
	}
}

// Patterns is a list of them, compiled once: those without a wildcard are looked
// up, the others are passed over quickly by what stands before their first "*".
type Patterns struct {
	exact map[string]struct{}
	wild  []wildcard
}

type wildcard struct{ prefix, pattern string }

// Compile takes patterns that CheckPattern accepts.
func Compile(patterns []string) *Patterns {
	p := &Patterns{exact: make(map[string]struct{}, len(patterns))}
	for _, pattern := range patterns {
		if prefix, _, found := strings.Cut(pattern, "*"); found {
			p.wild = append(p.wild, wildcard{prefix, pattern})
		} else {
			p.exact[pattern] = struct{}{}
		}
	}
	return p
}

// Match reports whether some pattern matches a scope.
func (p *Patterns) Match(s string) bool {
	if _, there := p.exact[s]; there {
		return true
	}
	for i := range p.wild {
		if w := &p.wild[i]; strings.HasPrefix(s, w.prefix) && Match(w.pattern, s) {
			return true
		}
	}
	return false
}

// Filter returns the scopes that some pattern allows: order kept, no repeats.
func (p *Patterns) Filter(scopes []string) []string {
	granted := []string{}
	seen := make(map[string]struct{}, len(scopes))
	for _, s := range scopes {
		if _, repeated := seen[s]; repeated {
			continue
		}
		seen[s] = struct{}{}
		if p.Match(s) {
			granted = append(granted, s)
		}
	}
	return granted
}

// Filter is Compile and Patterns.Filter for a list that is used once.
func Filter(scopes, allowed []string) []string { return Compile(allowed).Filter(scopes) }

// Namespaces returns what follows "namespace:" in the granted scopes.
func Namespaces(granted []string) []string {
	namespaces := []string{}
	for _, s := range granted {
		if name, ok := strings.CutPrefix(s, NamespacePrefix); ok && name != "" {
			namespaces = append(namespaces, name)
		}
	}
	return namespaces
}
