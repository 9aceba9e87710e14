package caddymodule

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/bodies"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/browser"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/telemetry"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// Webhook configures the endpoint that receives Zoom's events.
type Webhook struct {
	// The secret tokens of the app's event subscriptions; a delivery has to be
	// signed with one of them. Required.
	SecretToken []string `json:"secret_token,omitempty"`

	// Further client ids of the same Zoom app, as events may name it: that of
	// production beside the one of a public client, for example. Default: none.
	ClientID []string `json:"client_id,omitempty"`

	// Whether events that are signed and fresh go on to the app behind, which then
	// answers Zoom; at the path they came by, and without a visitor's identity.
	// Default: false.
	HandOn bool `json:"hand_on,omitempty"`
}

type webhookSettings struct {
	redacted
	secretTokens [][]byte
	clientIDs    []string // the app's own first
	handOn       bool
}

func (w *Webhook) subdirective(b *conf.Block) error {
	switch b.Val() {
	case "secret_token":
		return b.List(&w.SecretToken)
	case "client_id":
		return b.List(&w.ClientID)
	case "hand_on":
		return b.OnOff(&w.HandOn)
	default:
		return b.Unrecognized()
	}
}

// resolve returns nil if the endpoint is off.
func (w *Webhook) resolve(r *resolver, clientID string) *webhookSettings {
	if w == nil {
		return nil
	}
	if len(w.SecretToken) == 0 {
		r.Failf("webhook secret_token", "is required: without it anybody could send events")
	}
	s := &webhookSettings{clientIDs: []string{clientID}, handOn: w.HandOn}
	for _, v := range r.Texts("webhook client_id", w.ClientID) {
		s.clientIDs = append(s.clientIDs, v.Text)
	}
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
func (s *site) serveWebhook(w http.ResponseWriter, r *http.Request, v *visit, next caddyhttp.Handler) error {
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
	if !event.Concerns(s.webhook.clientIDs...) {
		return refuse("the event is for another client_id; if that is one of this app, add it to webhook client_id")
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
	case zoomapi.EventDeauthorized, zoomapi.EventUserDeactivated, zoomapi.EventUserDeleted:
		if f := s.endUserOf(r, event); f != nil {
			return s.refuse(w, r, *f)
		}
	}
	if event.Event != zoomapi.EventDeauthorized { // which has an event of its own
		s.emit("webhook", map[string]any{"event": event.Event, "user_id": event.UserID})
	}
	if s.webhook.handOn {
		return s.handOn(w, r, v, body, next)
	}
	return s.answer(w, struct{}{})
}

// handOn lets the app have a delivery as Zoom has sent it. Its headers are not
// signed, so what could pass for an identity has been scrubbed, and further
// directives scrub theirs. The app's answer is Zoom's: what fails is repeated.
func (s *site) handOn(w http.ResponseWriter, r *http.Request, v *visit, body []byte, next caddyhttp.Handler) error {
	telemetry.Metrics.Count(telemetry.DecisionEndpoint)
	v.handedOn = true
	sent := browser.SentURL(r)
	*r.URL, r.RequestURI = *sent, sent.RequestURI()
	r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	return next.ServeHTTP(w, r)
}

// passesForEvent reports whether the app could take a request for an event that was
// handed on, though nobody has verified it: in a spelling that servers behind may
// read in this way, its path is that of the endpoint.
func (s *site) passesForEvent(r *http.Request, sent *url.URL) bool {
	if s.webhook == nil || !s.webhook.handOn {
		return false
	}
	isEndpoint := func(path string) bool {
		return strings.EqualFold(strings.TrimRight(path, "/"), s.pathPrefix+"/webhook")
	}
	for _, u := range [...]*url.URL{sent, r.URL} {
		readings, all := browser.Readings(u)
		if !all || isEndpoint(u.Path) || slices.ContainsFunc(readings, isEndpoint) {
			return true
		}
	}
	return false
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

// endUserOf ends every session of the user whom an event is about. Only then Zoom is
// told that all is well: it repeats what failed.
func (s *site) endUserOf(r *http.Request, event zoomapi.Webhook) *refusal {
	if event.UserID == "" || event.EventTS.IsZero() {
		return &refusal{code: outcome.BadRequest, err: errors.New("the event lacks its user or event_ts"), asJSON: true}
	}
	ended, err := s.manager.EndUser(r.Context(), event.UserID, event.EventTS)
	if err != nil {
		f := refusalOf(err)
		f.asJSON = true
		return &f
	}
	s.logger.Info("Zoom says that a user has removed the app, was deactivated or deleted",
		zap.String("event", event.Event), zap.String("user_id", event.UserID), zap.Bool("had_sessions", ended))
	return nil
}
