package zoomtest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// webhookWorld has an app whose webhook is h.
func webhookWorld(t *testing.T, h http.HandlerFunc) *world {
	w := newWorld(t)
	w.app = w.AddApp(App{
		ClientID: "hooked", ClientSecret: "s3cret", RedirectURIs: []string{callback},
		WebhookURL: "https://app.example/webhook", WebhookSecret: "whsec",
	})
	w.WebhookClient = &http.Client{Transport: NewTransport(h)}
	return w
}

func TestWebhookIsSigned(t *testing.T) {
	var got []byte
	var header http.Header
	w := webhookWorld(t, func(rw http.ResponseWriter, r *http.Request) {
		got, _ = io.ReadAll(r.Body)
		header = r.Header
		_, _ = io.WriteString(rw, "thanks")
	})
	resp, err := w.Webhook(t.Context(), "hooked", "meeting.started", map[string]string{"object": "<&>"})
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || string(b) != "thanks" {
		t.Errorf("answer %d %s", resp.StatusCode, b)
	}
	stamp := header.Get("x-zm-request-timestamp")
	want := "v0=" + hmacHex("whsec", "v0:"+stamp+":"+string(got))
	if header.Get("x-zm-signature") != want {
		t.Errorf("signed %s, want %s", header.Get("x-zm-signature"), want)
	}
	var seconds int64
	if _, err := fmt.Sscan(stamp, &seconds); err != nil || time.Since(time.Unix(seconds, 0)).Abs() > time.Minute {
		t.Errorf("timestamp %s", stamp)
	}
	var event struct {
		Event   string
		Payload map[string]string
		EventTS int64 `json:"event_ts"`
	}
	if err := json.Unmarshal(got, &event); err != nil || event.Event != "meeting.started" ||
		event.Payload["object"] != "<&>" || time.Since(time.UnixMilli(event.EventTS)).Abs() > time.Minute {
		t.Errorf("event %s, %v", got, err)
	}
}

// The value was computed with the command line of OpenSSL.
func TestWebhookSignatureVector(t *testing.T) {
	got := WebhookSignature("whsec", "1700000000", []byte(`{"event":"x"}`))
	if want := "v0=2aa98426aaaa0e7d656176ba66fd791493a89e594d61ccb124d2cd33a15020fc"; got != want {
		t.Errorf("got %s", got)
	}
}

func TestWebhookRetries(t *testing.T) {
	for first, want := range map[int]int{503: 4, 500: 4, 400: 1, 302: 1, 200: 1} {
		var calls int
		w := webhookWorld(t, func(rw http.ResponseWriter, _ *http.Request) {
			calls++
			rw.Header().Set("Location", "/elsewhere")
			rw.WriteHeader(first)
		})
		resp, err := w.Webhook(t.Context(), "hooked", "x", nil)
		if err != nil || resp.StatusCode != first || calls != want {
			t.Errorf("answered %d: %d calls, %v", first, calls, err)
		}
	}
}

// Who answers too late is taken for somebody who does not answer.
func TestWebhookWaitsThreeSeconds(t *testing.T) {
	for first, want := range map[time.Duration]int32{2 * time.Second: 1, 4 * time.Second: 2} {
		synctest.Test(t, func(t *testing.T) {
			var calls atomic.Int32
			w := webhookWorld(t, func(rw http.ResponseWriter, r *http.Request) {
				if calls.Add(1) == 1 {
					pause(r, first)
				}
			})
			resp, err := w.Webhook(t.Context(), "hooked", "x", nil)
			if err != nil || resp.StatusCode != 200 || calls.Load() != want {
				t.Errorf("answered after %v: %d calls, %v", first, calls.Load(), err)
			}
		})
	}
}

func TestWebhookIsGivenUp(t *testing.T) {
	w := newWorld(t)
	var calls atomic.Int32
	w.AddApp(App{ClientID: "hooked", WebhookURL: "https://app.example/webhook"})
	w.WebhookClient = &http.Client{Transport: NewTransport(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		calls.Add(1)
		panic(http.ErrAbortHandler)
	}))}
	if _, err := w.Webhook(t.Context(), "hooked", "x", nil); err == nil || calls.Load() != 4 {
		t.Errorf("%d calls, error %v", calls.Load(), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Webhook(ctx, "hooked", "x", nil); err == nil || calls.Load() != 4 {
		t.Errorf("%d calls, error %v", calls.Load(), err)
	}
}

func TestWebhookOverTheNetwork(t *testing.T) {
	hook := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !r.Close {
			t.Error("the connection is kept")
		}
		rw.WriteHeader(http.StatusNoContent)
	}))
	defer hook.Close()
	w := newWorld(t)
	w.AddApp(App{ClientID: "hooked", WebhookURL: hook.URL})
	resp, err := w.Webhook(t.Context(), "hooked", "x", nil)
	if err != nil || resp.StatusCode != http.StatusNoContent {
		t.Errorf("%v, %v", resp, err)
	}
	if _, err := w.Webhook(t.Context(), "public", "x", nil); err == nil {
		t.Error("delivered to an app without a webhook")
	}
}

func TestNewWebhookRequestMayBeTamperedWith(t *testing.T) {
	w := webhookWorld(t, nil)
	r, err := w.NewWebhookRequest(t.Context(), "hooked", "x", map[string]int{"n": 1})
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(r.Body)
	if r.Header.Get("x-zm-signature") != WebhookSignature("whsec", r.Header.Get("x-zm-request-timestamp"), body) ||
		r.Method != http.MethodPost || r.URL.String() != "https://app.example/webhook" {
		t.Errorf("request %+v", r)
	}
}

// What cannot be delivered is told, and not tried again and again.
func TestWebhookTrouble(t *testing.T) {
	w := webhookWorld(t, func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Type") != "application/json; charset=utf-8" || !regexp.MustCompile(`^v=2.0;clid=zoomtest;rid=WEB_[0-9a-f]{32}$`).MatchString(r.Header.Get("X-Zm-Trackingid")) {
			t.Errorf("headers %v", r.Header)
		}
		Truncated("thanks").ServeHTTP(rw, r)
	})
	w.AddApp(App{ClientID: "nowhere", WebhookURL: "https://%zz/"})
	for name, tt := range map[string]struct {
		client  string
		payload any
		want    string
	}{
		"no app":       {"nobody", nil, "there is no app with client id nobody"},
		"no URL":       {"nowhere", nil, "addressing the webhook: "},
		"no JSON":      {"hooked", func() {}, "encoding the event: "},
		"half answers": {"hooked", nil, "reading the answer to the event: unexpected EOF"},
	} {
		if resp, err := w.Webhook(t.Context(), tt.client, "x", tt.payload); err == nil || !strings.HasPrefix(err.Error(), tt.want) || resp != nil {
			t.Errorf("%s: %v, %v", name, resp, err)
		}
	}
	if r, err := w.NewWebhookRequest(t.Context(), "nobody", "x", nil); err == nil {
		t.Errorf("a request to nobody: %+v", r)
	}
	for _, client := range []string{"nobody", "nowhere"} {
		if err := w.ValidateWebhookURL(t.Context(), client); err == nil {
			t.Errorf("%s is valid", client)
		}
	}
}
