package zoomtest

import (
	"net/http"
	"net/url"
)

// oauthError is an error of the OAuth endpoints. Zoom says reason where OAuth
// says error_description (seen in raycast/extensions#10896 and others).
func oauthError(code, reason string) answer {
	return jsonAnswer(http.StatusBadRequest, struct {
		Reason string `json:"reason"`
		Error  string `json:"error"`
	}{reason, code})
}

// invalidClient is one answer for all that can be wrong with credentials
// (seen in JubaerHossain/zoom-laravel#3).
func invalidClient() answer {
	return oauthError("invalid_client", "Invalid client_id or client_secret")
}

// authenticate tells which app calls. A confidential client sends its id and
// secret as HTTP Basic and nowhere else: client_secret_basic is the only method
// in Zoom's metadata. A public client sends client_id as a parameter, no secret
// and no Authorization header (Zoom's announcement of public PKCE clients). An
// app with a key of its own sends a client assertion and neither of these.
func (s *Server) authenticate(q *request) (*App, bool) {
	params := q.params()
	authorizations := len(q.Header.Values("Authorization"))
	if params.Has("client_secret") || authorizations > 1 {
		return nil, false
	}
	if authorizations == 0 && params.Has("client_assertion") {
		return s.asserted(q)
	}
	if authorizations == 0 {
		app := s.apps[params.Get("client_id")]
		return app, app != nil && app.public()
	}
	id, secret, ok := q.BasicAuth()
	if !ok {
		return nil, false
	}
	app := s.apps[decoded(id)]
	if app == nil {
		app = s.apps[id]
	}
	switch {
	case app == nil || app.public() || len(app.PublicKeys) > 0 || params.Has("client_assertion"):
		return nil, false
	case secret != app.ClientSecret && decoded(secret) != app.ClientSecret:
		return nil, false
	case params.Has("client_id") && params.Get("client_id") != app.ClientID:
		return nil, false
	}
	return app, true
}

// decoded undoes the form encoding that RFC 6749 section 2.3.1 asks for in
// Basic credentials; Zoom's own samples leave it out.
func decoded(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}
