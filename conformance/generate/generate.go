// Package generate writes the vectors of package conformance from a readable
// source: one Go file an area. It shares no code with the core: tokens are signed,
// and digests and thumbprints computed, with the standard library. Given the same
// keys it writes the same bytes.
package generate

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/tallystick/tallystick/conformance"
)

// area collects the vectors of one file.
type area struct{ conformance.Area }

func newArea(name, about string) *area {
	return &area{conformance.Area{Area: name, About: about}}
}

// accept adds a vector in which nothing is refused.
func (a *area) accept(name, says, source string, steps ...step) {
	a.add(conformance.Vector{Name: name, Kind: conformance.Accept, Says: says, Source: source}, steps)
}

// reject adds a vector in which something is refused. A twin without an area is
// in the same area.
func (a *area) reject(name, twin, says, source string, steps ...step) {
	if !strings.Contains(twin, "/") {
		twin = a.Area.Area + "/" + twin
	}
	a.add(conformance.Vector{Name: name, Kind: conformance.Reject, Says: says, Source: source, Twin: twin}, steps)
}

func (a *area) add(vector conformance.Vector, steps []step) {
	vector.Name = a.Area.Area + "/" + vector.Name
	for _, step := range steps {
		vector.Steps = append(vector.Steps, step.Step)
		if step.note != "" {
			vector.Note = step.note
		}
	}
	a.Vectors = append(a.Vectors, vector)
}

// Files returns every file of vectors by its name.
func Files() map[string][]byte {
	files := map[string][]byte{}
	for _, area := range areas() {
		files[area.Area.Area+".json"] = encode(area.Area)
	}
	return files
}

func encode(value any) []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		panic(err)
	}
	return out.Bytes()
}
