package zoomtest

import "net/http"

// revoke is POST /oauth/revoke. It ends everything the sign-in led to; ZAKs
// live on, since nothing says they end. As in RFC 7009, a token that is not a
// live access token of this client is no error: nothing public says what Zoom
// answers for those, nor that it takes refresh tokens.
//
// The token belongs in the body: Zoom takes access tokens in no query any more.
//
// A public client authenticates as at the token endpoint. Whether Zoom lets
// one revoke is not known.
func (s *Server) revoke(q *request) answer {
	if q.Method != http.MethodPost {
		return methodNotAllowed(http.MethodPost)
	}
	if q.err != nil || repeated(q.params()) != "" || q.query.Has("token") {
		return oauthError("invalid_request", "Invalid request")
	}
	app, ok := s.authenticate(q) // a Bearer header fails here
	if !ok {
		return invalidClient()
	}
	token := q.params().Get("token")
	if token == "" {
		return oauthError("invalid_request", "Missing token")
	}
	if g, _, ok := s.liveAccess(token); ok && g.clientID == app.ClientID {
		s.endGrant(g)
	}
	return jsonAnswer(http.StatusOK, map[string]string{"status": "success"})
}
