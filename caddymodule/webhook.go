package caddymodule

import (
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"
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
