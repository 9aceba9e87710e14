package zoomtest

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

// token is POST /oauth/token.
func (s *Server) token(q *request) answer {
	if q.Method != http.MethodPost {
		return methodNotAllowed(http.MethodPost)
	}
	if q.err != nil {
		return oauthError("invalid_request", "Invalid request")
	}
	if name := repeated(q.params()); name != "" {
		return oauthError("invalid_request", "Repeated parameter "+name)
	}
	app, ok := s.authenticate(q)
	if !ok {
		return invalidClient()
	}
	switch q.call {
	case CallCode:
		return s.redeem(app, q)
	case CallRefresh:
		return s.refreshGrant(app, q)
	}
	if !q.params().Has("grant_type") {
		return oauthError("invalid_request", "Missing grant type") // after Zoom's error 4706
	}
	return oauthError("unsupported_grant_type", "Unsupported grant type") // after 4705
}

// redeem exchanges an authorization code. Except for a wrong redirect URI,
// every failure is the same answer, wrong verifiers included (seen in
// 1nm/zoomapps-test), and it echoes the code. The first attempt of the right
// client uses the code up, whatever comes of it.
func (s *Server) redeem(app *App, q *request) answer {
	params := q.params()
	text := params.Get("code")
	invalid := oauthError("invalid_grant", "Invalid authorization code "+text)

	c, ok := s.codes.get(text)
	if !ok || c.clientID != app.ClientID {
		return invalid
	}
	s.codes.remove(text)
	if !s.now().Before(c.expires) {
		return invalid
	}
	// zoom/arlo leaves redirect_uri out of the in-client flow, Zoom's other
	// samples send one.
	if omitted := c.inClient && !params.Has("redirect_uri"); !omitted &&
		params.Get("redirect_uri") != c.redirectURI {
		return oauthError("invalid_grant", "Redirect URI mismatch") // after Zoom's error 4709
	}
	if !c.verified(params.Get("code_verifier")) {
		return invalid
	}
	user := s.users[c.userID]
	if user == nil {
		return invalid
	}
	return s.grantAnswer(s.openGrant(c, text, user))
}

// verified checks a PKCE verifier. One that comes without a challenge is
// refused as well: the challenge may have been stripped (RFC 9700 section
// 4.8.2). Zoom does not police the alphabet of verifiers, nor does this.
func (c *code) verified(verifier string) bool {
	switch {
	case c.challenge == "":
		return verifier == ""
	case verifier == "":
		return false
	case c.method == "S256":
		sum := sha256.Sum256([]byte(verifier))
		return base64.RawURLEncoding.EncodeToString(sum[:]) == c.challenge
	}
	return verifier == c.challenge
}

// refreshGrant exchanges a refresh token. It is single-use: the answer holds a
// new one, and the old one is invalid at once, without grace (Zoom's support
// article 360060332931). Using it again changes nothing else.
func (s *Server) refreshGrant(app *App, q *request) answer {
	invalid := s.refusedRefresh.answer()
	rt, ok := s.liveRefresh(q.params().Get("refresh_token"))
	if !ok || rt.grant.clientID != app.ClientID {
		return invalid
	}
	for _, scope := range rt.grant.scopes {
		if !slices.Contains(app.Scopes, scope) {
			return invalid // Zoom's error 4711: token scopes no longer match
		}
	}
	rt.dead = true
	if s.RefreshEndsAccessToken {
		s.eachAccessToken(grantKey{app.ClientID, rt.grant.userID}, func(at *accessToken) {
			at.dead = at.dead || at.grant == rt.grant
		})
	}
	return s.grantAnswer(rt.grant)
}

// grantAnswer issues tokens. There is no id_token and no refresh_expires_in.
func (s *Server) grantAnswer(g *grant) answer {
	access, refresh, expiresIn := s.issueTokens(g)
	scope := strings.Join(g.scopes, " ")
	if s.OmitScope {
		scope = ""
	}
	a := jsonAnswer(http.StatusOK, struct {
		AccessToken  string `json:"access_token"`
		TokenType    string `json:"token_type"`
		RefreshToken string `json:"refresh_token"`
		ExpiresIn    int    `json:"expires_in"`
		Scope        string `json:"scope,omitempty"`
		APIURL       string `json:"api_url,omitempty"`
	}{access, "bearer", refresh, expiresIn, scope, s.APIURL})
	a.header.Set("Cache-Control", "no-store")
	return a
}
