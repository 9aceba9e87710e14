package programs

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// The grants that the token endpoint knows.
const (
	grantCode    = "authorization_code"
	grantRefresh = "refresh_token"
)

// tokenAnswer has no scope: there are none, and an absent one means "as asked".
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"` // seconds
	RefreshToken string `json:"refresh_token"`
}

// Token exchanges a code or a refresh token for tokens. A request that is
// refused spends neither: clients try again in another way.
func (s *Server) Token(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		s.wrongMethod(w, http.MethodPost)
		return
	}
	tokens, err := s.tokens(w, r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.writeJSON(w, http.StatusOK, tokenAnswer{
		AccessToken:  tokens.AccessToken,
		TokenType:    "Bearer",
		ExpiresIn:    int64(math.Ceil(time.Until(tokens.Expiry).Seconds())),
		RefreshToken: tokens.RefreshToken,
	})
}

func (s *Server) tokens(w http.ResponseWriter, r *http.Request) (*zoompkce.ProgramTokens, error) {
	form, err := readForm(strangerBodies, w, r)
	if err != nil {
		return nil, err
	}
	issuer := s.Site.Issuer(r)
	client, err := s.sender(r, issuer, form)
	if err != nil {
		return nil, err
	}
	resource, err := s.resource(form["resource"])
	if err != nil {
		return nil, err
	}
	switch form.Get("grant_type") {
	case grantCode:
		return s.redeem(r.Context(), issuer, client, resource, form)
	case grantRefresh:
		return s.refresh(r, issuer, client, resource, form)
	case "":
		return nil, missing("grant_type")
	}
	return nil, &refusal{unsupportedGrant, "grant_type must be authorization_code or refresh_token"}
}

func missing(parameter string) *refusal { return &refusal{invalidRequest, parameter + " is missing"} }

func (s *Server) redeem(
	ctx context.Context, issuer string, client zoompkce.ClientHash, resource zoompkce.Resource, form url.Values,
) (*zoompkce.ProgramTokens, error) {
	for _, name := range []string{"code", "redirect_uri", "code_verifier"} {
		if form.Get(name) == "" {
			return nil, missing(name)
		}
	}
	return s.Authority.RedeemCode(ctx, zoompkce.CodeRedemption{
		Code: form.Get("code"), Client: client, Issuer: issuer, RedirectURI: form.Get("redirect_uri"),
		Verifier: form.Get("code_verifier"), Resource: resource,
	})
}

// refresh gives new tokens to a program whose user may still use the site.
func (s *Server) refresh(
	r *http.Request, issuer string, client zoompkce.ClientHash, resource zoompkce.Resource, form url.Values,
) (*zoompkce.ProgramTokens, error) {
	token := form.Get("refresh_token")
	if token == "" {
		return nil, missing("refresh_token")
	}
	session, err := s.Authority.RefreshSession(r.Context(), issuer, token, client)
	if err != nil {
		return nil, err
	}
	if err := s.Admit(r, session); err != nil {
		return nil, err
	}
	return s.Authority.RefreshProgram(r.Context(), session, resource)
}

// sender is the client that sent a request. None of ours has a secret; a Basic
// header with an empty one is how some say so (x/oauth2 tries it first).
func (s *Server) sender(r *http.Request, issuer string, form url.Values) (zoompkce.ClientHash, error) {
	id := form.Get("client_id")
	if len(r.Header["Authorization"]) > 0 {
		named, err := basicClient(r)
		if err != nil {
			return zoompkce.ClientHash{}, err
		}
		if id != "" && id != named {
			return zoompkce.ClientHash{}, &refusal{invalidRequest, "the client is named twice, and differently"}
		}
		id = named
	}
	switch {
	case form.Get("client_secret") != "":
		return zoompkce.ClientHash{}, errSecret
	case id == "":
		return zoompkce.ClientHash{}, missing("client_id")
	}
	return zoompkce.HashClientID(id), s.Clients.known(r.Context(), place{issuer: issuer, authority: s.Authority}, id)
}

var errSecret = &refusal{invalidClient, "the clients of this server are public and have no secret"}

// basicClient reads a client id from a Basic header, where it stands encoded as
// in a form (RFC 6749, section 2.3.1).
func basicClient(r *http.Request) (string, error) {
	user, password, ok := r.BasicAuth()
	if !ok || len(r.Header["Authorization"]) > 1 {
		return "", &refusal{invalidClient, "the Authorization header is not the Basic one of a client"}
	}
	if password != "" {
		return "", errSecret
	}
	id, _ := url.QueryUnescape(user) // "" if it cannot be
	if id == "" {
		return "", errNoClient
	}
	return id, nil
}

// Revoke ends the program that a token belongs to (RFC 7009). That a token is
// unknown is no error: it is as good as ended.
func (s *Server) Revoke(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		s.wrongMethod(w, http.MethodPost)
		return
	}
	if err := s.revoke(w, r); err != nil {
		s.refuse(w, r, err)
		return
	}
	s.writeJSON(w, http.StatusOK, struct{}{})
}

func (s *Server) revoke(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(strangerBodies, w, r)
	if err != nil {
		return err
	}
	issuer := s.Site.Issuer(r)
	client, err := s.sender(r, issuer, form)
	if err != nil {
		return err
	}
	token := form.Get("token")
	if token == "" {
		return missing("token")
	}
	err = s.Authority.RevokeProgram(r.Context(), issuer, token, client)
	if errors.Is(err, zoompkce.ErrUnknownToken) {
		return nil
	}
	return err
}
