package caddymodule

import (
	"errors"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/bodies"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// Webhook configures the endpoint that receives Zoom's events.
type Webhook struct {
	// The secret tokens of the app's event subscriptions; a delivery has to be
	// signed with one of them. Required.
	SecretToken []string `json:"secret_token,omitempty"`
}

type webhookSettings struct {
	redacted
	secretTokens [][]byte
}

func (w *Webhook) subdirective(b *conf.Block) error {
	switch b.Val() {
	case "secret_token":
		return b.List(&w.SecretToken)
	default:
		return b.Unrecognized()
	}
}

// resolve returns nil if the endpoint is off.
func (w *Webhook) resolve(r *resolver) *webhookSettings {
	if w == nil {
		return nil
	}
	if len(w.SecretToken) == 0 {
		r.Failf("webhook secret_token", "is required: without it anybody could send events")
	}
	s := new(webhookSettings)
	for _, v := range r.Secrets("webhook secret_token", w.SecretToken) {
		s.secretTokens = append(s.secretTokens, []byte(v.Text))
	}
	return s
}

// How old a delivery may be. Zoom repeats failed ones, so the span is long for
// what can be repeated without harm, and short for the challenge, whose answer is a
// signature.
const (
	webhookChallengeAge = 5 * time.Minute
	webhookEventAge     = 2 * time.Hour
)

// deliveries are read before anybody knows whether they are Zoom's.
var deliveries = &bodies.Limits{Each: 1 << 20, All: 16 << 20, Patience: 10 * time.Second}

type webhookChallengeAnswer struct {
	PlainToken     string `json:"plainToken"`
	EncryptedToken string `json:"encryptedToken"`
}

func (s *site) hasWebhook() bool { return s.webhook != nil }

// serveWebhook takes Zoom's word that a user has removed the app. What its headers tell
// is checked before any of the body is read, and the signature before anything
// else is made of it.
func (s *site) serveWebhook(w http.ResponseWriter, r *http.Request, _ *visit) error {
	refuse := func(why string) error {
		return s.refuse(w, r, refusal{code: outcome.BadRequest, err: errors.New(why), asJSON: true})
	}
	timestamp, signature := r.Header.Get("X-Zm-Request-Timestamp"), r.Header.Get("X-Zm-Signature")
	sent, ok := zoomapi.WebhookTime(timestamp)
	age := time.Since(sent).Abs()
	if !ok || age > webhookEventAge || !zoomapi.IsWebhookSignature(signature) {
		bodies.LeaveUnread(w, r)
		return refuse("the delivery has no signature, is too old, or one of the clocks is wrong")
	}
	body, release, err := deliveries.Read(w, r)
	defer release()
	if errors.Is(err, bodies.ErrBusy) {
		return s.refuse(w, r, refusal{code: outcome.StoreUnavailable, err: err, asJSON: true})
	} else if err != nil {
		return refuse("the body cannot be read, is longer than 1 MiB, or did not come within 10 s")
	}
	secret, ok := s.webhook.signer(timestamp, signature, body)
	if !ok {
		return refuse("no secret_token has signed this delivery; compare it with the app's secret token at Zoom")
	}
	event, err := zoomapi.ParseWebhook(body)
	if err != nil {
		return refuse(err.Error())
	}
	switch event.Event {
	case zoomapi.EventURLValidation:
		if age > webhookChallengeAge {
			return refuse("the challenge is too old, or one of the clocks is wrong")
		}
		encrypted, ok := zoomapi.WebhookURLToken(secret, event.PlainToken)
		if !ok {
			return refuse("the challenge is not one that Zoom sends")
		}
		return s.answer(w, webhookChallengeAnswer{event.PlainToken, encrypted})
	case zoomapi.EventDeauthorized:
		return s.deauthorize(w, r, event)
	}
	s.emit("webhook", map[string]any{"event": event.Event, "user_id": event.UserID})
	return s.answer(w, struct{}{})
}

// signer returns the secret token that has signed a delivery.
func (h *webhookSettings) signer(timestamp, signature string, body []byte) (secret string, ok bool) {
	for _, token := range h.secretTokens {
		if zoomapi.VerifyWebhook([]string{string(token)}, timestamp, signature, body) {
			secret, ok = string(token), true
		}
	}
	return secret, ok
}

// deauthorize ends every session of a user. Only then Zoom is told that all is
// well: it repeats what failed.
func (s *site) deauthorize(w http.ResponseWriter, r *http.Request, event zoomapi.Webhook) error {
	switch {
	case event.ClientID != s.clientID:
		return s.refuse(w, r, refusal{code: outcome.BadRequest, err: errors.New("the deauthorization is for another client_id"), asJSON: true})
	case event.UserID == "" || event.EventTS.IsZero():
		return s.refuse(w, r, refusal{code: outcome.BadRequest, err: errors.New("the deauthorization lacks user_id or event_ts"), asJSON: true})
	}
	ended, err := s.manager.EndUser(r.Context(), event.UserID, event.EventTS)
	if err != nil {
		f := refusalOf(err)
		f.asJSON = true
		return s.refuse(w, r, f)
	}
	s.logger.Info("a user removed the app at Zoom", zap.String("user_id", event.UserID), zap.Bool("had_sessions", ended))
	return s.answer(w, struct{}{})
}
