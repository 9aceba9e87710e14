//go:build unix

package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"strings"
)

// planter looks for the faults of one file.
type planter struct {
	*room
	file  *source
	stack []ast.Node // above the node that is looked at
}

// visit plants what can be planted at n and reports whether to look below it.
func (p *planter) visit(n ast.Node, stack []ast.Node) bool {
	p.stack = stack
	if expr, ok := n.(ast.Expr); ok {
		if p.info.Types[expr].IsType() {
			return false
		}
		if value := p.info.Types[expr].Value; value != nil {
			p.constant(expr, value)
			return false
		}
		p.condition(expr)
	}
	switch n := n.(type) {
	case *ast.GenDecl:
		return n.Tok == token.VAR
	case *ast.FuncDecl:
		return n.Name.Name != "_"
	case *ast.BinaryExpr:
		p.binary(n)
	case *ast.ReturnStmt:
		p.returned(n)
	case ast.Stmt:
		p.statement(n)
	}
	return true
}

func (p *planter) parent() ast.Node { return p.stack[len(p.stack)-1] }

// plant adds a fault at n: before and after go around it, with %d for its number.
func (p *planter) plant(n ast.Node, what, before, after string) *fault {
	f := &fault{
		room: p.name, function: p.function(), file: p.file, line: p.fset.Position(n.Pos()).Line,
		what:   what + ": " + shortened(p.file.text[p.offset(n.Pos()):p.offset(n.End())]),
		number: len(p.faults) + 1,
	}
	f.idle = p.changesNothing(n, what)
	f.edit = edit{start: p.offset(n.Pos()), end: p.offset(n.End()), before: fmt.Sprintf(before, f.number), after: after}
	same := 1 // idle ones count, so that a rule more renames no other fault
	for _, other := range p.faults {
		if base, _, _ := strings.Cut(other.what, " #"); other.function == f.function && base == f.what {
			same++
		}
	}
	if same > 1 {
		f.what += fmt.Sprintf(" #%d", same)
	}
	p.faults = append(p.faults, f)
	return f
}

func (p *planter) offset(pos token.Pos) int { return p.fset.Position(pos).Offset }

// function names the declaration that is looked at: "Type.Method", "Func" or "var".
func (p *planter) function() string {
	for _, n := range p.stack {
		if decl, ok := n.(*ast.FuncDecl); ok {
			if decl.Recv == nil {
				return decl.Name.Name
			}
			receiver, _, _ := strings.Cut(types.ExprString(decl.Recv.List[0].Type), "[")
			return strings.TrimPrefix(receiver, "*") + "." + decl.Name.Name
		}
		if spec, ok := n.(*ast.ValueSpec); ok {
			return spec.Names[0].Name
		}
	}
	return ""
}

// shortened puts code on one line of bearable length.
func shortened(code string) string {
	code = strings.Join(strings.Fields(code), " ")
	if r := []rune(code); len(r) > 100 {
		return string(r[:100]) + "…"
	}
	return code
}

// constant plants one more for a number, the other for a truth, and a case that never
// comes for a string.
func (p *planter) constant(expr ast.Expr, value constant.Value) {
	tv := p.info.Types[expr]
	switch parent := p.parent().(type) {
	case *ast.ArrayType:
		return
	case *ast.KeyValueExpr: // an index has to stay one
		if _, isMap := p.mapLiteral(); parent.Key == expr && !isMap {
			return
		}
	case *ast.CallExpr: // room for more changes nothing
		if id, ok := parent.Fun.(*ast.Ident); ok && id.Name == "make" {
			if _, slice := p.info.Types[parent.Args[0]].Type.Underlying().(*types.Slice); !slice {
				return
			}
		}
	case *ast.CaseClause:
		if value.Kind() == constant.String {
			p.plant(expr, "never", "mutantCase(%d, ", ")")
			return
		}
	}
	if lit, ok := expr.(*ast.BasicLit); ok && lit.Kind == token.CHAR {
		return
	}
	switch value.Kind() {
	case constant.Bool:
		p.plant(expr, "turned", "(mutantIs(%d) != ", ")")
	case constant.Int, constant.Float:
		name, ok := p.typeName(types.Default(tv.Type))
		if ok && types.TypeString(tv.Type, nil) != "time.Duration" { // a nanosecond more changes nothing
			p.plant(expr, "one more", "mutantMore["+name+"](%d, ", ")")
		}
	}
}

// mapLiteral returns the composite literal whose element is looked at, and whether it
// is a map.
func (p *planter) mapLiteral() (*ast.CompositeLit, bool) {
	if len(p.stack) < 2 {
		return nil, false
	}
	literal, ok := p.stack[len(p.stack)-2].(*ast.CompositeLit)
	if !ok {
		return nil, false
	}
	_, isMap := p.info.Types[literal].Type.Underlying().(*types.Map)
	return literal, isMap
}

