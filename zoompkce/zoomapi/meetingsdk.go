package zoomapi

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	signatureLife = 2 * time.Hour
	// Zoom's bounds for the life of a signature
	// (github.com/zoom/meetingsdk-auth-endpoint-sample).
	minSignatureLife = 30 * time.Minute
	maxSignatureLife = 48 * time.Hour
	// iat lies this far back, so that a Zoom clock behind ours accepts it.
	signatureSkew = 30 * time.Second
)

// MeetingSDK signs for a Meeting SDK app.
type MeetingSDK struct {
	// Key is the SDK key, the client id of the app.
	Key string
	// Secret is the SDK secret, the client secret of the app.
	Secret string
}

// String hides the secret from fmt and from loggers.
func (m MeetingSDK) String() string { return fmt.Sprintf("zoompkce.MeetingSDK{Key: %q}", m.Key) }

// GoString hides the secret from %#v.
func (m MeetingSDK) GoString() string { return m.String() }

// Format hides the secret from every verb of fmt.
func (m MeetingSDK) Format(f fmt.State, _ rune) { fmt.Fprint(f, m.String()) }

// LogValue hides the secret from log/slog.
func (m MeetingSDK) LogValue() slog.Value { return slog.StringValue(m.String()) }

// MeetingClaims is what a Meeting SDK signature is to allow.
type MeetingClaims struct {
	// MeetingNumber is the meeting to join, and Role how: 0 as participant, 1
	// as host, who also needs a ZAK. Both are given (web) or neither (native).
	MeetingNumber string
	Role          *int
	// ExpiresIn is the life of the signature, 30m to 48h. Default: 2h.
	ExpiresIn time.Duration
	// VideoWebRTCMode is 1 for WebRTC video, 0 for Zoom's own transport.
	// Default: none, Zoom decides.
	VideoWebRTCMode *int
}

// Sign returns the JWT that the Meeting SDK calls signature, issued at now.
func (m MeetingSDK) Sign(c MeetingClaims, now time.Time) (string, error) {
	if c.ExpiresIn == 0 {
		c.ExpiresIn = signatureLife
	}
	switch {
	case m.Key == "" || m.Secret == "":
		return "", errors.New("signing for the meeting sdk: key and secret are required")
	case (c.MeetingNumber == "") != (c.Role == nil):
		return "", errors.New("signing for the meeting sdk: meeting number and role go together")
	case c.Role != nil && *c.Role != 0 && *c.Role != 1:
		return "", errors.New("signing for the meeting sdk: the role must be 0 or 1")
	case c.VideoWebRTCMode != nil && *c.VideoWebRTCMode != 0 && *c.VideoWebRTCMode != 1:
		return "", errors.New("signing for the meeting sdk: the video webrtc mode must be 0 or 1")
	case c.ExpiresIn < minSignatureLife || c.ExpiresIn > maxSignatureLife:
		return "", errors.New("signing for the meeting sdk: the life must be from 30m to 48h")
	}
	iat := now.Add(-signatureSkew).Unix()
	exp := iat + int64(c.ExpiresIn/time.Second)
	claims := jwt.MapClaims{
		"appKey": m.Key, // since web SDK 5.0
		"sdkKey": m.Key, // before
		"iat":    iat, "exp": exp, "tokenExp": exp,
	}
	if c.Role != nil {
		number, ok := MeetingNumber(c.MeetingNumber)
		if !ok {
			return "", errors.New("signing for the meeting sdk: the meeting number must have 9 to 12 digits")
		}
		claims["mn"], claims["role"] = number, *c.Role
	}
	if c.VideoWebRTCMode != nil {
		claims["video_webrtc_mode"] = *c.VideoWebRTCMode
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(m.Secret))
}
