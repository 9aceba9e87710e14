package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// Whoever has no session fills no log: what he is refused is logged ten times a
// second, and the lines tell of those that were left out.
func TestRefusalsDoNotFloodTheLog(t *testing.T) {
	for name, test := range map[string]struct {
		message string
		send    func(w *world, b *browser)
	}{
		"unsigned deliveries":  {"refused a request", func(w *world, _ *browser) { w.post("/zoom_pkce/webhook", "{}") }},
		"stray callbacks":      {"a callback belongs to no sign-in of this browser, which begins once more", func(w *world, b *browser) { w.browser().open("/zoom_pkce/callback?code=a&state=b") }},
		"garbage app contexts": {"ignored an app context; if it comes from your app, compare client_secret with the one at Zoom", func(_ *world, b *browser) { b.fetch(http.MethodGet, "/", contextHeader, "garbage") }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWebhookWorld(t)
			w.load(w.site(webhookOptions))
			b := w.browser()
			w.wantFewLines(t, test.message, func() { test.send(w, b) })
		})
	}
}

// Nor does who is refused because the store is in trouble.
func TestStoreTroubleDoesNotFloodTheLog(t *testing.T) {
	w := newWorld(t)
	trouble(t, func(context.Context, string) error { return errors.New("connection refused by the storage") })
	w.loadJSON(changed(t, w.site(), w.onTestStorage))
	w.wantFewLines(t, "session store is in trouble; check that it can be reached, read and written", func() { w.browser().open("/") })
}

// Nor does who sends again what has opened a session.
func TestUsedContextsDoNotFloodTheLog(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("zoom_app {\nsign_in_from_context on\n}"))
	w.browser().signInInside("user-ada")
	used := w.context(zoomtest.AppContext{UID: "user-ada"})
	w.browser().open("/", contextHeader, used)
	w.wantFewLines(t, "refused an app context that has opened a session before", func() { w.browser().open("/", contextHeader, used) })
}

// wantFewLines sends requests, each of which would cause a line of the log.
func (w *world) wantFewLines(t *testing.T, message string, send func()) {
	t.Helper()
	const requests = 60
	began := time.Now()
	for range requests {
		send()
	}
	took := time.Since(began)
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(1100 * time.Millisecond))) // into the next one
	send()
	logs, err := os.ReadFile(w.logs)
	if err != nil {
		t.Fatal(err)
	}
	lines, leftOut := 0, 0
	for line := range strings.Lines(string(logs)) {
		var entry struct {
			Msg     string
			LeftOut int `json:"left_out"`
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == message {
			lines++
			leftOut += entry.LeftOut
		}
	}
	if seconds := int(took/time.Second) + 3; lines > 10*seconds || lines+leftOut != requests+1 {
		t.Errorf("%d requests in %s: %d lines, which tell of %d others", requests+1, took, lines, leftOut)
	}
}
