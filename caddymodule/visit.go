package caddymodule

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/browser"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/include"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/scrub"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/telemetry"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// visit is what the zoom_pkce handlers of one request tell each other. Several
// directives in a site each see the request; what an earlier one has found
// out or set is not done again, and not taken for the client's.
type visit struct {
	redacted
	cookies  []string // the Cookie header as it came, a copy
	bearers  []string // the Authorization header as it came
	injected []injected
	found    []found
	offered  *include.Offer  // the first directive's. Not a variable: proxies read those when we have returned
	profile  zoomapi.Profile // of whom the placeholders tell

	byCookie   bool // no bearer counts: the endpoint is one of browsers
	identified bool // there are placeholders
	answered   bool // an endpoint has been asked, and has failed
	handedOn   bool // it is an event of Zoom's, on its way to the app

	// What the first directive needs, which is the only one nearly always: part
	// of the visit, it is one piece of memory instead of six.
	first struct {
		cookies  [1]string
		injected [1]injected
		values   [6]string // of the headers that are standard
		found    [1]found
		writer   privateWriter
	}
}

// injected are the headers that one of our handlers has set, by their places
// among its names.
type injected struct {
	names *promised
	set   uint16
}

// found is what became of the session of one app.
type found struct {
	app     string
	session *zoompkce.Session
	err     error

	// The last ZAK and what it was asked for: a site that wants one fetched for every
	// request does not want two for one.
	zak   string
	asked *zakSettings
}

// visitVar is where the visit is kept among the variables of the request. It
// prints as a marker only: {http.vars.*} can reach it.
const visitVar = "zoom_pkce"

func visitOf(r *http.Request) *visit {
	vars, _ := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	if v, ok := vars[visitVar].(*visit); ok {
		return v
	}
	v := new(visit)
	v.injected, v.found = v.first.injected[:0], v.first.found[:0]
	v.cookies = append(v.first.cookies[:0], r.Header["Cookie"]...)
	v.bearers = r.Header["Authorization"]
	if offered, made := include.Of(r); made {
		v.continueFrom(r, offered)
	}
	if vars != nil {
		vars[visitVar] = v
	}
	return v
}

// String keeps placeholders from printing more.
func (*visit) String() string { return "[redacted]" }

// known is what a request that Caddy makes of another one knows of the visitor. It
// is never changed.
type known struct {
	redacted
	cookies, bearers []string
	found            []found
}

// continueFrom makes a request that Caddy made of another one the same visitor's.
// It is no page load, whatever headers it has a copy of: where it could lead,
// nobody follows.
func (v *visit) continueFrom(r *http.Request, offered any) {
	r.Header.Set("Sec-Fetch-Mode", "no-cors")
	r.Header.Set("Sec-Fetch-Dest", "empty")
	if outer, ok := offered.(*known); ok {
		v.cookies, v.bearers = outer.cookies, outer.bearers
		v.found = append(v.found, outer.found...)
	}
}

// includable is next, made so that a request that Caddy makes of this one, while
// next serves it, is the same visitor's. Sites without `templates` have none.
func (s *site) includable(v *visit, next caddyhttp.Handler) caddyhttp.Handler {
	if !s.app.includes() {
		return next
	}
	return caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		defer v.offer(r)()
		return next.ServeHTTP(w, r)
	})
}

func (v *visit) offer(r *http.Request) (withdraw func()) {
	offered := &known{cookies: v.cookies, bearers: v.bearers, found: slices.Clone(v.found)}
	withdraw = func() {}
	if v.offered == nil {
		v.offered = include.New(offered)
		withdraw = func() {
			v.offered.Withdraw()
			v.offered = nil
		}
	}
	v.offered.Change(offered)
	v.offered.PutOn(r) // an earlier directive's key was scrubbed
	return withdraw
}

// serveError serves a request that an error has brought to handle_errors, where a
// directive with `unauthenticated pass` gives the error's page what a page gets. Nothing is
// refused: that has been done. An endpoint is not asked twice, since it may have used a
// code up; where no visitor may pass without identity, its error stands.
func (s *site) serveError(w http.ResponseWriter, r *http.Request, v *visit, next caddyhttp.Handler, failure error) error {
	if s.unauthenticated != passWithoutIdentity {
		return failure
	}
	session, err := s.sessionOf(r, v)
	if s.foreign(r, v) {
		err = errForeign // it was refused, and must not come to the app by this way
	}
	var profile zoomapi.Profile
	if err == nil {
		profile, err = s.admit(r, session)
	}
	var g grants
	if err == nil {
		g, err = s.fetch(r, v, session)
	}
	if err != nil {
		v.withdraw(r)
		return s.serveAnonymous(w, r, v, next)
	}
	s.inject(r, v, profile, g)
	telemetry.Metrics.SignedIn.Inc()
	return v.servePrivately(w, r, next, s.givenToken(session, g))
}

