package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// repository lists the files below the root that may name a document, without
// what npm and git put there.
func repository(t *testing.T) (files []string) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{".git", "node_modules"}, entry.Name()):
			return filepath.SkipDir
		case entry.Type().IsRegular() && slices.Contains([]string{".md", ".go", ".example", ".yml", ".html", ".js", ".css"}, filepath.Ext(path)):
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// documents are the texts of all Markdown files, by path.
func documents(t *testing.T) map[string]string {
	t.Helper()
	texts := make(map[string]string)
	for _, path := range repository(t) {
		if filepath.Ext(path) == ".md" {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			texts[path] = string(text)
		}
	}
	return texts
}

// Lines are of a length that reads well in an editor. A row of a table is one line.
func TestLinesOfDocuments(t *testing.T) {
	for path, text := range documents(t) {
		number := 0
		for line := range strings.Lines(text) {
			if number++; utf8.RuneCountInString(line) > 121 && !strings.HasPrefix(strings.TrimSpace(line), "|") {
				t.Errorf("%s:%d has over 120 characters", path, number)
			}
		}
	}
}

var (
	fencedBlock  = regexp.MustCompile("(?ms)^```.*?^```$")
	markdownLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	linkLabel    = regexp.MustCompile(`\[[^\]]*\]\(`)
	heading      = regexp.MustCompile(`(?m)^#{1,6} (.*)$`)
	notInAnchor  = regexp.MustCompile(`[^\p{L}\p{N}_\- ]`)
	documentName = regexp.MustCompile(`[\w./-]*\b[A-Z]{4,}\.md(?:#[\w-]+)?`)
)

// anchors lists where links can lead in a document, as GitHub names headings.
func anchors(text string) (names []string) {
	for _, match := range heading.FindAllStringSubmatch(fencedBlock.ReplaceAllString(text, ""), -1) {
		names = append(names, strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(match[1]), ""), " ", "-"))
	}
	return names
}

// brokenLink says what is wrong with a link that stands in a file, if anything is.
func brokenLink(from, link string) string {
	path, anchor, hasAnchor := strings.Cut(link, "#")
	target := from
	if path != "" {
		target = filepath.Join(filepath.Dir(from), filepath.FromSlash(path))
	}
	if _, err := os.Stat(target); err != nil {
		return "there is no such file"
	}
	if !hasAnchor {
		return ""
	}
	text, err := os.ReadFile(target)
	if err != nil {
		return err.Error()
	}
	if !slices.Contains(anchors(string(text)), anchor) {
		return "there is no such heading"
	}
	return ""
}

// Every link of every document leads somewhere, and to every document a link leads.
// Those of the web have to be https; nothing is fetched.
func TestLinks(t *testing.T) {
	count, led := 0, map[string]bool{"../README.md": true}
	for path, text := range documents(t) {
		for _, match := range markdownLink.FindAllStringSubmatch(fencedBlock.ReplaceAllString(text, ""), -1) {
			count++
			link, err := url.Parse(match[1])
			switch {
			case err != nil:
				t.Errorf("%s: %v", path, err)
			case link.Scheme == "https" && link.Host != "", link.Scheme == "mailto":
			case link.Scheme != "" || link.Host != "":
				t.Errorf("%s: %s is no https address", path, match[1])
			default:
				if why := brokenLink(path, match[1]); why != "" {
					t.Errorf("%s: %s: %s", path, match[1], why)
				}
				if link.Path != "" {
					led[filepath.Join(filepath.Dir(path), filepath.FromSlash(link.Path))] = true
				}
			}
		}
	}
	if count < 80 {
		t.Errorf("only %d links were found", count)
	}
	for path := range documents(t) {
		if !led[path] && !(filepath.Base(path) == "README.md" && led[filepath.Dir(path)]) {
			t.Errorf("no document leads to %s", path)
		}
	}
}

