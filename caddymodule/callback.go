package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/browser"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/telemetry"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// statelessLife is how long a callback without a state is remembered, by the
// cookie startMark.
const (
	statelessLife = 30 * time.Second
	startMark     = "start"
)

// serveCallback finishes a login: Zoom has sent the visitor back.
func (s *site) serveCallback(w http.ResponseWriter, r *http.Request, v *visit) error {
	query, err := url.ParseQuery(browser.SentURL(r).RawQuery)
	if err != nil {
		return s.refuseLogin(w, r, refusal{code: outcome.BadCallback, err: errors.New("the query cannot be read")})
	}
	states, codes := query["state"], query["code"]
	switch {
	case len(states) > 1 || len(codes) > 1:
		return s.refuseLogin(w, r, refusal{code: outcome.BadCallback, err: errors.New("state or code is repeated")})
	case query.Has("error"):
		return s.declined(w, r, v, query.Get("state"), query.Get("error"))
	case len(codes) == 0 || codes[0] == "":
		return s.refuseLogin(w, r, refusal{code: outcome.BadCallback, err: errors.New("there is no code")})
	case len(states) == 0 || states[0] == "":
		return s.startedElsewhere(w, r, v)
	}
	state, code := states[0], codes[0]

	login, err := s.pendingLogin(r, v, state)
	if err == nil && login.RedirectURI != s.redirectURIOf(r).uri {
		err = zoompkce.ErrLoginUnknown // it belongs to another endpoint
	}
	if err != nil {
		if login != nil {
			http.SetCookie(w, s.manager.DropLogin(login))
		}
		return s.strayCallback(w, r, v, login, state, err)
	}
	// With the session store in trouble the login is kept: to load this address
	// again is then all it takes.
	previous, err := s.sessionOf(r, v)
	if errors.As(err, new(*zoompkce.StoreError)) {
		return s.refuseLogin(w, r, refusalOf(err))
	}
	if err == nil && s.manager.Overtaken(login, previous) {
		// Another tab was faster; the code is not needed.
		http.SetCookie(w, s.manager.DropLogin(login))
		s.forgetStart(w, v)
		return s.redirect(w, telemetry.DecisionEndpoint, s.landing(r, login, previous))
	}
	signedIn, err := s.manager.SignIn(r.Context(), login, code, v.cookies)
	if !errors.Is(err, zoompkce.ErrCodeUnused) {
		http.SetCookie(w, s.manager.DropLogin(login))
	}
	if err != nil {
		return s.signInFailed(w, r, v, login, err)
	}
	http.SetCookie(w, signedIn.Cookie)
	http.SetCookie(w, s.countSignIn(v))
	s.forgetStart(w, v)
	return s.redirect(w, telemetry.DecisionEndpoint, s.landing(r, login, signedIn.Session))
}

// pendingLogin finds the login that a state belongs to: one of a visitor who came by
// themselves, or of one whom a program has sent.
func (s *site) pendingLogin(r *http.Request, v *visit, state string) (*zoompkce.Login, error) {
	login, err := s.manager.PendingLogin(r.Context(), v.cookies, zoompkce.BrowserFlow, state)
	if s.hasPrograms() && errors.Is(err, zoompkce.ErrLoginUnknown) {
		return s.manager.PendingLogin(r.Context(), v.cookies, zoompkce.ProgramFlow, state)
	}
	return login, err
}

// leadsTo is where the visitor goes after a login.
func (s *site) leadsTo(login *zoompkce.Login) string {
	if login.Flow == zoompkce.ProgramFlow {
		return s.programRequestURL(login.Program)
	}
	return login.ReturnURL
}

// declined ends a login that the visitor, or Zoom, did not go through with. Nothing of
// the query is shown or logged, since anybody can write such a link, but a word that
// RFC 6749 knows: invalid_scope is a mistake of the operator, access_denied is none.
func (s *site) declined(w http.ResponseWriter, r *http.Request, v *visit, state, word string) error {
	f := refusal{code: outcome.Declined, err: errors.New("the error word is none of RFC 6749")}
	if zoomapi.IsOAuthError(word) {
		f.err = fmt.Errorf("the error word is %s", word)
	}
	if login, _ := s.pendingLogin(r, v, state); login != nil {
		http.SetCookie(w, s.manager.DropLogin(login))
		f.returnURL = s.leadsTo(login)
		if login.Flow == zoompkce.ProgramFlow {
			s.logStep(r, zap.InfoLevel, "a sign-in for a program was declined", f)
			telemetry.Metrics.LoginEnded(f.code)
			return s.programServer.Declined(w, r, login.Program)
		}
	}
	return s.refuseLogin(w, r, f)
}

