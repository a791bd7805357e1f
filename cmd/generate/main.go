// Command generate writes what Python and TypeScript know of the core: the error
// table with one class per code, the operations and the types of their requests
// and results. It also fills the generated blocks of the pages in docs/. Run it
// from the repository's root: `go run ./cmd/generate`.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// outputs are the generated files by their path below the repository's root.
func outputs(root string) (map[string]string, error) {
	files := map[string]string{
		"bindings/python/src/tallystick/_generated.py": python(),
		"bindings/node/src/generated.ts":               typescript(),
	}
	for path, blocks := range pages() {
		page, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			return nil, err
		}
		if files[path], err = fill(string(page), blocks); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return files, nil
}

func write() error {
	files, err := outputs(".")
	if err != nil {
		return err
	}
	for path, text := range files {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if err := write(); err != nil {
		fmt.Fprintf(os.Stderr, "generate: %v (run it from the repository's root)\n", err)
		os.Exit(1)
	}
}
