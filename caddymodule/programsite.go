package caddymodule

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/browser"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/pages"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/programs"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/telemetry"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

func (s *site) hasPrograms() bool { return s.programServer != nil }

func (s *site) registersPrograms() bool { return s.hasPrograms() && s.programServer.CanRegister() }

// newProgramServer returns nil if no programs are let in.
func newProgramServer(s *site) *programs.Server {
	if s.programs == nil {
		return nil
	}
	config := programs.Config{
		PathPrefix: s.pathPrefix, Clients: s.clients, Admit: s.admitProgram, Site: programSite{s}, Authority: s.manager,
	}
	for i := range s.redirectURIs {
		config.Origins = append(config.Origins, s.redirectURIs[i].origin)
	}
	return programs.NewServer(config)
}

// bearerOf is the token of this app that a request came with. It decides alone about
// the request, unless that is for an endpoint of browsers.
func (s *site) bearerOf(v *visit) (token string, ours bool) {
	if len(v.bearers) == 0 || v.byCookie {
		return "", false
	}
	return programs.Bearer(v.bearers, s.tokenPrefix)
}

// takeBearer takes a token of ours off the request, which the upstream has no use
// for, whether programs are let in here or not. What an earlier directive has set
// is not the client's.
func (s *site) takeBearer(r *http.Request, v *visit) {
	if _, ours := s.bearerOf(v); ours && !v.isSet("Authorization") {
		delete(r.Header, "Authorization")
	}
}

// programSession finds out which program sent a request. A directive that lets no
// programs in treats it as signed out.
func (s *site) programSession(r *http.Request, token string) (*zoompkce.Session, error) {
	return s.manager.ProgramSession(r.Context(), s.redirectURIOf(r).origin, token)
}

// isProgram reports whether a request is a program's, which cannot be sent to a
// sign-in: it is told to get another token.
func (s *site) isProgram(v *visit) bool {
	_, ours := s.bearerOf(v)
	return ours && s.hasPrograms()
}

// challenge tells a program that was refused where it finds out how to sign in.
func (s *site) challenge(w http.ResponseWriter, r *http.Request) {
	path := browser.SentURL(r).EscapedPath()
	if _, ours := s.endpointAt(path); ours {
		path = ""
	}
	programs.Challenge(w.Header(), s.redirectURIOf(r).origin, path, s.isProgram(visitOf(r)))
}

// serveMetadata answers where programs look for how to sign in.
func (s *site) serveMetadata(w http.ResponseWriter, r *http.Request, path string) error {
	if programs.IsPreflight(r) {
		s.programServer.Preflight(w, r)
	} else {
		s.programServer.Metadata(w, r, path)
	}
	return nil
}

// errNoKeys means that a program gets no keys of meetings.
var errNoKeys = errors.New("keys of meetings are for programs that `programs client` names, with tokens for the whole site")

// keyHolder is visitor for endpoints that hand out keys with which meetings are
// started and joined in the user's name. Of programs only those get them that the
// operator vouches for: anybody can write another one.
func (s *site) keyHolder(w http.ResponseWriter, r *http.Request, v *visit) (*zoompkce.Session, zoomapi.Profile, error) {
	session, profile, err := s.visitor(w, r, v)
	if err != nil {
		return nil, profile, err
	}
	if p, ok := session.Program(); ok && (p.Client.Kind != zoompkce.ConfiguredClient || !session.ForWholeSite()) {
		return nil, profile, errNoKeys
	}
	return session, profile, nil
}

// programName is the client of the program that an event is about.
func (s *site) programName(e zoompkce.Event) string {
	if e.Client == nil || s.clients == nil {
		return ""
	}
	return s.clients.ID(*e.Client)
}

// clientOf is the client of the program that a session is of, "" for browsers.
func (s *site) clientOf(session *zoompkce.Session) string {
	if p, ok := session.Program(); ok && s.clients != nil {
		return s.clients.ID(p.Client)
	}
	return ""
}

// admitProgram finds out whether the user of a program may still be here.
func (s *site) admitProgram(r *http.Request, session *zoompkce.Session) error {
	_, err := s.admit(r, session)
	return err
}

func (s *site) serveAuthorize(w http.ResponseWriter, r *http.Request, _ *visit) error {
	return s.programServer.Authorize(w, r, browser.SentURL(r).RawQuery)
}

func (s *site) serveConsent(w http.ResponseWriter, r *http.Request, _ *visit) error {
	return s.programServer.Consent(w, r)
}

func (s *site) servePrograms(w http.ResponseWriter, r *http.Request, _ *visit) error {
	return s.programServer.List(w, r)
}

func (s *site) serveProgramEnd(w http.ResponseWriter, r *http.Request, _ *visit) error {
	return s.programServer.End(w, r)
}

// forPrograms is an endpoint that programs call. Pages of every origin may: no cookie
// counts. A client names itself in an Authorization field, which is read as it
// came: the directive may set one of its own for the upstream.
func forPrograms(serve func(*programs.Server, http.ResponseWriter, *http.Request)) func(*site, http.ResponseWriter, *http.Request, *visit) error {
	return func(s *site, w http.ResponseWriter, r *http.Request, v *visit) error {
		if programs.IsPreflight(r) {
			s.programServer.Preflight(w, r)
			return nil
		}
		fields := v.bearers
		if _, ours := programs.Bearer(fields, s.tokenPrefix); ours {
			fields = nil
		}
		r.Header["Authorization"] = fields
		serve(s.programServer, w, r)
		return nil
	}
}