// errForeign means that a visitor's browser was made to send a request.
var errForeign = errors.New("a page of another site has sent this")

// withdraw takes back what earlier directives have set.
func (v *visit) withdraw(r *http.Request) {
	for _, in := range v.injected {
		for i, name := range in.names {
			if in.set>>i&1 == 1 {
				delete(r.Header, name)
			}
		}
	}
	v.injected, v.profile = v.injected[:0], zoomapi.Profile{}
}

// failureOf is the error that has brought a request to handle_errors, nil for
// any other request.
func failureOf(r *http.Request) error {
	failure, _ := r.Context().Value(caddyhttp.ErrorCtxKey).(error)
	return failure
}

// isSet reports whether one of our handlers has set a header.
func (v *visit) isSet(canonical string) bool {
	for _, in := range v.injected {
		for i, name := range in.names {
			if in.set>>i&1 == 1 && name == canonical {
				return true
			}
		}
	}
	return false
}

// sessionOf finds out who sent the request, once for each app.
func (s *site) sessionOf(r *http.Request, v *visit) (*zoompkce.Session, error) {
	token, ours := s.bearerOf(v)
	if ours && !s.hasPrograms() {
		return s.programSession(r, token) // whatever a directive with programs has found
	}
	if f := v.foundFor(s.client.AppID()); f != nil {
		return f.session, f.err
	}
	var session *zoompkce.Session
	var err error
	if ours {
		session, err = s.programSession(r, token)
	} else {
		session, err = s.manager.Session(r.Context(), v.cookies)
	}
	v.found = append(v.found, found{app: s.client.AppID(), session: session, err: err})
	return session, err
}

func (v *visit) foundFor(app string) *found {
	for i := range v.found {
		if v.found[i].app == app {
			return &v.found[i]
		}
	}
	return nil
}

// zakOf gets the visitor's ZAK, the one an earlier directive got if that is
// good enough.
func (s *site) zakOf(r *http.Request, v *visit, session *zoompkce.Session) (string, error) {
	policy := zoompkce.ZAKPolicy{MaxAge: s.zak.maxAge, Lifetime: s.zak.lifetime}
	f := v.foundFor(s.client.AppID())
	if f.zak != "" && f.asked.lifetime == s.zak.lifetime && f.asked.maxAge <= s.zak.maxAge {
		return f.zak, nil
	}
	zak, err := s.manager.ZAK(r.Context(), session, policy)
	if err != nil {
		return "", err
	}
	telemetry.Metrics.ZAKAge.Observe(time.Since(zak.FetchedAt).Seconds())
	f.zak, f.asked = zak.Token, s.zak
	return zak.Token, nil
}

// remember keeps a session that was opened while the request is answered, in the place
// of none that was found.
func (v *visit) remember(app string, session *zoompkce.Session) {
	*v.foundFor(app) = found{app: app, session: session}
}

// scrub takes off the request what only we may say to the upstream, and our
// cookies, which are nobody else's business.
func (s *site) scrub(r *http.Request, v *visit) {
	var keep func(string) bool
	if len(v.injected) > 0 {
		keep = v.isSet
	}
	s.scrubber.Remove(r, keep)
	if len(v.cookies) > 0 {
		scrub.RemoveCookies(r.Header, s.ownsCookie)
	}
}

// servePrivately has next answer this visitor alone. What nobody writes, and what
// handle_errors answers unless it says otherwise, is theirs, too.
func (v *visit) servePrivately(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, given givenToken) error {
	private := v.privateWriter(w)
	private.given = given
	defer private.end()
	return next.ServeHTTP(private, r)
}

// privateWriter wraps the response of this request.
func (v *visit) privateWriter(w http.ResponseWriter) *privateWriter {
	if v.first.writer.ResponseWriter != nil {
		return newPrivateWriter(w)
	}
	v.first.writer = *newPrivateWriter(w)
	return &v.first.writer
}

// values is where the values of injected headers are kept, fresh for each
// request: handlers behind us may change them.
func (v *visit) values() []string {
	if len(v.injected) > 0 {
		return make([]string, 0, len(v.first.values))
	}
	return v.first.values[:0]
}

// reauthorizeLife is for how long a browser that was sent to Zoom for a missing
// scope is not sent there for it again, whatever became of that: who declines
// would otherwise be asked on every page.
const reauthorizeLife = 10 * time.Minute

// mayReauthorize reports whether a request is a page load on which Zoom may be
// asked for a scope that the visitor's grant lacks.
func (s *site) mayReauthorize(r *http.Request, v *visit, session *zoompkce.Session) bool {
	return s.manager.NeedsAuthorization(session) && !s.isProgram(v) &&
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
