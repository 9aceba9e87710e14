package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

const webhookSecret = "a-webhook-secret-that-no-log-may-show"

// newWebhookWorld is a world whose app has a webhook at Zoom.
func newWebhookWorld(t *testing.T) *world {
	w := newWorld(t)
	w.zoom.AddApp(zoomtest.App{
		ClientID: testClientID, ClientSecret: testClientSecret, RedirectURIs: []string{w.url + "/zoom_pkce/callback"},
		WebhookURL: w.url + "/zoom_pkce/webhook", WebhookSecret: webhookSecret,
	})
	return w
}

const webhookOptions = "zoom_app\nwebhook {\nsecret_token a-former-secret-token " + webhookSecret + "\n}"

// deliver sends a delivery that was signed by secret at a time.
func (w *world) deliver(secret string, at time.Time, body string) answer {
	w.t.Helper()
	timestamp := strconv.FormatInt(at.Unix(), 10)
	return w.post("/zoom_pkce/webhook", body,
		"X-Zm-Request-Timestamp", timestamp, "X-Zm-Signature", zoomtest.WebhookSignature(secret, timestamp, []byte(body)))
}

// post is a request of no browser.
func (w *world) post(path, body string, header ...string) answer {
	w.t.Helper()
	b := w.browser()
	r := b.request(http.MethodPost, path, header...)
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	return b.do(r)
}

func deauthorization(clientID, userID string, at time.Time) string {
	return fmt.Sprintf(`{"event":"app_deauthorized","event_ts":%d,"payload":{"account_id":"account-1","user_id":%q,"client_id":%q}}`,
		at.UnixMilli(), userID, clientID)
}

func TestWebhookURLValidation(t *testing.T) {
	w := newWebhookWorld(t)
	w.load(w.site(webhookOptions))
	if err := w.zoom.ValidateWebhookURL(t.Context(), testClientID); err != nil {
		t.Error(err)
	}
	const challenge = `{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"},"event_ts":1654503849680}`
	a := w.deliver("a-former-secret-token", time.Now(), challenge)
	var got struct{ PlainToken, EncryptedToken string }
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.StatusCode != http.StatusOK || got.PlainToken != "qgg8vlvZRS6UYooatFL8Aw" || len(got.EncryptedToken) != 64 {
		t.Errorf("the former token got %d %s", a.StatusCode, a.body)
	}
	if a.Header.Get("Cache-Control") != "no-store" || len(a.Header["Set-Cookie"]) > 0 {
		t.Errorf("got headers %q", a.Header)
	}
	// A challenge that would make us sign a delivery for anybody.
	for _, token := range []string{"", "v0:1739923528:{}", strings.Repeat("a", 129), "é", `a\nb`} {
		body := fmt.Sprintf(`{"event":"endpoint.url_validation","payload":{"plainToken":"%s"}}`, token)
		if a := w.deliver(webhookSecret, time.Now(), body); a.problem(t).Code != "bad_request" || strings.Contains(a.body, "encryptedToken") {
			t.Errorf("%q got %s", token, a.body)
		}
	}
	if a := w.deliver(webhookSecret, time.Now().Add(-6*time.Minute), challenge); a.StatusCode != http.StatusBadRequest {
		t.Errorf("an old challenge got %s", a.body)
	}
}

func TestDeauthorization(t *testing.T) {
	w := newWebhookWorld(t)
	w.load(w.site(webhookOptions))
	first, second, bob := w.browser(), w.browser(), w.browser()
	first.signInInside("user-ada")
	second.signInInside("user-ada")
	bob.signInInside("user-bob")
	time.Sleep(2 * time.Millisecond) // Zoom's time of the event has no more precision.
	resp, err := w.zoom.Deauthorize(t.Context(), testClientID, "user-ada")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("got %v, %v", resp, err)
	}
	if w.isSignedIn(first) || w.isSignedIn(second) {
		t.Error("a session goes on")
	}
	if !w.isSignedIn(bob) {
		t.Error("somebody else's session ended")
	}
	// The user may come back, and a repeated delivery is about the past.
	past := time.Now().Add(-time.Minute)
	first.signInInside("user-ada")
	if a := w.deliver(webhookSecret, time.Now(), deauthorization(testClientID, "user-ada", past)); a.StatusCode != http.StatusOK {
		t.Errorf("the repetition got %d %s", a.StatusCode, a.body)
	}
	if !w.isSignedIn(first) {
		t.Error("a repeated delivery ended the new session")
	}
	// Users we never had are none of Zoom's trouble.
	if a := w.deliver(webhookSecret, time.Now(), deauthorization(testClientID, "user-nobody", time.Now())); a.StatusCode != http.StatusOK {
		t.Errorf("a stranger got %d %s", a.StatusCode, a.body)
	}
}

