package runner

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// WriteTable prints areas x legs (passed/total), then every failure and every
// leg that could not run.
func (r Report) WriteTable(out io.Writer) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "area\t")
	for _, leg := range r.Legs {
		fmt.Fprintf(table, "%s\t", leg.Name)
	}
	fmt.Fprintln(table)
	for _, area := range append(r.areas(), "all") {
		fmt.Fprintf(table, "%s\t", area)
		for _, leg := range r.Legs {
			fmt.Fprintf(table, "%s\t", leg.score(area))
		}
		fmt.Fprintln(table)
	}
	table.Flush()
	r.writeFailures(out)
}

func areaOf(name string) string {
	area, _, _ := strings.Cut(name, "/")
	return area
}

// areas returns the areas of all legs in the order of the vectors: a leg that
// could not run has none.
func (r Report) areas() []string {
	var areas []string
	seen := map[string]bool{}
	for _, leg := range r.Legs {
		for _, result := range leg.Results {
			area := areaOf(result.Vector.Name)
			if !seen[area] {
				seen[area] = true
				areas = append(areas, area)
			}
		}
	}
	return areas
}

func (l LegReport) score(area string) string {
	passed, total := 0, 0
	for _, result := range l.Results {
		if area != "all" && areaOf(result.Vector.Name) != area {
			continue
		}
		total++
		if result.Failure == "" && result.Known == "" {
			passed++
		}
	}
	if l.Broken != "" && area == "all" {
		return "BROKEN"
	}
	if total == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d", passed, total)
}

func (r Report) writeFailures(out io.Writer) {
	for _, leg := range r.Legs {
		for _, result := range leg.Results {
			if result.Failure != "" {
				fmt.Fprintf(out, "\nFAILED %s on %s: %s\n  %s\n", result.Vector.Name, leg.Name, result.Vector.Says, indent(result.Failure))
			}
		}
		for _, result := range leg.Results {
			if result.Known != "" {
				fmt.Fprintf(out, "\nknown to fail: %s on %s: %s\n", result.Vector.Name, leg.Name, result.Known)
			}
		}
		if leg.Left > 0 {
			fmt.Fprintf(out, "\nleg %s %s\n", leg.Name, leg.whyLeft())
		}
		if leg.Broken != "" {
			fmt.Fprintf(out, "\nLEG %s COULD NOT RUN: %s\n", leg.Name, indent(leg.Broken))
		}
	}
}

func (l LegReport) whyLeft() string {
	if l.Partial {
		return fmt.Sprintf("left out %d vectors: its interface has not what they ask for", l.Left)
	}
	return fmt.Sprintf("is slow and left out %d heavy vectors: --heavy runs them", l.Left)
}

func indent(text string) string { return strings.ReplaceAll(text, "\n", "\n  ") }
