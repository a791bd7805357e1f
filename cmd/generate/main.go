// Command generate writes what Python and TypeScript know of the core: the error
// table with one class per code, and those types of requests and results that a
// binding uses. It also fills the generated blocks of the pages in docs/, draws the
// picture of a call, makes the page of the commands, and writes the project's version
// where it is named outside of Go. Run it from the repository's root: `go run ./cmd/generate`.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/tallystick/tallystick/cmd/tallystick/command"
)

const nodeSources = "bindings/node/src"

// outputs are the generated files by their path below the repository's root.
func outputs(root string) (map[string]string, error) {
	used, err := importedTypes(filepath.Join(root, nodeSources))
	if err != nil {
		return nil, err
	}
	types, err := typescriptTypes(used)
	if err != nil {
		return nil, err
	}
	files := map[string]string{
		"bindings/python/src/tallystick/_generated.py": python(),
		"bindings/go/errors_generated.go":              golang(),
		nodeSources + "/codes.ts":                      typescriptCodes(),
		nodeSources + "/error-classes.ts":              typescriptErrors(),
		nodeSources + "/core/operations.ts":            types,
		picturePath:                                    picture(),
		"docs/reference/command.md":                    command.Reference(),
	}
	if err := addPages(files, root); err != nil {
		return nil, err
	}
	return files, addVersions(files, root)
}

// addPages adds the pages, with their blocks as they should be.
func addPages(files map[string]string, root string) error {
	all, err := pages(root)
	if err != nil {
		return err
	}
	for path, blocks := range all {
		page, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			return err
		}
		if files[path], err = fill(string(page), blocks); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

func main() {
	if err := write("."); err != nil {
		fmt.Fprintf(os.Stderr, "generate: %v (run it from the repository's root)\n", err)
		os.Exit(1)
	}
}

func write(root string) error {
	files, err := outputs(root)
	if err != nil {
		return err
	}
	for path, text := range files {
		if err := os.WriteFile(filepath.Join(root, path), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
