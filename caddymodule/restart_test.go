package caddymodule

import (
	"net/http"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// A restart forgets what was in memory, and nothing else.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	b, out := w.browser(), w.browser()
	b.signIn("/", "user-ada")
	out.signIn("/", "user-bob")
	ended := out.sessionCookie()
	out.fetch("POST", "/zoom_pkce/logout")
	pending := w.browser()
	login := pending.open("/later?x")

	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if n, _ := states.References(appIDOf(t, w)); n != 0 {
		t.Errorf("%d users of the shared state are left", n)
	}
	w.load(w.site())
	w.zoom.ResetCounts()
	if a := b.open("/"); a.StatusCode != http.StatusOK || a.received(t).Header.Get("X-Zoom-User-Id") != "user-ada" {
		t.Errorf("the session: %d", a.StatusCode)
	}
	if n := w.zoom.Count(zoomtest.CallRefresh); n != 0 {
		t.Errorf("%d refreshes", n)
	}
	wantRedirect(t, pending.open(pending.consent(login, "user-bob")), "/later?x")
	if a := w.browser().fetch("GET", "/", "Cookie", ended); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a session that had been ended: %d", a.StatusCode)
	}
}

func appIDOf(t *testing.T, w *world) string {
	t.Helper()
	client, err := zoompkce.NewClient(zoompkce.Config{ClientID: testClientID, OAuthURL: w.zoom.URL, APIURL: w.zoom.URL})
	if err != nil {
		t.Fatal(err)
	}
	return client.AppID()
}
