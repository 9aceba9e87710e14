package e2e

import (
	"net/http"
	"testing"
)

// What Caddy orders before the directive sees the client's headers, as
// OPERATING.md warns; what stands behind it does not.
func TestMatchersBeforeTheDirectiveSeeTheClientsHeaders(t *testing.T) {
	w := newWorld(t)
	w.load(w.caddyfile("@admin header X-Zoom-User-Id admin\nredir @admin /believed 307\n" + w.directive("/app", "") + "\nrespond ok"))
	if a := w.browser().fetch(http.MethodGet, "/page", "X-Zoom-User-Id", "admin"); a.Header.Get("Location") != "/believed" {
		t.Errorf("redir does not see the client's header any more: correct OPERATING.md; got %d %v", a.StatusCode, a.Header)
	}
	w.load(w.caddyfile("@admin header X-Zoom-User-Id admin\n" + w.directive("/app", "") + "\nhandle @admin {\nrespond believed\n}\nhandle {\nrespond ok\n}"))
	if a := w.browser().fetch(http.MethodGet, "/page", "X-Zoom-User-Id", "admin"); a.body != "ok" {
		t.Errorf("behind the directive a client's header is believed: %d %s", a.StatusCode, a.body)
	}
}
