package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// kinds are requests as browsers and programs send them, with what a visitor
// without a session gets in each mode of `unauthenticated`.
var kinds = []struct {
	name                   string
	method                 string
	header                 []string
	redirect, page, reject string // "zoom", "page", "framed", "form", "framed form" or "problem"
}{
	{"page load", "GET", navigate, "zoom", "page", "page"},
	{"page load from another site", "GET", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "cross-site"}, "zoom", "page", "page"},
	{"page load without fetch metadata", "GET", []string{"Accept", "text/html,*/*;q=0.8"}, "zoom", "page", "page"},
	{"service worker's own navigation", "GET", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Service-Worker-Navigation-Preload", "true"}, "zoom", "page", "page"},
	{"frame", "GET", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe", "Accept", "text/html"}, "framed", "framed", "framed"},
	{"old frame element", "GET", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "frame", "Accept", "text/html"}, "framed", "framed", "framed"},
	{"fetch", "GET", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Accept", "*/*"}, "problem", "problem", "problem"},
	{"fetch that accepts html", "GET", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Accept", "text/html"}, "problem", "problem", "problem"},
	{"image", "GET", []string{"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, "problem", "problem", "problem"},
	{"service worker script", "GET", []string{"Sec-Fetch-Mode", "same-origin", "Sec-Fetch-Dest", "serviceworker", "Service-Worker", "script"}, "problem", "problem", "problem"},
	{"server-sent events", "GET", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Accept", "text/event-stream"}, "problem", "problem", "problem"},
	{"prefetch", "GET", append([]string{"Sec-Purpose", "prefetch"}, navigate...), "problem", "problem", "problem"},
	{"prerender", "GET", append([]string{"Sec-Purpose", "prefetch;prerender"}, navigate...), "problem", "problem", "problem"},
	{"prefetch of an older browser", "GET", append([]string{"Purpose", "prefetch"}, navigate...), "problem", "problem", "problem"},
	{"XMLHttpRequest of an old browser", "GET", []string{"Accept", "text/html", "X-Requested-With", "XMLHttpRequest"}, "problem", "problem", "problem"},
	{"curl", "GET", []string{"Accept", "*/*"}, "problem", "problem", "problem"},
	{"WebSocket handshake", "GET", append([]string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}, navigate...), "problem", "problem", "problem"},
	{"HEAD", "HEAD", navigate, "problem", "problem", "problem"},
	{"page load through a service worker", "GET", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "empty", "Accept", "text/html,*/*;q=0.8"}, "zoom", "page", "page"},
	{"page load in a web view of Android", "GET", []string{"Accept", "text/html,*/*;q=0.8", "X-Requested-With", "com.example.app"}, "zoom", "page", "page"},
	{"form post", "POST", navigate, "form", "form", "form"},
	{"form post of an old browser", "POST", []string{"Accept", "text/html,*/*;q=0.8"}, "form", "form", "form"},
	{"form post through a service worker", "POST", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "empty", "Accept", "text/html"}, "form", "form", "form"},
	{"form post in a frame", "POST", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe", "Accept", "text/html"}, "framed form", "framed form", "framed form"},
	{"post of a script", "POST", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Accept", "text/html"}, "problem", "problem", "problem"},
	{"DELETE", "DELETE", navigate, "problem", "problem", "problem"},
	{"preflight", "OPTIONS", []string{"Origin", "https://other.example", "Access-Control-Request-Method", "POST", "Sec-Fetch-Mode", "cors"}, "problem", "problem", "problem"},
	{"bearer token of somebody", "GET", []string{"Authorization", "Bearer anything", "Accept", "application/json"}, "problem", "problem", "problem"},
}

func TestUnauthenticated(t *testing.T) {
	for _, mode := range []string{"redirect", "page", "reject", "pass"} {
		t.Run(mode, func(t *testing.T) {
			w := newWorld(t)
			w.load(w.site("unauthenticated " + mode))
			for _, k := range kinds {
				t.Run(k.name, func(t *testing.T) {
					before := w.upstream.requests.Load()
					b := w.browser()
					b.w = &world{t: t, zoom: w.zoom, url: w.url}
					a := b.do(b.request(k.method, "/deep/page?x=1&token=anything", k.header...))
					reached := w.upstream.requests.Load() - before
					if mode == "pass" {
						checkPassed(t, k.method, a, reached)
						return
					}
					if reached != 0 {
						t.Fatal("the upstream saw a request of a visitor who is signed out")
					}
					if got := a.Header.Get("Cache-Control"); got != "no-store" {
						t.Errorf("Cache-Control: %q", got)
					}
					want := map[string]string{"redirect": k.redirect, "page": k.page, "reject": k.reject}[mode]
					checkSignedOut(t, w, want, k.method, a)
				})
			}
		})
	}
}

func checkPassed(t *testing.T, method string, a answer, reached int64) {
	t.Helper()
	if reached != 1 || a.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %d requests upstream", a.StatusCode, reached)
	}
	if method == "HEAD" {
		return
	}
	for name := range a.received(t).Header {
		if strings.HasPrefix(name, "X-Zoom-") {
			t.Errorf("the upstream got %s", name)
		}
	}
}

