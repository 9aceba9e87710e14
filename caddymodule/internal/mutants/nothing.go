//go:build unix

package main

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
)

// changesNothing reports whether a kind of fault changes nothing at n for a reason that
// holds wherever such code stands, so that it is not planted and nobody has to list it:
//
//   - A deferred cancel of a context with a deadline, or a deferred Stop of a timer, is
//     left out: both end by themselves, and go vet asks for the former.
//   - What the clock has measured is shifted across a bound: by the very nanosecond. A
//     duration that somebody has chosen may well be at a bound, and is planted.
//   - A constant in the capacity of a slice is one more, or the size of a float64:
//     strconv takes every size but 32 for 64.
func (p *planter) changesNothing(n ast.Node, kind string) bool {
	switch kind {
	case "left out":
		deferred, ok := n.(*ast.DeferStmt)
		return ok && p.endsByItself(deferred.Call.Fun)
	case "shifted":
		n := n.(*ast.BinaryExpr)
		return p.isInstant(n.X, n.Y) || p.isInstant(n.Y, n.X)
	}
	return kind == "one more" && p.isRoom(n)
}

// isRoom reports whether n is, or is part of the sum that is, a capacity or a bit size.
func (p *planter) isRoom(n ast.Node) bool {
	isSum := func(above ast.Node) bool { _, ok := above.(*ast.BinaryExpr); return ok }
	above := len(p.stack) - 1
	for ; isSum(p.stack[above]); above-- {
		n = p.stack[above]
	}
	call, ok := p.stack[above].(*ast.CallExpr)
	if !ok {
		return false
	}
	name, ok := call.Fun.(*ast.Ident)
	return ok && name.Name == "make" && len(call.Args) == 3 && call.Args[2] == n || p.calls(call, "strconv.ParseFloat")
}

// endsByItself reports whether a function only ends early what has an end.
func (p *planter) endsByItself(called ast.Expr) bool {
	if stop, ok := called.(*ast.SelectorExpr); ok {
		return stop.Sel.Name == "Stop" && p.calls(p.origin(stop.X), "time.NewTimer", "time.NewTicker")
	}
	return p.calls(p.origin(called), "context.WithTimeout", "context.WithDeadline")
}

// isInstant reports whether nobody could aim at the instant at which two times are equal.
// What Since and Until measure may be compared with anything but zero; of a difference of
// two times one has to be the present, and the bound a constant.
func (p *planter) isInstant(measured, bound ast.Expr) bool {
	value := p.info.Types[bound].Value
	if value != nil && (value.Kind() != constant.Int || constant.Sign(value) == 0) {
		return false
	}
	call, ok := p.origin(measured).(*ast.CallExpr)
	for ok && p.calls(call, "(time.Duration).Abs") {
		call, ok = p.origin(call.Fun.(*ast.SelectorExpr).X).(*ast.CallExpr)
	}
	switch {
	case !ok:
		return false
	case p.calls(call, "time.Since", "time.Until"):
		return true
	case value != nil && p.calls(call, "(time.Time).Sub"):
		return p.isNow(call.Args[0]) || p.isNow(call.Fun.(*ast.SelectorExpr).X)
	}
	return false
}

// isNow reports whether a time is the present, or is said to be.
func (p *planter) isNow(expr ast.Expr) bool {
	name, ok := expr.(*ast.Ident)
	return ok && name.Name == "now" || p.calls(p.origin(expr), "time.Now")
}

// calls reports whether an expression is a call of one of these functions.
func (p *planter) calls(expr ast.Expr, names ...string) bool {
	call, ok := expr.(*ast.CallExpr)
	if !ok {
		return false
	}
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	function, ok := p.info.Uses[selector.Sel].(*types.Func)
	return ok && slices.Contains(names, function.FullName())
}

// origin returns what a variable was declared with, if it has no other value ever, and
// any other expression as it is.
func (r *room) origin(expr ast.Expr) ast.Expr {
	name, _ := expr.(*ast.Ident)
	if origin := r.origins[r.info.Uses[name]]; origin != nil {
		return origin
	}
	return expr
}

// findOrigins finds the variables of the room that get a value once.
func (r *room) findOrigins() {
	r.origins = make(map[types.Object]ast.Expr)
	var changed []types.Object
	look := func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				name, _ := left.(*ast.Ident)
				switch declared := r.info.Defs[name]; {
				case name == nil:
				case declared == nil:
					changed = append(changed, r.info.Uses[name])
				default:
					r.origins[declared] = n.Rhs[min(i, len(n.Rhs)-1)]
				}
			}
		case *ast.UnaryExpr: // whoever has its address may change it
			if name, ok := n.X.(*ast.Ident); ok && n.Op == token.AND {
				changed = append(changed, r.info.Uses[name])
			}
		}
		return true
	}
	for _, s := range r.sources {
		ast.Inspect(s.syntax, look)
	}
	for _, variable := range changed {
		delete(r.origins, variable)
	}
}
