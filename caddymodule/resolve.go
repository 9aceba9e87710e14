package caddymodule

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"
)

// resolver is one that knows what only a handler has.
type resolver struct {
	conf.Resolver
	headers map[string]string // folded header name to the option that sets it
}

// maxZoomTimeout bounds how long one unanswered call may hold requests.
const maxZoomTimeout = 5 * time.Minute

// resolve replaces placeholders, fills in defaults and checks every value. It
// reports all mistakes that do not follow from each other, and names options
// and placeholders but no secret.
func (h *Handler) resolve(repl *caddy.Replacer) (*settings, error) {
	r := &resolver{Resolver: conf.Resolver{Repl: repl}}
	s := &settings{
		keepFragment: h.KeepFragment,
		pageTokens:   h.PageTokens,
		errorPages:   h.ErrorPages == nil || *h.ErrorPages,
	}
	h.resolveApp(r, s)
	h.resolveVisitors(r, s)

	s.allow = h.Allow.resolve(r)
	s.headers = h.Headers.resolve(r)
	s.zak = h.ZAK.resolve(r)
	s.obf = h.OBF.resolve(r)
	s.meetingSDK = h.MeetingSDK.resolve(r, h, s)
	s.zoomApp = h.ZoomApp.resolve(r, h, s)
	s.webhook = h.Webhook.resolve(r)
	s.programs = h.Programs.resolve(r, s)
	s.session = h.Session.resolve(r)
	s.cookie = h.Cookie.resolve(r, s)
	if err := r.Err(); err != nil {
		return nil, err
	}
	return s, nil
}

// resolveApp resolves what describes the Zoom app and the calls to Zoom.
func (h *Handler) resolveApp(r *resolver, s *settings) {
	if v, ok := r.Text("client_id", h.ClientID); ok {
		s.clientID = v.Text
		if strings.ContainsAny(v.Text, " \t") {
			r.Fail(v, "must not contain white space")
		}
	} else if h.ClientID == "" {
		r.Failf("client_id", "is required: the client id of the Zoom app")
	}
	if v, ok := r.Secret("client_secret", h.ClientSecret); ok {
		s.clientSecret = []byte(v.Text)
	}
	s.resolveRedirectURIs(r, h.RedirectURI)

	s.oauthURL = r.BaseURL("oauth_url", h.OAuthURL, "https://zoom.us")
	s.apiURL = r.BaseURL("api_url", h.APIURL, standardAPIURL(s.oauthURL))
	s.authorizeURL = s.oauthURL + "/oauth/authorize"
	if v, ok := r.Text("authorize_url", h.AuthorizeURL); ok {
		if _, ok := r.AbsoluteURL(v); ok && strings.Contains(v.Text, "#") {
			r.Fail(v, "must not have a fragment")
		}
		s.authorizeURL = v.Text
	}
	for _, v := range r.Texts("scopes", h.Scopes) {
		// One placeholder may hold several scopes.
		for scope := range strings.FieldsSeq(v.Text) {
			if !isScope(scope) {
				r.Fail(v, "is not a scope such as user:read:zak")
			}
			s.scopes = append(s.scopes, scope)
		}
	}

	s.zoomTimeout = r.Duration("zoom_timeout", h.ZoomTimeout, 10*time.Second)
	if s.zoomTimeout > maxZoomTimeout {
		r.Failf("zoom_timeout", "%s is more than %s", s.zoomTimeout, maxZoomTimeout)
	}
	s.refreshMargin = 5 * time.Minute
	if h.RefreshMargin != nil {
		s.refreshMargin = time.Duration(*h.RefreshMargin)
	}
	if s.refreshMargin < 0 {
		r.Failf("refresh_margin", "%s is less than nothing", s.refreshMargin)
	}
}

// resolveVisitors resolves what visitors meet.
func (h *Handler) resolveVisitors(r *resolver, s *settings) {
	s.pathPrefix = "/zoom_pkce"
	if v, ok := r.Text("path_prefix", h.PathPrefix); ok {
		s.pathPrefix = v.Text
		if !conf.IsPlainPath(v.Text) {
			r.Fail(v, "must begin with /, not be / itself, and have no trailing slash, double slashes, dots "+
				"or percent-encoding")
		}
	}
	s.checkCallbackPath(r)

	mode := r.OneOf("unauthenticated", h.Unauthenticated, unauthenticatedValues...)
	s.unauthenticated = unauthenticated(slices.Index(unauthenticatedValues, mode))

	if v, ok := r.Text("after_logout", h.AfterLogout); ok {
		s.afterLogout = r.landingPage(v)
	}
}

// landingPage checks a path of this site or a whole URL.
func (r *resolver) landingPage(v conf.Value) string {
	if !strings.HasPrefix(v.Text, "/") {
		if u, ok := r.WebURL(v); ok {
			return u.String()
		}
		return ""
	}
	u, err := url.Parse(v.Text)
	// Browsers read // and /\ as the beginning of a host.
	if err != nil || strings.HasPrefix(v.Text, "//") || strings.Contains(v.Text, `\`) {
		r.Fail(v, "is neither a path of this site nor a whole URL")
		return ""
	}
	return u.String()
}

// standardAPIURL derives the API host as Zoom's regions and Zoom for Government
// have it. An address has no subdomains.
func standardAPIURL(oauthURL string) string {
	u, err := url.Parse(oauthURL)
	if err != nil || conf.IsAddress(u.Hostname()) || conf.IsLoopback(u.Hostname()) {
		return oauthURL
	}
	return u.Scheme + "://api." + u.Host
}

// isScope checks a scope-token of RFC 6749 section 3.3.
func isScope(scope string) bool {
	return !strings.ContainsFunc(scope, func(c rune) bool {
		return c < '!' || c > '~' || c == '"' || c == '\\'
	})
}
