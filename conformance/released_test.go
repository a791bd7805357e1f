package conformance

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tallystick/tallystick/core/abi"
)

// TestReleasedVectorsAreUnchanged holds the promise of README.md: from 1.0 on
// each release leaves its list in released/, and its vectors stay as they were.
func TestReleasedVectorsAreUnchanged(t *testing.T) {
	suite, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	lists, err := fs.Glob(os.DirFS("."), "released/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range lists {
		list, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer list.Close()
		if err := suite.HoldsReleased(list); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := os.Stat(filepath.Join("released", abi.Release+".txt")); err != nil && !strings.HasPrefix(abi.Release, "0.") {
		t.Errorf("release %s has no list: go run ./conformance/cmd/conformance --digests > conformance/released/%s.txt", abi.Release, abi.Release)
	}
}

func suiteOf(vectors ...Vector) *Suite {
	return &Suite{Areas: []Area{{Area: "a", About: "a", Vectors: vectors}}}
}

func accepting(name string) Vector {
	return Vector{Name: name, Kind: Accept, Says: "x", Source: "y", Steps: []Step{{Op: "version", Request: []byte("{}"), Expect: Expect{OKIncludes: []byte("{}")}}}}
}

func TestReleasedVectorsAreHeld(t *testing.T) {
	old, other := accepting("a/old"), accepting("a/other")
	var list strings.Builder
	if err := suiteOf(old).WriteDigests(&list); err != nil {
		t.Fatal(err)
	}
	superseded := old
	superseded.SupersededBy = "a/other"
	changed := old
	changed.Says = "another thing"
	for name, c := range map[string]struct {
		suite *Suite
		want  string
	}{
		"the same":   {suiteOf(old), ""},
		"superseded": {suiteOf(superseded, other), ""},
		"changed":    {suiteOf(changed), "a/old was released and is changed"},
		"gone":       {suiteOf(other), "a/old was released and is gone"},
	} {
		err := c.suite.HoldsReleased(strings.NewReader(list.String()))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSuperseded(t *testing.T) {
	superseded := func(name, by string) Vector {
		v := accepting(name)
		v.SupersededBy = by
		return v
	}
	good := suiteOf(superseded("a/old", "a/new"), accepting("a/new"))
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	if run := good.Select(nil); len(run) != 1 || run[0].Name != "a/new" || len(good.Vectors()) != 2 {
		t.Errorf("to be run: %v", run)
	}
	if run := good.Select([]string{"a/old"}); run != nil {
		t.Errorf("to be run by its name: %v", run)
	}
	reject := accepting("a/reject")
	reject.Kind, reject.Twin = Reject, "a/old"
	for name, suite := range map[string]*Suite{
		"by nothing":         suiteOf(superseded("a/old", "a/none"), accepting("a/new")),
		"by itself":          suiteOf(superseded("a/old", "a/old"), accepting("a/new")),
		"by a superseded":    suiteOf(superseded("a/old", "a/new"), superseded("a/new", "a/last"), accepting("a/last")),
		"twin is superseded": suiteOf(superseded("a/old", "a/new"), accepting("a/new"), reject),
	} {
		if err := suite.Check(); err == nil || !strings.Contains(err.Error(), "supersed") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
