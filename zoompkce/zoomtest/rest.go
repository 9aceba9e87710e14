package zoomtest

import (
	"net/http"
	"slices"
)

// Scopes that open an endpoint: the granular one first, which is named when
// it is missing, then its admin form and the classic ones.
var (
	scopesMe    = []string{"user:read:user", "user:read:user:admin", "user:read", "user:read:admin", "user_info:read", "user_profile"}
	scopesZAK   = []string{"user:read:zak", "user:read:zak:admin", "user_zak:read"}
	scopesToken = []string{
		"user:read:token", "user:read:token:admin", "user:read:token:master",
		"user:read", "user:read:admin", "user:write", "user:master", "user_profile",
	}
)

// authorizeAPI checks what all REST calls have in common: method, access
// token, rate limit and scope. scopes may be nil.
func (s *Server) authorizeAPI(q *request, method string, scopes []string) (caller, answer, bool) {
	if q.Method != method {
		return caller{}, methodNotAllowed(method), false
	}
	g, expired, ok := s.liveAccess(bearer(q))
	switch {
	case expired:
		return caller{}, apiError(http.StatusUnauthorized, 124, "Access token is expired."), false
	case !ok:
		return caller{}, apiError(http.StatusUnauthorized, 124, "Invalid access token."), false
	}
	if refusal, ok := s.spend(g.accountID); !ok {
		return caller{}, refusal, false
	}
	if scopes != nil && !slices.ContainsFunc(scopes, func(scope string) bool {
		return slices.Contains(g.scopes, scope)
	}) {
		return caller{}, missingScope(scopes[0]), false
	}
	return caller{g, s.users[g.userID]}, answer{}, true
}

// authorizeUser is authorizeAPI for a call whose path names a user: a user-level
// app acts only for its own. ownID says whether the user's own id may stand for
// "me" (zoom/skills: me is required for user-level apps).
func (s *Server) authorizeUser(q *request, method string, scopes []string, ownID bool) (caller, answer, bool) {
	c, refusal, ok := s.authorizeAPI(q, method, scopes)
	if !ok {
		return caller{}, refusal, false
	}
	if id, _, _ := cutUserPath(q.URL.Path); id != "me" && !(ownID && id == c.grant.userID) {
		return caller{}, missingScope(scopes[1]), false
	}
	return c, answer{}, true
}

func missingScope(scope string) answer {
	return apiError(http.StatusBadRequest, 4711,
		"Invalid access token, does not contain scopes:["+scope+"].")
}

// me is GET /v2/users/me.
func (s *Server) me(q *request) answer {
	c, refusal, ok := s.authorizeUser(q, http.MethodGet, scopesMe, true)
	if !ok {
		return refusal
	}
	if c.user == nil {
		return apiError(http.StatusNotFound, 1001, "User not exist.")
	}
	return jsonAnswer(http.StatusOK, c.user.profile())
}
