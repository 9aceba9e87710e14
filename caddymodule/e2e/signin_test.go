package e2e

import (
	"net/http"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestSignIn(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	b := w.browser()
	a := b.signIn("/app?x=1", "user-ada")
	if a.StatusCode != http.StatusOK {
		t.Fatalf("got %d\n%s", a.StatusCode, a.body)
	}
	got := a.received(t)
	if got.URI != "/app?x=1" {
		t.Errorf("the visitor came back to %q", got.URI)
	}
	for name, want := range map[string]string{
		"X-Zoom-User-Id":    "user-ada",
		"X-Zoom-Account-Id": "account-1",
		"X-Zoom-User-Email": "ada@example.com",
		"X-Zoom-User-Name":  "Ada Lovelace",
	} {
		if v := got.Header.Get(name); v != want {
			t.Errorf("%s: got %q, want %q", name, v, want)
		}
	}
	if _, user, ok := w.zoom.ValidateAccessToken(got.Header.Get("X-Zoom-Access-Token")); !ok || user != "user-ada" {
		t.Errorf("the access token is not valid")
	}
	if user, _, ok := w.zoom.ValidateZAK(got.Header.Get("X-Zoom-Zak")); !ok || user != "user-ada" {
		t.Errorf("the ZAK is not valid")
	}
	if c := got.Header.Get("Cookie"); c != "" {
		t.Errorf("the upstream got cookies: %q", c)
	}
	if got := a.Header.Values("Cache-Control"); len(got) != 1 || got[0] != "private" {
		t.Errorf("Cache-Control: %q", got)
	}
	for call, want := range map[zoomtest.Call]int{zoomtest.CallCode: 1, zoomtest.CallMe: 1, zoomtest.CallZAK: 1, zoomtest.CallRefresh: 0} {
		if n := w.zoom.Count(call); n != want {
			t.Errorf("%v: %d calls, want %d", call, n, want)
		}
	}
}
