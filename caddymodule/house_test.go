package caddymodule

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/doctor"
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

// jsonPaths lists all JSON keys of a struct with their nesting: "zak.max_age".
func jsonPaths(structure reflect.Type, prefix string) []string {
	var paths []string
	for field := range structure.Fields() {
		key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if key == "" || key == "-" {
			continue
		}
		path := prefix + key
		kind := field.Type
		for kind.Kind() == reflect.Pointer || kind.Kind() == reflect.Slice {
			kind = kind.Elem()
		}
		paths = append(paths, path)
		if kind.Kind() == reflect.Struct {
			paths = append(paths, jsonPaths(kind, path+".")...)
		}
	}
	return paths
}

func TestEveryFieldIsExportedWithJSONKey(t *testing.T) {
	var check func(structure reflect.Type)
	check = func(structure reflect.Type) {
		for field := range structure.Fields() {
			if !field.IsExported() {
				continue
			}
			if field.Tag.Get("json") == "" {
				t.Errorf("%s.%s has no JSON key", structure.Name(), field.Name)
			}
			if !strings.Contains(field.Tag.Get("json"), ",omitempty") {
				t.Errorf("%s.%s is not omitted when unset", structure.Name(), field.Name)
			}
			if field.Type.Kind() == reflect.Pointer && field.Type.Elem().Kind() == reflect.Struct {
				check(field.Type.Elem())
			}
		}
	}
	check(reflect.TypeFor[Handler]())
}

// The full golden file uses every field, so the Caddyfile can express whatever
// JSON can.
func TestFullGoldenFileHasEveryField(t *testing.T) {
	_, golden := readGolden(t, "testdata/adapt/full.caddyfiletest")
	var config any
	if err := json.Unmarshal([]byte(golden), &config); err != nil {
		t.Fatal(err)
	}
	used := make(map[string]bool)
	forEachHandler(config, func(handler map[string]any) { collectPaths(handler, "", used) })
	if len(used) == 0 {
		t.Fatal("no zoom_pkce handler in the golden file")
	}
	for _, path := range jsonPaths(reflect.TypeFor[Handler](), "") {
		if !used[path] {
			t.Errorf("full.caddyfiletest does not use %s", path)
		}
	}
}

// forEachHandler finds the zoom_pkce handlers anywhere in a configuration.
func forEachHandler(config any, do func(map[string]any)) {
	switch node := config.(type) {
	case map[string]any:
		if node["handler"] == directive {
			do(node)
			return
		}
		for _, child := range node {
			forEachHandler(child, do)
		}
	case []any:
		for _, child := range node {
			forEachHandler(child, do)
		}
	}
}

func collectPaths(object map[string]any, prefix string, into map[string]bool) {
	for key, child := range object {
		into[prefix+key] = true
		list, ok := child.([]any)
		if !ok {
			list = []any{child}
		}
		for _, element := range list {
			if nested, ok := element.(map[string]any); ok {
				collectPaths(nested, prefix+key+".", into)
			}
		}
	}
}

// caddyfileForm names the lines of the Syntax comment for fields that are
// written in a form of their own in Caddyfiles.
func caddyfileForm(path string) (line, word string) {
	parent, key, _ := cutLast(path)
	switch {
	case path == "protect":
		return directive, "[<matcher>]"
	case path == "client_key_id":
		return "client_key", "[<" + key + ">]"
	case path == "programs.client.id":
		return parent, "<id>"
	case key == "disabled":
		return parent, "off"
	case key == "match":
		return path, ""
	case strings.HasPrefix(parent, "headers."):
		return parent, "<" + key + ">"
	default:
		return path, ""
	}
}

