package conformance

import "strings"

// Matches reports whether a pattern with "*" for any run of characters matches a
// whole name.
func Matches(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	first, middle, last := parts[0], parts[1:len(parts)-1], parts[len(parts)-1]
	name, ok := strings.CutPrefix(name, first)
	if !ok || !strings.HasSuffix(name, last) {
		return false
	}
	name = strings.TrimSuffix(name, last)
	for _, part := range middle {
		if _, name, ok = strings.Cut(name, part); !ok {
			return false
		}
	}
	return true
}

func matchesAny(patterns []string, name string) bool {
	for _, pattern := range patterns {
		if Matches(pattern, name) {
			return true
		}
	}
	return false
}
