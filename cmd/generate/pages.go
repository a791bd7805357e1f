package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/tallystick/tallystick/core/problem"
)

// pages are the Markdown pages that have generated blocks, and those blocks by
// their name, for the checkout at root.
func pages(root string) (map[string]map[string]string, error) {
	reference, err := referenceBlocks(root)
	if err != nil {
		return nil, err
	}
	surface, err := surfaceBlocks(root)
	if err != nil {
		return nil, err
	}
	return map[string]map[string]string{
		"docs/reference/abi.md":     reference,
		"docs/reference/options.md": surface,
		"docs/reference/errors.md": {
			"refusals": errorSections(problem.Refusals()),
			"misuses":  errorSections(problem.Misuses()),
		},
	}, nil
}

// block is a generated part of a page, between its two marks.
var block = regexp.MustCompile(`(?s)<!-- generated: ([^\n]*?) -->\n.*?<!-- end -->\n`)

// fill writes the blocks into a page. A page has each of its blocks once, so that
// nothing that is generated is left out and nothing stale stays.
func fill(page string, blocks map[string]string) (string, error) {
	written := map[string]bool{}
	var fault error
	page = block.ReplaceAllStringFunc(page, func(old string) string {
		name := block.FindStringSubmatch(old)[1]
		text, known := blocks[name]
		if !known || written[name] {
			fault = fmt.Errorf("the block %q is unknown or there twice", name)
		}
		written[name] = true
		return "<!-- generated: " + name + " -->\n" + text + "<!-- end -->\n"
	})
	for name := range blocks {
		if !written[name] {
			fault = fmt.Errorf("the block %q is missing", name)
		}
	}
	return page, fault
}

// errorSections has a section for each code, so that each can be linked to.
func errorSections(rows []problem.Info) string {
	var b strings.Builder
	for _, row := range rows {
		python, typescript := className(row.Code, "URL"), className(row.Code, "Url")
		classes := "`" + python + "` in Python and TypeScript"
		if python != typescript {
			classes = "`" + python + "` in Python, `" + typescript + "` in TypeScript"
		}
		classes += ", `" + goName(row.Code) + "` in Go"
		oauth := "`" + row.OAuth + "`"
		if row.OAuth == "" {
			oauth = "none: the challenge is bare"
		}
		fmt.Fprintf(&b, "\n### %s\n\n", row.Code)
		fmt.Fprintf(&b, "- Message: %s\n", sentence(row.Text))
		words := "`" + row.Words + "`"
		if row.Code == problem.UnknownIssuer {
			words = "`" + row.Words + ": ISSUER`, as rotagent words it"
		}
		fmt.Fprintf(&b, "- HTTP status: %d\n- `error` in the body: %s\n- OAuth error: %s\n", row.Status, words, oauth)
		fmt.Fprintf(&b, "- Class: %s\n", classes)
	}
	b.WriteString("\n")
	return b.String()
}