// refuseLogin refuses what ends a sign-in.
func (s *site) refuseLogin(w http.ResponseWriter, r *http.Request, f refusal) error {
	telemetry.Metrics.LoginEnded(f.code)
	return s.refuse(w, r, f)
}

// startedElsewhere answers a sign-in that was not begun here: the "Add" button
// of the App Marketplace and shared authorization URLs send visitors without a
// state. Whose code that is cannot be known (RFC 6749, section 10.12), so the
// visitor signs in once more, from here.
func (s *site) startedElsewhere(w http.ResponseWriter, r *http.Request, v *visit) error {
	if s.manager.CookieValue(v.cookies, startMark) != "" {
		return s.refuseLogin(w, r, refusal{code: outcome.BadCallback, err: errors.New("a second callback without a state")})
	}
	s.logStep(r, zap.InfoLevel, "a sign-in was begun at Zoom and begins once more here",
		refusal{code: outcome.BadCallback, err: errors.New("the callback has no state")})
	http.SetCookie(w, s.manager.Cookie(startMark, "1", statelessLife))
	return s.startLogin(w, r, v, loginStart{returnURL: "/", restarted: true, marketplace: true})
}

// forgetStart drops the mark of a callback without a state once the sign-in has
// succeeded: the next one is no second try.
func (s *site) forgetStart(w http.ResponseWriter, v *visit) {
	if s.manager.CookieValue(v.cookies, startMark) != "" {
		http.SetCookie(w, s.manager.Cookie(startMark, "", 0))
	}
}

// strayCallback answers a callback whose login is not here: a bookmark, the
// back button, a reload, a login of an hour ago, a browser without cookies. It tries
// once more, and the state tells when that was done.
func (s *site) strayCallback(w http.ResponseWriter, r *http.Request, v *visit, login *zoompkce.Login, state string, err error) error {
	if errors.As(err, new(*zoompkce.StoreError)) {
		return s.refuseLogin(w, r, refusalOf(err))
	}
	if _, err := s.sessionOf(r, v); err == nil {
		return s.redirect(w, telemetry.DecisionEndpoint, "/")
	} else if errors.As(err, new(*zoompkce.StoreError)) {
		return s.refuseLogin(w, r, refusalOf(err))
	}
	start, returnURL := loginStart{returnURL: "/", restarted: true}, "/"
	if login != nil {
		start.returnURL, start.program, returnURL = login.ReturnURL, login.Program, s.leadsTo(login)
	}
	restarted, _ := s.manager.StateRestarted(r.Context(), state) // without keys no other login begins
	switch {
	case !restarted:
		telemetry.Metrics.LoginEnded(outcome.LoginExpired)
		s.logStep(r, zap.InfoLevel, "a callback belongs to no sign-in of this browser, which begins once more",
			refusal{code: outcome.LoginExpired, err: err})
		return s.startLogin(w, r, v, start)
	case login != nil:
		return s.refuseLogin(w, r, refusal{code: outcome.LoginExpired, err: err, returnURL: returnURL})
	default:
		return s.refuseLogin(w, r, refusal{code: outcome.CookiesMissing, err: err})
	}
}

// signInFailed answers a login whose code got no session. Where a second try
// can help it is made once.
func (s *site) signInFailed(w http.ResponseWriter, r *http.Request, v *visit, login *zoompkce.Login, err error) error {
	f := refusalOf(err)
	f.returnURL = s.leadsTo(login)
	switch zoomapi.KindOf(err) {
	case zoomapi.KindUnauthorized, zoomapi.KindUnknownUser:
		// The token that the code brought was refused at once.
		f.code = outcome.CodeRefused
	}
	if errors.Is(err, zoompkce.ErrSignedOutMeanwhile) {
		f.code = outcome.LoginExpired
	}
	if again := f.code == outcome.CodeRefused || f.code == outcome.LoginExpired; again && !login.Restarted {
		s.logStep(r, zap.WarnLevel, "a sign-in failed and begins once more", f)
		telemetry.Metrics.LoginEnded(f.code)
		return s.startLogin(w, r, v, loginStart{returnURL: login.ReturnURL, restarted: true, program: login.Program})
	}
	return s.refuseLogin(w, r, f)
}
