package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// hostileTargets were open redirects somewhere: in oauth2-proxy, mod_auth_openidc,
// Pomerium, caddy-security and others.
var hostileTargets = []string{
	"//evil.example", "///evil.example", "////evil.example", `/\evil.example`, `\\evil.example`, `/\/evil.example`, `\/\/evil.example`,
	"/\t/evil.example", "/\n/evil.example", "/\r/evil.example", "/\v/evil.example", "/\t\t/\t/evil.example", "/ /evil.example",
	`/./\evil.example`, `/./../../\evil.example`, "/..//evil.example", "/x/..//evil.example", "/.//evil.example", "/%2e%2e//evil.example",
	"/%2f%2fevil.example", "/%2fevil.example", "/%5cevil.example", "/%09/evil.example", "/%0d%0aLocation:%20https://evil.example", "/%252f%252fevil.example",
	"https:evil.example", "https:/evil.example", "http:///evil.example", "//evil.example@good.example", "//good.example@evil.example",
	"https://good.example.evil.example", "https://evil.example/x", "http://evil.example/x?y=1", "javascript:alert(1)", "javascript://good.example/%0Aalert(1)",
	"data:text/html,x", "vbscript:x", "/<>//evil.example", "/x:1/:///%01javascript:alert(1)", "http:0xd8.0x3a.0xd6.0xce",
	"/\u3035/evil.example", "\uff0f\uff0fevil.example", "/\uff3cevil.example", "\x00//evil.example", "  //evil.example", "//evil.example.", "*", "?x", "#x", "",
}

// staysHere reports whether a browser that is redirected to location stays on
// the site: it drops tabs and line breaks, takes a backslash for a slash, and
// resolves dot segments (https://url.spec.whatwg.org/).
func staysHere(t *testing.T, location string) bool {
	t.Helper()
	seen := strings.Map(func(r rune) rune {
		switch r {
		case '\t', '\r', '\n':
			return -1
		case '\\':
			return '/'
		}
		return r
	}, location)
	if !strings.HasPrefix(seen, "/") || strings.HasPrefix(seen, "//") {
		return false
	}
	base, err := url.Parse("https://good.example/zoom_pkce/callback")
	if err != nil {
		t.Fatal(err)
	}
	u, err := base.Parse(seen)
	return err == nil && u.Host == "good.example" && u.Scheme == "https"
}

func TestReturnURLsCannotLeaveTheSite(t *testing.T) {
	w := newWorld(t)
	_, port, _ := strings.Cut(w.addr, ":")
	w.load(w.caddyfileAt("http://:"+port, "zoom_pkce {\n"+w.options()+"}\nrespond ok"))
	finish := func(what string, b *browser, a answer) string {
		t.Helper()
		if a.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: got %d", what, a.StatusCode)
			return "/"
		}
		back := b.open(b.consent(a, "user-ada"))
		location := back.Header.Get("Location")
		if back.StatusCode != http.StatusSeeOther || !staysHere(t, location) || len(location) > 1024 {
			t.Errorf("%s: %d to %q", what, back.StatusCode, location)
		}
		return location
	}
	for _, target := range hostileTargets {
		for _, wish := range []string{url.QueryEscape(target), url.QueryEscape(url.QueryEscape(target))} {
			b := w.browser()
			finish("return_to "+wish, b, b.open("/zoom_pkce/login?return_to="+wish))
		}
		if target == "" || strings.ContainsAny(target, " \t\r\n\v\x00") {
			continue // no request line holds these
		}
		c := w.dial()
		c.send("GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/html\r\nConnection: close\r\n\r\n", target, w.addr)
		resp := c.response()
		if resp.StatusCode == http.StatusBadRequest || resp.StatusCode == http.StatusNotFound {
			continue // Caddy takes it for no request
		}
		b := w.browser()
		if !strings.HasPrefix(resp.Header.Get("Location"), w.zoom.URL) {
			// An absolute target names a host, and ours is not that.
			if want := w.url + "/"; !strings.HasPrefix(resp.Header.Get("Location"), want) {
				t.Errorf("%q: %d to %q", target, resp.StatusCode, resp.Header.Get("Location"))
			}
			continue
		}
		b.jar.SetCookies(b.request("GET", "/").URL, resp.Cookies())
		finish("request for "+target, b, answer{resp, ""})
	}
}

