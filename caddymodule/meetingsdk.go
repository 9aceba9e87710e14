package caddymodule

import (
	"slices"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"
)

// Bounds of the claims exp and tokenExp, counted from iat, as documented in
// https://github.com/zoom/meetingsdk-auth-endpoint-sample.
const (
	minSignatureLife = 30 * time.Minute
	maxSignatureLife = 48 * time.Hour
)

// MeetingSDK configures the Meeting SDK JWTs that the endpoint `signature`
// signs for signed-in visitors.
type MeetingSDK struct {
	// The SDK key that the JWTs name. It is required where there is no
	// `client_secret`. Default: `client_id`.
	SDKKey string `json:"sdk_key,omitempty"`

	// The secret that signs the JWTs. It is required where there is no
	// `client_secret`. Default: `client_secret`.
	SDKSecret string `json:"sdk_secret,omitempty"`

	// How long a JWT is valid, 30 minutes to 48 hours. A page that asks for more
	// gets this. Default: 2h.
	ExpiresIn caddy.Duration `json:"expires_in,omitempty"`

	// The meeting roles that pages may ask for: 0 is a participant, 1 the host.
	// Default: both.
	Roles []int `json:"roles,omitempty"`
}

type meetingSDKSettings struct {
	redacted
	sdkKey    string
	sdkSecret []byte
	expiresIn time.Duration
	roles     []int
}

func (m *MeetingSDK) subdirective(b *conf.Block) error {
	switch b.Val() {
	case "sdk_key":
		return b.Text(&m.SDKKey)
	case "sdk_secret":
		return b.Text(&m.SDKSecret)
	case "expires_in":
		return b.Duration(&m.ExpiresIn)
	case "roles":
		var roles []string
		if err := b.List(&roles); err != nil {
			return err
		}
		for _, role := range roles {
			if role != "0" && role != "1" {
				return b.Errf("roles takes 0 (participant) and 1 (host), not '%s'", role)
			}
			number, _ := strconv.Atoi(role)
			m.Roles = append(m.Roles, number)
		}
		return nil
	default:
		return b.Unrecognized()
	}
}

// resolve returns nil if the endpoint is off.
func (m *MeetingSDK) resolve(r *resolver, app *Handler, s *settings) *meetingSDKSettings {
	if m == nil {
		return nil
	}
	sdk := &meetingSDKSettings{
		sdkKey:    s.clientID,
		sdkSecret: s.clientSecret,
		expiresIn: r.Duration("meeting_sdk expires_in", m.ExpiresIn, 2*time.Hour),
		roles:     []int{0, 1},
	}
	if v, ok := r.Text("meeting_sdk sdk_key", m.SDKKey); ok {
		sdk.sdkKey = v.Text
	}
	if v, ok := r.Secret("meeting_sdk sdk_secret", m.SDKSecret); ok {
		sdk.sdkSecret = []byte(v.Text)
	}
	switch {
	case app.ClientKey != "":
		if m.SDKKey == "" || m.SDKSecret == "" {
			r.Failf("meeting_sdk", "needs sdk_key and sdk_secret beside client_key, which does not sign for meetings")
		}
	case app.ClientSecret != "":
	case m.SDKSecret == "":
		r.Failf("meeting_sdk sdk_secret", "is required for a public client, and so is sdk_key: its own id signs nothing")
	case m.SDKKey == "":
		r.Failf("meeting_sdk sdk_key", "is required for a public client, whose own id signs nothing")
	}
	if sdk.expiresIn < minSignatureLife || sdk.expiresIn > maxSignatureLife {
		r.Failf("meeting_sdk expires_in", "%s is not between 30m and 48h, the bounds that Zoom sets", sdk.expiresIn)
	}
	if len(m.Roles) > 0 {
		sdk.roles = slices.Compact(slices.Sorted(slices.Values(m.Roles)))
	}
	for _, role := range sdk.roles {
		if role != 0 && role != 1 {
			r.Failf("meeting_sdk roles", "%d is neither 0 (participant) nor 1 (host)", role)
		}
	}
	return sdk
}
