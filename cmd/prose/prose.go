// Package prose lays out the text of generated Markdown pages.
package prose

import (
	"strings"
	"unicode/utf8"
)

// Width is that of a line of prose, in columns.
const Width = 100

// Wrap breaks a text into lines, of which the first begins with first and the others
// with rest. A word that is longer than a line has a line of its own.
func Wrap(text, first, rest string) string {
	done, line, empty := "", first, true
	for _, word := range strings.Fields(text) {
		if !empty && utf8.RuneCountInString(line+" "+word) > Width {
			done += line + "\n"
			line, empty = rest, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	return done + line + "\n"
}
