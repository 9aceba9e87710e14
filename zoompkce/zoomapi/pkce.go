package zoomapi

import (
	"crypto/rand"
	"encoding/base64"

	"golang.org/x/oauth2"
)

// NewVerifier returns a fresh PKCE code verifier: 32 random bytes in base64url,
// 43 characters (RFC 7636 section 4.1).
func NewVerifier() string {
	var b [32]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// S256 returns the code challenge of verifier for the browser flow (RFC 7636
// section 4.2), which must be announced as S256: Zoom takes a challenge without
// a method for a plain one.
//
// The in-client flow of Zoom Apps is the exception. zoomSdk.authorize has no
// parameter for the method, so Zoom compares plainly and the challenge to hand
// out there is the verifier itself (developers.zoom.us/docs/zoom-apps/authentication).
func S256(verifier string) string {
	return oauth2.S256ChallengeFromVerifier(verifier)
}
