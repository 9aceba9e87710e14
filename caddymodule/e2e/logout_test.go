package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestSignOut(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	b := w.browser()
	token := b.signIn("/", "user-ada").received(t).Header.Get("X-Zoom-Access-Token")
	stolen := b.sessionCookie()
	b.open("/zoom_pkce/login") // a pending login goes too

	page := b.open("/zoom_pkce/logout")
	if page.StatusCode != http.StatusOK || !strings.Contains(page.body, `<form method="post" action="/zoom_pkce/logout">`) {
		t.Errorf("the page: %d\n%s", page.StatusCode, page.body)
	}
	if a := b.open("/"); a.StatusCode != http.StatusOK {
		t.Error("following a link has signed the visitor out")
	}
	a := b.do(b.request("POST", "/zoom_pkce/logout", append([]string{"Origin", w.url}, navigateSameOrigin...)...))
	wantRedirect(t, a, "/zoom_pkce/logout")
	if left := b.cookies(); len(left) != 0 {
		t.Errorf("cookies left: %q", left)
	}
	landing := b.open("/zoom_pkce/logout")
	if landing.StatusCode != http.StatusOK || !strings.Contains(landing.body, "You are signed out") || landing.Header.Get("Location") != "" {
		t.Errorf("the landing page: %d\n%s", landing.StatusCode, landing.body)
	}
	if _, _, ok := w.zoom.ValidateAccessToken(token); ok || w.zoom.Count(zoomtest.CallRevoke) != 1 {
		t.Errorf("token valid: %v, %d revocations", ok, w.zoom.Count(zoomtest.CallRevoke))
	}
	// The cookie of before is worth nothing any more, to whoever has kept it.
	if a := w.browser().fetch("GET", "/", "Cookie", stolen); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("replay: got %d", a.StatusCode)
	}
	if a := w.browser().fetch("POST", "/zoom_pkce/logout", "Cookie", stolen); a.StatusCode != http.StatusSeeOther {
		t.Errorf("signing out twice: got %d", a.StatusCode)
	}
}

// One browser's sign-out leaves the user's other browsers, and so the token.
func TestSignOutOfOneBrowser(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	one, two := w.browser(), w.browser()
	one.signIn("/", "user-ada")
	two.signIn("/", "user-ada")
	one.fetch("POST", "/zoom_pkce/logout")
	if n := w.zoom.Count(zoomtest.CallRevoke); n != 0 {
		t.Errorf("%d revocations", n)
	}
	if a := two.open("/"); a.StatusCode != http.StatusOK {
		t.Errorf("the other browser: got %d", a.StatusCode)
	}
	if a := one.fetch("GET", "/"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("this browser: got %d", a.StatusCode)
	}
}

func TestForeignSitesSignNobodyOut(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	b := w.browser()
	b.signIn("/", "user-ada")
	for name, header := range map[string][]string{
		"foreign form":              {"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
		"foreign form, old browser": {"Origin", "https://evil.example"},
		"neighbour":                 {"Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:1"},
		"opaque origin":             {"Origin", "null"},
	} {
		if a := b.do(b.request("POST", "/zoom_pkce/logout", header...)); a.StatusCode != http.StatusForbidden || len(a.Cookies()) != 0 {
			t.Errorf("%s: got %d and %q", name, a.StatusCode, a.Header["Set-Cookie"])
		}
	}
	for _, method := range []string{"HEAD", "OPTIONS", "DELETE", "PUT"} {
		if a := b.fetch(method, "/zoom_pkce/logout"); a.StatusCode != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "GET, POST" {
			t.Errorf("%s: got %d, Allow %q", method, a.StatusCode, a.Header.Get("Allow"))
		}
	}
	if a := b.open("/"); a.StatusCode != http.StatusOK {
		t.Errorf("then: got %d", a.StatusCode)
	}
}

func TestAfterLogout(t *testing.T) {
	for target, policy := range map[string]string{
		"/bye?x=1":                  "form-action 'self';",
		"https://www.example.com/p": "form-action 'self' https://www.example.com;",
	} {
		w := newWorld(t)
		w.load(w.site("after_logout " + target))
		b := w.browser()
		b.signIn("/", "user-ada")
		if got := b.open("/zoom_pkce/logout").Header.Get("Content-Security-Policy"); !strings.Contains(got, policy) {
			t.Errorf("%s: the page's policy is %q", target, got)
		}
		wantRedirect(t, b.fetch("POST", "/zoom_pkce/logout?return_to=//evil.example&url=https://evil.example"), target)
	}
}

// Zoom's answer to the revocation is not waited for longer than 5 seconds, and
// its refusal changes nothing.
func TestSignOutWithoutZoom(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	b := w.browser()
	b.signIn("/", "user-ada")
	stolen := b.sessionCookie()
	w.zoom.Fail(zoomtest.CallRevoke, -1, zoomtest.Status(500, ""))
	wantRedirect(t, b.fetch("POST", "/zoom_pkce/logout"), "/zoom_pkce/logout")
	if a := w.browser().fetch("GET", "/", "Cookie", stolen); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("replay: got %d", a.StatusCode)
	}
}
