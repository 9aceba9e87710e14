package programs

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/bodies"
)

// registration is what a client says of itself (RFC 7591, section 2). The rest of
// what clients send is not asked for.
type registration struct {
	RedirectURIs []string `json:"redirect_uris"`
	Name         string   `json:"client_name"`
}

// registered is what it is told: what it gets, whatever it has asked for (RFC 7591,
// section 3.2.1). No member is empty, which some clients take for an error.
type registered struct {
	ID            string   `json:"client_id"`
	IssuedAt      int64    `json:"client_id_issued_at"` // Unix seconds
	Name          string   `json:"client_name,omitempty"`
	RedirectURIs  []string `json:"redirect_uris"`
	AuthMethod    string   `json:"token_endpoint_auth_method"`
	GrantTypes    []string `json:"grant_types"`
	ResponseTypes []string `json:"response_types"`
}

// The codes of RFC 7591 (section 3.2.2).
const (
	invalidMetadata = "invalid_client_metadata"
	invalidRedirect = "invalid_redirect_uri"
)

// CanRegister reports whether clients may register themselves.
func (s *Server) CanRegister() bool { return s.Clients.registered != nil }

// Register gives an id to a client. Of its redirect URIs those are kept that it may
// have: one bad one must not sink the rest, since clients register all they may
// ever use at once.
func (s *Server) Register(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		s.wrongMethod(w, http.MethodPost)
		return
	}
	asked, err := readRegistration(w, r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	clients, at := s.Clients.registered, s.placeOf(r)
	name := cleanName(asked.Name)
	id, kept, err := clients.seal(r.Context(), at, name, acceptable(asked.RedirectURIs, clients.redirectHosts))
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	if len(kept) == 0 {
		s.refuse(w, r, &refusal{invalidRedirect, "none of the redirect URIs may be used here"})
		return
	}
	s.writeJSON(w, http.StatusCreated, registered{
		ID: id, IssuedAt: time.Now().Unix(), Name: name, RedirectURIs: kept, AuthMethod: "none",
		GrantTypes: []string{grantCode, grantRefresh}, ResponseTypes: []string{"code"},
	})
}

func readRegistration(w http.ResponseWriter, r *http.Request) (asked registration, err error) {
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media != "application/json" {
		return asked, &refusal{invalidMetadata, "the content type is not application/json"}
	}
	body, release, err := strangerBodies.Read(w, r)
	defer release()
	switch {
	case errors.Is(err, bodies.ErrBusy):
		return asked, err
	case err != nil:
		return asked, &refusal{invalidMetadata, "the body is longer than 64 KiB, breaks off, or did not come within 10 s"}
	}
	if json.Unmarshal(body, &asked) != nil {
		return asked, &refusal{invalidMetadata, "the body is not a description of a client"}
	}
	return asked, nil
}
