package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// result is what a command found: data for --json, and words for people.
type result interface{ words(p *printer) }

// show writes a result to standard output, at once.
func (a *app) show(r result) error {
	if a.json {
		return a.showJSON(r)
	}
	p := &printer{color: a.colored(a.Stdout)}
	r.words(p)
	return a.write(p.String())
}

// showDone shows what became of files. Where that cannot be written, the files stay as they are, and
// the error says so: a second run would find them.
func (a *app) showDone(r result, format string, args ...any) error {
	err := a.show(r)
	var f *failure
	if errors.As(err, &f) {
		return failed(f.code, "%s; %s", f.message, fmt.Sprintf(format, args...))
	}
	return err
}

// write writes data at once.
func (a *app) write(text string) error {
	if _, err := io.WriteString(a.Stdout, text); err != nil {
		return unusable("standard output cannot be written (%s): write to another place", reasonOf(err))
	}
	return nil
}

// showJSON escapes what would drive a terminal: beyond ASCII, that stands in texts alone.
func (a *app) showJSON(r result) error {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(r); err != nil {
		return err
	}
	var escaped strings.Builder
	for _, c := range b.String() {
		switch {
		case c < utf8.RuneSelf || unicode.IsPrint(c):
			escaped.WriteRune(c)
		case c > 0xFFFF:
			high, low := utf16.EncodeRune(c)
			fmt.Fprintf(&escaped, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&escaped, `\u%04x`, c)
		}
	}
	return a.write(escaped.String())
}

// say writes words beside the data.
func (a *app) say(format string, args ...any) {
	fmt.Fprintln(a.Stderr, oneLine(fmt.Sprintf(format, args...)))
}

// colored: only a person's terminal, and not where NO_COLOR says anything (no-color.org).
func (a *app) colored(stream any) bool {
	return isTerminal(stream) && a.Getenv("NO_COLOR") == "" && a.Getenv("TERM") != "dumb"
}

// printer gathers lines of words.
type printer struct {
	strings.Builder
	color bool
}

const (
	green = "32"
	red   = "31"
	faint = "2"
)

func (p *printer) paint(color, text string) string {
	if !p.color {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// line writes one line; nothing in it can break the line or drive a terminal.
func (p *printer) line(format string, args ...any) {
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			args[i] = oneLine(text)
		}
	}
	fmt.Fprintf(p, format+"\n", args...)
}

// table writes rows in columns, of which the last is as wide as it is.
func (p *printer) table(indent string, rows [][]string) {
	widths := map[int]int{}
	for _, row := range rows {
		for i, cell := range row {
			row[i] = oneLine(cell)
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	for _, row := range rows {
		line := indent
		for i, cell := range row {
			line += cell
			if i < len(row)-1 {
				line += strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2)
			}
		}
		p.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// mark is the first word of a checked line.
func (p *printer) mark(good bool) string {
	if good {
		return p.paint(green, "ok     ")
	}
	return p.paint(red, "problem")
}
