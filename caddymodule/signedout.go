package caddymodule

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/browser"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/pages"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/telemetry"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// signedOut answers a request that cannot go on as a signed-in visitor's:
// because the visitor is signed out, is not allowed here, or because of trouble.
// Only the first is a reason to sign in, and only for a page load: other persons get a
// page, programs problem+json.
func (s *site) signedOut(w http.ResponseWriter, r *http.Request, v *visit, next caddyhttp.Handler, err error) error {
	f := refusalOf(err)
	if f.code == outcome.NotAllowed {
		return s.refuseVisitor(w, r, v, err)
	}
	if f.code != outcome.SignInRequired {
		return s.refuse(w, r, f)
	}
	if s.isProgram(v) {
		f.asJSON = true
		return s.refuse(w, r, f)
	}
	s.clearAmbiguous(w, err)
	if s.unauthenticated == passWithoutIdentity {
		telemetry.Metrics.Count(telemetry.DecisionAnonymous)
		return next.ServeHTTP(w, r)
	}
	navigation := browser.Classify(r)
	if navigation == browser.Other {
		f.asJSON = true
		return s.refuse(w, r, f)
	}
	s.clearDead(w, err)
	if navigation == browser.FormPost {
		return s.refuseForm(w, r, f)
	}
	rejected := s.unauthenticated == rejectAlways
	if !rejected && s.insideZoom(r) {
		return s.serveInClientSignIn(w, r)
	}
	if navigation == browser.FramedLoad {
		return s.refuseFramed(w, r, s.returnURL(r))
	}
	if rejected {
		return s.refuse(w, r, f)
	}
	if s.sendHome(w, r, v) {
		return nil
	}
	if s.unauthenticated == showSignInPage {
		return s.refuse(w, r, f)
	}
	if looping, cookie := s.countLoop(v); looping {
		return s.refuseLogin(w, r, refusal{code: outcome.TooManyLogins})
	} else if cookie != nil {
		http.SetCookie(w, cookie)
	}
	return s.signInFrom(w, r, v)
}

// refuseForm tells a visitor whose form came too late what has become of it.
func (s *site) refuseForm(w http.ResponseWriter, r *http.Request, f refusal) error {
	p := pages.UnsavedFormPage("", s.loginURL("/"))
	p.Ways[0].NewWindow = !s.insideZoom(r) // whose client has no tabs
	f.page, f.framed = &p, browser.InFrame(r.Header)
	return s.refuse(w, r, f)
}

// clearDead deletes a session cookie that is worth nothing any more.
func (s *site) clearDead(w http.ResponseWriter, err error) {
	none, ok := errors.AsType[*zoompkce.NoSessionError](err)
	if ok && none.Clear && !errors.Is(err, zoompkce.ErrAmbiguous) {
		s.clearSession(w, false)
	}
}

// clearAmbiguous deletes session cookies that contradict each other, whatever
// the request was: until then the browser is signed out everywhere.
func (s *site) clearAmbiguous(w http.ResponseWriter, err error) {
	if errors.Is(err, zoompkce.ErrAmbiguous) {
		s.clearSession(w, true)
	}
}

// clearSession deletes the session cookie, or several that contradict each other.
func (s *site) clearSession(w http.ResponseWriter, several bool) {
	for _, cookie := range s.manager.ClearSession(several) {
		http.SetCookie(w, cookie)
	}
}

// refuseVisitor tells somebody signed in that the site is not open to them.
func (s *site) refuseVisitor(w http.ResponseWriter, r *http.Request, v *visit, why error) error {
	f := refusal{code: outcome.NotAllowed, err: why}
	session, err := s.sessionOf(r, v)
	if err != nil {
		return s.refuse(w, r, refusalOf(err))
	}
	p := session.Profile()
	page := pages.NotAllowedPage("", pages.Account{Name: p.Name, Email: p.Email, UserID: p.ID}, s.zoomSignOutURL(), s.loginURL(s.returnURL(r)))
	f.page = &page
	return s.refuse(w, r, f)
}

// zoomSignOutURL is where Zoom ends its own session with the browser.
func (s *site) zoomSignOutURL() string { return s.oauthURL + "/logout" }
