package zoomtest

import "strings"

// A caller is who an API call acts for.
type caller struct {
	grant *grant
	user  *User // nil if deleted
}

// userOf tells whose call it is, by the code or token that came with it,
// whether that is still good or not. It is empty if nothing tells.
func (s *Server) userOf(q *request) string {
	params := q.params()
	switch q.call {
	case CallConsent:
		return q.form.Get("user")
	case CallCode:
		if c, ok := s.codes.get(params.Get("code")); ok {
			return c.userID
		}
		return ""
	case CallRefresh:
		if rt, ok := s.refresh.get(params.Get("refresh_token")); ok {
			return rt.grant.userID
		}
		return ""
	case CallRevoke:
		return s.ownerOf(params.Get("token"))
	}
	return s.ownerOf(bearer(q))
}

// ownerOf returns whose an access token is or was.
func (s *Server) ownerOf(token string) string {
	if at, ok := s.access.get(token); ok {
		return at.grant.userID
	}
	return ""
}

// bearer returns the access token of a call. Zoom takes one in the
// Authorization header and nowhere else: those in a query are refused since
// February 2023 (its FAQ on the change), here also beside a good header, which
// a client that still sends them would have.
func bearer(q *request) string {
	fields := q.Header.Values("Authorization")
	if len(fields) != 1 || q.query.Has("access_token") {
		return ""
	}
	scheme, token, _ := strings.Cut(fields[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}
