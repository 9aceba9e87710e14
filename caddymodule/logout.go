package caddymodule

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/caddyserver/caddy/v2"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/browser"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/pages"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/telemetry"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// serveLogout signs out by POST, and asks by GET: a link, which any site can
// make a browser follow, must not sign anybody out.
func (s *site) serveLogout(w http.ResponseWriter, r *http.Request, v *visit) error {
	if browser.SentMethod(r) == http.MethodGet {
		return s.askLogout(w, r, v)
	}
	if !browser.SameOrigin(r) {
		return s.refuse(w, r, refusal{code: outcome.CrossSite})
	}
	everything, err := s.wantsDisconnect(w, r, v)
	if err != nil {
		return s.refuse(w, r, bodyRefusal(err))
	}
	signOut := s.manager.SignOut
	if everything {
		signOut = s.manager.Disconnect
	}
	if err := signOut(r.Context(), v.cookies); err != nil {
		// As long as a session is open, the browser keeps its cookie.
		return s.refuse(w, r, refusalOf(err))
	}
	for _, cookie := range s.manager.ClearCookies(v.cookies) {
		http.SetCookie(w, cookie)
	}
	if s.afterLogout != "" {
		return s.redirect(w, telemetry.DecisionEndpoint, s.afterLogout)
	}
	return s.redirect(w, telemetry.DecisionEndpoint, s.pathPrefix+"/logout")
}

func (s *site) askLogout(w http.ResponseWriter, r *http.Request, v *visit) error {
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	requestID, _ := repl.GetString("http.request.uuid")
	security := s.pageSecurity(w, r)
	session, err := s.sessionOf(r, v)
	if errors.As(err, new(*zoompkce.StoreError)) {
		return s.refuse(w, r, refusalOf(err))
	}
	telemetry.Metrics.Count(telemetry.DecisionEndpoint)
	if err != nil {
		s.clearAmbiguous(w, err)
		s.clearDead(w, err)
		pages.SignedOutPage(requestID, s.loginURL("/"), s.zoomSignOutURL()).Write(w, http.StatusOK, security, 0)
		return nil
	}
	if target, err := url.Parse(s.afterLogout); err == nil && target.Host != "" {
		security.FormAction = []string{target.Scheme + "://" + target.Host}
	}
	p := session.Profile()
	page := pages.SignOutPage(requestID, pages.Account{Name: p.Name, Email: p.Email, UserID: p.ID}, s.pathPrefix+"/logout", "/")
	if s.keepGrants() > 0 || s.hasPrograms() {
		page = page.WithDisconnect()
	}
	page.Write(w, http.StatusOK, security, 0)
	return nil
}

// wantsDisconnect reports whether a sign-out is one of everything: all sessions and
// programs of the user, and the grant that is kept for back ends.
func (s *site) wantsDisconnect(w http.ResponseWriter, r *http.Request, v *visit) (bool, error) {
	body, release, err := s.bodiesOf(r, v).Read(w, r)
	defer release()
	if err != nil {
		return false, err
	}
	form, _ := url.ParseQuery(string(body))
	return form.Get("disconnect") == "1" || browser.SentURL(r).Query().Get("disconnect") == "1", nil
}
