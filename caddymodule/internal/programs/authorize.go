package programs

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// maxAuthorization bounds an authorization request: it has to fit into the
// cookie of the sign-in that it may have to wait for.
const maxAuthorization = 1300

// authorization is an authorization request whose client and redirect URI are
// good, so that the answer may go there.
type authorization struct {
	client    *Client
	redirect  redirectTarget
	issuer    string
	state     string
	challenge [32]byte
	resource  zoompkce.Resource
}

// Authorize answers an authorization request: with a sign-in, then with the
// question whether the user allows the program, each time. query is the request
// as the browser sent it.
func (s *Server) Authorize(w http.ResponseWriter, r *http.Request, query string) error {
	at := s.placeOf(r)
	if !s.Clients.askOutside(r.Context(), at, query) {
		if a, err := s.readAuthorization(r.Context(), at, query); err != nil {
			return s.refuseAuthorization(w, r, a, err)
		}
	}
	session, profile, err := s.Site.Visitor(w, r)
	if errors.As(err, new(*zoompkce.NoSessionError)) {
		return s.Site.SignIn(w, r, query)
	}
	if err != nil {
		return s.Site.Refuse(w, r, err)
	}
	at.userID = profile.ID
	a, err := s.readAuthorization(r.Context(), at, query)
	if err != nil {
		return s.refuseAuthorization(w, r, a, err)
	}
	value, err := s.Authority.SealConsent(r.Context(), session, a.issuer, query)
	if err != nil {
		return s.Site.Refuse(w, r, err)
	}
	s.Site.WritePage(w, consentPage(a, profile, s.PathPrefix, value))
	return nil
}

// ErrDeclined means that the user did not go through with the sign-in, and that
// the program cannot be told.
var ErrDeclined = errors.New("the sign-in was declined")

// Declined ends an authorization request whose user did not go through with the
// sign-in at Zoom. Where a client's document would have to be read for it nothing
// goes to the redirect URI: nobody has signed in.
func (s *Server) Declined(w http.ResponseWriter, r *http.Request, query string) error {
	at := s.placeOf(r)
	if s.Clients.askOutside(r.Context(), at, query) {
		return s.Site.Refuse(w, r, ErrDeclined)
	}
	a, err := s.readAuthorization(r.Context(), at, query)
	if err != nil {
		return s.refuseAuthorization(w, r, a, err)
	}
	s.sendBack(w, a, errDeclined)
	return nil
}

var errDeclined = &refusal{accessDenied, "the user did not allow it"}

// refuseAuthorization answers a request that readAuthorization refused.
func (s *Server) refuseAuthorization(w http.ResponseWriter, r *http.Request, a *authorization, err error) error {
	if a == nil {
		return s.Site.Refuse(w, r, err)
	}
	s.sendBack(w, a, refusalOf(err))
	return nil
}

// readAuthorization reads and checks an authorization request. Without an
// authorization the error is for the person, never for the redirect URI; with
// one it goes back.
func (s *Server) readAuthorization(ctx context.Context, at place, query string) (*authorization, error) {
	// What can be read of a broken query still tells who asks.
	p, syntax := parseParameters(query)
	if len(p["client_id"]) != 1 || len(p["redirect_uri"]) != 1 {
		return nil, fmt.Errorf("%w: one of each is needed", ErrBadClient)
	}
	client, err := s.Clients.find(ctx, at, p.Get("client_id"))
	if errors.Is(err, errUnknownClient) {
		return nil, fmt.Errorf("%w: %w", ErrBadClient, err)
	}
	if err != nil {
		return nil, err
	}
	redirect, ok := client.redirect(p.Get("redirect_uri"))
	if !ok {
		return nil, fmt.Errorf("%w: the redirect URI is not one of the client's", ErrBadClient)
	}
	a := &authorization{client: client, redirect: redirect, issuer: at.issuer}
	if len(p["state"]) == 1 {
		a.state = p.Get("state")
	}
	if len(query) > maxAuthorization {
		return a, &refusal{invalidRequest, "the request is longer than 1,300 bytes"}
	}
	if syntax != nil {
		return a, syntax
	}
	return a, s.readParameters(a, p)
}

// readParameters checks what a request asks for beyond who asks. The scope is
// ignored, as are all parameters that are not known (RFC 6749, section 3.1).
func (s *Server) readParameters(a *authorization, p url.Values) (err error) {
	switch kind := p.Get("response_type"); {
	case kind == "":
		return &refusal{invalidRequest, "response_type is missing"}
	case kind != "code":
		return &refusal{unsupportedResponse, "response_type must be code"}
	}
	if mode := p.Get("response_mode"); mode != "" && mode != "query" {
		return &refusal{invalidRequest, "response_mode must be query"}
	}
	// An absent method means plain (RFC 7636, section 4.3), which protects
	// against nobody who can read the request.
	if p.Get("code_challenge_method") != "S256" {
		return &refusal{invalidRequest, "code_challenge_method must be S256"}
	}
	challenge, err := base64.RawURLEncoding.Strict().DecodeString(p.Get("code_challenge"))
	if err != nil || len(challenge) != len(a.challenge) {
		return &refusal{invalidRequest, "code_challenge is not that of S256"}
	}
	copy(a.challenge[:], challenge)
	a.resource, err = s.resource(p["resource"])
	return err
}

// sendBack answers an authorization request with an error, at its redirect URI.
func (s *Server) sendBack(w http.ResponseWriter, a *authorization, f *refusal) {
	s.redirect(w, a, url.Values{"error": {f.code}, "error_description": {f.description}})
}

// redirect sends the browser back to the program. Every answer says whose it is
// (RFC 9207), so that a client of several servers cannot be made to take the code
// of one to another.
func (s *Server) redirect(w http.ResponseWriter, a *authorization, answer url.Values) {
	if a.state != "" {
		answer.Set("state", a.state)
	}
	answer.Set("iss", a.issuer)
	separator := "?"
	if strings.Contains(a.redirect.uri, "?") {
		separator = "&"
	}
	s.Site.SetHeaders(w.Header())
	w.Header().Set("Location", a.redirect.uri+separator+answer.Encode())
	w.WriteHeader(http.StatusSeeOther) // never 307, which repeats the form (RFC 9700, section 4.12)
}
