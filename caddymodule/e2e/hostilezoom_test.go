package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// Whatever Zoom does at the end of a sign-in, the visitor gets the page that
// says so within the timeout, no secret is shown, and the next try works.
func TestZoomFailsAtTheCallback(t *testing.T) {
	const timeout = 700 * time.Millisecond
	for _, tt := range []struct {
		name string
		call zoomtest.Call
		h    http.Handler
		code string
	}{
		{"token: connection reset", zoomtest.CallCode, zoomtest.ResetConn(), "zoom_unavailable"},
		{"token: never answers", zoomtest.CallCode, zoomtest.Hang(), "zoom_unavailable"},
		{"token: drips", zoomtest.CallCode, zoomtest.Drip(50*time.Millisecond, strings.Repeat(" ", 4000)), "zoom_unavailable"},
		{"token: 500", zoomtest.CallCode, zoomtest.Status(500, "oops"), "zoom_unavailable"},
		{"token: 503", zoomtest.CallCode, zoomtest.Status(503, "<h1>Maintenance</h1>", "Content-Type", "text/html"), "zoom_unavailable"},
		{"token: 429", zoomtest.CallCode, zoomtest.RateLimited("3", false), "zoom_rate_limited"},
		{"token: web page", zoomtest.CallCode, zoomtest.HTML(), "zoom_nonsense"},
		{"token: redirect", zoomtest.CallCode, zoomtest.Redirect("http://127.0.0.1:1/evil"), "zoom_nonsense"},
		{"token: 10 MB", zoomtest.CallCode, zoomtest.Huge(10 << 20), "zoom_nonsense"},
		{"token: cut off", zoomtest.CallCode, zoomtest.Truncated(`{"access_token":"a"}`), "zoom_unavailable"},
		{"token: not JSON", zoomtest.CallCode, zoomtest.Status(200, "access_token=a"), "zoom_nonsense"},
		{"token: empty", zoomtest.CallCode, zoomtest.Status(200, ""), "zoom_nonsense"},
		{"token: empty object", zoomtest.CallCode, zoomtest.Status(200, "{}"), "zoom_nonsense"},
		{"token: line break in it", zoomtest.CallCode, zoomtest.Status(200, `{"access_token":"a\r\nX-Evil: 1","refresh_token":"r","token_type":"bearer","expires_in":3600}`), "zoom_nonsense"},
		{"token: of another type", zoomtest.CallCode, zoomtest.Status(200, `{"access_token":"a","refresh_token":"r","token_type":"mac","expires_in":3600}`), "zoom_nonsense"},
		{"token: invalid client", zoomtest.CallCode, zoomtest.Status(400, `{"reason":"Invalid client_id or client_secret","error":"invalid_client"}`), "zoom_misconfigured"},
		{"profile: connection reset", zoomtest.CallMe, zoomtest.ResetConn(), "zoom_unavailable"},
		{"profile: never answers", zoomtest.CallMe, zoomtest.Hang(), "zoom_unavailable"},
		{"profile: 500", zoomtest.CallMe, zoomtest.Status(500, ""), "zoom_unavailable"},
		{"profile: web page", zoomtest.CallMe, zoomtest.HTML(), "zoom_nonsense"},
		{"profile: 10 MB", zoomtest.CallMe, zoomtest.Huge(10 << 20), "zoom_nonsense"},
		{"profile: nobody's", zoomtest.CallMe, zoomtest.Status(200, `{"type":1}`), "zoom_nonsense"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.load(w.site("zoom_timeout " + timeout.String()))
			b := w.browser()
			callback := b.consent(b.open("/page"), "user-ada")
			w.zoom.Fail(tt.call, -1, tt.h)
			began := time.Now()
			a := b.open(callback)
			if took := time.Since(began); took > 2*timeout+500*time.Millisecond {
				t.Errorf("took %s", took)
			}
			wantRefusal(t, a, tt.code)
			if got := a.Header.Get("Retry-After"); (got != "") != (statusOf[tt.code] == 503) {
				t.Errorf("Retry-After: %q", got)
			}
			for _, secret := range []string{testClientSecret, "oops", "evil", "Maintenance"} {
				if strings.Contains(a.body, secret) {
					t.Errorf("the page shows %q", secret)
				}
			}
			for _, name := range []string{"Content-Security-Policy", "Referrer-Policy", "X-Content-Type-Options"} {
				if a.Header.Get(name) == "" {
					t.Errorf("no %s", name)
				}
			}
			w.zoom.Restore(zoomtest.CallAny)
			if n := len(b.cookies()); n != 0 {
				t.Errorf("%d cookies left: %q", n, b.cookies())
			}
			wantRedirect(t, b.open(b.consent(b.open("/page"), "user-ada")), "/page")
			if strings.Contains(w.logged(), "panic") {
				t.Error("something panicked")
			}
		})
	}
}

// Visitors who leave while Zoom is being asked cost nothing and lose nothing.
func TestVisitorLeavesDuringTheCallback(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	b := w.browser()
	callback := b.consent(b.open("/page"), "user-ada")
	gate := w.zoom.Hold(zoomtest.CallCode, zoomtest.After)
	u := b.request("GET", callback).URL
	var cookies []string
	for _, c := range b.jar.Cookies(u) {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	c := w.dial()
	c.send("GET %s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\n\r\n", u.RequestURI(), w.addr, strings.Join(cookies, "; "))
	<-gate.Arrived()
	c.Close()
	gate.Release()
	testkit.Eventually(t, "the sign-in to be finished", 5*time.Second, func() bool { return strings.Contains(w.logged(), `"msg":"signed in"`) })
	// The code is used up; the visitor comes again and is signed in by another.
	again := b.open(callback)
	wantRedirect(t, b.open(b.consent(again, "user-ada")), "/page")
}

// Zoom in trouble later on: the token is used while it lives.
func TestZoomIsDownForSignedInVisitors(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("zoom_timeout 500ms"))
	b := w.browser()
	b.signIn("/", "user-ada")
	w.zoom.Fail(zoomtest.CallAny, -1, zoomtest.Hang())
	began := time.Now()
	for range 20 {
		if a := b.open("/"); a.StatusCode != http.StatusOK || a.received(t).Header.Get("X-Zoom-Zak") == "" {
			t.Fatalf("got %d\n%s", a.StatusCode, a.body)
		}
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("20 requests took %s", took)
	}
}