func TestReturnURLsAreKeptByteForByte(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	long := strings.Repeat("x", 990)
	for _, tt := range []struct{ target, want string }{
		{"/", "/"},
		{"/?next=https%3A%2F%2Fx%2F%3Fa%3D1%26b%3D2", ""},
		{"/a%2Fb/%7Ec/d%20e/%C3%A9?q=%C3%A9+%20&&=;%zz", ""},
		{"/a//b/c//", ""},
		{"/a/./b/../c", ""},
		{"/a;p=1/b,c/@x:y/$&'()*+=!|", ""},
		{"/q?", ""},
		{"/q?a=1?b=2", ""},
		{"/admin?/public", ""},
		{"/foo/secret%23/bar", ""},
		{"/" + long, ""},
		{"/" + long + "?" + long, "/" + long},
		{"/" + long + long, "/"},
	} {
		c := w.dial()
		c.send("GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/html\r\nConnection: close\r\n\r\n", tt.target, w.addr)
		resp := c.response()
		if tt.want == "" {
			tt.want = tt.target
		}
		b := w.browser()
		b.jar.SetCookies(b.request("GET", "/").URL, resp.Cookies())
		wantRedirect(t, b.open(b.consent(answer{resp, ""}, "user-ada")), tt.want)
	}
}

// Our own endpoints are nobody's destination: that would go round for ever.
func TestEndpointsAreNoReturnURLs(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	for _, wish := range []string{"/zoom_pkce/callback?code=1&state=2", "/zoom_pkce/login", "/zoom_pkce/logout", "/zoom_pkce/"} {
		b := w.browser()
		wantRedirect(t, b.open(b.consent(b.open("/zoom_pkce/login?return_to="+url.QueryEscape(wish)), "user-ada")), "/")
	}
}

func TestKeepFragment(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("keep_fragment on"))
	b := w.browser()
	hop := b.open("/app?x=1")
	const next = "/zoom_pkce/login?return_to=%2Fapp%3Fx%3D1"
	if hop.StatusCode != http.StatusOK || !strings.Contains(hop.body, `data-next="`+next+`"`) || len(hop.Cookies()) != 0 {
		t.Fatalf("got %d, %q\n%s", hop.StatusCode, hop.Cookies(), hop.body)
	}
	if policy := hop.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "script-src 'sha256-") || hop.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %q", hop.Header)
	}
	// What the script does with the fragment `#/deep/<link>%20&x?y`.
	for _, tt := range []struct{ fragment, want string }{
		{"", "/app?x=1"},
		{"#/deep/<link>%20&x?y", "/app?x=1#/deep/%3Clink%3E%20&x?y"},
		{"#//evil.example", "/app?x=1#//evil.example"},
		{"#a#b%2Fc|{d}", "/app?x=1#a#b%2Fc|{d}"},
		{"#100%\r\nX-Evil: 1", "/app?x=1#100%25%0D%0AX-Evil:%201"},
		{"#é", "/app?x=1#%C3%A9"},
		{"#" + strings.Repeat("f", 1100), "/app?x=1"},
	} {
		b := w.browser()
		wantRedirect(t, b.open(b.consent(b.open(next+url.QueryEscape(tt.fragment)), "user-ada")), tt.want)
	}
	if a := b.fetch("GET", "/api"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a fetch: got %d", a.StatusCode)
	}
	w.load(w.site())
	wantRedirect(t, b.open(b.consent(b.open(next+"%23x"), "user-ada")), "/app?x=1")
}

// In an app of one page every path is rewritten to that page, the callback and
// the endpoints too; what the visitor asked for decides.
func TestSinglePageApp(t *testing.T) {
	w := newWorld(t)
	root := t.TempDir()
	writeFile(t, root+"/index.html", "the app {{.OriginalReq.URL}}")
	writeFile(t, root+"/style.css", "css")
	w.load(w.caddyfile("root " + root + "\ntry_files {path} /index.html\nzoom_pkce /app/* {\n" + w.options() + "}\nfile_server\n"))
	b := w.browser()
	if a := b.open("/public"); a.StatusCode != http.StatusOK || !strings.HasPrefix(a.body, "the app") {
		t.Errorf("an open route: %d %q", a.StatusCode, a.body)
	}
	if a := b.signIn("/app/deep/route?x=1", "user-ada"); a.StatusCode != http.StatusOK || a.Request.URL.RequestURI() != "/app/deep/route?x=1" {
		t.Errorf("got %d at %s", a.StatusCode, a.Request.URL)
	}
	if a := b.fetch("GET", "/zoom_pkce/session"); a.StatusCode != http.StatusOK || !strings.Contains(a.body, `"id":"user-ada"`) {
		t.Errorf("session: %d %s", a.StatusCode, a.body)
	}
	if a := w.browser().fetch("GET", "/app/deep/route"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a protected route signed out: %d", a.StatusCode)
	}
}