func cutLast(path string) (parent, key string, found bool) {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

func TestSyntaxCommentHasEveryField(t *testing.T) {
	lines := syntaxLines(t)
	fields := jsonPaths(reflect.TypeFor[Handler](), "")
	for _, path := range fields {
		line, word := caddyfileForm(path)
		if _, ok := lines[line]; !ok {
			t.Errorf("the Syntax comment has no line for %s", path)
		} else if !strings.Contains(lines[line], word) {
			t.Errorf("the Syntax comment does not show %s for %s: %s", word, path, lines[line])
		}
	}
	for _, path := range syntaxPaths(t) {
		if !slices.Contains(fields, path) {
			t.Errorf("the Syntax comment shows %s, which is no field", path)
		}
	}
}

// The table of the reference names every JSON key with its nesting, as in
// `zak.max_age`.
func TestReferenceHasEveryField(t *testing.T) {
	reference, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range jsonPaths(reflect.TypeFor[Handler](), "") {
		if !strings.Contains(string(reference), "`"+path+"`") {
			t.Errorf("caddymodule/README.md does not describe `%s`", path)
		}
	}
}

// syntaxPaths lists the subdirectives of the Syntax comment with their nesting.
func syntaxPaths(t *testing.T) []string {
	t.Helper()
	var paths []string
	for path := range syntaxLines(t) {
		if path != directive {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

// syntaxLines reads the Syntax comment: subdirective with nesting to its lines.
func syntaxLines(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "caddyfile.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	doc := ""
	for _, declaration := range file.Decls {
		if function, ok := declaration.(*ast.FuncDecl); ok && function.Name.Name == "unmarshalCaddyfile" {
			doc = function.Doc.Text()
		}
	}
	_, syntax, found := strings.Cut(doc, "Syntax:\n")
	if !found {
		t.Fatal("unmarshalCaddyfile has no Syntax comment")
	}
	lines := make(map[string]string)
	var blocks []string
	for line := range strings.Lines(syntax) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0] == "...":
			continue
		case words[0] == "}":
			blocks = blocks[:len(blocks)-1]
			if len(blocks) == 0 {
				return lines
			}
			continue
		}
		var path string
		if len(blocks) == 0 {
			path = words[0]
		} else {
			path = strings.Join(append(slices.Clone(blocks[1:]), words[0]), ".")
		}
		lines[path] += line
		if words[len(words)-1] == "{" {
			blocks = append(blocks, words[0])
		}
	}
	t.Fatal("the Syntax comment does not end")
	return nil
}

// Caddy knows the parts by their names, and the doctor what a site needs at Zoom.
func TestPartsAreRegistered(t *testing.T) {
	for _, id := range []string{"http.handlers.zoom_pkce", "zoom_pkce", "admin.api.zoom_pkce"} {
		if _, err := caddy.GetModule(id); err != nil {
			t.Error(err)
		}
	}
	if command, ok := caddycmd.Commands()["zoom-pkce"]; !ok || command.CobraFunc == nil && command.Func == nil {
		t.Error("the command is not there")
	}
	zoom := newZoom(t)
	for options, want := range map[string]doctor.Site{
		``:                            {ZAK: true},
		`, "zak": {"disabled": true}`: {},
		`, "zak": {"lifetime": "1h"}`: {ZAK: true, LastingZAK: true},
		`, "obf": {"meeting_id": "{x}"}, "page_tokens": true`:                              {ZAK: true, OBF: true, PageTokens: true},
		`, "allow": {"user_id": ["ada"]}`:                                                  {ZAK: true},
		`, "allow": {"email_domain": ["example.com"]}`:                                     {ZAK: true, AllowsByEmail: true},
		`, "programs": {"registration": true}`:                                             {ZAK: true},
		`, "programs": {"client": [{"id": "cli", "redirect_uri": ["http://127.0.0.1/"]}]}`: {ZAK: true, KeyPrograms: true},
		`, "backend": {"secret": ["` + testCookieSecret + `"]}, "cookie": {"secret": ["` + testCookieSecret + `"]}`: {
			ZAK: true, BackendSecrets: [][]byte{[]byte(testCookieSecret)}, CookieSecrets: [][]byte{[]byte(testCookieSecret)},
		},
	} {
		app, _ := started(t, siteConfig(t, handlerJSON(zoom, options)))
		examined := examinedSites(app)
		if len(examined) != 1 {
			t.Fatalf("%s: %v", options, examined)
		}
		for id, sites := range examined {
			if len(sites) != 1 {
				t.Fatalf("%s: %v", options, sites)
			}
			got := sites[0]
			if got.AppID != id || got.LoginURL != "http://localhost/zoom_pkce/login" || got.Survey == nil || got.Store == nil ||
				!slices.Equal(got.RedirectURIs, []string{"http://localhost/zoom_pkce/callback"}) || got.Zoom.ClientID != testClientID {
				t.Errorf("%s: %+v", options, got)
			}
			if (len(got.Route.Metadata) > 0) != strings.Contains(options, "programs") || got.Route.RedirectURIs[0].Host != "localhost" {
				t.Errorf("%s: %+v", options, got.Route)
			}
			features := doctor.Site{
				BackendSecrets: got.BackendSecrets, CookieSecrets: got.CookieSecrets, AllowsByEmail: got.AllowsByEmail, ZAK: got.ZAK,
				LastingZAK: got.LastingZAK, OBF: got.OBF, PageTokens: got.PageTokens, KeyPrograms: got.KeyPrograms,
			}
			if !reflect.DeepEqual(features, want) {
				t.Errorf("%s: %+v, want %+v", options, features, want)
			}
		}
	}
}
