package programs

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/bodies"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// ErrBadForm means that a form did not come from the page it belongs to.
var ErrBadForm = errors.New("this is not what the page sends")

// readVisitorForm reads the form of a page of ours. Its error is [bodies.ErrBusy] or an
// [ErrBadForm].
func readVisitorForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	form, err := readForm(visitorBodies, w, r)
	if err != nil && !errors.Is(err, bodies.ErrBusy) {
		err = errors.Join(ErrBadForm, err)
	}
	return form, err
}

// The buttons of the consent page.
const (
	decisionAllow = "allow"
	decisionDeny  = "deny"
)

// Consent answers the press of a button on the consent page. What was asked is
// in the sealed value of the form alone, which belongs to the session that saw the
// page, and is checked once more: a client may have been taken out since.
func (s *Server) Consent(w http.ResponseWriter, r *http.Request) error {
	session, profile, err := s.Site.Visitor(w, r)
	if err != nil {
		return s.Site.Refuse(w, r, err)
	}
	form, err := readVisitorForm(w, r)
	if err != nil {
		return s.Site.Refuse(w, r, err)
	}
	at := s.placeOf(r)
	consent, err := s.Authority.OpenConsent(r.Context(), session, at.issuer, form.Get("consent"))
	if err != nil {
		return s.Site.Refuse(w, r, err)
	}
	at.userID = profile.ID
	a, err := s.readAuthorization(r.Context(), at, consent.Request)
	if err != nil {
		return s.refuseAuthorization(w, r, a, err)
	}
	switch form.Get("decision") {
	case decisionAllow:
	case decisionDeny:
		s.sendBack(w, a, errDeclined)
		return nil
	default:
		return s.Site.Refuse(w, r, ErrBadForm)
	}
	code, err := s.Authority.AllowProgram(r.Context(), session, consent, zoompkce.Authorization{
		Client:      a.client.of(a.redirect),
		Issuer:      a.issuer,
		RedirectURI: a.redirect.uri,
		Challenge:   a.challenge,
		Resource:    a.resource,
	})
	switch {
	case errors.Is(err, zoompkce.ErrTooManyCodes):
		s.sendBack(w, a, refusalOf(err))
		return nil
	case err != nil:
		return s.Site.Refuse(w, r, err)
	}
	s.redirect(w, a, url.Values{"code": {code}})
	return nil
}
