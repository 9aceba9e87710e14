package caddymodule

import (
	"net/http"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/browser"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// reauthorizeLife is for how long a browser that was sent to Zoom for a missing
// scope is not sent there for it again, whatever became of that: who declines
// would otherwise be asked on every page.
const reauthorizeLife = 10 * time.Minute

// mayReauthorize reports whether a request is a page load on which Zoom may be
// asked for a scope that the visitor's grant lacks.
func (s *site) mayReauthorize(r *http.Request, v *visit, session *zoompkce.Session) bool {
	return s.manager.NeedsAuthorization(session) &&
		s.unauthenticated != rejectAlways &&
		browser.Classify(r) == browser.PageLoad &&
		s.manager.CookieValue(v.cookies, "scope") == ""
}

// reauthorize sends a signed-in visitor through Zoom once more: tokens keep the
// scopes they were issued with, so a scope added to the app comes only with a
// new authorization.
func (s *site) reauthorize(w http.ResponseWriter, r *http.Request, v *visit) error {
	http.SetCookie(w, s.manager.Cookie("scope", "1", reauthorizeLife))
	return s.signInFrom(w, r, v)
}
