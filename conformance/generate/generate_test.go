package generate

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/tallystick/tallystick/conformance"
)

func TestVectorsAreUpToDate(t *testing.T) {
	files := Files()
	present, err := fs.Glob(conformance.Files(), "*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(present) != len(files) {
		t.Errorf("%d files are there, %d are generated: run go run ./conformance/cmd/generate", len(present), len(files))
	}
	for name, want := range files {
		got, err := fs.ReadFile(conformance.Files(), name)
		if err != nil {
			t.Error(err)
			continue
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from what is generated: run go run ./conformance/cmd/generate", name)
		}
	}
}

func TestGenerationIsDeterministic(t *testing.T) {
	first, second := Files(), Files()
	for name := range first {
		if !bytes.Equal(first[name], second[name]) {
			t.Errorf("%s differs between two generations", name)
		}
	}
}

func TestWriteRemovesFilesOfAreasThatAreGone(t *testing.T) {
	folder := t.TempDir()
	stale := filepath.Join(folder, "gone.json")
	if err := os.WriteFile(stale, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Write(folder); err != nil {
		t.Fatal(err)
	}
	suite, err := conformance.LoadFrom(os.DirFS(folder))
	if err != nil {
		t.Fatal(err)
	}
	if len(suite.Areas) != len(Files()) {
		t.Errorf("%d areas were written, expected %d", len(suite.Areas), len(Files()))
	}
}