// A rewrite neither opens what is protected nor hides our endpoints.
func TestRewrites(t *testing.T) {
	w := newWorld(t)
	w.load(w.caddyfile("@p path /prefix/private/* /inner/*\nhandle_path /prefix/* {\nzoom_pkce @p {\n" + w.options() +
		"path_prefix /prefix/zoom\n}\nreverse_proxy " + w.upstream.addr + "\n}\nrespond 404\n"))
	b := w.browser()
	for path, want := range map[string]int{
		"/prefix/open":         http.StatusOK,
		"/prefix/private/x":    http.StatusUnauthorized, // as sent
		"/prefix/inner/x":      http.StatusUnauthorized, // as rewritten
		"/prefix/zoom/session": http.StatusUnauthorized,
		"/prefix/zoom/x":       http.StatusNotFound,
		"/prefix/PRIVATE/x":    http.StatusUnauthorized, // Caddy's path matcher has no case
		"/prefix//private/x":   http.StatusUnauthorized, // and takes // for /
	} {
		if a := b.fetch("GET", path); a.StatusCode != want {
			t.Errorf("%s: got %d, want %d", path, a.StatusCode, want)
		}
	}
	a := b.open("/prefix/zoom/login?return_to=/prefix/private/x%3Fy")
	if !strings.HasPrefix(a.Header.Get("Location"), w.zoom.URL) {
		t.Errorf("login below handle_path: %d to %q", a.StatusCode, a.Header.Get("Location"))
	}
}

// What protects a page as it was sent protects it whatever a rewrite makes of it,
// also where the matcher reads placeholders, and whatever its method becomes.
func TestMatchersSeeWhatWasSent(t *testing.T) {
	for name, matcher := range map[string]string{
		"path":                    "path /admin/*",
		"path expression":         "expression path('/admin/*')",
		"path placeholder":        "expression {path}.startsWith('/admin/')",
		"uri placeholder":         "expression `{http.request.uri}.startsWith('/admin/')`",
		"vars":                    "vars {http.request.uri.path} /admin/x",
		"vars_regexp":             "vars_regexp {path} ^/admin/",
		"method":                  "method POST",
		"method expression":       "expression method('POST')",
		"query":                   "query secret=1",
		"path and query, negated": "not path /public",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.load(w.caddyfile("rewrite /admin/* /public?\nmethod GET\n@p " + matcher + "\nzoom_pkce @p {\n" + w.options() + "}\nreverse_proxy " + w.upstream.addr))
			b := w.browser()
			if a := b.fetch("POST", "/admin/x?secret=1"); a.StatusCode != http.StatusUnauthorized {
				t.Errorf("got %d, want 401", a.StatusCode)
			}
			// Who is let through gets the page that the rewrite chose.
			b.signIn("/zoom_pkce/login", "user-ada")
			a := b.fetch("POST", "/admin/x?secret=1")
			if got := a.received(t); got.Method != "GET" || got.URI != "/public" {
				t.Errorf("arrived as %s %s", got.Method, got.URI)
			}
		})
	}
}

// The directive "method" changes what the app sees, and nothing of what visitors
// may do.
func TestChangedMethods(t *testing.T) {
	w := newWorld(t)
	site := func(method string) string {
		return w.caddyfile("method " + method + "\nzoom_pkce {\n" + w.options() + "page_tokens on\n}\nreverse_proxy " + w.upstream.addr)
	}
	w.load(w.site())
	b := w.signedIn("user-ada")

	w.load(site("POST"))
	if a := b.open("/zoom_pkce/logout"); a.StatusCode != http.StatusOK || len(a.Cookies()) > 0 {
		t.Errorf("a link to the sign-out: %d, %q", a.StatusCode, a.Header["Set-Cookie"])
	}
	if a := b.open("/"); a.received(t).Method != "POST" {
		t.Error("still signed in, but the page is not asked for by POST")
	}

	w.load(site("GET"))
	if a := b.fetch("POST", "/zoom_pkce/zak"); a.StatusCode != http.StatusOK {
		t.Errorf("POST zak: %d", a.StatusCode)
	}
	nobody := w.browser()
	for _, method := range []string{"HEAD", "POST"} {
		r := nobody.request(method, "/", navigate...)
		if a := nobody.do(r); a.StatusCode != http.StatusUnauthorized || len(a.Cookies()) > 0 {
			t.Errorf("%s: %d, %q", method, a.StatusCode, a.Header["Set-Cookie"])
		}
	}

	w.load(strings.Replace(site("GET"), "page_tokens on", "cookie {\nsame_site none\n}", 1))
	foreign := b.request("POST", "/", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")
	if a := b.do(foreign); a.StatusCode != http.StatusForbidden {
		t.Errorf("a form of another site: %d", a.StatusCode)
	}
}
