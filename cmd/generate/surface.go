package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tallystick/tallystick/cmd/prose"
)

// surfacePath is what is public in the Python, the Node and the Go package.
const surfacePath = "conformance/surface.json"

// surfaceRow is a class, a function, a method, an option or a property.
type surfaceRow struct {
	Says    string          `json:"says"`
	Default json.RawMessage `json:"default"`
	Unit    string          `json:"unit"`
	Only    string          `json:"only"`
	Why     string          `json:"why"`
	Static  bool            `json:"static"`
	Async   bool            `json:"async"`
	Returns string          `json:"returns"`

	Options       surfaceRows `json:"options"`
	Configuration surfaceRows `json:"configuration"`
	Methods       surfaceRows `json:"methods"`
	Properties    surfaceRows `json:"properties"`
	Parameters    surfaceRows `json:"parameters"`
}

// surfaceRows are rows by their names, in the order of the file.
type surfaceRows []namedRow

type namedRow struct {
	name string
	surfaceRow
}

func (rows *surfaceRows) UnmarshalJSON(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	if _, err := decoder.Token(); err != nil { // the opening brace
		return err
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		row := namedRow{name: name.(string)}
		if err := decoder.Decode(&row.surfaceRow); err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
		*rows = append(*rows, row)
	}
	return nil
}

// surfaceBlocks are the blocks of the page of options.
func surfaceBlocks(root string) (map[string]string, error) {
	text, err := os.ReadFile(filepath.Join(root, surfacePath))
	if err != nil {
		return nil, err
	}
	var surface struct {
		Classes   surfaceRows        `json:"classes"`
		Functions surfaceRows        `json:"functions"`
		Go        map[string]goClass `json:"go"`
	}
	if err := json.Unmarshal(text, &surface); err != nil {
		return nil, fmt.Errorf("%s: %w", surfacePath, err)
	}
	classes := ""
	for _, class := range surface.Classes {
		classes += classSection(class, surface.Go[class.name])
	}
	functions := "\n"
	for _, function := range surface.Functions {
		functions += prose.Wrap(callable(function)+tail(function), "- ", "  ")
	}
	return map[string]string{"classes": classes + "\n", "functions": functions + "\n"}, nil
}

func classSection(class namedRow, inGo goClass) string {
	text := "\n### " + class.name + "\n"
	if said := strings.TrimPrefix(tail(class), ": "); said != "" {
		text += "\n" + prose.Wrap(said, "", "")
	}
	if inGo.Type != "" {
		text += "\n" + inGo.says()
	}
	for _, part := range [...]struct {
		heading string
		rows    surfaceRows
		item    func(namedRow) string
	}{
		{"Options", class.Options, option},
		{"Configuration", class.Configuration, option},
		{"Methods", class.Methods, callable},
		{"Has", class.Properties, option},
	} {
		if len(part.rows) == 0 {
			continue
		}
		text += "\n" + part.heading + ":\n\n"
		for _, row := range part.rows {
			text += prose.Wrap(part.item(row)+tail(row), "- ", "  ")
		}
	}
	return text
}

// goClass is what a class is in Go.
type goClass struct {
	Type        string            `json:"type"`
	OptionsType string            `json:"options_type"`
	Names       map[string]string `json:"names"`
	Absent      map[string]string `json:"absent"`
	Own         map[string]string `json:"own"`
}

// says names what Go calls otherwise, does without, and has besides.
func (c goClass) says() string {
	text := "In Go: `" + c.Type + "`"
	if c.OptionsType != "" {
		text += ", with `" + c.OptionsType + "`"
	}
	text = prose.Wrap(text+".", "", "")
	list := ""
	for _, part := range [...]struct{ about, text string }{
		{"Other names", c.otherNames()},
		{"Not there", byReason(c.Absent)},
		{"There alone", byReason(c.Own)},
	} {
		if part.text != "" {
			list += prose.Wrap(part.about+": "+part.text+".", "- ", "  ")
		}
	}
	if list != "" {
		text += "\n" + list
	}
	return text
}

// otherNames leaves out what is only spelt as Go does.
func (c goClass) otherNames() string {
	var said []string
	for _, name := range slices.Sorted(maps.Keys(c.Names)) {
		if inGo := c.Names[name]; !strings.EqualFold(strings.ReplaceAll(name, "_", ""), inGo) {
			said = append(said, "`"+name+"` is `"+inGo+"`")
		}
	}
	return strings.Join(said, "; ")
}

// byReason joins the names that have one reason. What every type of Go may have goes without saying.
func byReason(reasons map[string]string) string {
	var order []string
	names := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(reasons)) {
		why := reasons[name]
		switch {
		case why == "an idiom of Go":
		case names[why] == "":
			order = append(order, why)
			names[why] = "`" + name + "`"
		default:
			names[why] += ", `" + name + "`"
		}
	}
	for i, why := range order {
		order[i] = names[why] + " (" + why + ")"
	}
	return strings.Join(order, "; ")
}

// option is "`leeway` (seconds; default 0)".
func option(row namedRow) string {
	var facts []string
	if row.Unit != "" {
		facts = append(facts, row.Unit)
	}
	if given := defaultOf(row); given != "" {
		facts = append(facts, "default "+given)
	}
	if len(facts) == 0 {
		return "`" + row.name + "`"
	}
	return "`" + row.name + "` (" + strings.Join(facts, "; ") + ")"
}

// defaultOf words a default; "" where there is none.
func defaultOf(row namedRow) string {
	text := string(row.Default)
	var each map[string]json.RawMessage
	if json.Unmarshal(row.Default, &each) == nil && len(each) == 2 {
		return fmt.Sprintf("`%s`, in Node `%s`", each["python"], each["node"])
	}
	if text == "" || text == "null" {
		return ""
	}
	return "`" + thousands(text) + "`"
}

// thousands writes 10485760 as 10,485,760, and leaves other texts alone.
func thousands(text string) string {
	if len(text) < 4 || strings.Trim(text, "0123456789") != "" {
		return text
	}
	return thousands(text[:len(text)-3]) + "," + text[len(text)-3:]
}

// callable is "`sign(method, url, body)`".
func callable(row namedRow) string {
	names := make([]string, len(row.Parameters))
	for i, parameter := range row.Parameters {
		names[i] = parameter.name
	}
	text := "`" + row.name + "(" + strings.Join(names, ", ") + ")`"
	if row.Returns != "" {
		text += " gives `" + row.Returns + "`"
	}
	if row.Static {
		text += ", static"
	}
	if row.Async {
		text += "; asyncio: `a" + row.name + "`"
	}
	return text
}

// tail is what is said of a row, and where it is missing.
func tail(row namedRow) string {
	var said []string
	if row.Says != "" {
		said = append(said, strings.TrimSuffix(row.Says, "."))
	}
	if row.Only != "" {
		said = append(said, strings.ToUpper(row.Only[:1])+row.Only[1:]+" only ("+row.Why+")")
	}
	for _, parameter := range row.Parameters {
		if parameter.Only != "" {
			said = append(said, "`"+parameter.name+"` in "+strings.ToUpper(parameter.Only[:1])+parameter.Only[1:]+" only ("+parameter.Why+")")
		}
	}
	if len(said) == 0 {
		return ""
	}
	return ": " + strings.Join(said, ". ") + "."
}
