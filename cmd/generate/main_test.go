package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tallystick/tallystick/core/abi"
)

func TestGeneratedFilesAreFresh(t *testing.T) {
	root := filepath.Join("..", "..")
	files, err := outputs(root)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range files {
		got, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s is stale: run `go run ./cmd/generate`", path)
		}
	}
}

func TestSchemaListsEveryOperation(t *testing.T) {
	var names []string
	for _, operation := range abi.Table() {
		names = append(names, operation.Name)
	}
	slices.Sort(names)
	if !slices.Equal(names, abi.Operations()) {
		t.Errorf("Schema lists %v, the core has %v", names, abi.Operations())
	}
}
