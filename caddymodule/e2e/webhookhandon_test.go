package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

const handOn = "webhook {\nsecret_token " + webhookSecret + "\nhand_on on\n}"

const recordingReady = `{"event":"recording.completed" , "event_ts":1700000000000,"payload":{"account_id":"account-1","object":{"host_id":"user-ada"}}}`

// sendEvent is a delivery with headers of its own.
func (w *world) sendEvent(path, body string, header ...string) answer {
	w.t.Helper()
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	return w.post(path, body, append([]string{
		"X-Zm-Request-Timestamp", timestamp, "X-Zm-Signature", zoomtest.WebhookSignature(webhookSecret, timestamp, []byte(body)),
	}, header...)...)
}

func TestEventsReachTheApp(t *testing.T) {
	w := newWebhookWorld(t)
	w.load(w.caddyfile(fmt.Sprintf(`rewrite * /index.html
	route {
		zoom_pkce {
			%s
			%s
		}
		zoom_pkce /zoom_pkce/* {
			%s
			headers {
				user_id X-Second-Id
			}
		}
		reverse_proxy %s
	}`, w.options(), handOn, w.options(), w.upstream.addr)))
	for name, body := range map[string]string{
		"as it is written": recordingReady,
		"1 MiB":            recordingReady + strings.Repeat(" ", 1<<20-len(recordingReady)),
		"not UTF-8":        `{"event":"meeting.started","payload":{"topic":"` + "\xff\xfe" + `"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			var got received
			w.upstream.serveWith(func(_ http.ResponseWriter, r *http.Request) {
				sent, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				got = received{Method: r.Method, URI: r.RequestURI, Header: r.Header, Body: string(sent)}
			})
			w.sendEvent("/zoom_pkce/webhook", body, "Content-Type", "application/json", "X-Zoom-User-Id", "forged", "X-Second-Id", "forged",
				"X-Zoom-Access-Token", "forged", "Cookie", "other=1")
			if got.Body != body || got.Method != http.MethodPost || got.URI != "/zoom_pkce/webhook" {
				t.Errorf("the app got %s %s and %d bytes of %d", got.Method, got.URI, len(got.Body), len(body))
			}
			if got.Header.Get("Content-Type") != "application/json" || got.Header.Get("X-Zm-Signature") == "" || got.Header.Get("Cookie") != "other=1" {
				t.Errorf("headers: %q", got.Header)
			}
			for _, name := range []string{"X-Zoom-User-Id", "X-Second-Id", "X-Zoom-Access-Token"} {
				if got.Header[name] != nil {
					t.Errorf("%s: %q", name, got.Header[name])
				}
			}
		})
	}
	w.upstream.handler.Store(nil)
	if got := w.sendEvent("/zoom_pkce/webhook?x=%2f", recordingReady).received(t); got.URI != "/zoom_pkce/webhook?x=%2f" {
		t.Errorf("with a query the app got %s", got.URI)
	}
	// Who is signed in is nobody special here.
	b := w.browser()
	b.consentAndReturn("/", "user-ada")
	if got := w.sendEvent("/zoom_pkce/webhook", recordingReady, "Cookie", b.sessionCookie()).received(t); got.Header.Get("X-Zoom-User-Id") != "" || got.Header.Get("Cookie") != "" {
		t.Errorf("with a session the app got %q", got.Header)
	}
}

func TestEventsInChunksReachTheApp(t *testing.T) {
	w := newWebhookWorld(t)
	w.load(w.site(handOn))
	r := w.browser().request(http.MethodPost, "/zoom_pkce/webhook")
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	r.Header.Set("X-Zm-Request-Timestamp", timestamp)
	r.Header.Set("X-Zm-Signature", zoomtest.WebhookSignature(webhookSecret, timestamp, []byte(recordingReady)))
	r.Body = io.NopCloser(strings.NewReader(recordingReady))
	r.ContentLength = -1
	if got := w.browser().do(r).received(t); got.Body != recordingReady {
		t.Errorf("the app got %q", got.Body)
	}
}

// Zoom repeats what got a 5xx or no answer, so it has to hear of the app's.
func TestTheAppsStatusIsTheAnswerToAnEvent(t *testing.T) {
	w := newWebhookWorld(t)
	w.load(w.site(handOn))
	for _, status := range []int{http.StatusNoContent, http.StatusTeapot} {
		w.upstream.serveWith(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(status) })
		if a := w.sendEvent("/zoom_pkce/webhook", recordingReady); a.StatusCode != status {
			t.Errorf("got %d, want %d", a.StatusCode, status)
		}
	}
	asked := 0
	w.upstream.serveWith(func(rw http.ResponseWriter, _ *http.Request) {
		if asked++; asked < 3 {
			rw.WriteHeader(http.StatusInternalServerError)
		}
	})
	resp, err := w.zoom.CompleteRecording(t.Context(), testClientID, zoomtest.Recording{HostID: "user-ada"})
	if err != nil || resp.StatusCode != http.StatusOK || asked != 3 {
		t.Errorf("got %v, %v after %d deliveries", resp, err, asked)
	}
	w.load(w.caddyfile("zoom_pkce {\n" + w.options() + handOn + "\n}\nreverse_proxy 127.0.0.1:1"))
	if a := w.sendEvent("/zoom_pkce/webhook", recordingReady); a.StatusCode != http.StatusBadGateway {
		t.Errorf("with the app down: %d", a.StatusCode)
	}
}

func TestWhatIsNoEventDoesNotReachTheApp(t *testing.T) {
	w := newWebhookWorld(t)
	secret := func(letter string) string { return handOn + "\ncookie {\nsecret " + strings.Repeat(letter, 32) + "\n}" }
	w.load(w.site(secret("a")))
	if err := w.zoom.ValidateWebhookURL(t.Context(), testClientID); err != nil {
		t.Error(err)
	}
	now := time.Now()
	for name, send := range map[string]func() answer{
		"unsigned":              func() answer { return w.post("/zoom_pkce/webhook", recordingReady) },
		"signed by a guess":     func() answer { return w.deliver("guess", now, recordingReady) },
		"stale":                 func() answer { return w.deliver(webhookSecret, now.Add(-121*time.Minute), recordingReady) },
		"for another client":    func() answer { return w.deliver(webhookSecret, now, deauthorization("another-app", "user-ada", now)) },
		"a user who is nobody":  func() answer { return w.deliver(webhookSecret, now, deauthorization(testClientID, "", now)) },
		"longer than 1 MiB":     func() answer { return w.deliver(webhookSecret, now, recordingReady+strings.Repeat(" ", 1<<20)) },
		"by another method":     func() answer { return w.browser().fetch(http.MethodPut, "/zoom_pkce/webhook") },
		"at a path that is not": func() answer { return w.sendEvent("/zoom_pkce/webhook/more", recordingReady) },
	} {
		if a := send(); a.StatusCode < 400 || a.StatusCode >= 500 {
			t.Errorf("%s got %d %s", name, a.StatusCode, a.body)
		}
	}
	// What must end sessions is stored first.
	w.browser().consentAndReturn("/", "user-ada")
	reached := w.upstream.requests.Load()
	w.load(w.site(secret("b")))
	if a := w.deliver(webhookSecret, time.Now(), deauthorization(testClientID, "user-ada", time.Now())); a.problem(t).Code != "store_unavailable" {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	if n := w.upstream.requests.Load() - reached; n != 0 {
		t.Errorf("the app was asked %d times", n)
	}
}

// An app trusts what comes at the endpoint's path, so nothing else may arrive
// there, from whomever and in whatever spelling.
func TestNobodyElseReachesTheAppAsAnEvent(t *testing.T) {
	w := newWebhookWorld(t)
	w.load(w.caddyfile(fmt.Sprintf("handle_path /api/* {\nzoom_pkce /app/* {\n%s%s\n}\nreverse_proxy %s\n}\nzoom_pkce /app/* {\n%s%s\n}\nreverse_proxy %s\n",
		w.options(), handOn, w.upstream.addr, w.options(), handOn, w.upstream.addr)))
	b := w.browser()
	b.signIn("/app/", "user-ada")
	reached := w.upstream.requests.Load()
	for _, path := range []string{
		"/zoom%5Fpkce/webhook", "/zoom_pkce%2Fwebhook", "/x/../zoom_pkce/webhook", "/x/%2e%2e/zoom_pkce/webhook", "//zoom_pkce/webhook",
		"/./zoom_pkce/webhook", "/zoom_pkce;x=1/webhook", "/zoom_pkce/webhook;x=1", `/zoom_pkce\webhook`, "/ZOOM_PKCE/webhook",
		"/zoom_pkce/Webhook", "/zoom_pkce/webhook/", "/Zoom_pkce/webhook/", "/%257aoom_pkce/webhook", "/api/zoom_pkce/webhook",
	} {
		for _, cookie := range []string{"", b.sessionCookie()} {
			c := w.dial()
			c.send("POST %s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
				path, w.addr, cookie, len(recordingReady), recordingReady)
			if status := c.status(); status < 400 || status >= 500 {
				t.Errorf("%s got %d", path, status)
			}
		}
	}
	if n := w.upstream.requests.Load() - reached; n != 0 {
		t.Errorf("the app was asked %d times", n)
	}
	b.open("/webhook").received(t) // which is a path of the app's own
}

// What is refused is not left to handle_errors either, which may ask the app.
func TestRefusedDeliveriesDoNotReachTheAppAsErrors(t *testing.T) {
	w := newWebhookWorld(t)
	w.load(w.caddyfile(fmt.Sprintf("zoom_pkce {\n%serror_pages off\n%s\n}\nreverse_proxy %s\nhandle_errors {\nreverse_proxy %s\n}\n",
		w.options(), handOn, w.upstream.addr, w.upstream.addr)))
	for name, send := range map[string]func() answer{
		"unsigned":            func() answer { return w.post("/zoom_pkce/webhook", recordingReady) },
		"signed by a guess":   func() answer { return w.deliver("guess", time.Now(), recordingReady) },
		"in another spelling": func() answer { return w.post("/zoom%5Fpkce/webhook", recordingReady) },
		"by another method":   func() answer { return w.browser().fetch(http.MethodPut, "/zoom_pkce/webhook") },
	} {
		if a := send(); a.StatusCode < 400 || a.problem(t).Code == "" {
			t.Errorf("%s got %d %s", name, a.StatusCode, a.body)
		}
	}
	if n := w.upstream.requests.Load(); n != 0 {
		t.Errorf("the app was asked %d times", n)
	}
	if got := w.sendEvent("/zoom_pkce/webhook", recordingReady).received(t); got.Body != recordingReady {
		t.Errorf("an event arrived as %q", got.Body)
	}
}

func TestUsersWhoAreGoneAreSignedOut(t *testing.T) {
	for event, end := range map[string]func(*zoomtest.Server, context.Context, string, string) (*http.Response, error){
		"user.deactivated": (*zoomtest.Server).DeactivateUser,
		"user.deleted":     (*zoomtest.Server).DeleteUser,
		"app_deauthorized": (*zoomtest.Server).Deauthorize,
	} {
		for _, mode := range []string{"off", "on"} {
			t.Run(event+"/hand_on "+mode, func(t *testing.T) {
				recordEvents(t, nil)
				w := newWebhookWorld(t)
				w.loadWithEvents("webhook {\nsecret_token " + webhookSecret + "\nhand_on " + mode + "\n}")
				ada, bob := w.browser(), w.browser()
				ada.consentAndReturn("/", "user-ada")
				bob.consentAndReturn("/", "user-bob")
				heard := 0
				w.upstream.serveWith(func(http.ResponseWriter, *http.Request) {
					heard++
					if w.isSignedIn(ada) {
						t.Error("the app hears of it before the session has ended")
					}
				})
				time.Sleep(2 * time.Millisecond) // Zoom's time of the event has no more precision.
				resp, err := end(w.zoom, t.Context(), testClientID, "user-ada")
				if err != nil || resp.StatusCode != http.StatusOK || heard != map[string]int{"off": 0, "on": 1}[mode] {
					t.Fatalf("got %v, %v, and the app was told %d times", resp, err, heard)
				}
				if w.isSignedIn(ada) || !w.isSignedIn(bob) {
					t.Error("the wrong session ended")
				}
				if data := awaitEvent(t, "zoom_pkce.deauthorized"); data["user_id"] != "user-ada" {
					t.Errorf("got %v", data)
				}
				if event == "app_deauthorized" {
					return
				}
				if data := awaitEvent(t, "zoom_pkce.webhook"); data["user_id"] != "user-ada" || data["event"] != event {
					t.Errorf("got %v", data)
				}
			})
		}
	}
}

// One Zoom app has several client ids, and Zoom may name another than the one
// that signs in.
func TestEventsThatNameAnotherClientIDOfTheApp(t *testing.T) {
	w := newWorld(t)
	w.zoom.AddApp(zoomtest.App{
		ClientID: testClientID, ClientSecret: testClientSecret, RedirectURIs: []string{w.url + "/zoom_pkce/callback"},
		WebhookURL: w.url + "/zoom_pkce/webhook", WebhookSecret: webhookSecret, EventClientID: "production-client-id",
	})
	for _, tt := range []struct {
		option string
		status int
	}{
		{"", http.StatusBadRequest},
		{"client_id some-other-id", http.StatusBadRequest},
		{"client_id some-other-id production-client-id", http.StatusOK},
	} {
		w.load(w.site("webhook {\nsecret_token " + webhookSecret + "\n" + tt.option + "\n}"))
		b := w.browser()
		b.consentAndReturn("/", "user-ada")
		time.Sleep(2 * time.Millisecond)
		resp, err := w.zoom.Deauthorize(t.Context(), testClientID, "user-ada")
		if err != nil || resp.StatusCode != tt.status || w.isSignedIn(b) != (tt.status != http.StatusOK) {
			t.Errorf("%q: got %v, %v", tt.option, resp, err)
		}
	}
	// One that names none is for this app, whose secret has signed it.
	b := w.browser()
	b.consentAndReturn("/", "user-ada")
	time.Sleep(2 * time.Millisecond)
	if a := w.deliver(webhookSecret, time.Now(), deauthorization("", "user-ada", time.Now())); a.StatusCode != http.StatusOK || w.isSignedIn(b) {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
}
