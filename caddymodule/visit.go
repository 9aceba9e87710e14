package caddymodule

import (
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// visit is what the zoom_pkce handlers of one request tell each other. Several
// directives in a site each see the request; what an earlier one has found
// out or set is not done again, and not taken for the client's.
type visit struct {
	redacted
	cookies []string // the Cookie header as it came
	set     []string // canonical names of headers set by our handlers
	found   []found
}

// found is what became of the session of one app.
type found struct {
	app     string
	session *zoompkce.Session
	err     error
}

// visitVar is where the visit is kept among the variables of the request. It
// prints as a marker only: {http.vars.*} can reach it.
const visitVar = "zoom_pkce"

func visitOf(r *http.Request) *visit {
	if v, ok := caddyhttp.GetVar(r.Context(), visitVar).(*visit); ok {
		return v
	}
	v := &visit{cookies: r.Header["Cookie"]}
	caddyhttp.SetVar(r.Context(), visitVar, v)
	return v
}

// String keeps placeholders from printing more.
func (*visit) String() string { return "[redacted]" }

// isSet reports whether one of our handlers has set a header.
func (v *visit) isSet(canonical string) bool { return slices.Contains(v.set, canonical) }

// session finds out who sent the request, once for each app.
func (s *site) sessionOf(r *http.Request, v *visit) (*zoompkce.Session, error) {
	app := s.client.AppID()
	for i := range v.found {
		if v.found[i].app == app {
			return v.found[i].session, v.found[i].err
		}
	}
	session, err := s.manager.Session(r.Context(), v.cookies)
	v.found = append(v.found, found{app, session, err})
	return session, err
}

// remember keeps a session that was opened while the request is answered.
func (v *visit) remember(app string, session *zoompkce.Session) {
	for i := range v.found {
		if v.found[i].app == app {
			v.found[i] = found{app: app, session: session}
			return
		}
	}
	v.found = append(v.found, found{app: app, session: session})
}

// scrub takes off the request what only we may say to the upstream, and our
// cookies, which are nobody else's business.
func (s *site) scrub(r *http.Request, v *visit) {
	var keep func(string) bool
	if len(v.set) > 0 {
		keep = v.isSet
	}
	s.scrubber.scrub(r, keep)
	if len(v.cookies) == 0 {
		return
	}
	// The lines that came are kept for us.
	r.Header["Cookie"] = slices.Clone(r.Header["Cookie"])
	removeCookies(r.Header, s.manager.OwnsCookie)
}