func checkSignedOut(t *testing.T, w *world, want, method string, a answer) {
	t.Helper()
	if want == "zoom" {
		if location := a.Header.Get("Location"); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(location, w.zoom.URL+"/oauth/authorize?") {
			t.Fatalf("got %d to %q", a.StatusCode, location)
		}
		if cookies := a.Header.Values("Set-Cookie"); len(cookies) != 1 {
			t.Errorf("cookies: %q", cookies)
		}
		return
	}
	if a.StatusCode != http.StatusUnauthorized || a.Header.Get("Location") != "" {
		t.Fatalf("got %d to %q, want 401", a.StatusCode, a.Header.Get("Location"))
	}
	if cookies := a.Header.Values("Set-Cookie"); len(cookies) != 0 {
		t.Errorf("cookies: %q", cookies)
	}
	const login = "/zoom_pkce/login?return_to=/deep/page%3Fx%3D1%26token%3Danything"
	framable := !strings.Contains(a.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
	switch {
	case want == "problem" && method == "HEAD":
	case want == "problem":
		if p := a.problem(t); p.Code != "sign_in_required" || p.LoginURL != login || p.Status != 401 || p.RequestID == "" {
			t.Errorf("problem: %+v", p)
		}
	case !strings.Contains(a.Header.Get("Content-Type"), "text/html") || strings.Contains(a.body, "sign_in_required"):
		t.Errorf("not a page, or one that asks to quote something:\n%s", a.body)
	case framable != strings.HasPrefix(want, "framed"):
		t.Errorf("framed: %v, policy %q", want, a.Header.Get("Content-Security-Policy"))
	case strings.HasSuffix(want, "form"):
		if !strings.Contains(a.body, "not saved") || !strings.Contains(a.body, `href="/zoom_pkce/login" target="_blank"`) {
			t.Errorf("not the page for a form:\n%s", a.body)
		}
	case !strings.Contains(a.body, `href="`+login+`"`):
		t.Errorf("no sign-in button:\n%s", a.body)
	case want == "framed" && !strings.Contains(a.body, `target="_blank"`):
		t.Error("the button does not open a window of its own")
	}
}

// A visitor who is signed in does not get through `pass` when not allowed, or
// when it cannot be told who they are.
func TestPassIsForVisitorsWithoutASession(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("unauthenticated pass"))
	b := w.browser()
	callback := b.consent(b.open("/zoom_pkce/login"), "user-ada")
	b.open(callback)
	if got := b.open("/").received(t).Header.Get("X-Zoom-User-Id"); got != "user-ada" {
		t.Fatalf("signed in as %q", got)
	}
	w.load(w.site("unauthenticated pass", "allow {\nuser_id user-bob\n}"))
	if a := b.open("/"); a.StatusCode != http.StatusForbidden {
		t.Errorf("not allowed: got %d", a.StatusCode)
	}
	if a := w.browser().open("/"); a.StatusCode != http.StatusOK {
		t.Errorf("a visitor without a session: got %d", a.StatusCode)
	}
}

func TestSignedOutPostIsNotRead(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	c := w.dial()
	c.send("POST /upload HTTP/1.1\r\nHost: %s\r\nExpect: 100-continue\r\nContent-Length: 1000000000\r\n\r\n", w.addr)
	if status := c.status(); status != http.StatusUnauthorized {
		t.Errorf("got %d; a body nobody will use was asked for", status)
	}
}

// No spelling of a protected path is open that a server behind Caddy may take
// for it.
func TestSpellingsOfProtectedPaths(t *testing.T) {
	w := newWorld(t)
	w.load(w.caddyfile("@admin path /admin /admin/*\nzoom_pkce @admin {\n" + w.options() + "}\nreverse_proxy " + w.upstream.addr))
	for _, target := range []string{
		"/admin", "/admin/x", "/ADMIN/x", "/%61dmin/x", "//admin/x", "/admin//x", "/./admin/x", "/x/../admin/x", "/public/../admin/x",
		"/admin?/public", "/admin?x=/public", "/x%2f..%2fadmin/x", "/admin/%2e%2e/admin/x", "/admin/..%2fadmin/x",
	} {
		c := w.dial()
		c.send("GET %s HTTP/1.1\r\nHost: %s\r\nX-Forwarded-Uri: /public\r\nX-Original-URL: /public\r\nX-Rewrite-URL: /public\r\nConnection: close\r\n\r\n", target, w.addr)
		if status := c.status(); status != http.StatusUnauthorized {
			t.Errorf("%s: got %d", target, status)
		}
	}
	if n := w.upstream.requests.Load(); n != 0 {
		t.Errorf("%d requests reached the upstream", n)
	}
}

func TestPagesRepeatNothingAsMarkup(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("unauthenticated page"))
	for _, target := range []string{
		"/admin%22%3E%3Cscript%3Ealert(1)%3C/script%3E/x", "/x?%22%3E%3Cscript%3Ealert(1)%3C/script%3E", `/x?"><script>alert(1)</script>`,
	} {
		c := w.dial()
		c.send("GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/html\r\nReferer: javascript:alert(1)//\r\nConnection: close\r\n\r\n", target, w.addr)
		resp := c.response()
		if body := readAll(t, resp); resp.StatusCode != http.StatusUnauthorized || strings.Contains(body, "<script") || strings.Contains(body, "javascript:") {
			t.Errorf("%s: %d\n%s", target, resp.StatusCode, body)
		}
	}
}
