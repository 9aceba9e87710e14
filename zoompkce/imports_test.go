package zoompkce_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The library must be usable without Caddy and says nothing by itself; what Zoom says knows no
// session; and the simulated Zoom knows neither, so that it can contradict them.
func TestImports(t *testing.T) {
	const module = "github.com/zoompkce/caddy-zoom-pkce/"
	files := 0
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".go" {
			return err
		}
		files++
		banned := []string{"github.com/caddyserver/", "go.uber.org/zap", module + "caddymodule"}
		switch room := filepath.ToSlash(filepath.Dir(name)); {
		case room == "zoomtest":
			banned = append(banned, module)
		case room == "zoomapi" && strings.HasSuffix(name, "_test.go"):
			banned = append(banned, module+"zoompkce\x00")
		case room == "zoomapi":
			banned = append(banned, module)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			for _, prefix := range banned {
				if path != module+"zoompkce/"+filepath.Dir(name) && strings.HasPrefix(path+"\x00", prefix) {
					t.Errorf("%s imports %s", name, path)
				}
			}
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files: %v", files, err)
	}
}
