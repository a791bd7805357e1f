// Command generate writes what Python and TypeScript know of the core: the error
// table with one class per code, the operations and the types of their requests
// and results. Run it from the repository's root: `go run ./cmd/generate`.
package main

import (
	"fmt"
	"os"
)

// outputs are the generated files by their path.
func outputs() map[string]string {
	return map[string]string{
		"bindings/python/src/tallystick/_generated.py": python(),
		"bindings/node/src/generated.ts":               typescript(),
	}
}

func main() {
	for path, text := range outputs() {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			fmt.Fprintf(os.Stderr, "generate: %v (run it from the repository's root)\n", err)
			os.Exit(1)
		}
	}
}
