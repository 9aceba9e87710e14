package e2e

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func init() {
	caddy.RegisterModule(new(eventRecorder))
}

// eventRecorder is an event handler that remembers.
type eventRecorder struct{}

var recordedEvents struct {
	sync.Mutex
	list   []caddy.Event
	handle func(caddy.Event) // instead of remembering
}

func (*eventRecorder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.test_recorder", New: func() caddy.Module { return new(eventRecorder) }}
}

func (*eventRecorder) UnmarshalCaddyfile(*caddyfile.Dispenser) error { return nil }

func (*eventRecorder) Handle(_ context.Context, e caddy.Event) error {
	recordedEvents.Lock()
	handle := recordedEvents.handle
	recordedEvents.list = append(recordedEvents.list, e)
	recordedEvents.Unlock()
	if handle != nil {
		handle(e)
	}
	return nil
}

func recordEvents(t *testing.T, handle func(caddy.Event)) {
	t.Helper()
	recordedEvents.Lock()
	defer recordedEvents.Unlock()
	recordedEvents.list, recordedEvents.handle = nil, handle
	t.Cleanup(func() {
		recordedEvents.Lock()
		defer recordedEvents.Unlock()
		recordedEvents.handle = nil
	})
}

// awaitEvent waits for an event of the directive, which comes after the
// request that caused it.
func awaitEvent(t *testing.T, name string) map[string]any {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		recordedEvents.Lock()
		for _, e := range recordedEvents.list {
			if e.Name() == name {
				recordedEvents.Unlock()
				return e.Data
			}
		}
		recordedEvents.Unlock()
	}
	t.Fatalf("no event %s", name)
	return nil
}

// loadWithEvents loads a site whose events of the directive are recorded.
func (w *world) loadWithEvents(options ...string) {
	w.t.Helper()
	adapted, err := adapt(w.site(options...))
	if err != nil {
		w.t.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal(adapted, &config); err != nil {
		w.t.Fatal(err)
	}
	config["apps"].(map[string]any)["events"] = map[string]any{"subscriptions": []any{map[string]any{
		"handlers": []any{map[string]any{"handler": "test_recorder"}},
	}}}
	if adapted, err = json.Marshal(config); err != nil {
		w.t.Fatal(err)
	}
	if err := caddy.Load(adapted, true); err != nil {
		w.t.Fatal(err)
	}
}

// webhook delivers an event as Zoom signs it.
func (b *browser) webhook(secret, body string) answer {
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "v0:%s:%s", timestamp, body)
	r, err := http.NewRequest(http.MethodPost, b.w.url+"/zoom_pkce/webhook", strings.NewReader(body))
	if err != nil {
		b.w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Zm-Request-Timestamp", timestamp)
	r.Header.Set("X-Zm-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	return b.do(r)
}

func TestEvents(t *testing.T) {
	recordEvents(t, nil)
	w := newWorld(t)
	const webhookSecret = "a-webhook-token-from-zoom"
	w.loadWithEvents("webhook {\nsecret_token "+webhookSecret+"\n}", "refresh_margin 59m59s", "zoom_timeout 1s")
	expect := func(name string, want map[string]any) {
		t.Helper()
		data := awaitEvent(t, name)
		for key, value := range want {
			if data[key] != value {
				t.Errorf("%s: %s is %v, want %v", name, key, data[key], value)
			}
		}
	}
	ada := w.browser()
	ada.signIn("/", "user-ada")
	expect("zoom_pkce.signed_in", map[string]any{"user_id": "user-ada", "client_id": testClientID})

	if a := ada.fetch(http.MethodPost, "/zoom_pkce/logout"); a.StatusCode >= 400 {
		t.Errorf("logout: %d\n%s", a.StatusCode, a.body)
	}
	expect("zoom_pkce.signed_out", map[string]any{"user_id": "user-ada"})

	// With this margin a token is due for its refresh a second after it came.
	w.zoom.Fail(zoomtest.CallRefresh, -1, zoomtest.Status(http.StatusBadRequest, `{"reason":"Invalid Token!","error":"invalid_grant"}`))
	ada.signIn("/", "user-ada")
	time.Sleep(1100 * time.Millisecond)
	ada.open("/")
	expect("zoom_pkce.refresh_failed", map[string]any{"user_id": "user-ada", "outcome": "invalid_grant"})

	bob := w.browser()
	bob.signIn("/", "user-bob")
	now := time.Now().Add(time.Second).UnixMilli()
	if a := bob.webhook(webhookSecret, fmt.Sprintf(`{"event":"app_deauthorized","event_ts":%d,"payload":{"user_id":"user-bob","account_id":"account-2","client_id":%q}}`, now, testClientID)); a.StatusCode != http.StatusOK {
		t.Fatalf("webhook: %d\n%s", a.StatusCode, a.body)
	}
	expect("zoom_pkce.deauthorized", map[string]any{"user_id": "user-bob"})
	if a := bob.webhook(webhookSecret, fmt.Sprintf(`{"event":"meeting.started","event_ts":%d,"payload":{"account_id":"account-2"}}`, now)); a.StatusCode != http.StatusOK {
		t.Fatalf("webhook: %d\n%s", a.StatusCode, a.body)
	}
	expect("zoom_pkce.webhook", map[string]any{"event": "meeting.started"})

	recordedEvents.Lock()
	defer recordedEvents.Unlock()
	for _, e := range recordedEvents.list {
		if !strings.HasPrefix(e.Name(), "zoom_pkce.") {
			continue
		}
		for key, value := range e.Data {
			if text := fmt.Sprint(value); strings.HasPrefix(text, "eyJ") || strings.Contains(text, "@") || strings.Contains(text, webhookSecret) {
				t.Errorf("%s says %s=%s", e.Name(), key, text)
			}
		}
	}
}

// A handler that takes its time, and asks the site itself, holds nobody up.
func TestEventsComeOutsideTheRequest(t *testing.T) {
	release := make(chan struct{})
	w := newWorld(t)
	ada := w.browser()
	stored := make(chan bool, 1)
	recordEvents(t, func(e caddy.Event) {
		if e.Name() != "zoom_pkce.signed_in" {
			return
		}
		<-release
		// The session is in the store by now: another Caddy would know it.
		stored <- ada.fetch(http.MethodGet, "/").StatusCode == http.StatusOK
	})
	w.loadWithEvents()
	if a := ada.signIn("/", "user-ada"); a.StatusCode != http.StatusOK {
		t.Errorf("got %d", a.StatusCode)
	}
	close(release)
	select {
	case ok := <-stored:
		if !ok {
			t.Error("the event came before the session was there")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no event")
	}
}
