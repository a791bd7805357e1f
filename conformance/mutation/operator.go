package mutation

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
)

// operators is the closed set of what a marker can ask for; conformance/TOOLS.md
// says what each does. What is switched off mostly stays in the mutant, so that no
// variable and no import becomes unused and a check that moves on still does.
var operators = map[string]func(*line, []int) error{
	"never":  func(l *line, at []int) error { return l.decide(l.never(), at) },
	"always": func(l *line, at []int) error { return l.decide(l.always(), at) },
	"drop":   (*line).drop,
	"join":   (*line).join,
	"bound":  (*line).bound,
	"term":   (*line).term,
	"skip":   (*line).skip,
	"cut":    (*line).cut,
	"letter": (*line).letter,
}

// line is the code on a marker's line: the syntax that begins there.
type line struct {
	file   *token.File
	number int
	source string
	tree   *ast.File
	// off is the expression that says that the guard is switched off.
	off   string
	edits []edit
	// fixed: the code is changed for good, off or not.
	fixed bool
}

// edit replaces a node's bytes, or puts text before and after it.
type edit struct {
	from, to      int // offsets
	before, after string
	replaces      bool
}

// newLine returns the code on the line of a guard, changed by its operator.
func newLine(g Guard, source []byte, off string) (*line, error) {
	files := token.NewFileSet()
	tree, err := parser.ParseFile(files, g.File, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	l := &line{file: files.File(tree.FileStart), number: g.Line, source: string(source), tree: tree, off: off}
	if err := operators[g.Operator](l, g.Operands); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", g, g.Operator, err)
	}
	return l, nil
}

// mutant returns the file's text with one guard switched off.
func mutant(g Guard, source []byte) ([]byte, error) {
	l, err := newLine(g, source, "true")
	if err != nil {
		return nil, err
	}
	return edited(source, l.edits), nil
}

// edited applies edits whose nodes contain each other or are apart.
func edited(source []byte, edits []edit) []byte {
	type piece struct {
		from, to, order int
		text            string
	}
	var pieces []piece
	for _, e := range edits {
		if e.replaces {
			pieces = append(pieces, piece{e.from, e.to, 0, e.before})
			continue
		}
		// At one place inner nodes end before outer ones do, and outer ones begin first.
		pieces = append(pieces, piece{e.to, e.to, -1 - e.from, e.after}, piece{e.from, e.from, len(source) - e.to + 1, e.before})
	}
	slices.SortStableFunc(pieces, func(a, b piece) int { return cmp.Or(a.from-b.from, a.order-b.order) })
	var text bytes.Buffer
	at := 0
	for _, p := range pieces {
		text.Write(source[at:p.from])
		text.WriteString(p.text)
		at = p.to
	}
	text.Write(source[at:])
	return text.Bytes()
}

func (l *line) never() string  { return " && !" + l.off }
func (l *line) always() string { return " || " + l.off }

func (l *line) here(pos token.Pos) bool { return l.file.Line(pos) == l.number }

func (l *line) replace(from, to token.Pos, text string) {
	l.fixed = true
	l.edits = append(l.edits, edit{l.file.Offset(from), l.file.Offset(to), text, "", true})
}

// wrap puts text before and after a node.
func (l *line) wrap(n ast.Node, before, after string) {
	l.edits = append(l.edits, edit{l.file.Offset(n.Pos()), l.file.Offset(n.End()), before, after, false})
}

// settle has a condition evaluated and its result decided.
func (l *line) settle(condition ast.Node, by string) { l.wrap(condition, "((", ")"+by+")") }

// nodesHere yields the nodes of one type that begin on the line, outer ones first.
func nodesHere[N ast.Node](l *line) []N {
	var found []N
	ast.Inspect(l.tree, func(n ast.Node) bool {
		if wanted, ok := n.(N); ok && l.here(n.Pos()) {
			found = append(found, wanted)
		}
		return true
	})
	return found
}

// pick returns the operands that a marker counts.
func pick[T any](all []T, at []int) ([]T, error) {
	var chosen []T
	for _, n := range at {
		if n > len(all) {
			return nil, fmt.Errorf("there is no operand %d: the line has %d", n, len(all))
		}
		chosen = append(chosen, all[n-1])
	}
	return chosen, nil
}

// first is the only operand, or that which the marker names.
func first[T any](all []T, at []int) (T, error) {
	if len(at) == 0 {
		at = []int{1}
	}
	chosen, err := pick(all, at[:1])
	if err != nil || len(at) > 1 {
		var none T
		return none, errors.Join(err, errors.New("it takes one operand"))
	}
	return chosen[0], nil
}

