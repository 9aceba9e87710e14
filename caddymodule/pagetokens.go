package caddymodule

import (
	"errors"
	"net/http"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/bodies"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/pages"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/telemetry"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// With `page_tokens on` the page's own script may have what the upstream gets as
// headers: the Meeting SDK wants a ZAK at the moment of joining, when the page
// may have been open for an hour.

type zakAnswer struct {
	ZAK       string    `json:"zak"`
	FetchedAt time.Time `json:"fetched_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

type obfRequest struct {
	MeetingID bodies.Number `json:"meeting_id"`
}

type obfAnswer struct {
	Token     string    `json:"obf_token"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (s *site) hasPageTokens() bool { return s.pageTokens }

// askedZAKAge is how old a ZAK may be that is asked for at an endpoint where the
// configuration has no ZAK in headers.
const askedZAKAge = time.Minute

// zakPolicy is what ZAK an endpoint gives.
func (s *site) zakPolicy() zoompkce.ZAKPolicy {
	if s.zak == nil {
		return zoompkce.ZAKPolicy{MaxAge: askedZAKAge}
	}
	return zoompkce.ZAKPolicy{MaxAge: s.zak.maxAge, Lifetime: s.zak.lifetime}
}

// obfPolicy is what OBF token an endpoint gives.
func (s *site) obfPolicy() (p zoompkce.OBFPolicy) {
	if s.obf != nil {
		p = s.obf.policy()
	}
	return p
}

func (s *site) servePageZAK(w http.ResponseWriter, r *http.Request, v *visit) error {
	session, _, err := s.keyHolder(w, r, v)
	if err != nil {
		return s.refuse(w, r, refusalOf(err))
	}
	zak, err := s.manager.ZAK(r.Context(), session, s.zakPolicy())
	if err != nil {
		return s.refuse(w, r, refusalOf(zakError{err}))
	}
	telemetry.Metrics.ZAKAge.Observe(time.Since(zak.FetchedAt).Seconds())
	return s.answer(w, zakAnswer{zak.Token, zak.FetchedAt.UTC(), zak.ExpiresAt.UTC()})
}

func (s *site) servePageOBF(w http.ResponseWriter, r *http.Request, v *visit) error {
	session, _, err := s.keyHolder(w, r, v)
	if err != nil {
		return s.refuse(w, r, refusalOf(err))
	}
	var wish obfRequest
	if err := visitorBodies.ReadJSON(w, r, &wish); err != nil {
		return s.refuse(w, r, bodyRefusal(err))
	}
	meeting, ok := zoomapi.MeetingNumber(string(wish.MeetingID))
	if !ok {
		return s.refuse(w, r, refusal{code: outcome.BadRequest, err: errors.New("meeting_id is not a number of 9 to 12 digits")})
	}
	obf, err := s.manager.OBF(r.Context(), session, meeting, s.obfPolicy())
	if err != nil {
		return s.refuse(w, r, refusalOf(zakError{err}))
	}
	return s.answer(w, obfAnswer{obf.Token, obf.ExpiresAt.UTC()})
}

// answer sends a credential or a fact to the page that asked.
func (s *site) answer(w http.ResponseWriter, value any) error {
	telemetry.Metrics.Count(telemetry.DecisionEndpoint)
	pages.WriteJSON(w, http.StatusOK, "application/json", value, s.security(), 0)
	return nil
}
