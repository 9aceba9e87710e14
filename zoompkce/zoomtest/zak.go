package zoomtest

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	zakLifetime        = 5 * time.Minute // users/me/zak
	userTokenLifetime  = 2 * time.Hour   // users/me/token, without ttl
	maxTTL             = 365 * 24 * time.Hour
	deprecatedLifetime = 14 * 24 * time.Hour // type=token
)

// A meetingToken is a ZAK or an OBF token.
type meetingToken struct {
	userID    string
	meetingID string // OBF only, and only if it was asked for
	fetched   time.Time
	expires   time.Time
	dead      bool
}

func (t *meetingToken) expiry() time.Time { return t.expires }

// zak is GET /v2/users/me/zak: a ZAK that lives five minutes. A new one does
// not end the earlier ones.
func (s *Server) zak(q *request) answer {
	c, refusal, ok := s.authorizeUser(q, http.MethodGet, scopesZAK, false)
	if !ok {
		return refusal
	}
	lifetime := zakLifetime
	if s.ZAKLifetime > 0 {
		lifetime = s.ZAKLifetime
	}
	return s.issueMeetingToken(&s.zaks, c, "", lifetime)
}

// userToken is GET /v2/users/me/token: a ZAK, an OBF token, or, by default,
// the deprecated token that is neither. Zoom's error for other types is not
// known; a forum user's type=tk only led to an unusable token.
func (s *Server) userToken(q *request) answer {
	c, refusal, ok := s.authorizeUser(q, http.MethodGet, scopesToken, true)
	if !ok {
		return refusal
	}
	if q.err != nil || repeated(q.query) != "" {
		return apiError(http.StatusBadRequest, 300, "Invalid parameter.")
	}
	lifetime := userTokenLifetime
	if text := q.query.Get("ttl"); q.query.Has("ttl") {
		seconds, _ := strconv.Atoi(text) // none, or too many
		if seconds <= 0 || seconds > int(maxTTL/time.Second) {
			return apiError(http.StatusBadRequest, 300, "Invalid parameter: ttl.")
		}
		lifetime = time.Duration(seconds) * time.Second
	}
	switch q.query.Get("type") {
	case "zak":
		return s.issueMeetingToken(&s.zaks, c, "", lifetime)
	case "onbehalf":
		meeting := q.query.Get("meeting_id")
		if q.query.Has("meeting_id") && !isMeetingID(meeting) {
			return apiError(http.StatusBadRequest, 300, "Invalid parameter: meeting_id.")
		}
		return s.issueMeetingToken(&s.obfs, c, meeting, lifetime)
	case "", "token":
		return s.issueMeetingToken(&shelf[*meetingToken]{}, c, "", deprecatedLifetime)
	}
	return apiError(http.StatusBadRequest, 300, "Invalid parameter: type.")
}

func (s *Server) issueMeetingToken(to *shelf[*meetingToken], c caller, meeting string, lifetime time.Duration) answer {
	if c.user == nil {
		return apiError(http.StatusBadRequest, 1001, "User not exist.")
	}
	now := s.now()
	t := &meetingToken{userID: c.user.ID, meetingID: meeting, fetched: now, expires: now.Add(lifetime)}
	text := s.keys.meetingToken(c.user, now, t.expires)
	to.put(text, t, now)
	return jsonAnswer(http.StatusOK, map[string]string{"token": text})
}

func isMeetingID(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