// A user who removes the app while signing in for the first time is not signed in
// by that: there is no record yet, so the tombstone has to be made.
func TestEndedWhileSigningIn(t *testing.T) {
	for name, end := range map[string]func(w *world, admin string){
		"deauthorized": func(w *world, _ string) {
			if resp, err := w.zoom.Deauthorize(w.t.Context(), testClientID, "user-ada"); err != nil || resp.StatusCode != http.StatusOK {
				w.t.Errorf("got %v, %v", resp, err)
			}
		},
		"ended by an operator": func(w *world, admin string) {
			if a := w.operator().admin(http.MethodDelete, userURL(admin, testClientID, "user-ada")); a.StatusCode != http.StatusNotFound {
				w.t.Errorf("got %d %s", a.StatusCode, a.body)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWebhookWorld(t)
			config, admin := w.withAdmin(w.site(webhookOptions))
			w.load(config)
			b := w.browser()
			callback := b.consent(b.open("/page"), "user-ada")
			gate := w.zoom.Hold(zoomtest.CallMe, zoomtest.After)
			answers := make(chan answer, 1)
			go func() { answers <- b.open(callback) }()
			<-gate.Arrived()
			end(w, admin)
			gate.Release()
			a := <-answers
			if !strings.HasPrefix(a.Header.Get("Location"), w.zoom.URL) {
				t.Fatalf("got %d to %q, want another sign-in at Zoom", a.StatusCode, a.Header.Get("Location"))
			}
			if w.isSignedIn(b) {
				t.Error("signed in all the same")
			}
			wantRedirect(t, b.open(b.consent(a, "user-ada")), "/page")
		})
	}
}

