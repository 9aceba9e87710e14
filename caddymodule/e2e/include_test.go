package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/include"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// withTemplates is a site of pages, some of which include what the upstream got,
// each behind the directives given.
func (w *world) withTemplates(t *testing.T, directives ...string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"page.html":        `{{httpInclude "/fragment?meeting=123456789"}}`,
		"twice.html":       `[{{httpInclude "/fragment"}},{{httpInclude "/fragment"}}]`,
		"nested.html":      `{{httpInclude "/page.html"}}`,
		"session.html":     `{{httpInclude "/zoom_pkce/session"}}`,
		"public/page.html": `{{httpInclude "/fragment"}}`,
		"public/none.html": `nothing`,
	} {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(root, name), text)
	}
	return w.caddyfile(fmt.Sprintf("root * %q\nroute {\n%s\ntemplates\n@html path *.html\nfile_server @html\nreverse_proxy %s\n}",
		root, strings.Join(directives, "\n"), w.upstream.addr))
}

func (w *world) directive(matcher string, options ...string) string {
	return "zoom_pkce " + matcher + " {\n" + w.options() + strings.Join(options, "\n") + "\n}"
}

// What a page includes, the same visitor asks for: the app behind gets what it
// would get by itself, and nobody is sent to Zoom on the way.
func TestIncludeIsTheVisitors(t *testing.T) {
	obf := "obf {\nmeeting_id {http.request.uri.query.meeting}\n}"
	for name, test := range map[string]struct {
		directives func(w *world) []string
		target     string
		ask        func(b *browser, target string) answer
	}{
		"page load":         {func(w *world) []string { return []string{w.directive("", obf)} }, "/page.html", nil},
		"of a script":       {func(w *world) []string { return []string{w.directive("", obf)} }, "/page.html", (*browser).scripted},
		"nested":            {func(w *world) []string { return []string{w.directive("", obf)} }, "/nested.html", nil},
		"of a public page":  {func(w *world) []string { return []string{w.directive("/fragment", obf)} }, "/public/page.html", nil},
		"second directive":  {func(w *world) []string { return []string{w.directive("/nothing"), w.directive("/fragment", obf)} }, "/page.html", nil},
		"two directives":    {func(w *world) []string { return []string{w.directive(""), w.directive("/fragment", obf)} }, "/nested.html", nil},
		"allowed":           {func(w *world) []string { return []string{w.directive("", "allow {\nuser_id user-ada\n}", obf)} }, "/page.html", nil},
		"fresh for each":    {func(w *world) []string { return []string{w.directive("", "zak {\nmax_age 0\n}", obf)} }, "/page.html", nil},
		"templates outside": {func(w *world) []string { return []string{"templates", w.directive("", obf)} }, "/page.html", nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.load(w.withTemplates(t, test.directives(w)...))
			b := w.browser()
			b.signIn("/fragment", "user-ada")
			direct := b.open("/fragment").received(t).Header
			begun := w.zoom.Count(zoomtest.CallCode)
			ask := test.ask
			if ask == nil {
				ask = func(b *browser, target string) answer { return b.open(target, "X-Zoom-User-Id", "user-mallory") }
			}
			a := ask(b, test.target)
			if a.StatusCode != http.StatusOK || len(a.Cookies()) > 0 {
				t.Fatalf("got %d, cookies %v\n%s", a.StatusCode, a.Cookies(), a.body)
			}
			got := a.received(t).Header
			for _, name := range []string{"X-Zoom-User-Id", "X-Zoom-Account-Id", "X-Zoom-User-Email", "X-Zoom-User-Name", "X-Zoom-Access-Token"} {
				if got.Get(name) == "" && name != "X-Zoom-Access-Token" || fmt.Sprint(got[name]) != fmt.Sprint(direct[name]) {
					t.Errorf("%s: %q, without an include %q", name, got[name], direct[name])
				}
			}
			if got.Get("X-Zoom-Zak") == "" {
				t.Errorf("no ZAK: %v", got)
			}
			if strings.Contains(got.Get("Cookie"), "zoom_pkce") || got.Get("Sec-Fetch-Mode") == "navigate" {
				t.Errorf("the app sees %v", got)
			}
			if n := w.zoom.Count(zoomtest.CallCode); n != begun {
				t.Errorf("%d more sign-ins", n-begun)
			}
		})
	}
}

func (b *browser) scripted(target string) answer { return b.fetch(http.MethodGet, target) }

// Endpoints are part of the site, too.
func TestIncludeOfAnEndpoint(t *testing.T) {
	w := newWorld(t)
	w.load(w.withTemplates(t, w.directive("")))
	b := w.browser()
	b.signIn("/fragment", "user-ada")
	if a := b.open("/session.html"); !strings.Contains(a.body, `"id":"user-ada"`) {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
}

// An include of somebody signed out starts no sign-in, which nobody could finish.
func TestIncludeOfNobody(t *testing.T) {
	for name, test := range map[string]struct {
		directives func(w *world) []string
		status     int
	}{
		"protected":         {func(w *world) []string { return []string{w.directive("/fragment")} }, http.StatusInternalServerError},
		"templates outside": {func(w *world) []string { return []string{"templates", w.directive("/fragment")} }, http.StatusInternalServerError},
		"with a page":       {func(w *world) []string { return []string{w.directive("/fragment", "unauthenticated page")} }, http.StatusInternalServerError},
		"passed on":         {func(w *world) []string { return []string{w.directive("/fragment", "unauthenticated pass")} }, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.load(w.withTemplates(t, test.directives(w)...))
			a := w.browser().open("/public/page.html", "X-Zoom-User-Id", "user-mallory")
			if a.StatusCode != test.status || len(a.Cookies()) > 0 {
				t.Errorf("got %d, cookies %v\n%s", a.StatusCode, a.Cookies(), a.body)
			}
			if a.StatusCode == http.StatusOK && a.received(t).Header.Get("X-Zoom-User-Id") != "" {
				t.Errorf("somebody is signed in: %s", a.body)
			}
			if status := w.includeStatus(); status != http.StatusUnauthorized && test.status != http.StatusOK {
				t.Errorf("the include was answered with %d", status)
			}
		})
	}
}

