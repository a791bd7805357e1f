package runner

import (
	"bytes"
	"os"
	"path/filepath"
)

// module is the line of go.mod that tells this project's checkout from others.
const module = "module github.com/tallystick/tallystick\n"

// FindRoot sets Root, where it is not given, by going up from the working folder
// to the checkout; without one it stays empty, and what lies in a checkout must
// be named.
func (p *Places) FindRoot() error {
	if p.Root != "" {
		return nil
	}
	folder, err := os.Getwd()
	if err != nil {
		return err
	}
	for ; !isCheckout(folder); folder = filepath.Dir(folder) {
		if folder == filepath.Dir(folder) {
			return nil
		}
	}
	p.Root = folder
	return nil
}

func isCheckout(folder string) bool {
	text, err := os.ReadFile(filepath.Join(folder, "go.mod"))
	return err == nil && bytes.HasPrefix(text, []byte(module))
}
