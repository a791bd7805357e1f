package trust

import (
	"slices"
	"strings"
)

// LabelPrefix begins the scopes that carry trust labels.
const LabelPrefix = "trust:"

// Labels returns what follows "trust:" in a token's scopes, in order and without
// repeats. Labels are a portal's to give: those of any other token are none.
func Labels(scopes []string, portal bool) []string {
	labels := []string{}
	if !portal {
		return labels
	}
	for _, s := range scopes {
		if label, ok := strings.CutPrefix(s, LabelPrefix); ok && label != "" && !slices.Contains(labels, label) {
			labels = append(labels, label)
		}
	}
	return labels
}