func TestWebhookRefuses(t *testing.T) {
	w := newWebhookWorld(t)
	w.load(w.site(webhookOptions))
	b := w.browser()
	b.signInInside("user-ada")
	time.Sleep(2 * time.Millisecond)
	now := time.Now()
	good := deauthorization(testClientID, "user-ada", now)
	timestamp := strconv.FormatInt(now.Unix(), 10)
	signed := func(secret, timestamp, body string) []string {
		return []string{"X-Zm-Request-Timestamp", timestamp, "X-Zm-Signature", zoomtest.WebhookSignature(secret, timestamp, []byte(body))}
	}
	var reordered bytes.Buffer
	if err := json.Indent(&reordered, []byte(good), "", " "); err != nil {
		t.Fatal(err)
	}
	for name, send := range map[string]func() answer{
		"unsigned":          func() answer { return w.post("/zoom_pkce/webhook", good) },
		"signed by a guess": func() answer { return w.deliver("guess", now, good) },
		"signed by nothing": func() answer { return w.deliver("", now, good) },
		"of another body": func() answer {
			return w.post("/zoom_pkce/webhook", good+" ", signed(webhookSecret, timestamp, good)...)
		},
		"re-serialised": func() answer {
			return w.post("/zoom_pkce/webhook", reordered.String(), signed(webhookSecret, timestamp, good)...)
		},
		"stale":               func() answer { return w.deliver(webhookSecret, now.Add(-121*time.Minute), good) },
		"from the future":     func() answer { return w.deliver(webhookSecret, now.Add(121*time.Minute), good) },
		"without a time":      func() answer { return w.post("/zoom_pkce/webhook", good, signed(webhookSecret, "", good)...) },
		"with a strange time": func() answer { return w.post("/zoom_pkce/webhook", good, signed(webhookSecret, "soon", good)...) },
		"with a later time": func() answer {
			header := signed(webhookSecret, "1739923528", good)
			header[1] = timestamp
			return w.post("/zoom_pkce/webhook", good, header...)
		},
		"for another client": func() answer { return w.deliver(webhookSecret, now, deauthorization("another-app", "user-ada", now)) },
		"for a strange client": func() answer {
			return w.deliver(webhookSecret, now, strings.Replace(good, `"`+testClientID+`"`, `["`+testClientID+`"]`, 1))
		},
		"another event for another client": func() answer {
			return w.deliver(webhookSecret, now, `{"event":"user.updated","event_ts":1,"payload":{"client_id":"another-app"}}`)
		},
		"of a deactivation without a user": func() answer {
			return w.deliver(webhookSecret, now, fmt.Sprintf(`{"event":"user.deactivated","event_ts":%d,"payload":{"object":{}}}`, now.UnixMilli()))
		},
		"for no user":          func() answer { return w.deliver(webhookSecret, now, deauthorization(testClientID, "", now)) },
		"without its own time": func() answer { return w.deliver(webhookSecret, now, strings.Replace(good, "event_ts", "ts", 1)) },
		"no JSON":              func() answer { return w.deliver(webhookSecret, now, "event=app_deauthorized") },
		"too much":             func() answer { return w.deliver(webhookSecret, now, good+strings.Repeat(" ", 1<<20)) },
	} {
		t.Run(name, func(t *testing.T) {
			a := send()
			if p := a.problem(t); p.Code != "bad_request" || a.StatusCode != http.StatusBadRequest || a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("got %d %s", a.StatusCode, a.body)
			}
			if !w.isSignedIn(b) {
				t.Fatal("the session ended")
			}
		})
	}
	if a := b.fetch(http.MethodGet, "/zoom_pkce/webhook"); a.problem(t).Code != "method_not_allowed" {
		t.Errorf("GET got %s", a.body)
	}
	if strings.Contains(w.logged(), webhookSecret) {
		t.Error("the log shows the secret token")
	}
	w.load(w.site("zoom_app"))
	if a := w.deliver(webhookSecret, now, good); a.problem(t).Code != "not_found" {
		t.Errorf("without webhook got %s", a.body)
	}
}

// A record that cannot be opened is not lost to a delivery: the operator may
// have mixed up secrets. Zoom is told to try again.
func TestDeauthorizationOfAnUnopenableRecord(t *testing.T) {
	w := newWebhookWorld(t)
	secret := func(letter string) string {
		return webhookOptions + "\ncookie {\nsecret " + strings.Repeat(letter, 32) + "\n}"
	}
	w.load(w.site(secret("a")))
	b := w.browser()
	b.signInInside("user-ada")
	time.Sleep(2 * time.Millisecond)
	w.load(w.site(secret("b")))
	a := w.deliver(webhookSecret, time.Now(), deauthorization(testClientID, "user-ada", time.Now()))
	if a.problem(t).Code != "store_unavailable" || a.Header.Get("Retry-After") == "" {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	w.load(w.site(secret("a")))
	if !w.isSignedIn(b) {
		t.Error("the record was overwritten")
	}
}

func TestOtherEventsAreHandedOn(t *testing.T) {
	recordEvents(t, nil)
	w := newWebhookWorld(t)
	events := "{\n\tevents {\n\t\ton zoom_pkce.webhook test_recorder\n\t}\n"
	w.load(events + strings.TrimPrefix(w.site(webhookOptions), "{\n"))
	resp, err := w.zoom.Webhook(t.Context(), testClientID, "user.updated", map[string]any{"user_id": "user-ada", "secret": "x"})
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("got %v, %v", resp, err)
	}
	data := awaitEvent(t, "zoom_pkce.webhook")
	if data["event"] != "user.updated" || data["user_id"] != "user-ada" || data["client_id"] != testClientID || len(data) != 3 {
		t.Errorf("got %v", data)
	}
}
