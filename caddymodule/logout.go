package caddymodule

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/caddyserver/caddy/v2"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// serveLogout signs out by POST, and asks by GET: a link, which any site can
// make a browser follow, must not sign anybody out.
func (s *site) serveLogout(w http.ResponseWriter, r *http.Request, v *visit) error {
	if sentMethod(r) == http.MethodGet {
		return s.askLogout(w, r, v)
	}
	if !sameOrigin(r) {
		return s.refuse(w, r, refusal{code: codeCrossSite})
	}
	if err := s.manager.SignOut(r.Context(), v.cookies); err != nil {
		// As long as a session is open, the browser keeps its cookie.
		return s.refuse(w, r, refusalOf(err))
	}
	for _, cookie := range s.manager.ClearCookies(v.cookies) {
		http.SetCookie(w, cookie)
	}
	if s.afterLogout != "" {
		return s.redirect(w, decisionEndpoint, s.afterLogout)
	}
	return s.redirect(w, decisionEndpoint, s.pathPrefix+"/logout")
}

func (s *site) askLogout(w http.ResponseWriter, r *http.Request, v *visit) error {
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	requestID, _ := repl.GetString("http.request.uuid")
	security := s.pageSecurity(w, r)
	session, err := s.sessionOf(r, v)
	if errors.As(err, new(*zoompkce.StoreError)) {
		return s.refuse(w, r, refusalOf(err))
	}
	metrics.count(decisionEndpoint)
	if err != nil {
		s.clearAmbiguous(w, err)
		s.clearDead(w, err)
		signedOutPage(requestID, s.loginURL("/"), s.zoomSignOutURL()).write(w, http.StatusOK, security, 0)
		return nil
	}
	if target, err := url.Parse(s.afterLogout); err == nil && target.Host != "" {
		security.formAction = []string{target.Scheme + "://" + target.Host}
	}
	p := session.Profile()
	signOutPage(requestID, account{p.Name, p.Email, p.ID}, s.pathPrefix+"/logout", "/").write(w, http.StatusOK, security, 0)
	return nil
}
