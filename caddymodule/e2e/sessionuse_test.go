package e2e

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
)

// sessionState is the part of an answer of the endpoint session that changes.
type sessionState struct {
	ExpiresAt time.Time `json:"expires_at"`
}

// Every answer that extends the session says so, and to when.
func TestUseExtendsTheSession(t *testing.T) {
	const idle = 10 * time.Second
	w := newWorld(t)
	w.load(w.site("page_tokens on", "session {\nidle_timeout 10s\n}"))
	b := w.signedIn("user-ada")
	for _, use := range []struct{ method, path string }{
		{"GET", "/zoom_pkce/session"}, {"POST", "/zoom_pkce/zak"}, {"GET", "/api"},
	} {
		time.Sleep(idle/10 + 50*time.Millisecond)
		began := time.Now()
		a := b.fetch(use.method, use.path)
		if a.StatusCode != http.StatusOK || len(a.Cookies()) != 1 {
			t.Errorf("%s: %d, %q", use.path, a.StatusCode, a.Header["Set-Cookie"])
		}
		if use.path != "/zoom_pkce/session" {
			continue
		}
		var got sessionState
		if err := json.Unmarshal([]byte(a.body), &got); err != nil || got.ExpiresAt.Sub(began) < idle-time.Second/100 {
			t.Errorf("expires %v after the request, want %v (%v)", got.ExpiresAt.Sub(began), idle, err)
		}
	}
}

func TestNoRefreshAhead(t *testing.T) {
	w := newWorld(t)
	w.tokensLive(time.Minute)
	w.load(w.site("refresh_margin 0"))
	b := w.signedIn("user-ada")
	for range 3 {
		b.wantUser("user-ada")
	}
	refreshAhead := func() bool { return w.zoom.Count("refresh") > 0 }
	time.Sleep(100 * time.Millisecond)
	if refreshAhead() {
		t.Error("refreshed long before the token expires")
	}
	w.load(w.site("refresh_margin 2h"))
	b.wantUser("user-ada")
	testkit.Eventually(t, "a refresh within a margin longer than the token lives", 5*time.Second, refreshAhead)
}

func TestIdleTimeoutBeyondTheLifetime(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("session {\nidle_timeout 1h\nmax_lifetime 3s\n}"))
	b := w.signedIn("user-ada")
	time.Sleep(3100 * time.Millisecond)
	if a := b.fetch("GET", "/"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("got %d after max_lifetime", a.StatusCode)
	}
}

// The default written out is no disagreement.
func TestDefaultStoreByName(t *testing.T) {
	w := newWorld(t)
	w.load(w.caddyfile("route /a* {\nzoom_pkce {\n" + w.options() + "session {\nstore caddy\n}\n}\n}\nzoom_pkce {\n" + w.options() + "}\nreverse_proxy " + w.upstream.addr))
}

// The answer to a sign-in inside the Zoom client tells as much of the session as
// GET session does.
func TestInClientAnswerTellsTheExpiry(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("zoom_app"))
	began := time.Now()
	a := w.browser().signInInside("user-ada")
	var got sessionState
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || got.ExpiresAt.Sub(began)-24*time.Hour > time.Minute || got.ExpiresAt.Before(began) {
		t.Errorf("expires at %v (%v)\n%s", got.ExpiresAt, err, a.body)
	}
}
