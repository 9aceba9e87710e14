package zoomtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"time"
)

// A Signature is what a Meeting SDK JWT says.
type Signature struct {
	ClientID      string
	MeetingNumber string // empty in those of native SDKs
	Role          int    // 1: the host
}

// The shortest and the longest life of a Meeting SDK JWT
// (zoom/meetingsdk-auth-endpoint-sample).
const (
	minSignatureLife = 30 * time.Minute
	maxSignatureLife = 48 * time.Hour
)

// ValidateSignature reports whether the Meeting SDK would accept a JWT now, and
// what it is for: signed with the secret of the app that its appKey names, and
// for as long as Zoom allows. The older sdkKey may stand beside appKey. One
// with a meeting number has a role, too.
func (s *Server) ValidateSignature(signature string) (Signature, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, ok := parseJWT(signature)
	if !ok || j.header["alg"] != "HS256" || j.header["typ"] != "JWT" {
		return Signature{}, false
	}
	id, _ := j.claims["appKey"].(string)
	app := s.apps[id]
	if legacy, given := j.claims["sdkKey"]; app == nil || app.ClientSecret == "" || given && legacy != id {
		return Signature{}, false
	}
	mac := hmac.New(sha256.New, []byte(app.ClientSecret))
	mac.Write([]byte(j.signed))
	if !hmac.Equal(mac.Sum(nil), j.signature) || !j.lives(s.now()) {
		return Signature{}, false
	}
	role, hasRole := j.claims["role"].(float64)
	number, hasNumber := j.claims["mn"]
	if hasNumber && !(hasRole && (role == 0 || role == 1)) {
		return Signature{}, false
	}
	meeting := Signature{ClientID: id, Role: int(role)}
	if hasNumber {
		// Zoom's sample passes a number on as it came, as text or not.
		if digits, ok := number.(float64); ok {
			number = fmt.Sprintf("%.0f", digits)
		}
		meeting.MeetingNumber, _ = number.(string)
	}
	return meeting, !hasNumber || isMeetingID(meeting.MeetingNumber)
}

// lives reports whether a Meeting SDK JWT, whose two ends both count, has begun
// and not ended, and was given a life that Zoom allows.
func (j *unverifiedJWT) lives(now time.Time) bool {
	issued, ok := j.time("iat")
	if !ok || issued.After(now) {
		return false
	}
	for _, name := range []string{"exp", "tokenExp"} {
		end, ok := j.time(name)
		if life := end.Sub(issued); !ok || !now.Before(end) || life < minSignatureLife || life > maxSignatureLife {
			return false
		}
	}
	return true
}
