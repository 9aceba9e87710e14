package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/browser"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/programs"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/telemetry"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// ServeHTTP implements caddyhttp.MiddlewareHandler. It sees every request of
// the site, protected or not: what a client must not say has to be removed
// from all of them.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	s := h.site
	v := visitOf(r)
	s.takeBearer(r, v)
	s.scrub(r, v)
	if v.handedOn {
		return next.ServeHTTP(w, r)
	}
	next = s.includable(v, next)

	sent := browser.SentURL(r)
	if s.hasPrograms() && programs.IsMetadata(sent.EscapedPath()) {
		return s.serveMetadata(w, r, sent.EscapedPath())
	}
	if endpoint, ours := s.endpointAt(sent.EscapedPath()); ours && !v.answered {
		v.answered = true
		return s.serveEndpoint(w, r, v, endpoint, next)
	}
	if s.passesForEvent(r, sent) {
		return s.refuse(w, r, refusal{code: outcome.NotFound})
	}
	protected, err := s.protects(r, sent)
	if err != nil {
		return err
	}
	if !protected {
		telemetry.Metrics.Count(telemetry.DecisionUnprotected)
		return next.ServeHTTP(w, r)
	}
	if s.hasPrograms() && programs.IsPreflight(r) {
		s.programServer.Preflight(w, r)
		return nil
	}
	if v.answered || s.unauthenticated == passWithoutIdentity {
		if failure := failureOf(r); failure != nil {
			return s.serveError(w, r, v, next, failure)
		}
	}
	if s.foreign(r, v) {
		return s.refuse(w, r, refusal{code: outcome.CrossSite})
	}
	return s.serveProtected(w, r, v, next)
}

// foreign reports whether a page of another site may have made a browser send what
// changes something, with cookies that travel everywhere. A program's token no page of
// another site can have a browser send.
func (s *site) foreign(r *http.Request, v *visit) bool {
	_, ours := s.bearerOf(v)
	return !ours && s.framesApart() && (browser.CrossSiteUnsafe(r) || browser.CrossSiteWebSocket(r))
}

// endpointAt returns which of our endpoints a path is, if it is one. Paths are
// compared byte for byte: another spelling is another path. The rest of
// the prefix is ours too.
func (s *site) endpointAt(path string) (endpoint string, ours bool) {
	if path == s.callbackPath {
		return callbackEndpoint, true
	}
	rest, ok := strings.CutPrefix(path, s.pathPrefix)
	if !ok || rest == "" || rest[0] != '/' {
		return "", false
	}
	return rest[1:], true
}

// protects decides about a request as it was sent and as it was rewritten, since a
// rewrite must not open what is protected, and about each as servers behind may
// read it.
//
// A request target without a path of its own, such as "http://host", "x:admin",
// "*" or that of CONNECT, matches no path, not even /*, and yet is handed on:
// upstreams make "/" or "/admin" of it. So all of these are protected.
func (s *site) protects(r *http.Request, sent *url.URL) (bool, error) {
	if len(s.protect) == 0 || !hasPath(sent) || !hasPath(r.URL) {
		return true, nil
	}
	if match, err := matchEither(s.protect, r); match || err != nil {
		return match, err
	}
	if match, err := matchReadings(s.protect, r, r.URL, r.Method); match || err != nil {
		return match, err
	}
	if method := browser.SentMethod(r); *sent != *r.URL || method != r.Method {
		return matchReadings(s.protect, r, sent, method)
	}
	return false, nil
}

// matchEither tries matchers on a request as it was rewritten and as it was sent.
// For what only adds to a protected request that is enough: whoever spells a path
// in another way is signed in and harms nobody else.
func matchEither(matchers caddyhttp.MatcherSets, r *http.Request) (bool, error) {
	if match, err := matchers.AnyMatchWithError(r); match || err != nil {
		return match, err
	}
	sent, method := browser.SentURL(r), browser.SentMethod(r)
	if *sent == *r.URL && method == r.Method {
		return false, nil
	}
	return matchAs(matchers, r, *sent, method)
}

