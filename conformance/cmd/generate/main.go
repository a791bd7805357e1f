// Command generate writes conformance/vectors/*.json anew. Files of areas that
// are gone are removed. Run it in the checkout's root, or name the folder.
package main

import (
	"fmt"
	"os"

	"github.com/tallystick/tallystick/conformance/generate"
)

func main() {
	folder := "conformance/vectors"
	if len(os.Args) > 1 {
		folder = os.Args[1]
	}
	if err := generate.Write(folder); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}
