package agent

import (
	"fmt"
	"strings"
)

// MaxPatterns bounds a list of patterns.
const MaxPatterns = 10000

// List is a compiled list of patterns. It never changes once made. Patterns
// without stars cost one look-up together, the others a comparison of their
// literal parts before anything else.
type List struct {
	exact     map[string]struct{} // as written: names and URLs (which hold "://")
	names     map[string]struct{} // folded, for denying
	urls      map[string]struct{} // folded, without the scheme
	wildcards []Pattern
	length    int
}

// ListError says which pattern of a list is wrong.
type ListError struct {
	Index int
	Err   error
}

func (e *ListError) Error() string { return fmt.Sprintf("[%d]: %s", e.Index, e.Err) }

// Unwrap gives the reason without the index.
func (e *ListError) Unwrap() error { return e.Err }

// NewList compiles at most MaxPatterns patterns. An error is a *ListError.
func NewList(patterns []string) (*List, error) {
	if len(patterns) > MaxPatterns {
		return nil, &ListError{MaxPatterns, fmt.Errorf("a list may have %d patterns", MaxPatterns)}
	}
	l := &List{
		exact: map[string]struct{}{}, names: map[string]struct{}{}, urls: map[string]struct{}{},
		length: len(patterns),
	}
	for i, text := range patterns {
		p, err := ParsePattern(text)
		if err != nil {
			return nil, &ListError{i, err}
		}
		l.add(p)
	}
	return l, nil
}

// NewAccessList compiles an allow or deny list of a configuration, whose patterns must
// say whether they are names or URLs.
func NewAccessList(patterns []string) (*List, error) {
	for i, text := range patterns[:min(len(patterns), MaxPatterns)] {
		if err := CheckListed(text); err != nil {
			return nil, &ListError{i, err}
		}
	}
	return NewList(patterns)
}

func (l *List) add(p Pattern) {
	if strings.Contains(p.text, "*") {
		l.wildcards = append(l.wildcards, p)
		return
	}
	l.exact[p.allow.prefix] = struct{}{}
	if p.url {
		l.urls[p.deny.prefix] = struct{}{}
	} else {
		l.names[p.deny.prefix] = struct{}{}
	}
}

// Len returns the number of patterns; a nil list has none.
func (l *List) Len() int {
	if l == nil {
		return 0
	}
	return l.length
}

// MatchAllow reports whether some pattern means the agent, exactly (see
// Pattern.MatchAllow).
func (l *List) MatchAllow(name, url string) bool {
	if l.Len() == 0 {
		return false
	}
	if l.has(l.exact, name) || l.has(l.exact, url) {
		return true
	}
	for i := range l.wildcards {
		if l.wildcards[i].MatchAllow(name, url) {
			return true
		}
	}
	return false
}

func (l *List) has(set map[string]struct{}, text string) bool {
	_, there := set[text]
	return there
}

// MatchDeny reports whether some pattern means the agent, what lies above it, or
// its issuer, in whatever spelling: patterns of URLs are held against the URL and
// the issuer, patterns of names against the name and the names that both URLs
// have. Any of the three may be "".
func (l *List) MatchDeny(name, url, issuer string) bool {
	if l.Len() == 0 {
		return false
	}
	names := foldedNames(name, url, issuer)
	urls := [...]string{foldURL(url), foldURL(issuer)}
	if below(urls[0], urls[1]) {
		urls[1] = "" // what denies the issuer denies all that is below it
	}
	for _, text := range names {
		if deniedLiteral(l.names, text, false) {
			return true
		}
	}
	for _, text := range urls {
		if deniedLiteral(l.urls, text, true) {
			return true
		}
	}
	for i := range l.wildcards {
		p := &l.wildcards[i]
		if p.url && (p.deny.match(urls[0]) || p.deny.match(urls[1])) || //guard:deny-star-issuer drop 3
			!p.url && (p.deny.match(names[0]) || p.deny.match(names[1]) || p.deny.match(names[2])) { //guard:deny-star-names drop 3 4; deny-star-issuer-name drop 4
			return true
		}
	}
	return false
}

// foldedNames gives three names; those that are not known are "", and so are those
// that another lies below: what denies them denies that one.
func foldedNames(name, url, issuer string) [3]string {
	names := [3]string{foldName(name)}
	for i, text := range [...]string{url, issuer} {
		if derived, err := Name(text); err == nil {
			names[i+1] = foldName(derived)
		}
	}
	if names[1] == names[0] {
		names[1] = ""
	}
	if isAncestor(names[2], names[0]) || isAncestor(names[2], names[1]) {
		names[2] = ""
	}
	return names
}

func isAncestor(name, of string) bool {
	rest, ok := strings.CutPrefix(of, name)
	return ok && (rest == "" || rest[0] == '.')
}

// deniedLiteral looks for a text and everything above it. No literal is longer
// than MaxPattern, so the time does not grow with the text beyond that.
func deniedLiteral(set map[string]struct{}, text string, isURL bool) bool {
	if len(set) == 0 || text == "" {
		return false
	}
	inPath := false
	for i := 1; i < len(text) && i <= MaxPattern; i++ {
		border := text[i] == '/' || text[i] == '.' && !isURL
		if text[i] == ':' && isURL && !inPath { // what stands before a port is a host alone
			border = true
		}
		inPath = inPath || text[i] == '/'
		if !border {
			continue
		}
		if _, there := set[text[:i]]; there {
			return true
		}
	}
	_, there := set[text]
	return there
}
