package agent

import "strings"

// matcher is a program behind two quick looks: at what the text must begin with
// and at the longest text that it must hold.
type matcher struct {
	prefix  string // the whole pattern where it has no star
	needle  string
	program program
}

func newMatcher(text string, p program) matcher {
	prefix, rest, _ := strings.Cut(text, "*")
	m := matcher{prefix: prefix, program: p}
	for part := range strings.SplitSeq(rest, "*") {
		if len(part) > len(m.needle) {
			m.needle = part
		}
	}
	return m
}

func (m *matcher) match(text string) bool {
	return text != "" && strings.HasPrefix(text, m.prefix) && strings.Contains(text[len(m.prefix):], m.needle) && m.program.match(text)
}
