package caddymodule

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/backend"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/pages"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/telemetry"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// Backend configures the endpoints that give a user's tokens to the app's own
// servers, while no visitor is there.
type Backend struct {
	// What entitles to any user's tokens: as a bearer, or as the key of signed
	// URLs. 32 bytes or more each; all count, so that one can be replaced by another.
	// Two apps cannot share one. Required.
	Secret []string `json:"secret,omitempty"`

	// How long a user's grant stays after the last sign-out, or after the idle end
	// of the last session or program. Default: 0, the grant goes with the last
	// session.
	KeepGrants caddy.Duration `json:"keep_grants,omitempty"`
}

type backendSettings struct {
	redacted
	secrets    [][]byte
	keepGrants time.Duration
}

func (c *Backend) subdirective(b *conf.Block) error {
	switch b.Val() {
	case "secret":
		return b.List(&c.Secret)
	case "keep_grants":
		keep := &c.KeepGrants
		err := b.DurationOrZero(&keep)
		c.KeepGrants = *keep
		return err
	default:
		return b.Unrecognized()
	}
}

// resolve returns nil if the endpoints are off.
func (c *Backend) resolve(r *resolver) *backendSettings {
	if c == nil {
		return nil
	}
	if len(c.Secret) == 0 {
		r.Failf("backend secret", "is required: it is what entitles a server to tokens")
	}
	s := &backendSettings{keepGrants: r.Duration("backend keep_grants", c.KeepGrants, 0)}
	for _, v := range r.Secrets("backend secret", c.Secret) {
		if len(v.Text) < minSecretSize {
			r.Fail(v, "has %d bytes, it needs %d or more; caddy zoom-pkce keygen prints one", len(v.Text), minSecretSize)
		}
		s.secrets = append(s.secrets, []byte(v.Text))
	}
	return s
}

func (s *settings) backendSecrets() [][]byte {
	if s.backend == nil {
		return nil
	}
	return s.backend.secrets
}

// keepGrants is how long a user's grant outlives the last session.
func (s *settings) keepGrants() time.Duration {
	if s.backend == nil {
		return 0
	}
	return s.backend.keepGrants
}

// sharesBackendSecret reports whether one secret entitles to tokens of both
// apps. User ids are the same in all apps at Zoom, so a URL that was signed
// for one app would give away the tokens of the other.
func (s *site) sharesBackendSecret(other *site) bool {
	if s.backend == nil || other.backend == nil {
		return false
	}
	return slices.ContainsFunc(s.backend.secrets, func(secret []byte) bool {
		return slices.ContainsFunc(other.backend.secrets, func(theirs []byte) bool { return bytes.Equal(secret, theirs) })
	})
}

func (s *site) hasBackend() bool { return s.backend != nil }

// serveBackend is the endpoint of one kind of token. It has nothing to do with
// cookies, so neither the session nor the rules for cross-site requests matter.
func serveBackend(asked backend.Kind) func(*site, http.ResponseWriter, *http.Request, *visit) error {
	return func(s *site, w http.ResponseWriter, r *http.Request, v *visit) error {
		return s.backends.Serve(w, r, asked, v.bearers)
	}
}

// backends is a site as the package backend sees it.
type backends struct{ *site }

func newBackends(s *site) *backend.Server {
	if s.backend == nil {
		return nil
	}
	return backend.NewServer(s.backend.secrets, backends{s})
}

// user finds the tokens of a user who may still use the site.
func (b backends) user(r *http.Request, userID string) (*zoompkce.Session, error) {
	session, err := b.manager.UserSession(r.Context(), userID)
	if err != nil {
		return nil, err
	}
	_, err = b.admit(r, session)
	return session, err
}

// AccessToken implements [backend.Site].
func (b backends) AccessToken(r *http.Request, userID string) (backend.AccessToken, error) {
	session, err := b.user(r, userID)
	if err != nil {
		return backend.AccessToken{}, err
	}
	access, err := b.manager.Access(r.Context(), session)
	if err != nil {
		return backend.AccessToken{}, err
	}
	b.handedOut(r, backend.Token, userID)
	return backend.AccessToken{Token: access.Token, ExpiresAt: access.ExpiresAt, APIURL: access.APIURL}, nil
}

// ZAK implements [backend.Site].
func (b backends) ZAK(r *http.Request, userID string) (zoomapi.ZAK, error) {
	session, err := b.user(r, userID)
	if err != nil {
		return zoomapi.ZAK{}, err
	}
	zak, err := b.manager.ZAK(r.Context(), session, b.zakPolicy())
	if err != nil {
		return zoomapi.ZAK{}, zakError{err}
	}
	telemetry.Metrics.ZAKAge.Observe(time.Since(zak.FetchedAt).Seconds())
	b.handedOut(r, backend.ZAK, userID)
	return zak, nil
}

// OBF implements [backend.Site].
func (b backends) OBF(r *http.Request, userID, meeting string) (zoomapi.OBF, error) {
	session, err := b.user(r, userID)
	if err != nil {
		return zoomapi.OBF{}, err
	}
	obf, err := b.manager.OBF(r.Context(), session, meeting, b.obfPolicy())
	if err != nil {
		return zoomapi.OBF{}, zakError{err}
	}
	b.handedOut(r, backend.OBF, userID)
	return obf, nil
}

// handedOut makes known who got what.
func (b backends) handedOut(r *http.Request, kind backend.Kind, userID string) {
	telemetry.Metrics.BackendToken(string(kind), "ok")
	b.logger.Info("handed out a token to a back end",
		zap.String("kind", string(kind)), zap.String("user_id", userID), zap.String("request_id", requestIDOf(r)))
}

// Answer implements [backend.Site].
func (b backends) Answer(w http.ResponseWriter, contentType string, body []byte) error {
	telemetry.Metrics.Count(telemetry.DecisionEndpoint)
	pages.Write(w, http.StatusOK, contentType, body, b.security(), 0)
	return nil
}

// Refuse implements [backend.Site].
func (b backends) Refuse(w http.ResponseWriter, r *http.Request, asked backend.Kind, err error) error {
	f := refusalOf(err)
	if refused, ok := errors.AsType[*backend.RefusalError](err); ok {
		f.code = refused.Code
	} else if errors.Is(err, zoompkce.ErrNoGrant) || errors.As(err, new(*zoompkce.NoSessionError)) {
		f.code, f.detail = outcome.NotFound, "Nobody with this user id is signed in here or has left a grant."
	}
	f.asJSON, f.unattended = true, true
	telemetry.Metrics.BackendToken(string(asked), string(f.code))
	return b.refuse(w, r, f)
}

// Interface guard
var _ backend.Site = backends{}
