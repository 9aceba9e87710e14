package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
)

var documentedCaddyfile = regexp.MustCompile("(?ms)^```caddyfile[^\n]*\n(.*?)^```$")

// theZoomApp is what recipes import as zoom.
const theZoomApp = "client_id {env.ZOOM_CLIENT_ID}\nclient_secret {env.ZOOM_CLIENT_SECRET}\n" +
	"redirect_uri https://app.example.com/zoom_pkce/callback\n"

// snippetWith is the one Caddyfile of the documents that has all the words.
func snippetWith(t *testing.T, words ...string) string {
	t.Helper()
	var found []string
	for _, document := range testkit.Documents(t, "../..") {
		for _, match := range documentedCaddyfile.FindAllStringSubmatch(document.Text, -1) {
			missing := func(word string) bool { return !strings.Contains(match[1], word) }
			if !slices.ContainsFunc(words, missing) {
				found = append(found, match[1])
			}
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d Caddyfiles of the documents have %q, want one", len(found), words)
	}
	return strings.ReplaceAll(found[0], "import zoom\n", theZoomApp)
}

var (
	directiveLine = regexp.MustCompile(`(?m)^\tzoom_pkce .*\{$`)
	upstreamLine  = regexp.MustCompile(`(?m)^\treverse_proxy .*$`)
)

// documented makes a Caddyfile as people copy it one of this world: the
// addresses are ours, and all its logs go to our file at level DEBUG. Options
// are added to zoom_pkce; a site takes the place of reverse_proxy unless it is
// empty.
func (w *world) documented(t *testing.T, text, site string, options ...string) string {
	t.Helper()
	t.Setenv("ZOOM_CLIENT_ID", testClientID)
	t.Setenv("ZOOM_CLIENT_SECRET", testClientSecret)
	t.Setenv("SITE_ADDRESS", w.url)
	t.Setenv("ZOOM_REDIRECT_URI", w.url+"/zoom_pkce/callback")
	t.Setenv("ZOOM_OAUTH_URL", w.zoom.URL)
	t.Setenv("UPSTREAM", w.upstream.addr)
	if !strings.Contains(text, "{$ZOOM_OAUTH_URL") {
		options = append(options, "oauth_url "+w.zoom.URL)
	}
	output := fmt.Sprintf("log {\noutput file %q {\nroll_disabled\n}\nlevel DEBUG\n", w.logs)
	global := fmt.Sprintf("\n{\nadmin off\npersist_config off\nauto_https off\nstorage file_system %q\n", w.storage)
	if text = "\n" + text; !strings.Contains(text, "\n{\n") {
		text = "\n{\n\tlog {\n\t}\n}\n" + text
	}
	text = strings.Replace(text, "\n{\n", global, 1)
	text = strings.ReplaceAll(text, "\tlog {\n", output)
	text = strings.Replace(text, "\napp.example.com {", "\n"+w.url+" {", 1)
	text = strings.Replace(text, "redirect_uri https://app.example.com/", "redirect_uri "+w.url+"/", 1)
	text = strings.Replace(text, " localhost:3000", " "+w.upstream.addr, 1)
	text = directiveLine.ReplaceAllString(text, "bind 127.0.0.1\n$0\n"+strings.Join(options, "\n"))
	if site != "" {
		text = upstreamLine.ReplaceAllString(text, strings.ReplaceAll(site, "$", "$$"))
	}
	return text
}
