package caddymodule

import (
	"net/http"
	"strings"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/pages"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/telemetry"
)

// serveInClientSignIn answers a page load inside the Zoom client with a page
// that signs in there, so that the app's own page needs to know nothing of it.
func (s *site) serveInClientSignIn(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	if s.sendHome(w, r, v) {
		return nil
	}
	if looping, cookie := s.countLoop(v); looping {
		return s.refuseLogin(w, r, refusal{code: outcome.TooManyLogins})
	} else if cookie != nil {
		http.SetCookie(w, cookie)
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
