package caddymodule

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// Reloads lose no session, no pending login, no cached ZAK and no request.
func TestReload(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	b := w.browser()
	b.signIn("/", "user-ada")
	pending := b.open("/zoom_pkce/login?return_to=/later")
	cookie := b.sessionCookie()

	stop := make(chan struct{})
	var wg sync.WaitGroup
	var served atomic.Int64
	for range 4 {
		wg.Go(func() {
			c := w.browser()
			for {
				select {
				case <-stop:
					return
				default:
				}
				r := c.request("GET", "/", "Cookie", cookie, "Connection", "close")
				resp, err := direct.RoundTrip(r)
				if err != nil {
					// Connections that the old listener had not accepted yet
					// are reset when it closes, with or without us.
					continue
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err == nil && resp.StatusCode != http.StatusOK {
					t.Errorf("got %d during a reload: %s", resp.StatusCode, body)
					return
				}
				served.Add(1)
			}
		})
	}
	for i := range 10 {
		option := "zak {\nmax_age 30s\n}"
		if i%2 == 0 {
			option = "headers {\nname off\n}"
		}
		w.load(w.site(option))
		// A configuration that nobody has used yet has no secret in memory; its
		// last requests, when it is replaced at once, are answered with 503.
		before := served.Load()
		waitFor(t, "requests to be served", func() bool { return served.Load() > before+8 })
	}
	if err := w.tryLoad(w.site("unauthenticated perhaps")); err == nil {
		t.Error("a mistake was loaded")
	}
	close(stop)
	wg.Wait()
	if strings.Contains(w.logged(), "panic") {
		t.Error("something panicked")
	}
	if served.Load() < 10 {
		t.Errorf("only %d requests were served", served.Load())
	}
	if n := w.zoom.Count(zoomtest.CallZAK); n != 1 {
		t.Errorf("%d ZAKs fetched", n)
	}
	if n, exists := states.References(appIDOf(t, w)); n != 1 || !exists {
		t.Errorf("the shared state has %d users", n)
	}
	wantRedirect(t, b.open(b.consent(pending, "user-ada")), "/later")
}

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
