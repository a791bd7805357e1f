// Package glob is the one wildcard matcher. The grammars over it (scopes, agent
// names) decide how a text falls into segments and what a lone "*" takes; this
// package decides what "*" means inside a segment.
package glob

// Segment reports whether text matches pattern, where each "*" stands for any
// run of bytes, the empty one too, and every other byte for itself. It goes back
// to the last "*" only, so the time is at most len(pattern) x len(text) steps,
// whatever the pattern: linear in the text for a bounded pattern.
func Segment(pattern, text string) bool {
	p, t := 0, 0
	star, resume := -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, t
			p++
		case p < len(pattern) && pattern[p] == text[t]:
			p++
			t++
		case star >= 0:
			resume++
			p, t = star+1, resume
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
