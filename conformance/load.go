package conformance

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sort"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tallystick/tallystick/core/strictjson"
)

//go:embed vectors
var embedded embed.FS

// Files returns the embedded folder: one JSON file an area, and keys/.
func Files() fs.FS {
	files, err := fs.Sub(embedded, "vectors")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return files
}

// Suite is every vector, in the order of the file names.
type Suite struct {
	Areas []Area
}

// Load reads and checks the embedded vectors.
func Load() (*Suite, error) { return LoadFrom(Files()) }

// LoadFrom reads every *.json file at the top of a folder and checks what the
// format demands (see Check).
func LoadFrom(files fs.FS) (*Suite, error) {
	names, err := fs.Glob(files, "*.json")
	if err != nil {
		return nil, err
	}
	sort.Strings(names)
	suite := &Suite{}
	for _, name := range names {
		area, err := readArea(files, name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		suite.Areas = append(suite.Areas, area)
	}
	if err := suite.Check(); err != nil {
		return nil, err
	}
	return suite, nil
}

func readArea(files fs.FS, name string) (Area, error) {
	text, err := fs.ReadFile(files, name)
	if err != nil {
		return Area{}, err
	}
	if err := checkNames(text); err != nil {
		return Area{}, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var area Area
	if err := decoder.Decode(&area); err != nil {
		return Area{}, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return Area{}, fmt.Errorf("there is text after the JSON object")
	}
	if area.Area+".json" != path.Base(name) {
		return Area{}, fmt.Errorf("area is %q: the file must be named %s.json", area.Area, area.Area)
	}
	return area, nil
}

// checkNames refuses what encoding/json reads too kindly: a member twice, of which
// it takes the last, and "OK" for "ok".
func checkNames(text []byte) error {
	if err := strictjson.CheckObject(text); err != nil {
		return err
	}
	var err error
	exact := func(object gjson.Result) {
		object.ForEach(func(name, _ gjson.Result) bool {
			if name.Str != strings.ToLower(name.Str) {
				err = fmt.Errorf("unknown member %q", name.Str)
			}
			return err == nil
		})
	}
	gjson.GetBytes(text, "vectors").ForEach(func(_, vector gjson.Result) bool {
		exact(vector)
		vector.Get("steps").ForEach(func(_, step gjson.Result) bool {
			exact(step)
			exact(step.Get("expect"))
			exact(step.Get("expect.response"))
			return err == nil
		})
		return err == nil
	})
	return err
}

// Vectors returns every vector in order, those that were superseded too.
func (s *Suite) Vectors() []Vector {
	var all []Vector
	for _, area := range s.Areas {
		all = append(all, area.Vectors...)
	}
	return all
}

// Select returns the vectors that are to be run: those whose name matches one of
// the patterns ("*" takes any run of characters; every name without a pattern),
// without those that were superseded.
func (s *Suite) Select(patterns []string) []Vector {
	var chosen []Vector
	for _, vector := range s.Vectors() {
		named := len(patterns) == 0 || matchesAny(patterns, vector.Name)
		if named && vector.SupersededBy == "" {
			chosen = append(chosen, vector)
		}
	}
	return chosen
}