// Whoever is sent to a document by a comment, an error or a page finds it: beside
// the file that says so, in the repository's root or in that of the module.
func TestNamedDocuments(t *testing.T) {
	for _, path := range repository(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range documentName.FindAllString(linkLabel.ReplaceAllString(string(text), "("), -1) {
			if !slices.ContainsFunc([]string{path, "../go.mod", "handler.go"}, func(from string) bool { return brokenLink(from, name) == "" }) {
				t.Errorf("%s names %s, which is nowhere", path, name)
			}
		}
	}
}

// The table of examples has all of them, with the command that starts each.
func TestEveryExampleIsInTheTable(t *testing.T) {
	table := documents(t)["../examples/README.md"]
	entries, err := os.ReadDir("../examples")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if !entry.IsDir() || name == "internal" {
			continue
		}
		_, row, ok := strings.Cut(table, "\n| [`"+name+"`]("+name+") |")
		row, _, _ = strings.Cut(row, "\n")
		if !ok || !strings.Contains(row, "examples/"+name) {
			t.Errorf("examples/README.md has no row for %s with what starts it: %q", name, row)
		}
	}
}

// Whoever builds Caddy as the README says gets the one that go.mod names.
func TestVersionsOfREADME(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	readme := documents(t)["../README.md"]
	for pattern, inREADME := range map[string]string{
		`github.com/caddyserver/caddy/v2 (v\S+)\n`: "xcaddy build %s --with",
		`(?m)^go (\d+\.\d+)`:                       "[Go %s]",
	} {
		version := regexp.MustCompile(pattern).FindSubmatch(mod)
		if version == nil {
			t.Fatalf("go.mod has nothing like %s", pattern)
		}
		if want := strings.Replace(inREADME, "%s", string(version[1]), 1); !strings.Contains(readme, want) {
			t.Errorf("README.md does not say %q", want)
		}
	}
}

// setExampleVariables sets what the examples read from the environment.
func setExampleVariables(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"ZOOM_CLIENT_ID":       "AbCdEfGhIjKlMnOpQrStU",
		"ZOOM_CLIENT_SECRET":   "example-client-secret",
		"ZOOM_ACCOUNT_ID":      "AnalyticalEngine",
		"ZOOM_WEBHOOK_TOKEN":   "example-secret-token",
		"BACKEND_SECRET":       "0123456789abcdef0123456789abcdef",
		"ZOOM_COOKIE_SECRET":   strings.Repeat("new", 16),
		"ZOOM_COOKIE_SECRET_2": strings.Repeat("old", 16),
		"REDIS_PASSWORD":       "example-password",
	} {
		t.Setenv(name, value)
	}
}

// checkCaddyfile checks the format of a Caddyfile, adapts it and has Caddy
// validate it. It returns the adapted configuration.
func checkCaddyfile(t *testing.T, text, whole string) []byte {
	t.Helper()
	if formatted := string(caddyfile.Format([]byte(text))); strings.TrimSpace(formatted) != strings.TrimSpace(text) {
		t.Errorf("caddy fmt would write this as:\n%s", formatted)
	}
	adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(whole), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		t.Fatalf("adapting: %v\n%s", err, whole)
	}
	for _, warning := range warnings {
		if warning.Message != "Caddyfile input is not formatted; run 'caddy fmt --overwrite' to fix inconsistencies" || text == whole {
			t.Errorf("warning: %s", warning)
		}
	}
	validateJSON(t, adapted)
	return adapted
}

// validateJSON has Caddy validate a configuration, which reads, provisions and
// starts nothing.
func validateJSON(t *testing.T, config []byte) {
	t.Helper()
	var parsed caddy.Config
	if err := caddy.StrictUnmarshalJSON(config, &parsed); err != nil {
		t.Fatalf("reading: %v\n%s", err, config)
	}
	if err := caddy.Validate(&parsed); err != nil {
		t.Fatalf("validating: %v\n%s", err, config)
	}
}

func TestCaddyfileExample(t *testing.T) {
	setExampleVariables(t)
	example, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	checkCaddyfile(t, string(example), string(example))
}

