package e2e

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// TestBrowser drives a real browser through a real Caddy and the simulated
// Zoom: what cookies, redirects and fetch metadata come to is for browsers to
// say, not for us.
func TestBrowser(t *testing.T) {
	c := startChromium(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *chromium)
	}{
		{"a sign-in ends on the page it began with", browserSignsIn},
		{"who declines is told so and may try again", browserDeclines},
		{"two tabs finished in reverse order each land on their page", browserTwoTabs},
		{"a fetch without session can send its page to sign in", browserFetch},
		{"a sign-out does not start a sign-in", browserSignsOut},
		{"a WebSocket carries the identity after sign-in only", browserWebSocket},
		{"https has __Host- cookies", browserHTTPS},
		{"another name of the host leads to the host of the redirect URI", browserForeignHost},
		{"the fragment survives with keep_fragment", browserKeepsFragment},
		{"a sign-in works behind try_files", browserTryFiles},
		{"a page load through a service worker signs in", browserServiceWorker},
		{"a form that comes too late is not lost", browserLateForm},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, c) })
	}
}

func browserSignsIn(t *testing.T, c *chromium) {
	w := newWorld(t)
	w.upstream.pages("")
	w.load(w.site())
	b := c.person(t).tab()
	b.open(w.url + "/some/page?x=1&y=%2F")
	if got := b.location(); !strings.HasPrefix(got, w.zoom.URL+"/oauth/authorize?") {
		t.Fatalf("the browser is at %s, want Zoom", got)
	}
	b.allow("user-bob", "#app")
	b.wantLocation(w.url + "/some/page?x=1&y=%2F")
	if got := b.text("#app"); got != "/some/page?x=1&y=%2F for user-bob" {
		t.Errorf("the page says %q", got)
	}
	b.open(w.url + "/other")
	if got := b.text("#app"); got != "/other for user-bob" {
		t.Errorf("the next page says %q", got)
	}
	if n := w.zoom.Count(zoomtest.CallCode); n != 1 {
		t.Errorf("%d exchanges, want 1", n)
	}
}

func browserDeclines(t *testing.T, c *chromium) {
	w := newWorld(t)
	w.upstream.pages("")
	w.load(w.site())
	b := c.person(t).tab()
	b.open(w.url + "/page")
	b.click("button[value=decline]")
	b.wait(".mark")
	if got := b.text("h1"); got != "You are not signed in" {
		t.Errorf("the page says %q", got)
	}
	b.click(".ways a")
	b.allow("user-ada", "#app")
	b.wantLocation(w.url + "/page")
}

func browserTwoTabs(t *testing.T, c *chromium) {
	w := newWorld(t)
	w.upstream.pages("")
	w.load(w.site())
	p := c.person(t)
	first, second := p.tab(), p.tab()
	first.open(w.url + "/first")
	second.open(w.url + "/second")
	second.allow("user-ada", "#app")
	second.wantLocation(w.url + "/second")
	first.allow("user-ada", "#app")
	first.wantLocation(w.url + "/first")
	if n := w.zoom.Count(zoomtest.CallCode); n != 1 {
		t.Errorf("%d exchanges, want 1: the second code was not needed", n)
	}
}

func browserFetch(t *testing.T, c *chromium) {
	w := newWorld(t)
	w.upstream.pages(`
async function load() {
  const response = await fetch("/api/data");
  if (response.status !== 401) return out(response.status + " " + await response.text());
  const login = new URL((await response.json()).login_url, location.href);
  login.searchParams.set("return_to", location.pathname + location.search + location.hash);
  location.assign(login);
}
load();`)
	w.load(w.caddyfile(fmt.Sprintf("zoom_pkce /api/* {\n%s}\nreverse_proxy %s\n", w.options(), w.upstream.addr)))
	b := c.person(t).tab()
	b.open(w.url + "/spa?tab=2")
	b.allow("user-ada", "#out.done")
	b.wantLocation(w.url + "/spa?tab=2")
	if got := b.text("#out"); !strings.HasPrefix(got, "200 ") || !strings.Contains(got, "/api/data for user-ada") {
		t.Errorf("the fetch got %q", got)
	}
}

func browserSignsOut(t *testing.T, c *chromium) {
	w := newWorld(t)
	w.upstream.pages("")
	w.load(w.site())
	b := c.person(t).tab()
	b.open(w.url + "/page")
	b.allow("user-ada", "#app")
	b.open(w.url + "/zoom_pkce/logout")
	if got := b.text("dl"); !strings.Contains(got, "ada@example.com") {
		t.Errorf("the page does not say who is signed in: %q", got)
	}
	b.click("form button")
	b.wait(".ways a[href$='/login']")
	if got := b.text("h1"); got != "You are signed out" {
		t.Errorf("the page says %q", got)
	}
	if n := w.zoom.Count(zoomtest.CallRevoke); n != 1 {
		t.Errorf("%d tokens revoked, want 1", n)
	}
	b.open(w.url + "/page")
	b.wait(consentButton)
}

