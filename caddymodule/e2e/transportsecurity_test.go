package e2e

import (
	"net/http"
	"testing"
)

// HSTS binds every port of a host, and so is the operator's, but for Zoom Apps, whose
// pages Zoom's client shows with it only.
func TestTransportSecurityIsForZoomApps(t *testing.T) {
	for options, want := range map[string]string{"": "", "zoom_app": "max-age=31536000"} {
		w := newWorld(t)
		w.load(w.behindTLS(options, "unauthenticated page", "page_tokens on"))
		b := w.browserAt(siteOrigin)
		for what, a := range map[string]answer{
			"a page": b.open("/"), "a problem": b.fetch("GET", "/"), "a redirect": b.open("/zoom_pkce/login"), "no endpoint": b.open("/zoom_pkce/x"),
			"another host": w.browserAt("https://old.example.net").open("/"),
		} {
			if got := a.Header.Get("Strict-Transport-Security"); got != want {
				t.Errorf("%q, %s: %q, want %q", options, what, got, want)
			}
		}
		b.signIn("/zoom_pkce/login", "user-ada")
		for what, a := range map[string]answer{"session": b.fetch(http.MethodGet, "/zoom_pkce/session"), "zak": b.post("zak", "")} {
			if got := a.Header.Get("Strict-Transport-Security"); got != want || a.StatusCode != http.StatusOK {
				t.Errorf("%q, %s: %d, %q, want %q", options, what, a.StatusCode, got, want)
			}
		}
	}
}
