package caddymodule

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
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

// Every link of every document leads somewhere. Those of the web have to be https;
// nothing is fetched.
func TestLinks(t *testing.T) {
	count := 0
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
			}
		}
	}
	if count < 80 {
		t.Errorf("only %d links were found", count)
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