// What is commented out has to work as well when the marks are taken away.
func TestCaddyfileExampleUncommented(t *testing.T) {
	setExampleVariables(t)
	example, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	uncommented := ""
	for line := range strings.Lines(string(example)) {
		// Text has a space after the mark, options do not.
		if option, ok := strings.CutPrefix(strings.TrimLeft(line, "\t"), "#"); ok && strings.IndexAny(option, " \n") != 0 {
			line = option
		}
		uncommented += line
	}
	checkCaddyfile(t, string(caddyfile.Format([]byte(uncommented))), uncommented)
}

// A snippet is a fenced block of a document. The word after its language says
// what it is a part of: `site` stands in a site block, `handler` in one of
// zoom_pkce, `same` is the JSON of the Caddyfile before it.
type snippet struct {
	language, part string
	line           int
	text           string
}

func snippetsOf(t *testing.T, text string) (snippets []snippet) {
	t.Helper()
	var open *snippet
	number := 0
	for line := range strings.Lines(text) {
		number++
		fence, ok := strings.CutPrefix(line, "```")
		switch {
		case ok && open != nil:
			snippets = append(snippets, *open)
			open = nil
		case ok:
			language, part, _ := strings.Cut(strings.TrimSpace(fence), " ")
			open = &snippet{language: language, part: part, line: number}
		case open != nil:
			open.text += line
		}
	}
	if open != nil {
		t.Fatalf("line %d: the block does not end", open.line)
	}
	return snippets
}

const snippetApp = `client_id {env.ZOOM_CLIENT_ID}
client_secret {env.ZOOM_CLIENT_SECRET}
redirect_uri https://app.example.com/zoom_pkce/callback
`

// whole completes a part of a Caddyfile, or one that leaves out the first lines of
// the recipes, which are the same for all.
func (s snippet) whole(t *testing.T) string {
	switch s.part {
	case "":
		if strings.Contains(s.text, "import zoom\n") && !strings.Contains(s.text, "(zoom) {") {
			return "(zoom) {\n" + snippetApp + "}\n\n" + s.text
		}
		return s.text
	case "site":
		return "app.example.com {\n" + s.text + "}\n"
	case "handler":
		return "app.example.com {\nzoom_pkce {\n" + snippetApp + s.text + "}\nreverse_proxy localhost:3000\n}\n"
	}
	t.Fatalf("a Caddyfile cannot be a part of %q", s.part)
	return ""
}

func TestDocumentSnippets(t *testing.T) {
	setExampleVariables(t)
	counts := make(map[string]int)
	for path, text := range documents(t) {
		var previous []byte
		for _, s := range snippetsOf(t, text) {
			counts[s.language]++
			t.Run(fmt.Sprintf("%s in %s line %d", s.language, path, s.line), func(t *testing.T) {
				switch s.language {
				case "caddyfile":
					previous = checkCaddyfile(t, s.text, s.whole(t))
				case "json":
					if s.part == "" {
						validateJSON(t, []byte(s.text))
						return
					}
					compareHandlers(t, []byte(s.text), previous)
				}
			})
		}
	}
	if counts["caddyfile"] < 30 || counts["json"] < 1 {
		t.Errorf("too few snippets were found: %v", counts)
	}
}

// compareHandlers checks that a JSON handler is what the Caddyfile became.
func compareHandlers(t *testing.T, handler, config []byte) {
	t.Helper()
	var want map[string]any
	if err := json.Unmarshal(handler, &want); err != nil {
		t.Fatal(err)
	}
	var adapted any
	if err := json.NewDecoder(bytes.NewReader(config)).Decode(&adapted); err != nil {
		t.Fatal(err)
	}
	var got []map[string]any
	forEachHandler(adapted, func(h map[string]any) { got = append(got, h) })
	normalizeDurations(want)
	if len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		text, _ := json.MarshalIndent(got, "", "\t")
		t.Errorf("the Caddyfile before it becomes\n%s", text)
	}
}

// normalizeDurations writes durations as the Caddyfile adapter does, in
// nanoseconds: people write them as text.
func normalizeDurations(object map[string]any) {
	for key, value := range object {
		switch value := value.(type) {
		case map[string]any:
			normalizeDurations(value)
		case string:
			if d, err := caddy.ParseDuration(value); err == nil {
				object[key] = float64(d)
			}
		}
	}
}
