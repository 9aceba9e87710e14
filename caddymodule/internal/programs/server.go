// Package programs is the HTTP side of signing programs in: towards native apps,
// command lines and MCP clients the site is an OAuth 2.1 authorization server for
// public clients. What a program is and how long it lives is decided in zoompkce,
// who the visitor is by the handler.
package programs

import (
	"context"
	"net/http"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// Site is the directive around this package: what it knows of a request, and
// how it answers a person.
type Site interface {
	// Issuer is the origin of the redirect URI for the host of r. It comes from
	// the configuration, never from the request alone.
	Issuer(r *http.Request) string
	// Protects reports whether r would be protected if path, as a client sends
	// it, were its path.
	Protects(r *http.Request, path string) bool
	// Visitor is who sent r, by cookie, if they may use the site. Its errors are
	// handed to Refuse, but for a [*zoompkce.NoSessionError].
	Visitor(w http.ResponseWriter, r *http.Request) (*zoompkce.Session, zoomapi.Profile, error)
	// SignIn answers with a sign-in that comes back to this authorization request,
	// a query.
	SignIn(w http.ResponseWriter, r *http.Request, request string) error
	// Refuse answers a person. The error is [ErrBadClient], a [*BusyError], [ErrBadForm],
	// [ErrDeclined], [bodies.ErrBusy], one of Visitor's, or one of the Authority's.
	Refuse(w http.ResponseWriter, r *http.Request, err error) error
	// SetHeaders sets what every answer of the directive carries.
	SetHeaders(h http.Header)
	// WritePage answers with a page.
	WritePage(w http.ResponseWriter, p Page)
}

// Authority decides about programs and keeps them: a [*zoompkce.Manager]. All
// of its methods may return a [*zoompkce.StoreError].
type Authority interface {
	SealConsent(ctx context.Context, s *zoompkce.Session, issuer, request string) (string, error)
	OpenConsent(ctx context.Context, s *zoompkce.Session, issuer, value string) (*zoompkce.Consent, error)
	AllowProgram(ctx context.Context, s *zoompkce.Session, c *zoompkce.Consent, a zoompkce.Authorization) (code string, err error)
	RedeemCode(ctx context.Context, c zoompkce.CodeRedemption) (*zoompkce.ProgramTokens, error)
	RefreshSession(ctx context.Context, issuer, token string, client zoompkce.ClientHash) (*zoompkce.Session, error)
	RefreshProgram(ctx context.Context, s *zoompkce.Session, resource zoompkce.Resource) (*zoompkce.ProgramTokens, error)
	RevokeProgram(ctx context.Context, issuer, token string, client zoompkce.ClientHash) error
	SealClientID(ctx context.Context, issuer string, client []byte) (string, error)
	OpenClientID(ctx context.Context, issuer, id string) ([]byte, error)
	TokenPrefix() string
	Programs(ctx context.Context, s *zoompkce.Session) ([]zoompkce.Program, error)
	EndProgram(ctx context.Context, s *zoompkce.Session, id string) error
}

// Config configures a [Server].
type Config struct {
	// PathPrefix is the path below which the endpoints are.
	PathPrefix string
	// Origins are those of the site's redirect URIs: its issuers.
	Origins []string
	// Clients are those that may ask to become programs.
	Clients *Clients
	// Admit finds out whether the user of a program may still use the site: with
	// [ErrNotAllowed] it gets no new tokens.
	Admit func(*http.Request, *zoompkce.Session) error

	Site      Site
	Authority Authority
}

// Server answers the requests of programs and those of browsers about them. The
// caller has checked the method of the endpoints for browsers, and that a POST
// comes from a page of the site itself.
type Server struct{ Config }

// NewServer returns a server.
func NewServer(c Config) *Server { return &Server{c} }

// placeOf is where a request came.
func (s *Server) placeOf(r *http.Request) place {
	return place{issuer: s.Site.Issuer(r), authority: s.Authority}
}
