package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// The pages of one's own that the reference shows are those of our refusals, with
// the request id that our log has, and leave the errors of others alone.
func TestHandleErrorsOfTheReference(t *testing.T) {
	w := newWorld(t)
	text := snippetWith(t, "handle_errors", "@notAllowed")
	w.load(w.documented(t, text, "", "allow {\nuser_id user-ada\n}"))

	b := w.browser()
	if a := b.fetch(http.MethodGet, "/"); a.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(a.body, "sign_in_required, request ") {
		t.Errorf("no session: got %d %q", a.StatusCode, a.body)
	}
	a := b.open("/zoom_pkce/callback?error=access_denied")
	if a.StatusCode != http.StatusForbidden || !strings.HasPrefix(a.body, "declined, request ") {
		t.Errorf("declined: got %d %q", a.StatusCode, a.body)
	}
	lines := w.logLines("refused a request")
	if len(lines) == 0 {
		t.Fatal("no refusal was logged")
	}
	if id, _ := lines[len(lines)-1]["request_id"].(string); id == "" || !strings.HasSuffix(a.body, " "+id) {
		t.Errorf("the log has request id %q, the page says %q", id, a.body)
	}

	other := w.browser()
	other.consentAndReturn("/", "user-bob")
	if a := other.open("/"); a.StatusCode != http.StatusForbidden || a.body != "Ask your administrator for access." {
		t.Errorf("not allowed: got %d %q", a.StatusCode, a.body)
	}

	b.signIn("/", "user-ada")
	w.load(w.documented(t, text, "reverse_proxy 127.0.0.1:"+testkit.FreePort(t)))
	if a := b.open("/"); a.StatusCode != http.StatusBadGateway || a.body != "502 Bad Gateway" {
		t.Errorf("the app is down: got %d %q", a.StatusCode, a.body)
	}
}

// An app that makes the pages of errors gets what it would get without one, by the
// directive inside handle_errors: whoever is signed in, and nothing of a client.
func TestDirectiveInHandleErrors(t *testing.T) {
	w := newWorld(t)
	inside := w.directive("", "unauthenticated pass", "zak {\nheader X-Key\n}")
	w.load(w.caddyfile("@early path /early\nrespond /nothing 200\nroute {\nerror @early 418\n" + w.directive("", "error_pages off", "zak {\nheader X-Key\n}") +
		"\nerror 404\n}\nhandle_errors {\n" + inside + "\nreverse_proxy " + w.upstream.addr + "\n}"))
	forged := []string{"X-Zoom-User-Id", "user-mallory", "X_Key", "forged", "X-Key", "forged"}
	b := w.browser()
	b.open(b.consent(b.open("/page"), "user-ada"))
	for _, path := range []string{"/page", "/early", "/zoom_pkce/nothing"} {
		for who, visitor := range map[string]*browser{"user-ada": b, "": w.browser()} {
			got := visitor.fetch(http.MethodGet, path, forged...).received(t)
			if id := got.Header.Get("X-Zoom-User-Id"); id != who || got.Header.Get("X_Key") != "" || (got.Header.Get("X-Key") != "") != (who != "") || got.Header.Get("X-Key") == "forged" {
				t.Errorf("%s of %q: %v", path, who, got.Header)
			}
			if strings.Contains(got.Header.Get("Cookie"), "zoom_pkce_") {
				t.Errorf("%s of %q: the app sees %s", path, who, got.Header.Get("Cookie"))
			}
		}
	}
	// A code is spent once, and its failure is the app's to tell.
	w.zoom.Fail(zoomtest.CallCode, -1, zoomtest.Status(http.StatusBadRequest, `{"reason":"","error":"invalid_client"}`))
	other := w.browser()
	a := other.open(other.consent(other.open("/page"), "user-ada"))
	if got := a.received(t); a.StatusCode != http.StatusOK || got.Header.Get("X-Zoom-User-Id") != "" {
		t.Errorf("a failed sign-in: %d %s", a.StatusCode, a.body)
	}
	if n := w.zoom.Count(zoomtest.CallCode); n != 2 {
		t.Errorf("%d codes were sent to Zoom, want one of each sign-in", n)
	}
}

// A page of another site that sends a form is refused, and what shows the refusal must
// not act for the visitor either.
func TestCrossSiteRequestInHandleErrors(t *testing.T) {
	w := newWorld(t)
	w.load(w.caddyfile(w.directive("", sameSiteNone, "error_pages off") + "\nreverse_proxy " + w.upstream.addr +
		"\nhandle_errors {\n" + w.directive("", sameSiteNone, "unauthenticated pass") + "\nreverse_proxy " + w.upstream.addr + "\n}"))
	b := w.browser()
	b.open(b.consent(b.open("/page"), "user-ada"))
	if got := b.fetch(http.MethodPost, "/page", "Sec-Fetch-Site", "same-origin").received(t); got.Header.Get("X-Zoom-User-Id") != "user-ada" {
		t.Fatalf("the site's own form: %v", got.Header)
	}
	for name, header := range map[string][]string{
		"form":      {"Sec-Fetch-Site", "cross-site"},
		"old":       {"Sec-Fetch-Site", "", "Origin", "https://evil.example"},
		"WebSocket": {"Sec-Fetch-Site", "cross-site", "Connection", "Upgrade", "Upgrade", "websocket"},
	} {
		method := http.MethodPost
		if name == "WebSocket" {
			method = http.MethodGet
		}
		got := b.fetch(method, "/page", header...).received(t)
		if got.Header.Get("X-Zoom-User-Id") != "" || got.Header.Get("X-Zoom-Access-Token") != "" {
			t.Errorf("%s: the page of the error gets %v", name, got.Header)
		}
	}
}