// operand is one side of an && or ||, with what decides nothing there.
type operand struct {
	ast.Expr
	neutral string
}

// operands returns the sides of the line's && and ||, as they are written; those
// inside of another's side come after it.
func (l *line) operands() []operand {
	var found []operand
	visited := map[ast.Expr]bool{}
	var flatten func(e ast.Expr, neutral string)
	flatten = func(e ast.Expr, neutral string) {
		inner := ast.Unparen(e)
		b, ok := inner.(*ast.BinaryExpr)
		if !ok || !isLogical(b) {
			if l.here(e.Pos()) {
				found = append(found, operand{e, neutral})
			}
			return
		}
		visited[b] = true
		neutral = l.never()
		if b.Op == token.LAND {
			neutral = l.always()
		}
		flatten(b.X, neutral)
		flatten(b.Y, neutral)
	}
	ast.Inspect(l.tree, func(n ast.Node) bool {
		if b, ok := n.(*ast.BinaryExpr); ok && isLogical(b) && !visited[b] {
			flatten(b, "")
		}
		return true
	})
	return found
}

func isLogical(b *ast.BinaryExpr) bool { return b.Op == token.LAND || b.Op == token.LOR }

// decide makes conditions always true or never: that of the line as a whole, or
// the operands that are counted (of && and ||; without these, a call's arguments).
func (l *line) decide(by string, at []int) error {
	if len(at) == 0 {
		return l.decideWhole(by)
	}
	var all []ast.Expr
	for _, o := range l.operands() {
		all = append(all, o.Expr)
	}
	if calls := nodesHere[*ast.CallExpr](l); len(all) == 0 && len(calls) > 0 {
		all = calls[0].Args
	}
	chosen, err := pick(all, at)
	for _, e := range chosen {
		l.settle(e, by)
	}
	return err
}

func (l *line) decideWhole(by string) error {
	if clause, tagged := l.clause(); clause != nil {
		return l.decideClause(clause, tagged, by)
	}
	condition := l.condition()
	if condition == nil {
		return errors.New("the line has no condition")
	}
	l.settle(condition, by)
	return nil
}

// clause returns the case on the line, and whether its switch compares a value.
func (l *line) clause() (found *ast.CaseClause, tagged bool) {
	for _, c := range nodesHere[*ast.CaseClause](l) {
		ast.Inspect(l.tree, func(n ast.Node) bool {
			if s, ok := n.(*ast.SwitchStmt); ok && slices.Contains(s.Body.List, ast.Stmt(c)) {
				found, tagged = c, s.Tag != nil
			}
			return found == nil
		})
		return found, tagged
	}
	return nil, false
}

func (l *line) decideClause(clause *ast.CaseClause, tagged bool, by string) error {
	switch never := by == l.never(); {
	case len(clause.List) == 0:
		return errors.New("default has no condition")
	case !tagged:
		for _, e := range clause.List {
			l.settle(e, by)
		}
	case never:
		l.replace(clause.Pos(), clause.End(), "")
	default:
		return errors.New("a case that compares a value cannot be made always true")
	}
	return nil
}

// join has a case that compares a value do what its switch's first case does.
func (l *line) join([]int) error {
	clause, tagged := l.clause()
	if clause == nil || !tagged {
		return errors.New("the line has no case that compares a value")
	}
	first := l.firstCase(clause)
	if first == clause || len(first.List) == 0 || len(clause.List) == 0 {
		return errors.New("the switch has no other case before it")
	}
	values := l.source[l.file.Offset(clause.List[0].Pos()):l.file.Offset(clause.Colon)]
	l.replace(first.Colon, first.Colon, ", "+values)
	l.replace(clause.Pos(), clause.End(), "")
	return nil
}

func (l *line) firstCase(clause *ast.CaseClause) (first *ast.CaseClause) {
	ast.Inspect(l.tree, func(n ast.Node) bool {
		if s, ok := n.(*ast.SwitchStmt); ok && slices.Contains(s.Body.List, ast.Stmt(clause)) {
			first = s.Body.List[0].(*ast.CaseClause)
		}
		return first == nil
	})
	return first
}

