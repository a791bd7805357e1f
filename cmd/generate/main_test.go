package main

import (
	"os"
	"path/filepath"
	"testing"
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

func TestUnknownTypesAreNamed(t *testing.T) {
	if _, err := typescriptTypes([]string{"EngineKeyResult"}); err != nil {
		t.Error(err)
	}
	if _, err := typescriptTypes([]string{"EngineKeyAnswer"}); err == nil {
		t.Error("a type that no operation has was generated")
	}
}