// typeName says how the file calls a type, if it can.
func (p *planter) typeName(t types.Type) (string, bool) {
	known := true
	name := types.TypeString(t, func(other *types.Package) string {
		if other == p.pkg {
			return ""
		}
		for _, spec := range p.file.syntax.Imports {
			if imported := p.info.PkgNameOf(spec); imported != nil && imported.Imported() == other {
				return imported.Name()
			}
		}
		known = false
		return ""
	})
	_, parameter := t.(*types.TypeParam)
	return name, known && !parameter
}

// condition plants the opposite of a call or variable that decides something.
func (p *planter) condition(expr ast.Expr) {
	switch e := expr.(type) {
	case *ast.Ident, *ast.SelectorExpr, *ast.IndexExpr, *ast.CallExpr:
	case *ast.UnaryExpr:
		if e.Op == token.NOT {
			p.plant(e, "turned", "(mutantIs(%d) != ", ")")
		}
		return
	default:
		return
	}
	t := p.info.Types[expr].Type
	if t == nil || !types.Identical(t.Underlying(), types.Typ[types.Bool]) {
		return
	}
	switch parent := p.parent().(type) {
	case *ast.IfStmt, *ast.ForStmt, *ast.ReturnStmt, *ast.CaseClause:
	case *ast.BinaryExpr:
		if parent.Op != token.LAND && parent.Op != token.LOR {
			return
		}
	default:
		return
	}
	p.plant(expr, "turned", "(mutantIs(%d) != ", ")")
}

func (p *planter) binary(n *ast.BinaryExpr) {
	operator := n.Op.String()
	with := func(f *fault, call string) {
		f.edit.operator, f.edit.old, f.edit.new = p.offset(n.OpPos), operator, call
	}
	switch n.Op {
	case token.LAND, token.LOR: // a || b is !(!a && !b)
		other := map[token.Token]string{token.LAND: "||", token.LOR: "&&"}[n.Op]
		f := p.plant(n, other, "", "))")
		is := fmt.Sprintf("mutantIs(%d)", f.number)
		f.edit.before = "(" + is + " != (" + is + " != "
		with(f, operator+" "+is+" != ")
	case token.EQL, token.NEQ:
		if p.isError(n.X) && p.info.Types[n.Y].IsNil() && n.Op == token.NEQ {
			p.plant(n, "skipped", "(!mutantIs(%d) && ", ")")
		}
		p.plant(n, "turned", "(mutantIs(%d) != (", "))")
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		p.plant(n, "turned", "(mutantIs(%d) != (", "))")
		with(p.plant(n, "shifted", "mutantOrder(%d, ", ")"), `, "`+operator+`", `)
	case token.ADD, token.SUB:
		if basic, ok := p.info.Types[n].Type.Underlying().(*types.Basic); ok && basic.Info()&types.IsNumeric != 0 {
			other := map[token.Token]string{token.ADD: "-", token.SUB: "+"}[n.Op]
			with(p.plant(n, other, "mutantSum(%d, ", ")"), `, "`+operator+`", `)
		}
	}
}

var errorType = types.Universe.Lookup("error").Type()

func (p *planter) isError(expr ast.Expr) bool {
	return types.Identical(p.info.Types[expr].Type, errorType)
}

// returned plants nil for an error.
func (p *planter) returned(n *ast.ReturnStmt) {
	var results *types.Tuple
	for _, above := range p.stack {
		switch f := above.(type) {
		case *ast.FuncDecl:
			results = p.info.Defs[f.Name].Type().(*types.Signature).Results()
		case *ast.FuncLit:
			results = p.info.Types[f].Type.(*types.Signature).Results()
		}
	}
	if len(n.Results) != results.Len() {
		return
	}
	for i, expr := range n.Results {
		if types.Identical(results.At(i).Type(), errorType) && !p.isNil(expr) {
			p.plant(expr, "nil", "mutantError(%d, ", ")")
		}
	}
}

// statement plants the lack of a statement, and another end of a loop's turn.
func (p *planter) statement(n ast.Stmt) {
	switch parent := p.parent().(type) {
	case *ast.BlockStmt, *ast.CaseClause:
	case *ast.CommClause:
		if parent.Comm == n {
			return
		}
	default:
		return
	}
	switch n := n.(type) {
	case *ast.ExprStmt:
		if call, ok := n.X.(*ast.CallExpr); ok {
			if id, ok := call.Fun.(*ast.Ident); ok && id.Name == "panic" {
				return
			}
		}
	case *ast.AssignStmt:
		if n.Tok == token.DEFINE {
			return
		}
	case *ast.IncDecStmt, *ast.DeferStmt, *ast.GoStmt, *ast.SendStmt:
	case *ast.BranchStmt:
		other := map[token.Token]string{token.CONTINUE: "break", token.BREAK: "continue"}[n.Tok]
		if other == "" {
			return
		}
		if n.Label != nil {
			other += " " + n.Label.Name
		}
		p.plant(n, other, "if mutantIs(%d) { "+other+" }; ", "")
		return
	default:
		return
	}
	p.plant(n, "left out", "if !mutantIs(%d) { ", " }")
}
