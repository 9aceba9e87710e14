package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// protectedSpellings are spellings under which a server behind Caddy serves what is
// protected: servlet containers, IIS, whatever decodes twice, routes before it
// resolves dots, or takes a path for a URL.
var protectedSpellings = []string{
	"/public/..;/app/secret", "/public/%2e%2e;/app/secret", "/public/..%3b/app/secret", "/public/..%3Bx/app/secret",
	`/public/..\app/secret`, "/public/..%5capp/secret", "/public%5C..%5Capp%5Csecret", "/app;x=1/secret", "/;/app/secret", "/app%3Bx/secret",
	`/public/..;\app/secret`, "/app;%2f..%2f..%2fpublic/x", "/public/x/..;/..;/app/secret",
	"/public/%252e%252e/app/secret", "/public/..%253b/app/secret", "/public/..%255capp/secret",
	"/app/../public/x", "/app/%2e%2e/public/x", "/app/..%2fpublic/x", "/app/..;/public/x",
	"//public/app/secret", `/\public/app/secret`,
	"/app/x%2f..%2f..%2fpublic/x", "/public/../app/secret", "/public/.%2e/app/secret", "//app/secret", "/./app/secret", "/app%2fsecret", "/%61pp/secret",
}

func TestNoReadingOfAProtectedPathIsOpen(t *testing.T) {
	for _, matcher := range []string{
		"@app path /app/*",
		"@app not path /public/*",
		"@app path_regexp ^/app/",
		"@app not path_regexp ^/public/",
		`@app expression path("/app/*")`,
		`@app expression !path("/public/*")`,
		`@app expression "{path}.startsWith('/app/')"`,
		`@app expression "!{path}.startsWith('/public/')"`,
		"@app vars_regexp {path} ^/app/",
		"@app vars_regexp {http.request.orig_uri.path} ^/app/",
	} {
		w := newWorld(t)
		w.load(w.caddyfile(fmt.Sprintf("%s\nzoom_pkce @app {\n%s}\nreverse_proxy %s\n", matcher, w.options(), w.upstream.addr)))
		for _, target := range protectedSpellings {
			if status := w.raw(t, "GET "+target); status != http.StatusUnauthorized {
				t.Errorf("%s: %s: got %d", matcher, target, status)
			}
		}
		// What is open in every reading stays open.
		for _, target := range []string{"/public/x", "/public/x;v=1/y", "/public/a%5cb", "/public/a%2fb", "/public/50%25%20off", "/public/a;b?c=/app/;d"} {
			if status := w.raw(t, "GET "+target); status != http.StatusOK {
				t.Errorf("%s: %s: got %d, want 200", matcher, target, status)
			}
		}
	}
}

// Where all but some paths is protected, a server that routes by the path as it came
// must not take for another what Caddy takes for one of them.
func TestSpellingsOfOpenPaths(t *testing.T) {
	w := newWorld(t)
	w.load(w.caddyfile(fmt.Sprintf("@app not path /public/*\nzoom_pkce @app {\n%s}\nreverse_proxy %s\n", w.options(), w.upstream.addr)))
	for _, target := range []string{
		"/public%2fx", "/p%75blic/x", "/./public/x", "/%2e/public/x", "//public/public/x", "/x/../public/y", "/x%2f..%2fpublic/y", "/;/public/../x",
	} {
		if status := w.raw(t, "GET "+target); status != http.StatusUnauthorized {
			t.Errorf("%s: got %d", target, status)
		}
	}
	for _, target := range []string{"/public/a%2fb", "/public/%61", "/public/a%2ejs", "/public//x", "/public/(a)/'b'", "/public/%c3%a4"} {
		if status := w.raw(t, "GET "+target); status != http.StatusOK {
			t.Errorf("%s: got %d, want 200", target, status)
		}
	}
}

// Both the path as it was sent and as the site has rewritten it are read so.
func TestReadingsOfRewrittenPaths(t *testing.T) {
	w := newWorld(t)
	for directives, targets := range map[string][]string{
		"rewrite /moved /app;v/secret":                          {"/moved"},
		"rewrite * /index.php":                                  {"/app;x/secret", `/x/..\app/secret`},
		"uri strip_prefix /site":                                {"/site/app;x/secret", "/app;x/secret"},
		"uri path_regexp ^/old/ /app;/":                         {"/old/x"},
		"@app2 path_regexp tail ^/t(.*)\nrewrite @app2 {re.1}":  {"/t/app%3bx/secret", "/t/..;/app/secret"},
		"method POST":                                           {"/app;x/secret"},
		"@any header X-Any *\nrewrite @any /x":                  {"/app;x/secret"},
		"rewrite * {http.request.orig_uri.path.dir}app%3b/deep": {"/x"},
	} {
		w.load(w.caddyfile(fmt.Sprintf("%s\nzoom_pkce /app/* {\n%s}\nreverse_proxy %s\n", directives, w.options(), w.upstream.addr)))
		for _, target := range targets {
			if status := w.raw(t, "GET "+target); status != http.StatusUnauthorized {
				t.Errorf("%s: %s: got %d", directives, target, status)
			}
		}
	}
}

// A reading decides about the sign-in alone: the app gets the target as it came.
func TestAppGetsTheTargetAsItCame(t *testing.T) {
	w := newWorld(t)
	w.load(w.caddyfile(fmt.Sprintf("zoom_pkce /app/* {\n%s}\nreverse_proxy %s\n", w.options(), w.upstream.addr)))
	b := w.browser()
	b.signIn("/app/", "user-ada")
	for _, target := range []string{"/app;x=1/secret?y=%3b", "/public/..;/app/secret", "/app/..%2fpublic"} {
		if got := b.open(target).received(t); got.URI != target || got.Header.Get("X-Zoom-User-Id") != "user-ada" {
			t.Errorf("%s came as %s of %q", target, got.URI, got.Header.Get("X-Zoom-User-Id"))
		}
	}
}

// A folder in a folder is protected from servers that resolve dots before they merge
// slashes, as RFC 3986 does.
func TestDotsBehindEmptySegments(t *testing.T) {
	w := newWorld(t)
	w.load(w.caddyfile(fmt.Sprintf("zoom_pkce /site/app/* {\n%s}\nreverse_proxy %s\n", w.options(), w.upstream.addr)))
	for _, target := range []string{"/site//../app/x", "/site/;/../app/x", "/site/%2f../app/x", `/site/\..\app/x`, "/site///../../app/x"} {
		if status := w.raw(t, "GET "+target); status != http.StatusUnauthorized {
			t.Errorf("%s: got %d", target, status)
		}
	}
}

// A long path that could be read in several ways is protected, and not read: that
// would be a stranger's way to keep the processors busy.
func TestLongAmbiguousPath(t *testing.T) {
	w := newWorld(t)
	w.load(w.caddyfile(fmt.Sprintf("zoom_pkce /app/* {\n%s}\nreverse_proxy %s\n", w.options(), w.upstream.addr)))
	for target, want := range map[string]int{
		"/" + strings.Repeat("a/", 2_000):  http.StatusOK,
		"/" + strings.Repeat("a;/", 500):   http.StatusOK,
		"/" + strings.Repeat("a;/", 2_000): http.StatusUnauthorized,
	} {
		if status := w.raw(t, "GET "+target); status != want {
			t.Errorf("%.10s, %d bytes: got %d, want %d", target, len(target), status, want)
		}
	}
}