// programRequestURL is where a program's request for authorization is made once more.
func (s *site) programRequestURL(request string) string {
	return s.pathPrefix + "/oauth/authorize?" + request
}

// programSite is a site as the package programs sees it.
type programSite struct{ *site }

// Issuer implements [programs.Site].
func (s programSite) Issuer(r *http.Request) string { return s.redirectURIOf(r).origin }

// Protects implements [programs.Site].
func (s programSite) Protects(r *http.Request, path string) bool {
	if len(s.protect) == 0 || !lookAtPaths(s.protect) {
		return true
	}
	plain, _ := url.PathUnescape(path) // a part of a URL that was read
	target := url.URL{Path: plain, RawPath: path}
	match, _ := matchAs(s.protect, r, target, http.MethodGet) // matchers of paths never fail
	if !match {
		match, _ = matchReadings(s.protect, r, &target, http.MethodGet)
	}
	return match
}

// lookAtPaths reports whether matchers look at nothing but paths. What others say of
// a request is not what they would say of another one with its path.
func lookAtPaths(sets []caddyhttp.MatcherSet) bool {
	return !slices.ContainsFunc(sets, func(set caddyhttp.MatcherSet) bool {
		return slices.ContainsFunc(set, func(matcher any) bool {
			switch m := matcher.(type) {
			case *caddyhttp.MatchPath, *caddyhttp.MatchPathRE:
				return false
			case *caddyhttp.MatchNot:
				return !lookAtPaths(m.MatcherSets)
			}
			return true
		})
	})
}

// Visitor implements [programs.Site]. A frame's session is none: the page around the
// frame could have its buttons pressed unseen.
func (s programSite) Visitor(w http.ResponseWriter, r *http.Request) (*zoompkce.Session, zoomapi.Profile, error) {
	session, profile, err := s.visitor(w, r, visitOf(r))
	if err == nil && session.Framed() {
		// Whoever frames us could have a button pressed unseen: what is opened there
		// counts there, and not for what a program is given.
		return nil, zoomapi.Profile{}, &zoompkce.NoSessionError{}
	}
	return session, profile, err
}

// SignIn implements [programs.Site]. Like the endpoint login it is for persons who
// open a page: nobody else finishes a sign-in, and no frame can.
func (s programSite) SignIn(w http.ResponseWriter, r *http.Request, request string) error {
	if !mayBeginLogin(r) || browser.Classify(r) == browser.FramedLoad {
		return s.refuse(w, r, refusal{code: outcome.BadRequest})
	}
	v := visitOf(r)
	if s.sendHome(w, r, v) {
		return nil
	}
	// The sign-in comes back to the request, as that of a page does to the page.
	if broken, err := s.breakLoop(w, r, v, s.programRequestURL(request)); broken {
		return err
	}
	return s.startLogin(w, r, v, loginStart{returnURL: "/", program: request})
}

// Refuse implements [programs.Site].
func (s programSite) Refuse(w http.ResponseWriter, r *http.Request, err error) error {
	f := refusalOf(err)
	busy, isBusy := errors.AsType[*programs.BusyError](err)
	switch {
	case isBusy:
		f.code, f.retryAfter = outcome.TooManyLogins, busy.RetryAfter
	case errors.Is(err, programs.ErrBadClient):
		f.code = outcome.BadClient
	case errors.Is(err, programs.ErrBadForm):
		f.code = outcome.BadRequest
	case errors.Is(err, programs.ErrDeclined):
		f.code = outcome.Declined
	case errors.Is(err, zoompkce.ErrConsentExpired):
		f.code = outcome.LoginExpired
	case f.code == outcome.NotAllowed:
		return s.refuseVisitor(w, r, visitOf(r), err)
	}
	sent := browser.SentURL(r)
	if endpoint, _ := s.endpointAt(sent.EscapedPath()); endpoint == "oauth/authorize" && f.code != outcome.BadClient {
		f.returnURL = s.programRequestURL(sent.RawQuery)
	}
	if isBusy {
		page := pages.ManyProgramsPage(f.returnURL)
		f.page, f.detail = &page, page.Message
	}
	return s.refuse(w, r, f)
}

// SetHeaders implements [programs.Site]. It is called once for every answer.
func (s programSite) SetHeaders(h http.Header) {
	telemetry.Metrics.Count(telemetry.DecisionEndpoint)
	pages.SetSecurityHeaders(h, s.security())
}

// WritePage implements [programs.Site]. No frame may show these pages, not even
// that of Zoom's client: whoever is around it could have a button pressed unseen.
func (s programSite) WritePage(w http.ResponseWriter, p programs.Page) {
	telemetry.Metrics.Count(telemetry.DecisionEndpoint)
	security := s.security()
	security.FormAction, security.FormAnywhere = p.FormTargets, p.FormAnywhere
	pages.WithMain(p.Title, p.Main).Write(w, p.Status, security, 0)
}
