package zoomtest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// An authorization is a valid authorization request.
type authorization struct {
	app         *App
	redirectURI string
	state       string
	challenge   string
	method      string
	scopes      []string
}

// A refusal is an authorization request that Zoom shows on its own page: the
// visitor never gets back to the app.
type refusal struct {
	code    int // of Zoom's table of OAuth errors
	message string
}

// String is the message with its number the way Zoom writes it, "(4,700)".
func (no *refusal) String() string {
	return fmt.Sprintf("%s (%d,%03d)", no.message, no.code/1000, no.code%1000)
}

// authorize is GET /oauth/authorize.
func (s *Server) authorize(q *request) answer {
	if q.Method != http.MethodGet {
		return methodNotAllowed(http.MethodGet)
	}
	if q.err != nil {
		return refuse(q, &refusal{4700, "Invalid request"})
	}
	a, no := s.checkAuthorization(q.query)
	if no != nil {
		return refuse(q, no)
	}
	return s.consentPage(a, q.URL.RawQuery)
}

// checkAuthorization holds an authorization request to Zoom's rules.
func (s *Server) checkAuthorization(params url.Values) (*authorization, *refusal) {
	if name := repeated(params); name != "" {
		return nil, &refusal{4700, "Repeated parameter " + name}
	}
	app := s.apps[params.Get("client_id")]
	if app == nil {
		return nil, &refusal{4702, "Invalid client_id"}
	}
	a := &authorization{
		app:         app,
		redirectURI: params.Get("redirect_uri"),
		state:       params.Get("state"),
		challenge:   params.Get("code_challenge"),
		method:      params.Get("code_challenge_method"),
		scopes:      slices.Clone(app.Scopes),
	}
	if !app.allows(a.redirectURI, a.challenge != "") {
		return nil, &refusal{4700, "Invalid redirect: " + a.redirectURI}
	}
	if params.Get("response_type") != "code" {
		return nil, &refusal{4700, "Invalid response_type"}
	}
	switch {
	case a.challenge == "" && params.Has("code_challenge_method"):
		return nil, &refusal{4700, "Missing code_challenge"}
	case a.challenge == "" && app.public():
		return nil, &refusal{4700, "Missing code_challenge"}
	case !params.Has("code_challenge_method"): // plain, as in RFC 7636, and so documented by Zoom
	case a.method != "S256" && a.method != "plain":
		return nil, &refusal{4700, "Invalid code_challenge_method"}
	}
	if params.Has("scope") {
		a.scopes = strings.Fields(params.Get("scope"))
		for _, scope := range a.scopes {
			if !slices.Contains(app.Scopes, scope) {
				return nil, &refusal{4700, "Invalid scope: " + scope}
			}
		}
	}
	return a, nil
}

// refuse answers as Zoom does, a page or JSON (seen in
// mattermost/mattermost-plugin-zoom#253). For an unknown client even browsers
// get JSON. The HTTP status is not known.
func refuse(q *request, no *refusal) answer {
	accept := q.Header.Get("Accept")
	if no.code == 4702 || strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/html") {
		return jsonAnswer(http.StatusBadRequest, struct {
			Status       bool    `json:"status"`
			ErrorCode    int     `json:"errorCode"`
			ErrorMessage string  `json:"errorMessage"`
			Result       *string `json:"result"`
		}{false, no.code, no.message, nil})
	}
	return errorPage(no)
}

// allow sends the visitor back with a code.
func (s *Server) allow(a *authorization, userID string) answer {
	code := s.issueCode(code{
		clientID:    a.app.ClientID,
		userID:      userID,
		redirectURI: a.redirectURI,
		challenge:   a.challenge,
		method:      a.method,
		scopes:      a.scopes,
	})
	return a.back("code", code)
}

// back redirects to the app, with the state unchanged if there was one.
func (a *authorization) back(name, value string) answer {
	params := name + "=" + url.QueryEscape(value)
	if a.state != "" {
		params += "&state=" + url.QueryEscape(a.state)
	}
	join := "?"
	if strings.Contains(a.redirectURI, "?") {
		join = "&"
	}
	return answer{
		status: http.StatusFound,
		header: http.Header{"Location": {a.redirectURI + join + params}},
	}
}
