// Command generate writes conformance/vectors/*.json anew. Files of areas that
// are gone are removed. Run it in the checkout's root, or name the folder. What it
// wrote is read as the runner reads it: a broken suite ends it with 1.
package main

import (
	"fmt"
	"os"

	"github.com/tallystick/tallystick/conformance"
	"github.com/tallystick/tallystick/conformance/generate"
)

func main() {
	folder := "conformance/vectors"
	if len(os.Args) > 1 {
		folder = os.Args[1]
	}
	err := generate.Write(folder)
	if err == nil {
		_, err = conformance.LoadFrom(os.DirFS(folder))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}