// condition returns what an if, a for, a return, an assignment of one value or a
// call with one argument on the line decides by.
func (l *line) condition() (condition ast.Expr) {
	ast.Inspect(l.tree, func(n ast.Node) bool {
		if n == nil || condition != nil || !l.here(n.Pos()) {
			return condition == nil
		}
		switch n := n.(type) {
		case *ast.IfStmt:
			condition = n.Cond
		case *ast.ForStmt:
			condition = n.Cond
		case *ast.ReturnStmt:
			condition = only(n.Results)
		case *ast.AssignStmt:
			condition = only(n.Rhs)
		case *ast.ExprStmt:
			if call, ok := n.X.(*ast.CallExpr); ok {
				condition = only(call.Args)
			}
		}
		return condition == nil
	})
	return condition
}

func only(list []ast.Expr) ast.Expr {
	if len(list) != 1 {
		return nil
	}
	return list[0]
}

// drop takes operands out of an && or ||, or values out of a case.
func (l *line) drop(at []int) error {
	if len(at) == 0 {
		return errors.New("it must say which operand")
	}
	all := l.operands()
	if clause, tagged := l.clause(); clause != nil && tagged && len(all) == 0 {
		return l.dropValue(clause, at)
	}
	chosen, err := pick(all, at)
	for _, o := range chosen {
		l.settle(o, o.neutral)
	}
	return err
}

func (l *line) dropValue(clause *ast.CaseClause, at []int) error {
	value, err := first(clause.List, at)
	if err != nil || len(clause.List) < 2 {
		return errors.Join(err, errors.New("the case has no other value"))
	}
	if value == clause.List[0] {
		l.replace(value.Pos(), clause.List[1].Pos(), "")
	} else {
		l.replace(clause.List[slices.Index(clause.List, value)-1].End(), value.End(), "")
	}
	return nil
}

var otherBound = map[token.Token]string{token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">"}

// bound has a comparison take its bound in where it left it out, and the other
// way round.
func (l *line) bound(at []int) error {
	var comparisons []*ast.BinaryExpr
	ast.Inspect(l.tree, func(n ast.Node) bool {
		if b, ok := n.(*ast.BinaryExpr); ok && l.here(b.OpPos) && otherBound[b.Op] != "" {
			comparisons = append(comparisons, b)
		}
		return true
	})
	b, err := first(comparisons, at)
	if err == nil {
		l.replace(b.OpPos, b.OpPos+token.Pos(len(b.Op.String())), otherBound[b.Op])
	}
	return err
}

// term has what is added, or taken away, count nothing.
func (l *line) term(at []int) error {
	var sums []*ast.BinaryExpr
	ast.Inspect(l.tree, func(n ast.Node) bool {
		if b, ok := n.(*ast.BinaryExpr); ok && l.here(b.OpPos) && (b.Op == token.ADD || b.Op == token.SUB) {
			sums = append(sums, b)
		}
		return true
	})
	sum, err := first(sums, at)
	l.fixed = true
	if err == nil {
		l.wrap(sum.Y, "0*(", ")")
	}
	return err
}

// skip leaves the line's statement out; with an operand, that target of an
// assignment keeps its value.
func (l *line) skip(at []int) error {
	for _, s := range nodesHere[ast.Stmt](l) {
		if _, isBlock := s.(*ast.BlockStmt); isBlock {
			continue
		}
		if len(at) == 0 {
			l.wrap(s, "if !"+l.off+" { ", " }")
			return nil
		}
		assign, ok := s.(*ast.AssignStmt)
		if !ok {
			return errors.New("the line does not begin with an assignment")
		}
		target, err := first(assign.Lhs, at)
		if err == nil {
			l.replace(target.Pos(), target.End(), "_")
		}
		return err
	}
	return errors.New("no statement begins on the line")
}

// cut has a call see its arguments' first byte alone.
func (l *line) cut([]int) error {
	calls := nodesHere[*ast.CallExpr](l)
	if len(calls) == 0 {
		return errors.New("the line has no call")
	}
	l.fixed = true
	for _, argument := range calls[0].Args {
		l.wrap(argument, "(", ")[:1]")
	}
	return nil
}

// letter takes a character out of the line's first text.
func (l *line) letter(at []int) error {
	var texts []*ast.BasicLit
	for _, literal := range nodesHere[*ast.BasicLit](l) {
		if literal.Kind == token.STRING {
			texts = append(texts, literal)
		}
	}
	text, err := first(texts, nil)
	if err != nil {
		return err
	}
	value, err := strconv.Unquote(text.Value)
	if err != nil {
		return err
	}
	letters := []rune(value)
	if len(at) != 1 || at[0] > len(letters) {
		return fmt.Errorf("it takes a number up to %d", len(letters))
	}
	l.replace(text.Pos(), text.End(), strconv.Quote(string(slices.Delete(letters, at[0]-1, at[0]))))
	return nil
}