func browserWebSocket(t *testing.T, c *chromium) {
	w := newWorld(t)
	w.upstream.pages(`
const socket = new WebSocket("ws://" + location.host + "/api/socket");
socket.onopen = () => socket.send("hello");
socket.onmessage = (event) => out(event.data);
socket.onerror = () => out("refused");`)
	page := *w.upstream.handler.Load()
	w.upstream.serveWith(func(rw http.ResponseWriter, r *http.Request) {
		if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			echoWebSocket(t, rw, r)
			return
		}
		page(rw, r)
	})
	w.load(w.caddyfile(fmt.Sprintf("zoom_pkce /api/* {\n%s}\nreverse_proxy %s\n", w.options(), w.upstream.addr)))
	b := c.person(t).tab()
	b.open(w.url + "/page")
	b.wait("#out.done")
	if got := b.text("#out"); got != "refused" {
		t.Errorf("signed out, the socket said %q", got)
	}
	b.open(w.url + "/zoom_pkce/login?return_to=/page")
	b.allow("user-ada", "#out.done")
	if got := b.text("#out"); got != "hello from user-ada" {
		t.Errorf("signed in, the socket said %q", got)
	}
}

func browserHTTPS(t *testing.T, c *chromium) {
	w := newWorld(t)
	w.upstream.pages("")
	url := strings.Replace(w.url, "http://127.0.0.1", "https://localhost", 1)
	w.zoom.AddApp(zoomtest.App{ClientID: testClientID, ClientSecret: testClientSecret, RedirectURIs: []string{url + "/zoom_pkce/callback"}})
	w.load(fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https disable_redirects
	skip_install_trust
	storage file_system %q
	log {
		output file %q
	}
}
%s {
	bind 127.0.0.1
	tls internal
	route {
		respond /cookies "{http.request.header.Cookie}"
		zoom_pkce {
			client_id %s
			client_secret %s
			redirect_uri %s/zoom_pkce/callback
			oauth_url %s
		}
		reverse_proxy %s
	}
}
`, w.storage, w.logs, url, testClientID, testClientSecret, url, w.zoom.URL, w.upstream.addr))
	testkit.Eventually(t, "Caddy's certificate", 30*time.Second, func() bool {
		conn, err := tls.Dial("tcp", w.addr, &tls.Config{ServerName: "localhost", InsecureSkipVerify: true})
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	b := c.person(t).tab()
	b.open(url + "/page")
	b.allow("user-ada", "#app")
	b.wantLocation(url + "/page")
	b.open(url + "/cookies")
	for cookie := range strings.SplitSeq(b.text("body"), "; ") {
		if name, _, _ := strings.Cut(cookie, "="); !strings.HasPrefix(name, "__Host-zoom_pkce_") {
			t.Errorf("the browser keeps a cookie named %q", name)
		}
	}
}

func browserForeignHost(t *testing.T, c *chromium) {
	w := newWorld(t)
	w.upstream.pages("")
	site := w.site()
	w.load(strings.Replace(site, "http://127.0.0.1:", "http://:", 1))
	b := c.person(t).tab()
	b.open(strings.Replace(w.url, "127.0.0.1", "localhost", 1) + "/page?x=1")
	b.allow("user-ada", "#app")
	b.wantLocation(w.url + "/page?x=1")
}

func browserKeepsFragment(t *testing.T, c *chromium) {
	w := newWorld(t)
	w.upstream.pages("")
	w.load(w.site("keep_fragment on"))
	b := c.person(t).tab()
	b.open(w.url + "/page?x=1#/deep/link?a=b&c=%20d")
	b.allow("user-ada", "#app")
	b.wantLocation(w.url + "/page?x=1#/deep/link?a=b&c=%20d")

	// So do the pages with a button to sign in, and to try again.
	w.load(w.site("keep_fragment on", "unauthenticated page", "zak {\non_error fail\n}"))
	for _, page := range []string{"/page?x=1&y=%2F|#/deep/link?a=b&c=%20d", "/#top", "/page"} {
		b := c.person(t).tab()
		b.open(w.url + page)
		b.click(".ways a")
		b.allow("user-ada", "#app")
		b.wantLocation(w.url + page)
	}
	w.zoom.Fail(zoomtest.CallZAK, -1, zoomtest.Status(http.StatusInternalServerError, "{}"))
	b = c.person(t).tab()
	b.open(w.url + "/page?x=1#top")
	b.click(".ways a")
	b.allow("user-bob", ".mark")
	w.load(w.site("zak off")) // the trouble is over
	b.click(".ways a")
	b.wait("#app")
	b.wantLocation(w.url + "/page?x=1#top")
}

func browserTryFiles(t *testing.T, c *chromium) {
	w := newWorld(t)
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "index.html"), []byte(`<!DOCTYPE html><title>spa</title><h1 id="app">spa</h1>`), 0o600); err != nil {
		t.Fatal(err)
	}
	w.load(w.caddyfile(fmt.Sprintf("root * %q\ntry_files {path} /index.html\nzoom_pkce {\n%s}\nfile_server\n", root, w.options())))
	b := c.person(t).tab()
	b.open(w.url + "/a/route/of/the/app?x=1")
	b.allow("user-ada", "#app")
	b.wantLocation(w.url + "/a/route/of/the/app?x=1")
}