// includeStatus is how the last include was answered, as the access log says, where
// includes have no address.
func (w *world) includeStatus() (status int) {
	for line := range strings.Lines(w.logged()) {
		var entry struct {
			Msg     string
			Status  int
			Request struct{ URI string }
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "handled request" && entry.Request.URI == "" {
			status = entry.Status
		}
	}
	return status
}

// The app gets the key and may show it. It opens nothing: neither for the visitor,
// once the page is there, nor for others.
func TestShownKeyOpensNothing(t *testing.T) {
	w := newWorld(t)
	w.load(w.withTemplates(t, w.directive("")))
	b := w.browser()
	b.signIn("/fragment", "user-ada")
	first := b.open("/fragment").received(t).Header.Get(include.Header)
	if second := b.open("/fragment").received(t).Header.Get(include.Header); first == "" || first == second {
		t.Fatalf("keys %q and %q", first, second)
	}
	held := make(chan string, 1)
	w.upstream.serveWith(func(_ http.ResponseWriter, r *http.Request) {
		held <- r.Header.Get(include.Header)
		<-r.Context().Done()
	})
	ctx, leave := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if resp, err := b.client.Do(b.request(http.MethodGet, "/slow", navigate...).WithContext(ctx)); err == nil {
			resp.Body.Close()
		}
	})
	key := <-held
	for _, name := range []string{include.Header, "x-zoom-pkce_include", "X_Zoom_Pkce_Include"} {
		for _, value := range []string{key, first} {
			for _, target := range []string{"/fragment", "/page.html"} {
				if a := w.browser().fetch(http.MethodGet, target, name, value, "Caddy-Templates-Include", "1"); a.StatusCode != http.StatusUnauthorized {
					t.Errorf("%s: %s got %d %s", name, target, a.StatusCode, a.body)
				}
			}
		}
	}
	leave()
	waiting.Wait()
}

// Without templates there are no includes, and apps get no key.
func TestNoKeyWithoutTemplates(t *testing.T) {
	w := newWorld(t)
	for name, site := range map[string]string{
		"none":         "",
		"in an error":  "handle_errors {\ntemplates\nrespond no\n}",
		"in an answer": "reverse_proxy /elsewhere " + w.upstream.addr + " {\n@bad status 500\nhandle_response @bad {\ntemplates\n}\n}",
	} {
		w.load(w.caddyfile(w.directive("") + "\n" + site + "\nreverse_proxy " + w.upstream.addr))
		b := w.signedIn("user-ada")
		got := b.open("/", include.Header, "mine").received(t).Header
		if key := got.Get(include.Header); key == "mine" || (key != "") != (site != "") {
			t.Errorf("templates %s: the key is %q", name, key)
		}
	}
}

// Pages of many visitors at a time include each their own.
func TestIncludesOfManyVisitors(t *testing.T) {
	w := newWorld(t)
	w.load(w.withTemplates(t, w.directive("")))
	var wg sync.WaitGroup
	for _, user := range []string{"user-ada", "user-bob"} {
		b := w.browser()
		b.signIn("/fragment", user)
		for range 4 {
			wg.Go(func() {
				for range 10 {
					var got []received
					a := b.open("/twice.html")
					if err := json.Unmarshal([]byte(a.body), &got); err != nil || len(got) != 2 {
						t.Errorf("got %d %s", a.StatusCode, a.body)
						return
					}
					for _, r := range got {
						if id := r.Header.Get("X-Zoom-User-Id"); id != user {
							t.Errorf("%s got the fragment of %q", user, id)
						}
					}
				}
			})
		}
	}
	wg.Wait()
}

// The access log of an include shows all that the page's request had been given.
func TestIncludesDoNotShowInLogs(t *testing.T) {
	w := newWorld(t)
	site := w.withTemplates(t, w.directive(""))
	for _, format := range []string{"json", "zoom_pkce"} {
		if err := os.WriteFile(w.logs, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		w.load(strings.Replace(formatted(site, format), "level WARN", "level INFO", 1))
		b := w.signedIn("user-ada")
		got := b.open("/page.html").received(t).Header
		logs, err := os.ReadFile(w.logs)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"X-Zoom-Access-Token", "X-Zoom-Zak"} {
			if shown := strings.Contains(string(logs), got.Get(name)); shown != (format == "json") || got.Get(name) == "" {
				t.Errorf("format %s shows %s: %t", format, name, shown)
			}
		}
		key := `"` + include.Header + `":["`
		if !strings.Contains(string(logs), key) || strings.Contains(string(logs), key+"REDACTED") != (format == "zoom_pkce") {
			t.Errorf("format %s and the key:\n%s", format, logs)
		}
	}
}
