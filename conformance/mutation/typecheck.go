package mutation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
)

// listed is the part of `go list -json` that is looked at.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
	DepOnly                 bool
}

// checker checks the types of the core's packages in memory.
type checker struct {
	files    *token.FileSet
	imports  types.Importer
	packages map[string]listed // by folder below the checkout
	parsed   map[string]*ast.File
	root     string
}

// CheckTypes demands that the mutant of every guard is a program: all errors are
// returned, not the first alone. It builds nothing but what the core imports.
func CheckTypes(ctx context.Context, root string, guards []Guard) error {
	c, err := newChecker(ctx, root)
	if err != nil {
		return err
	}
	var errs []error
	for _, g := range guards {
		errs = append(errs, c.check(g))
	}
	return errors.Join(errs...)
}

func newChecker(ctx context.Context, root string) (*checker, error) {
	list := exec.CommandContext(ctx, "go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,DepOnly", "./core/...")
	list.Dir = root
	var said bytes.Buffer
	list.Stderr = &said
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, said.Bytes())
	}
	c := &checker{files: token.NewFileSet(), packages: map[string]listed{}, parsed: map[string]*ast.File{}, root: root}
	exports := map[string]string{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		exports[p.ImportPath] = p.Export
		if folder, err := filepath.Rel(root, p.Dir); err == nil && !p.DepOnly {
			c.packages[filepath.ToSlash(folder)] = p
		}
	}
	c.imports = importer.ForCompiler(c.files, "gc", func(name string) (io.ReadCloser, error) { return os.Open(exports[name]) })
	return c, nil
}

func (c *checker) check(g Guard) error {
	p, known := c.packages[path.Dir(g.File)]
	if !known {
		return fmt.Errorf("%s: its package is not built here", g)
	}
	original, err := os.ReadFile(filepath.Join(c.root, g.File))
	if err != nil {
		return err
	}
	text, err := mutant(g, original)
	if err != nil {
		return err
	}
	trees := make([]*ast.File, len(p.GoFiles))
	for i, name := range p.GoFiles {
		if name == path.Base(g.File) {
			trees[i], err = parser.ParseFile(c.files, g.File, text, parser.SkipObjectResolution)
		} else {
			trees[i], err = c.parse(filepath.Join(p.Dir, name))
		}
		if err != nil {
			return fmt.Errorf("%s: the mutant is not Go: %w", g, err)
		}
	}
	config := types.Config{Importer: c.imports}
	if _, err := config.Check(p.ImportPath, c.files, trees, nil); err != nil {
		return fmt.Errorf("%s: the mutant does not type-check: %w", g, err)
	}
	return nil
}

func (c *checker) parse(name string) (*ast.File, error) {
	if tree, there := c.parsed[name]; there {
		return tree, nil
	}
	tree, err := parser.ParseFile(c.files, name, nil, parser.SkipObjectResolution)
	c.parsed[name] = tree
	return tree, err
}