// matchReadings tries matchers on a request with every other reading of the path of u.
// A path that is too long to be read may be anything, and so matches.
func matchReadings(matchers caddyhttp.MatcherSets, r *http.Request, u *url.URL, method string) (bool, error) {
	readings, all := browser.Readings(u)
	if !all {
		return true, nil
	}
	target := *u
	target.RawPath = ""
	for _, target.Path = range readings {
		if match, err := matchAs(matchers, r, target, method); match || err != nil {
			return match, err
		}
	}
	return false, nil
}

// matchAs tries matchers on a request as if it had another target. It does so in
// place, since placeholders and expressions read the request that Caddy made them
// for, and not one that is handed to them.
func matchAs(matchers caddyhttp.MatcherSets, r *http.Request, as url.URL, method string) (bool, error) {
	sent := browser.SentURL(r) // {http.request.orig_uri.path} is read from it
	target, original, rewritten, uri := *r.URL, *sent, r.Method, r.RequestURI
	defer func() { *r.URL, *sent, r.Method, r.RequestURI = target, original, rewritten, uri }()
	*r.URL, *sent, r.Method, r.RequestURI = as, as, method, as.RequestURI()
	return matchers.AnyMatchWithError(r)
}

func hasPath(u *url.URL) bool { return u.Opaque == "" && strings.HasPrefix(u.Path, "/") }

// serveProtected lets a request of a signed-in visitor pass, with what
// the upstream is promised.
func (s *site) serveProtected(w http.ResponseWriter, r *http.Request, v *visit, next caddyhttp.Handler) error {
	session, err := s.sessionOf(r, v)
	if context, ok := s.appContext(r); ok && errors.As(err, new(*zoompkce.NoSessionError)) {
		if signedIn, trouble := s.signInFromContext(w, r, v, context, err); trouble != nil {
			err = trouble
		} else if signedIn != nil {
			session, err = signedIn, nil
		}
	}
	if err != nil {
		return s.signedOut(w, r, v, next, err)
	}
	profile, err := s.admit(r, session)
	if err != nil {
		return s.signedOut(w, r, v, next, err)
	}
	if s.mayReauthorize(r, v, session) {
		return s.reauthorize(w, r, v)
	}
	grants, err := s.fetch(r, v, session)
	if err != nil {
		if zoomapi.KindOf(err) == zoomapi.KindMissingScope && s.mayReauthorize(r, v, session) {
			return s.reauthorize(w, r, v)
		}
		return s.signedOut(w, r, v, next, err)
	}
	if s.manager.RenewalDue(session) && (browser.IsSameOriginFetch(r.Header) || browser.Classify(r) == browser.PageLoad) {
		s.renew(w, r, session)
	}
	s.inject(r, v, profile, grants)
	telemetry.Metrics.SignedIn.Inc()
	return v.servePrivately(w, r, next, s.givenToken(session, grants))
}

// errNotAllowed means that the visitor is somebody the site is not open to.
var errNotAllowed = fmt.Errorf("%w: no line of allow matches", programs.ErrNotAllowed)

// admit checks that the visitor may be here.
func (s *site) admit(r *http.Request, session *zoompkce.Session) (zoomapi.Profile, error) {
	if s.allow == nil {
		return session.Profile(), nil
	}
	profile, err := s.manager.CurrentProfile(r.Context(), session)
	if err == nil && !s.allow.match(profile.AccountID, profile.ID, profile.Email) {
		err = errNotAllowed
		if profile.Email == "" && s.allow.asksForEmail() {
			err = fmt.Errorf("%w, and Zoom tells no verified e-mail address; has the Zoom app the scope user:read:user?", err)
		}
	}
	return profile, err
}

// renew extends the idle time of a session that is in use.
func (s *site) renew(w http.ResponseWriter, r *http.Request, session *zoompkce.Session) {
	cookie, err := s.manager.Renew(r.Context(), session)
	if err == nil && cookie != nil {
		http.SetCookie(w, cookie)
	}
}
