// Package backend is the HTTP side of giving a user's tokens to the app's own
// servers, while no visitor is there: who is entitled, what is asked for, what an
// answer looks like. Which users have tokens, and who of them may still use the
// site, is decided by the caller.
package backend

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// Kind is what is asked for: the name of an endpoint below backend/.
type Kind string

// The endpoints. A bot gets a ZAK and an OBF token.
const (
	Token Kind = "token"
	ZAK   Kind = "zak"
	OBF   Kind = "obf"
	Bot   Kind = "bot"
)

// AccessToken is a user's access token at Zoom.
type AccessToken struct {
	Token     string
	ExpiresAt time.Time
	APIURL    string // where it counts
}

// String keeps the token out of logs.
func (AccessToken) String() string { return "[redacted]" }

// GoString keeps the token out of logs.
func (AccessToken) GoString() string { return "[redacted]" }

// Site is the directive around this package: it has the tokens, and words for
// refusals. The errors of its first three methods are handed to Refuse.
type Site interface {
	AccessToken(r *http.Request, userID string) (AccessToken, error)
	ZAK(r *http.Request, userID string) (zoomapi.ZAK, error)
	OBF(r *http.Request, userID, meeting string) (zoomapi.OBF, error)

	// Answer sends a body that is meant for the sender of the request alone.
	Answer(w http.ResponseWriter, contentType string, body []byte) error
	// Refuse answers with an error: one of those above, or a [*RefusalError].
	Refuse(w http.ResponseWriter, r *http.Request, asked Kind, err error) error
}

// RefusalError is the error of a request that gets no tokens, whoever the user is.
type RefusalError struct {
	Code   outcome.Code
	Reason string // for the log; holds nothing of the request
}

func (e *RefusalError) Error() string { return e.Reason }

// Server answers the requests of back ends. It is safe for concurrent use.
type Server struct {
	secrets []secret
	site    Site
}

// NewServer returns a server that gives tokens to whoever knows one of secrets,
// which have 32 bytes or more each.
func NewServer(secrets [][]byte, site Site) *Server {
	s := &Server{site: site}
	for _, key := range secrets {
		s.secrets = append(s.secrets, newSecret(key))
	}
	return s
}

// String keeps the secrets out of logs.
func (*Server) String() string { return "[redacted]" }

// GoString keeps the secrets out of logs.
func (*Server) GoString() string { return "[redacted]" }

// handOut is what is given: an object, and of it the token itself.
type handOut struct {
	token  string
	object any
}

// Serve answers a request whose method the caller has found to be right.
// authorization is its Authorization header as it came, which the site may have
// taken off since.
func (s *Server) Serve(w http.ResponseWriter, r *http.Request, asked Kind, authorization []string) error {
	wish, err := s.read(w, r, asked, authorization)
	if err != nil {
		if errors.Is(err, errNoCredentials) {
			w.Header().Set("WWW-Authenticate", "Bearer") // RFC 6750, section 3
		}
		return s.site.Refuse(w, r, asked, err)
	}
	given, err := s.give(r, asked, wish)
	if err != nil {
		return s.site.Refuse(w, r, asked, err)
	}
	if wish.bare {
		return s.site.Answer(w, "text/plain; charset=utf-8", []byte(given.token))
	}
	body, err := json.Marshal(given.object)
	if err != nil {
		return err
	}
	return s.site.Answer(w, "application/json", append(body, '\n'))
}

type tokenAnswer struct {
	AccessToken string    `json:"access_token"`
	ExpiresAt   time.Time `json:"expires_at"`
	APIURL      string    `json:"api_url"`
}

type zakAnswer struct {
	ZAK       string    `json:"zak"`
	ExpiresAt time.Time `json:"expires_at"`
}

type obfAnswer struct {
	Token     string    `json:"obf_token"`
	ExpiresAt time.Time `json:"expires_at"`
}

// botAnswer has the names that attendee reads (attendee-labs/attendee).
type botAnswer struct {
	ZAK string `json:"zak_token,omitempty"`
	OBF string `json:"onbehalf_token,omitempty"`
}

func (s *Server) give(r *http.Request, asked Kind, wish wish) (handOut, error) {
	switch asked {
	case Token:
		t, err := s.site.AccessToken(r, wish.userID)
		return handOut{t.Token, tokenAnswer{t.Token, t.ExpiresAt.UTC(), t.APIURL}}, err
	case ZAK:
		z, err := s.site.ZAK(r, wish.userID)
		return handOut{z.Token, zakAnswer{z.Token, z.ExpiresAt.UTC()}}, err
	case OBF:
		o, err := s.site.OBF(r, wish.userID, wish.meeting)
		return handOut{o.Token, obfAnswer{o.Token, o.ExpiresAt.UTC()}}, err
	}
	return s.giveBot(r, wish)
}

// giveBot gives a bot what it could get: with either it joins some meetings.
func (s *Server) giveBot(r *http.Request, wish wish) (handOut, error) {
	z, err := s.site.ZAK(r, wish.userID)
	o, obfErr := s.site.OBF(r, wish.userID, wish.meeting)
	if err != nil && obfErr != nil {
		return handOut{}, obfErr
	}
	return handOut{object: botAnswer{z.Token, o.Token}}, nil
}
