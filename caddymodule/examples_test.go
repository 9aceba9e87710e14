package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

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
