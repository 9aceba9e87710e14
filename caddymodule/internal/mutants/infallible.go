//go:build unix

package main

import (
	"go/ast"
	"go/types"
)

// findInfallible finds the functions of the room that have an error among their results
// because others of their kind do, and return nil for it everywhere: nil in its place is
// no fault.
func (r *room) findInfallible() {
	r.infallible = make(map[types.Object]bool)
	for grown := true; grown; { // one may return what another returns
		grown = false
		for _, s := range r.sources {
			for _, decl := range s.syntax.Decls {
				f, ok := decl.(*ast.FuncDecl)
				if !ok || f.Body == nil || r.infallible[r.info.Defs[f.Name]] || !r.failsNever(f) {
					continue
				}
				r.infallible[r.info.Defs[f.Name]], grown = true, true
			}
		}
	}
}

// failsNever reports whether the one result of a function is an error that is always nil.
func (r *room) failsNever(f *ast.FuncDecl) bool {
	results := r.info.Defs[f.Name].Type().(*types.Signature).Results()
	if results.Len() != 1 || !types.Identical(results.At(0).Type(), errorType) {
		return false
	}
	never := true
	ast.Inspect(f.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ReturnStmt:
			never = never && len(n.Results) == 1 && r.isNil(n.Results[0])
		}
		return true
	})
	return never
}

// isNil reports whether an error is nil for sure.
func (r *room) isNil(expr ast.Expr) bool {
	if call, ok := expr.(*ast.CallExpr); ok {
		switch called := call.Fun.(type) {
		case *ast.Ident:
			return r.infallible[r.info.Uses[called]]
		case *ast.SelectorExpr:
			return r.infallible[r.info.Uses[called.Sel]]
		}
	}
	return r.info.Types[expr].IsNil()
}
