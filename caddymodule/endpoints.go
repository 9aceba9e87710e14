package caddymodule

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/backend"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/bodies"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/browser"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/programs"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// Bodies of requests to endpoints: of visitors not known yet, and of those who have a
// session. Strangers who fill their memory leave the others theirs.
var (
	strangerBodies = &bodies.Limits{Each: 64 << 10, All: 16 << 20, Patience: 10 * time.Second}
	visitorBodies  = &bodies.Limits{Each: 64 << 10, All: 16 << 20, Patience: 10 * time.Second}
)

// bodiesOf are the limits for the body of a request to an endpoint that strangers use, too.
func (s *site) bodiesOf(r *http.Request, v *visit) *bodies.Limits {
	if _, err := s.sessionOf(r, v); err != nil {
		return strangerBodies
	}
	return visitorBodies
}

// endpoint is one of the paths at which the directive answers itself.
type endpoint struct {
	methods []string // nil: whoever answers looks at it
	// SameOrigin is set where state is changed or a credential returned.
	sameOrigin bool
	// Bearer is set where the tokens of programs count, keys where programs need no
	// option for it.
	bearer, keys bool

	serve func(*site, http.ResponseWriter, *http.Request, *visit) error
	// serveOrPass is in the place of serve where a request may go on.
	serveOrPass func(*site, http.ResponseWriter, *http.Request, *visit, caddyhttp.Handler) error
	// on tells whether the configuration has it; nil: always.
	on func(*site) bool
}

// endpointTable has all endpoints by their path below path_prefix; the callback
// has a path of its own.
var endpointTable = map[string]endpoint{
	callbackEndpoint: {methods: get, serve: (*site).serveCallback},

	"login":   {methods: get, serve: (*site).serveLogin},
	"logout":  {methods: getOrPost, serve: (*site).serveLogout},
	"session": {methods: get, bearer: true, serve: (*site).serveSession},

	"zak": {methods: post, sameOrigin: true, bearer: true, keys: true, on: (*site).hasPageTokens, serve: (*site).servePageZAK},
	"obf": {methods: post, sameOrigin: true, bearer: true, keys: true, on: (*site).hasPageTokens, serve: (*site).servePageOBF},

	"signature": {methods: post, sameOrigin: true, bearer: true, on: (*site).hasMeetingSDK, serve: (*site).serveSignature},

	"app/authorize":    {methods: post, sameOrigin: true, on: (*site).hasZoomApp, serve: (*site).serveInClientAuthorize},
	"app/onauthorized": {methods: post, sameOrigin: true, on: (*site).hasZoomApp, serve: (*site).serveInClientAuthorized},

	"frame/ticket":    {methods: post, sameOrigin: true, on: (*site).framesApart, serve: (*site).serveFrameTicket},
	"frame/redeem":    {methods: post, sameOrigin: true, on: (*site).framesApart, serve: (*site).serveFrameRedeem},
	"oauth/authorize": {methods: get, on: (*site).hasPrograms, serve: (*site).serveAuthorize},
	"oauth/consent":   {methods: post, sameOrigin: true, on: (*site).hasPrograms, serve: (*site).serveConsent},
	"oauth/token":     {on: (*site).hasPrograms, serve: forPrograms((*programs.Server).Token)},
	"oauth/revoke":    {on: (*site).hasPrograms, serve: forPrograms((*programs.Server).Revoke)},
	"oauth/register":  {on: (*site).registersPrograms, serve: forPrograms((*programs.Server).Register)},
	"programs":        {methods: get, on: (*site).hasPrograms, serve: (*site).servePrograms},
	"programs/end":    {methods: post, sameOrigin: true, on: (*site).hasPrograms, serve: (*site).serveProgramEnd},

	"backend/token": {methods: getOrPost, on: (*site).hasBackend, serve: serveBackend(backend.Token)},
	"backend/zak":   {methods: getOrPost, on: (*site).hasBackend, serve: serveBackend(backend.ZAK)},
	"backend/obf":   {methods: getOrPost, on: (*site).hasBackend, serve: serveBackend(backend.OBF)},
	"backend/bot":   {methods: post, on: (*site).hasBackend, serve: serveBackend(backend.Bot)},

	// Its proof of origin is a signature.
	"webhook": {methods: post, on: (*site).hasWebhook, serveOrPass: (*site).serveWebhook},
}

// callbackEndpoint stands for the path of redirect_uri; no path below the prefix
// is called that.
const callbackEndpoint = "/"

var (
	get, post = []string{http.MethodGet}, []string{http.MethodPost}
	getOrPost = []string{http.MethodGet, http.MethodPost}
)

// serveEndpoint answers a request below path_prefix, or the callback.
func (s *site) serveEndpoint(w http.ResponseWriter, r *http.Request, v *visit, name string, next caddyhttp.Handler) error {
	e, ok := endpointTable[name]
	v.byCookie = !e.bearer
	_, ours := s.bearerOf(v)
	if !ok || e.on != nil && !e.on(s) && !(e.keys && ours && s.hasPrograms()) {
		return s.refuse(w, r, refusal{code: outcome.NotFound})
	}
	if e.methods != nil && !slices.Contains(e.methods, browser.SentMethod(r)) {
		w.Header().Set("Allow", strings.Join(e.methods, ", "))
		return s.refuse(w, r, refusal{code: outcome.MethodNotAllowed})
	}
	if e.sameOrigin && !ours && !browser.SameOrigin(r) {
		return s.refuse(w, r, refusal{code: outcome.CrossSite})
	}
	if e.serveOrPass != nil {
		return e.serveOrPass(s, w, r, v, next)
	}
	return e.serve(s, w, r, v)
}

// optionalEndpoints lists those that the configuration has turned on.
func (s *site) optionalEndpoints() (names []string) {
	for _, name := range slices.Sorted(maps.Keys(endpointTable)) {
		if on := endpointTable[name].on; on != nil && on(s) {
			names = append(names, name)
		}
	}
	return names
}

// visitor finds out who uses an endpoint, and whether they may. Pages of the
// site use it, so the session is in use.
func (s *site) visitor(w http.ResponseWriter, r *http.Request, v *visit) (*zoompkce.Session, zoomapi.Profile, error) {
	session, err := s.sessionOf(r, v)
	if err != nil {
		s.clearAmbiguous(w, err)
		return nil, zoomapi.Profile{}, err
	}
	profile, err := s.admit(r, session)
	if err == nil {
		s.renew(w, r, session)
	}
	return session, profile, err
}

// sessionAnswer is what a page may know of its session: never a token.
type sessionAnswer struct {
	Authenticated bool        `json:"authenticated"`
	User          sessionUser `json:"user"`
	ExpiresAt     time.Time   `json:"expires_at"`
}

type sessionUser struct {
	ID        string `json:"id"`
	AccountID string `json:"account_id"`
	Email     string `json:"email"`
	Name      string `json:"name"`
}

func (s *site) serveSession(w http.ResponseWriter, r *http.Request, v *visit) error {
	session, p, err := s.visitor(w, r, v)
	if err != nil {
		return s.refuse(w, r, refusalOf(err))
	}
	return s.answer(w, s.sessionAnswer(p, s.manager.ExpiresAt(session)))
}

func (s *site) sessionAnswer(p zoomapi.Profile, expiresAt time.Time) sessionAnswer {
	return sessionAnswer{true, sessionUser{p.ID, p.AccountID, p.Email, p.Name}, expiresAt.UTC()}
}
