package caddymodule

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// house lists the rooms from the roof to the cellar. A room imports only what stands
// below it here; .golangci.yml says the same to the linter.
var house = []string{
	"caddymodule",
	"caddymodule/internal/backend",
	"caddymodule/internal/programs",
	"caddymodule/internal/doctor",
	"caddymodule/internal/storecheck",
	"caddymodule/caddystore",
	"caddymodule/redisstore",
	"caddymodule/logformat",
	"caddymodule/internal/storecall",
	"caddymodule/internal/routes",
	"caddymodule/internal/telemetry",
	"caddymodule/internal/pages",
	"caddymodule/internal/outcome",
	"caddymodule/internal/browser",
	"caddymodule/internal/include",
	"caddymodule/internal/bodies",
	"caddymodule/internal/scrub",
	"caddymodule/internal/conf",
	"zoompkce/protect",
	"zoompkce/memstore",
	"zoompkce",
	"zoompkce/zoomapi",
	"zoompkce/returnurl",
}

// forTests are packages that nothing but tests imports, and the tool that asks them.
var forTests = []string{
	"caddymodule/internal/fleettest", "caddymodule/internal/mutants", "caddymodule/internal/redistest", "caddymodule/internal/storebench",
	"caddymodule/internal/testkit", "zoompkce/storetest",
}

func TestArrowsGoDown(t *testing.T) {
	const module = "github.com/zoompkce/caddy-zoom-pkce/"
	seen := make(map[string]int) // source files
	err := fs.WalkDir(os.DirFS(".."), ".", func(name string, entry fs.DirEntry, err error) error {
		top, _, _ := strings.Cut(name, "/")
		if err != nil || top != "caddymodule" && top != "zoompkce" || strings.Contains(name, "/testdata/") ||
			filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return err
		}
		room := filepath.ToSlash(filepath.Dir(name))
		seen[room]++
		if room == "zoompkce/zoomtest" || slices.Contains(forTests, room) {
			return nil
		}
		floor := slices.Index(house, room)
		if floor < 0 {
			t.Errorf("%s: the room %s is not in the house", name, room)
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", name), nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if target, ours := strings.CutPrefix(path, module); ours && slices.Index(house, target) <= floor {
				t.Errorf("%s imports %s, which is not below it", name, target)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range house {
		if n := seen[room]; n == 0 || n > 40 {
			t.Errorf("%s has %d source files, want 1 to 40", room, n)
		}
	}
}
