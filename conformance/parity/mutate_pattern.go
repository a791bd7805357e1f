package parity

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// patternMutators change scopes, globs of names and of URLs, and rules.
var patternMutators = []mutator{
	{name: "pattern-wildcard", weight: 30, fits: isPattern, value: func(r *rand.Rand, s site) bool { return s.setText(changeText(r, s.node().text, wildcards)) }},
	{name: "pattern-segments", weight: 20, fits: isPattern, value: changeSegments},
	{name: "pattern-rule", weight: 16, fits: isPattern, value: func(r *rand.Rand, s site) bool { return s.setText(pick(r, rules)) }},
}

var patternNames = []string{
	"pattern", "scope", "scopes", "allowed", "allow", "deny", "accept_from", "talk_to", "rules", "allowed_scopes", "required_scopes", "targets", "name", "reference",
	"caller", "target", "labels", "namespaces", "trust", "namespace",
}

func isPattern(s site) bool { return anyText(s) && slices.Contains(patternNames, s.name) }

var wildcards = []string{"*", "**", "***", "?", "[a]", "[!a]", "[", "]", "{a,b}", "\\*", "\\", ".", "/", ":", "::", "..", "@", "#", " ", "a*", "*a", "*.*", "*/*", "%2A", "^", "$", "|", "(", "+", "é", "İ", "\u0301"}

var rules = []string{
	"everyone", "nobody", "family", "platform", "Everyone", "@alice", "@alice.*", "@alice.**", "@*", "@**", "@a/b", "@", "#", "#verified", "#reputation:5", "#reputation:05",
	"#reputation:-1", "#reputation:1e1", "#reputation:99999999999999999999", "#reputation:5.5", "https://*.example", "https://**", "https://*", "*", "**", "read:*", "*:read", "a:*:c",
	"tools:**", "https://agents.example.com/*", "@com.example.**", "@*.example.*", "namespace:*", "trust:*",
}

func changeSegments(r *rand.Rand, s site) bool {
	text := s.node().text
	separator := pick(r, []string{":", ".", "/", " "})
	segments := strings.Split(text, separator)
	at := r.IntN(len(segments))
	switch r.IntN(4) {
	case 0:
		segments = append(segments[:at:at], segments[at+1:]...)
	case 1:
		segments = append(segments[:at+1:at+1], segments[at:]...)
	case 2:
		segments[at] = pick(r, []string{"", "*", "**", "a", "a*b", "*a*"})
	default:
		return s.setText(strings.Join(segments, pick(r, []string{":", ".", "/", " ", "::", "\t"})))
	}
	return s.setText(strings.Join(segments, separator))
}
