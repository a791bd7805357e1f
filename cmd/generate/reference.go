package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/tallystick/tallystick/cmd/prose"
	"github.com/tallystick/tallystick/core/abi"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/problem"
)

// module is what the import path of each of the project's packages begins with.
const module = "github.com/tallystick/tallystick/"

// reference writes the lists of docs/reference/abi.md. What a member means is said by the
// comment of its field in the source.
type reference struct {
	root     string
	packages map[string]*source // by import path
}

// source is what the comments of a package say.
type source struct {
	fields map[string]map[string]string // by struct and field
	kinds  [][2]string                  // constants of type Kind: value and comment
}

// referenceBlocks has a block for each operation, for each type inside of others,
// for the needs and for the codes.
func referenceBlocks(root string) (map[string]string, error) {
	r := &reference{root: root, packages: map[string]*source{}}
	blocks := map[string]string{"codes": codes()}
	var err error
	if blocks["needs"], err = r.needs(); err != nil {
		return nil, err
	}
	outer, inner := map[reflect.Type]bool{}, map[reflect.Type]bool{}
	for _, o := range abi.Table() {
		if blocks["operation "+o.Name], err = r.operation(o); err != nil {
			return nil, err
		}
		outer[o.Request], outer[o.Result] = true, true
		collect(nil, o.Request, inner)
		collect(nil, o.Result, inner)
	}
	for t := range inner {
		if outer[t] {
			continue
		}
		members, err := r.members(t)
		if err != nil {
			return nil, err
		}
		blocks["type "+typeName(t)] = "\n#### " + typeName(t) + "\n\n" + members + "\n"
	}
	return blocks, nil
}

// codes names every code, with a link to what errors.md says of it.
func codes() string {
	text := ""
	for _, kind := range [...]struct {
		name string
		rows []problem.Info
	}{{"Of refused requests", problem.Refusals()}, {"Of a wrong use of the library", problem.Misuses()}} {
		var links []string
		for _, row := range kind.rows {
			links = append(links, fmt.Sprintf("[%s](errors.md#%[1]s)", row.Code))
		}
		text += "\n" + prose.Wrap(kind.name+": "+strings.Join(links, ", ")+".", "", "")
	}
	return text + "\n"
}

// needs lists the kinds of needs, each with a link to its section.
func (r *reference) needs() (string, error) {
	s, err := r.source(reflect.TypeFor[need.Kind]().PkgPath())
	if err != nil {
		return "", err
	}
	text := "\n"
	for _, kind := range s.kinds {
		text += fmt.Sprintf("- [%s](#%[1]s): %s\n", kind[0], kind[1])
	}
	return text + "\n", nil
}

func (r *reference) operation(o abi.Operation) (string, error) {
	text := "\n### " + o.Name + "\n\n" + prose.Wrap(o.Doc, "", "") + "\n"
	for _, part := range [...]struct {
		name   string
		goType reflect.Type
	}{{"Request", o.Request}, {"Result", o.Result}} {
		if part.goType.NumField() == 0 {
			continue
		}
		members, err := r.members(part.goType)
		if err != nil {
			return "", err
		}
		text += part.name + ":\n\n" + members + "\n"
	}
	return text, nil
}

// members lists the members of an object.
func (r *reference) members(t reflect.Type) (string, error) {
	s, err := r.source(t.PkgPath())
	if err != nil {
		return "", err
	}
	text := ""
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		member := "`" + name + "` (" + jsonType(f.Type, options != "")
		if options != "" {
			member += ", optional"
		}
		member += ")"
		if said := s.fields[t.Name()][f.Name]; said != "" {
			member += ": " + said
		}
		text += prose.Wrap(member, "- ", "  ")
	}
	return text, nil
}

// source reads a package of the project, once.
func (r *reference) source(path string) (*source, error) {
	if s, there := r.packages[path]; there {
		return s, nil
	}
	files, err := filepath.Glob(filepath.Join(r.root, strings.TrimPrefix(path, module), "*.go"))
	if err != nil {
		return nil, err
	}
	s := &source{fields: map[string]map[string]string{}}
	for _, file := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		ast.Inspect(tree, s.visit)
	}
	r.packages[path] = s
	return s, nil
}

func (s *source) visit(node ast.Node) bool {
	switch spec := node.(type) {
	case *ast.TypeSpec:
		if fields, ok := spec.Type.(*ast.StructType); ok {
			s.fields[spec.Name.Name] = fieldComments(fields)
		}
	case *ast.ValueSpec:
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Kind" {
			value := spec.Values[0].(*ast.BasicLit).Value
			s.kinds = append(s.kinds, [2]string{strings.Trim(value, `"`), flowing(spec.Comment)})
		}
	}
	return true
}

func fieldComments(fields *ast.StructType) map[string]string {
	said := map[string]string{}
	for _, field := range fields.Fields.List {
		for _, name := range field.Names {
			said[name.Name] = flowing(field.Doc) + flowing(field.Comment)
		}
	}
	return said
}

// flowing is a comment's text on one line.
func flowing(comment *ast.CommentGroup) string {
	return strings.Join(strings.Fields(comment.Text()), " ")
}

// typeName is a type's name on the page.
func typeName(t reflect.Type) string {
	if t.Name() == "Config" {
		return "ClientConfig"
	}
	return t.Name()
}

// jsonType names a type as JSON knows it. A pointer that is always written may be null.
func jsonType(t reflect.Type, optional bool) string {
	switch {
	case t == reflect.TypeFor[json.RawMessage]():
		return "JSON"
	case t.Kind() == reflect.Pointer && optional:
		return jsonType(t.Elem(), false)
	case t.Kind() == reflect.Pointer:
		return jsonType(t.Elem(), false) + " or null"
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "integer"
	case reflect.Float64:
		return "number"
	case reflect.Slice:
		return "list of " + jsonType(t.Elem(), false)
	case reflect.Map:
		return "object of " + jsonType(t.Elem(), false)
	case reflect.Struct:
		return "[" + typeName(t) + "](#" + strings.ToLower(typeName(t)) + ")"
	}
	panic("no JSON type for " + t.String())
}
