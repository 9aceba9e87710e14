//go:build unix

package main

import (
	"bytes"
	_ "embed"
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
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

//go:embed planted.txt
var helpers string

// room is a package in which faults are planted.
type room struct {
	name    string // its folder in the module
	folder  string
	sources []*source
	exports map[string]string // compiled packages, by path
	path    string

	fset   *token.FileSet
	info   *types.Info
	pkg    *types.Package
	faults []*fault

	infallible map[types.Object]bool
	origins    map[types.Object]ast.Expr
}

type source struct {
	name   string
	text   string
	syntax *ast.File
}

// loadRoom reads a package and what it needs to be type-checked.
func loadRoom(pattern string) (*room, error) {
	out, err := goCommand("list", "-export", "-deps", "-json=ImportPath,Export,Dir,GoFiles,Module,DepOnly",
		pattern, "cmp", "os", "strconv", "sync/atomic")
	if err != nil {
		return nil, err
	}
	r := &room{exports: make(map[string]string)}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var listed struct {
			ImportPath, Export, Dir string
			GoFiles                 []string
			Module                  *struct{ Path, Dir string }
			DepOnly                 bool
		}
		if err := decoder.Decode(&listed); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		r.exports[listed.ImportPath] = listed.Export
		if listed.DepOnly || listed.Module == nil {
			continue
		}
		r.path, r.folder = listed.ImportPath, listed.Dir
		r.name = strings.TrimPrefix(listed.ImportPath, listed.Module.Path+"/")
		for _, name := range listed.GoFiles {
			text, err := os.ReadFile(filepath.Join(r.folder, name))
			if err != nil {
				return nil, err
			}
			r.sources = append(r.sources, &source{name: name, text: string(text)})
		}
	}
	if len(r.sources) == 0 {
		return nil, errors.New("no package with sources")
	}
	return r, nil
}

func goCommand(args ...string) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.Command("go", args...) //nolint:gosec // what the caller asks for
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", args[0], err, stderr.Bytes())
	}
	return out, nil
}

// plant finds all faults of the room, without those that do not compile.
func (r *room) plant() error {
	texts := make(map[string]string)
	for _, s := range r.sources {
		texts[s.name] = s.text
	}
	if errs := r.check(texts); errs != nil {
		return errs[0]
	}
	r.findInfallible()
	r.findOrigins()
	for _, s := range r.sources {
		p := &planter{room: r, file: s}
		ast.PreorderStack(s.syntax, nil, p.visit)
	}
	r.faults = slices.DeleteFunc(r.faults, func(f *fault) bool { return f.idle })
	for {
		errs := r.check(r.planted())
		if errs == nil {
			return nil
		}
		before := len(r.faults)
		for _, err := range errs {
			r.drop(err)
		}
		if len(r.faults) == before {
			return errs[0]
		}
	}
}

// check type-checks the sources as they are in texts.
func (r *room) check(texts map[string]string) []types.Error {
	r.fset = token.NewFileSet()
	r.info = &types.Info{
		Types: make(map[ast.Expr]types.TypeAndValue), Defs: make(map[*ast.Ident]types.Object), Uses: make(map[*ast.Ident]types.Object),
		Implicits: make(map[ast.Node]types.Object),
	}
	var errs []types.Error
	var files []*ast.File
	for name, text := range texts {
		file, err := parser.ParseFile(r.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return []types.Error{{Fset: r.fset, Msg: err.Error()}}
		}
		files = append(files, file)
		for _, s := range r.sources {
			if s.name == name {
				s.syntax = file
			}
		}
	}
	config := types.Config{
		Importer: importer.ForCompiler(r.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(r.exports[path]) }),
		Error: func(err error) {
			var one types.Error
			errors.As(err, &one) // so types.Config promises
			errs = append(errs, one)
		},
	}
	r.pkg, _ = config.Check(r.path, r.fset, files, r.info)
	return errs
}

// drop forgets the faults on the line of a mistake of the compiler's. If a function
// lacks a return at its end, that is because a loop without end got one.
func (r *room) drop(err types.Error) {
	at := err.Fset.Position(err.Pos)
	broken := func(f *fault) bool {
		last := f.line + strings.Count(f.file.text[f.edit.start:f.edit.end], "\n")
		return f.file.name == at.Filename && f.line <= at.Line && at.Line <= last
	}
	if strings.HasPrefix(err.Msg, "missing return") {
		function := ""
		for _, f := range r.faults {
			if f.file.name == at.Filename && f.line < at.Line {
				function = f.function
			}
		}
		broken = func(f *fault) bool { return f.function == function && strings.HasPrefix(f.what, "break") }
	}
	r.faults = slices.DeleteFunc(r.faults, broken)
}

// planted returns the sources with all faults in them, and the file they call.
func (r *room) planted() map[string]string {
	edits := make(map[*source][]edit)
	last := 0
	for _, f := range r.faults {
		edits[f.file] = append(edits[f.file], f.edit)
		last = max(last, f.number)
	}
	texts := make(map[string]string)
	for _, s := range r.sources {
		texts[s.name] = applied(s.text, edits[s])
	}
	texts["zz_mutants.go"] = strings.NewReplacer("PACKAGE", r.pkg.Name(), "COUNT", strconv.Itoa(last)).Replace(helpers)
	return texts
}
