package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// Whoever has no session fills no log: what he is refused is logged ten times a
// second, and the lines tell of those that were left out.
func TestRefusalsDoNotFloodTheLog(t *testing.T) {
	const requests = 60
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
			began := time.Now()
			b := w.browser()
			for range requests {
				test.send(w, b)
			}
			took := time.Since(began)
			time.Sleep(time.Until(began.Add(took.Truncate(time.Second) + 1100*time.Millisecond)))
			test.send(w, b)
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
				if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == test.message {
					lines++
					leftOut += entry.LeftOut
				}
			}
			if seconds := int(took/time.Second) + 3; lines > 10*seconds || lines+leftOut != requests+1 {
				t.Errorf("%d requests in %s: %d lines, which tell of %d others", requests+1, took, lines, leftOut)
			}
		})
	}
}
