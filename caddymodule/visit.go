package caddymodule

import (
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/browser"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/pages"
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
	byCookie bool     // no bearer counts: the endpoint is one of browsers
	injected []injected
	found    []found

	profile    zoomapi.Profile // of whom the placeholders tell
	identified bool            // there are placeholders

	// What the first directive needs, which is the only one nearly always: part
	// of the visit, it is one piece of memory instead of six.
	first struct {
		cookies  [1]string
		injected [1]injected
		values   promised
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
	zak    string
	policy zoompkce.ZAKPolicy
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
	if vars != nil {
		vars[visitVar] = v
	}
	return v
}

// String keeps placeholders from printing more.
func (*visit) String() string { return "[redacted]" }

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
	if f.zak != "" && f.policy.Lifetime == policy.Lifetime && f.policy.MaxAge <= policy.MaxAge {
		return f.zak, nil
	}
	zak, err := s.manager.ZAK(r.Context(), session, policy)
	if err != nil {
		return "", err
	}
	telemetry.Metrics.ZAKAge.Observe(time.Since(zak.FetchedAt).Seconds())
	f.zak, f.policy = zak.Token, policy
	return zak.Token, nil
}

// remember keeps a session that was opened while the request is answered.
func (v *visit) remember(app string, session *zoompkce.Session) {
	opened := found{app: app, session: session}
	if f := v.foundFor(app); f != nil {
		*f = opened
		return
	}
	v.found = append(v.found, opened)
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
		return make([]string, 0, len(promised{}))
	}
	return v.first.values[:0]
}

// identify makes the placeholders {http.auth.user.*} tell of the visitor. Few
// requests ask for them, so they are looked up instead of being set; what an earlier
// gate has set goes, since it would be found first.
func (v *visit) identify(repl *caddy.Replacer, p zoomapi.Profile) {
	v.profile = p
	for _, name := range [...]string{placeholderID, placeholderAccountID, placeholderEmail, placeholderName} {
		repl.Delete(name)
	}
	if !v.identified {
		v.identified = true
		repl.Map(v.placeholder)
	}
}

const (
	placeholderID        = "http.auth.user.id"
	placeholderAccountID = "http.auth.user.account_id"
	placeholderEmail     = "http.auth.user.email"
	placeholderName      = "http.auth.user.name"
)

func (v *visit) placeholder(name string) (any, bool) {
	switch name {
	case placeholderID:
		return v.profile.ID, true
	case placeholderAccountID:
		return v.profile.AccountID, true
	case placeholderEmail:
		return v.profile.Email, true
	case placeholderName:
		return pages.WithoutControls(v.profile.Name), true
	}
	return nil, false
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
