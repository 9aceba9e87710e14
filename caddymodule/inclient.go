package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/pages"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/telemetry"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// Inside the Zoom client a page signs its user in without leaving: it gets a
// challenge here, hands it to zoomSdk.authorize, and brings back the code that the
// onAuthorized event holds (developers.zoom.us/docs/zoom-apps/authentication).

type inClientChallenge struct {
	CodeChallenge string `json:"codeChallenge"`
	State         string `json:"state"`
}

type inClientCode struct {
	Code        string `json:"code"`
	State       string `json:"state"`
	RedirectURI string `json:"redirectUri"`
}

func (s *site) hasZoomApp() bool { return s.zoomApp != nil }

// maxCode bounds an authorization code; Zoom's have about 33 characters.
const maxCode = 512

func (s *site) serveInClientAuthorize(w http.ResponseWriter, r *http.Request, v *visit) error {
	login, cookies, err := s.manager.BeginLogin(r.Context(), v.cookies, zoompkce.LoginRequest{
		Flow:        zoompkce.AppFlow,
		RedirectURI: s.zoomApp.redirectURIs[0],
		ReturnURL:   "/",
	})
	if err != nil {
		return s.refuse(w, r, refusalOf(err))
	}
	for _, cookie := range cookies {
		http.SetCookie(w, cookie)
	}
	challenge, state := login.InClientChallenge()
	return s.answer(w, inClientChallenge{challenge, state})
}

// serveInClientAuthorized finishes a login. What can be wrong without Zoom's
// help is found out before the login is used up.
func (s *site) serveInClientAuthorized(w http.ResponseWriter, r *http.Request, v *visit) error {
	var got inClientCode
	if err := s.bodiesOf(r, v).ReadJSON(w, r, &got); err != nil {
		return s.refuseLogin(w, r, bodyRefusal(err))
	}
	if got.Code == "" || len(got.Code) > maxCode {
		return s.refuseLogin(w, r, refusal{code: outcome.BadRequest, err: errors.New("there is no code")})
	}
	// Zoom names the page that called authorize(), which has to be one of ours:
	// sources disagree on what the exchange has to repeat, and what the event
	// says is the most likely to be it.
	if got.RedirectURI != "" && !slices.Contains(s.zoomApp.redirectURIs, got.RedirectURI) {
		return s.refuseLogin(w, r, refusal{code: outcome.BadRequest, err: unregistered(got.RedirectURI)})
	}
	login, err := s.manager.PendingLogin(r.Context(), v.cookies, zoompkce.AppFlow, got.State)
	switch {
	case errors.Is(err, zoompkce.ErrLoginExpired):
		http.SetCookie(w, s.manager.DropLogin(login))
		return s.refuseLogin(w, r, refusal{code: outcome.LoginExpired, err: err})
	case errors.Is(err, zoompkce.ErrLoginUnknown):
		return s.refuseLogin(w, r, refusal{code: outcome.CookiesMissing, err: err})
	case err != nil:
		return s.refuseLogin(w, r, refusalOf(err))
	}
	if got.RedirectURI != "" {
		login.RedirectURI = got.RedirectURI
	}
	signedIn, err := s.manager.SignIn(r.Context(), login, got.Code, v.cookies)
	if !errors.Is(err, zoompkce.ErrCodeUnused) {
		http.SetCookie(w, s.manager.DropLogin(login))
	}
	if err != nil {
		return s.inClientFailed(w, r, err)
	}
	http.SetCookie(w, signedIn.Cookie)
	http.SetCookie(w, s.countSignIn(v))
	return s.answer(w, s.sessionAnswer(signedIn.Profile, s.manager.ExpiresAt(signedIn.Session)))
}

// inClientFailed tells the page what has become of a code. It is the page that
// may try again.
func (s *site) inClientFailed(w http.ResponseWriter, r *http.Request, err error) error {
	f := refusalOf(err)
	switch kind := zoomapi.KindOf(err); {
	case errors.Is(err, zoompkce.ErrSignedOutMeanwhile):
		f.code = outcome.LoginExpired
	case kind == zoomapi.KindUnauthorized, kind == zoomapi.KindUnknownUser:
		// The token that the code brought was refused at once.
		f.code = outcome.CodeRefused
	}
	return s.refuseLogin(w, r, f)
}

// unregistered is for the operator's log, without a query, which may hold
// anything.
func unregistered(redirectURI string) error {
	redirectURI, _, _ = strings.Cut(redirectURI, "?")
	return fmt.Errorf("redirectUri %q is none of redirect_uri and zoom_app redirect_uri: "+
		"if it is a page of this app, add it to zoom_app redirect_uri, and at Zoom to the OAuth allow list", pages.Shorten(redirectURI))
}

// serveInClientSignIn answers a page load inside the Zoom client with a page
// that signs in there, so that the app's own page needs to know nothing of it.
func (s *site) serveInClientSignIn(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	if s.sendHome(w, r, v) {
		return nil
	}
	if broken, err := s.breakLoop(w, r, v, ""); broken {
		return err
	}
	return s.signInInside(w, r, "")
}

// signInInside shows the page that signs in inside the Zoom client and goes on
// to next, by default to the page that was asked for.
func (s *site) signInInside(w http.ResponseWriter, r *http.Request, next string) error {
	telemetry.Metrics.Count(telemetry.DecisionLogin)
	page := pages.InClient{
		Authorize:  s.pathPrefix + "/app/authorize",
		Authorized: s.pathPrefix + "/app/onauthorized",
		Registered: strings.Join(s.zoomApp.callingPages(), " "),
		Next:       next,
		Wait:       s.unauthenticated == showSignInPage,
	}
	page.Write(w, s.pageSecurity(w, r))
	return nil
}

// callingPages are the pages that may call zoomSdk.authorize, those first that
// are meant for it: the others are callbacks of the browser flow.
func (z *zoomAppSettings) callingPages() []string {
	further := z.redirectURIs[z.own:]
	return append(append(make([]string, 0, len(z.redirectURIs)), further...), z.redirectURIs[:z.own]...)
}
