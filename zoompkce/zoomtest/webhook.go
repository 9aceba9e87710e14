package zoomtest

import (
	"bytes"
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

// maxRetries is how often a delivery that was answered 5xx is repeated
// (zoom/skills, webhooks/references/subscriptions.md).
const maxRetries = 3

// WebhookSignature returns the x-zm-signature of a delivery: an HMAC over the
// x-zm-request-timestamp and the bytes of the body as they are sent
// (zoom/webhook-sample).
func WebhookSignature(secret, timestamp string, body []byte) string {
	return "v0=" + hmacHex(secret, "v0:"+timestamp+":"+string(body))
}

// NewWebhookRequest makes the signed request that delivers an event to an app,
// for tests that want to tamper with it before they send it.
func (s *Server) NewWebhookRequest(ctx context.Context, clientID, event string, payload any) (*http.Request, error) {
	app, err := s.webhookApp(clientID)
	if err != nil {
		return nil, err
	}
	body, err := s.webhookBody(event, payload)
	if err != nil {
		return nil, err
	}
	return s.signedRequest(ctx, app, body)
}

// Webhook delivers an event to an app and returns the last answer, its body
// already read. Deliveries answered 5xx are retried three times, at once.
func (s *Server) Webhook(ctx context.Context, clientID, event string, payload any) (*http.Response, error) {
	app, err := s.webhookApp(clientID)
	if err != nil {
		return nil, err
	}
	body, err := s.webhookBody(event, payload)
	if err != nil {
		return nil, err
	}
	resp, err := s.deliver(ctx, app, body)
	for i := 0; i < maxRetries && err == nil && resp.StatusCode >= 500; i++ {
		resp, err = s.deliver(ctx, app, body)
	}
	return resp, err
}

// webhookApp returns a copy of an app that has a webhook.
func (s *Server) webhookApp(clientID string) (App, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	app := s.apps[clientID]
	if app == nil {
		return App{}, errNoApp(clientID)
	}
	if app.WebhookURL == "" {
		return App{}, errors.New("the app has no WebhookURL: " + clientID)
	}
	return *app, nil
}

func (s *Server) webhookBody(event string, payload any) ([]byte, error) {
	body, err := json.Marshal(struct {
		Event   string `json:"event"`
		Payload any    `json:"payload"`
		EventTS int64  `json:"event_ts"` // milliseconds
	}{event, payload, s.Now().UnixMilli()})
	if err != nil {
		return nil, fmt.Errorf("encoding the event: %w", err)
	}
	return body, nil
}

func (s *Server) signedRequest(ctx context.Context, app App, body []byte) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, app.WebhookURL, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("addressing the webhook: %w", err)
	}
	timestamp := strconv.FormatInt(s.Now().Unix(), 10)
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("X-Zm-Request-Timestamp", timestamp)
	r.Header.Set("X-Zm-Signature", WebhookSignature(app.WebhookSecret, timestamp, body))
	r.Header.Set("X-Zm-Trackingid", "v=2.0;clid=zoomtest;rid=WEB_"+randomHex(16))
	return r, nil
}

// deliver sends one signed request and reads the answer.
func (s *Server) deliver(ctx context.Context, app App, body []byte) (*http.Response, error) {
	r, err := s.signedRequest(ctx, app, body)
	if err != nil {
		return nil, err
	}
	client := s.WebhookClient
	if client == nil {
		client = webhookClient
	}
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

// webhookClient takes the first answer, whatever it is, and keeps nothing open.
var webhookClient = &http.Client{
	Timeout:       10 * time.Second,
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func hmacHex(secret, text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}
