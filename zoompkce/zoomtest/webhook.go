package zoomtest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

const (
	// maxRetries is how often a delivery is repeated that got a 5xx or no
	// answer (zoom/skills, webhooks/references/subscriptions.md).
	maxRetries = 3

	// maxWebhookWait is how long Zoom waits for an answer (zoom/skills,
	// rest-api/examples/webhook-server.md).
	maxWebhookWait = 3 * time.Second
)

// WebhookSignature returns the x-zm-signature of a delivery: an HMAC over the
// x-zm-request-timestamp and the bytes of the body as they are sent
// (zoom/webhook-sample).
func WebhookSignature(secret, timestamp string, body []byte) string {
	return "v0=" + hmacHex(secret, "v0:"+timestamp+":"+string(body))
}

// NewWebhookRequest makes the signed request that delivers an event to an app,
// for tests that want to tamper with it before they send it.
func (s *Server) NewWebhookRequest(ctx context.Context, clientID, event string, payload any) (*http.Request, error) {
	d, err := s.newDelivery(clientID, event, payload)
	if err != nil {
		return nil, err
	}
	return s.signed(ctx, d)
}

// Webhook delivers an event to an app and returns the last answer, its body
// already read. What is answered 5xx, or not within 3 s, is delivered again,
// three times at most; nothing else is, redirects included. Zoom repeats after
// 5, 20 and 60 minutes, this server at once.
func (s *Server) Webhook(ctx context.Context, clientID, event string, payload any) (*http.Response, error) {
	d, err := s.newDelivery(clientID, event, payload)
	if err != nil {
		return nil, err
	}
	var resp *http.Response
	for range 1 + maxRetries {
		resp, err = s.deliver(ctx, d)
		if err == nil && resp.StatusCode < 500 {
			break
		}
	}
	return resp, err
}

// A delivery is an event for an app.
type delivery struct {
	url    string
	secret string
	body   []byte
}

func (s *Server) newDelivery(clientID, event string, payload any) (*delivery, error) {
	s.mu.Lock()
	app, now := s.apps[clientID], s.now()
	s.mu.Unlock()
	if app == nil {
		return nil, errNoApp(clientID)
	}
	d := &delivery{url: app.WebhookURL, secret: app.WebhookSecret}
	if event == deauthorized {
		d.url = cmp.Or(app.DeauthorizationURL, d.url)
	}
	if d.url == "" {
		return nil, errors.New("the app has no WebhookURL: " + clientID)
	}
	var err error
	d.body, err = json.Marshal(struct {
		Event   string `json:"event"`
		Payload any    `json:"payload"`
		EventTS int64  `json:"event_ts"` // milliseconds
	}{event, payload, now.UnixMilli()})
	if err != nil {
		return nil, fmt.Errorf("encoding the event: %w", err)
	}
	return d, nil
}

func (s *Server) signed(ctx context.Context, d *delivery) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url, bytes.NewReader(d.body))
	if err != nil {
		return nil, fmt.Errorf("addressing the webhook: %w", err)
	}
	timestamp := strconv.FormatInt(s.Now().Unix(), 10)
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("X-Zm-Request-Timestamp", timestamp)
	r.Header.Set("X-Zm-Signature", WebhookSignature(d.secret, timestamp, d.body))
	r.Header.Set("X-Zm-Trackingid", "v=2.0;clid=zoomtest;rid=WEB_"+randomHex(16))
	return r, nil
}

// deliver sends one signed request and reads the answer, whatever it is.
func (s *Server) deliver(ctx context.Context, d *delivery) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, maxWebhookWait)
	defer cancel()
	r, err := s.signed(ctx, d)
	if err != nil {
		return nil, err
	}
	client := http.Client{Transport: webhookTransport}
	if s.WebhookClient != nil {
		client = *s.WebhookClient
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("delivering the event: %w", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("reading the answer to the event: %w", err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(b))
	return resp, nil
}

// webhookTransport keeps nothing open.
var webhookTransport = &http.Transport{DisableKeepAlives: true}

func hmacHex(secret, text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}
