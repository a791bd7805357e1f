package mutation

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Guard is one check of the core and how it is switched off: a marker behind the
// check names it, and Operator says what becomes of the code on the marker's line.
type Guard struct {
	Name     string `json:"name"`
	File     string `json:"file"` // below the checkout
	Line     int    `json:"line"`
	Operator string `json:"operator"`
	// Operands are what the operator is applied to, counted from 1.
	Operands []int `json:"operands,omitempty"`
}

func (g Guard) String() string {
	return fmt.Sprintf("%s (%s:%d)", g.Name, g.File, g.Line)
}

const prefix = "//guard:"

var (
	// A marker that is misspelt would guard nothing and say nothing.
	looksLikeMarker = regexp.MustCompile(`^//\s*guards?\s*:`)
	oneGuard        = regexp.MustCompile(`^([a-z0-9]+(?:-[a-z0-9]+)*) ([a-z]+)((?: [1-9])*)$`)
)

// Guards returns the guards that are marked in the core, in the order of files
// and lines. A marker that cannot be read and a name that stands twice are errors.
func Guards(root string) ([]Guard, error) {
	var guards []Guard
	seen := map[string]Guard{}
	err := filepath.WalkDir(filepath.Join(root, "core"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		found, err := markers(filepath.ToSlash(name), text)
		for _, g := range found {
			if other, there := seen[g.Name]; there {
				return fmt.Errorf("%s: the name is taken: %s", g, other)
			}
			seen[g.Name] = g
		}
		guards = append(guards, found...)
		return err
	})
	return guards, err
}

func markers(name string, text []byte) ([]Guard, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var guards []Guard
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if !looksLikeMarker.MatchString(comment.Text) {
				continue
			}
			line := files.Position(comment.Pos()).Line
			found, err := parseMarker(comment)
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", name, line, err)
			}
			for _, g := range found {
				g.File, g.Line = name, line
				guards = append(guards, g)
			}
		}
	}
	return guards, nil
}

// parseMarker reads `//guard:NAME OPERATOR [N…][; NAME OPERATOR [N…]]…[ // remark]`.
func parseMarker(comment *ast.Comment) ([]Guard, error) {
	text, isMarker := strings.CutPrefix(comment.Text, prefix)
	if !isMarker {
		return nil, fmt.Errorf("%q: a marker begins with %s", comment.Text, prefix)
	}
	text, _, _ = strings.Cut(text, " // ")
	var guards []Guard
	for one := range strings.SplitSeq(text, "; ") {
		parts := oneGuard.FindStringSubmatch(one)
		if parts == nil {
			return nil, fmt.Errorf("%q is not NAME OPERATOR [N…]", one)
		}
		if _, known := operators[parts[2]]; !known {
			return nil, fmt.Errorf("%s: there is no operator %q", parts[1], parts[2])
		}
		g := Guard{Name: parts[1], Operator: parts[2]}
		for number := range strings.FieldsSeq(parts[3]) {
			n, err := strconv.Atoi(number)
			if err != nil {
				return nil, err
			}
			g.Operands = append(g.Operands, n)
		}
		guards = append(guards, g)
	}
	return guards, nil
}
