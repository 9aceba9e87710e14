package caddymodule

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/browser"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/pages"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// ZoomApp configures the directive for a Zoom App, a page that runs inside the
// Zoom client.
type ZoomApp struct {
	// Further redirect URIs that are registered at Zoom for the in-client flow,
	// where Zoom names the calling page, perhaps with its hash route. Default:
	// only the `redirect_uri` of the handler.
	RedirectURI []string `json:"redirect_uri,omitempty"`

	// Whether the encrypted app context that the Zoom client sends with a page
	// load signs its user in, if that user has authorized the app before.
	// Default: false.
	SignInFromContext bool `json:"sign_in_from_context,omitempty"`

	// Whether a sign-in that the Marketplace's "Add" button began ends in the Zoom
	// client, with the app open, instead of on the site. Default: false.
	OpenInClient bool `json:"open_in_client,omitempty"`
}

type zoomAppSettings struct {
	// RedirectURIs are those of the directive in their order, own in number,
	// then the further ones: an in-client exchange that names none means the first.
	redirectURIs      []string
	own               int
	signInFromContext bool
	openInClient      bool
}

func (z *ZoomApp) subdirective(b *conf.Block) error {
	switch b.Val() {
	case "redirect_uri":
		return b.List(&z.RedirectURI)
	case "sign_in_from_context":
		return b.OnOff(&z.SignInFromContext)
	case "open_in_client":
		return b.OnOff(&z.OpenInClient)
	default:
		return b.Unrecognized()
	}
}

// resolve returns nil if the app is no Zoom App.
func (z *ZoomApp) resolve(r *resolver, app *Handler, s *settings) *zoomAppSettings {
	if z == nil {
		return nil
	}
	if app.ClientSecret == "" {
		// The key of the app context is SHA-256 of the client secret
		// (https://developers.zoom.us/docs/zoom-apps/zoom-app-context/).
		r.Failf("zoom_app",
			"needs client_secret, with which Zoom encrypts the app context, also beside client_key; a public client has none")
	}
	zoomApp := &zoomAppSettings{signInFromContext: z.SignInFromContext, openInClient: z.OpenInClient}
	for i := range s.redirectURIs {
		zoomApp.redirectURIs = append(zoomApp.redirectURIs, s.redirectURIs[i].uri)
	}
	zoomApp.own = len(zoomApp.redirectURIs)
	for _, v := range r.Texts("zoom_app redirect_uri", z.RedirectURI) {
		if _, ok := r.AbsoluteURL(v); ok {
			zoomApp.redirectURIs = append(zoomApp.redirectURIs, v.Text)
		}
	}
	return zoomApp
}

const appContextHeader = "X-Zoom-App-Context"

// appContext opens what Zoom's client says about the place a page was opened
// in, and makes it known as placeholders. Nothing said, or nothing true, is
// nothing: then the placeholders are empty.
func (s *site) appContext(r *http.Request) (c zoomapi.AppContext, ok bool) {
	if s.zoomApp == nil {
		return c, false
	}
	if headers := r.Header[appContextHeader]; len(headers) == 1 {
		c, ok = s.openAppContext(headers[0])
	}
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	for name, value := range map[string]string{
		"http.zoom_pkce.app_context.uid": c.UserID,
		"http.zoom_pkce.app_context.mid": c.MeetingID,
		"http.zoom_pkce.app_context.typ": c.Type,
		"http.zoom_pkce.app_context.act": c.Action,
	} {
		// Another app's directive of this site may have opened it.
		if known, _ := repl.GetString(name); ok || known == "" {
			repl.Set(name, value)
		}
	}
	return c, ok
}

func (s *site) openAppContext(header string) (zoomapi.AppContext, bool) {
	c, err := zoomapi.OpenAppContext(s.clientID, string(s.clientSecret), header, time.Now())
	if err == nil {
		return c, true
	}
	level, message := zap.WarnLevel, "ignored an app context; if it comes from your app, compare client_secret with the one at Zoom"
	if errors.Is(err, zoomapi.ErrAppContextExpired) {
		level, message = zap.DebugLevel, "ignored an old app context"
	}
	if l := s.logger.Check(level, message); l != nil {
		if leftOut, ok := s.logLimit.Admit("app_context", time.Now()); ok {
			l.Write(zap.Error(err), zap.Uint64("left_out", leftOut))
		}
	}
	return zoomapi.AppContext{}, false
}

// signInFromContext signs in the user an app context names, on a page load of
// a visitor without a session, who has none because of that error. It returns the session, or
// nil if there is no reason to have one. Loads in frames are none: an embedding page
// decides when they happen.
func (s *site) signInFromContext(w http.ResponseWriter, r *http.Request, v *visit, c zoomapi.AppContext, none error) (*zoompkce.Session, error) {
	if !s.zoomApp.signInFromContext || browser.Classify(r) != browser.PageLoad {
		return nil, nil
	}
	signedIn, err := s.manager.SignInFromContext(r.Context(), c, v.cookies...)
	switch {
	case errors.Is(err, zoompkce.ErrNoGrant):
		return nil, nil
	case errors.Is(err, zoompkce.ErrContextUsed):
		if leftOut, ok := s.logLimit.Admit("used_app_context", time.Now()); ok { // its owner can send it for as long as it is valid
			s.logger.Warn("refused an app context that has opened a session before", zap.String("user_id", c.UserID), zap.Uint64("left_out", leftOut))
		}
		return nil, nil
	case err != nil:
		return nil, err
	}
	s.clearAmbiguous(w, none)
	http.SetCookie(w, signedIn.Cookie)
	v.remember(s.client.AppID(), signedIn.Session)
	return signedIn.Session, nil
}

// landing is where a sign-in ends: in Zoom's client, if it was begun at the
// Marketplace to install the app there, else where it was to lead. Where the client
// cannot be opened, the visitor is signed in all the same.
func (s *site) landing(r *http.Request, login *zoompkce.Login, session *zoompkce.Session) string {
	if s.zoomApp == nil || !s.zoomApp.openInClient || !login.Marketplace {
		return s.leadsTo(login)
	}
	if _, err := s.admit(r, session); err != nil {
		return s.leadsTo(login) // which tells the visitor why not
	}
	address, err := s.manager.Deeplink(r.Context(), session)
	if err != nil {
		s.logStep(r, zap.WarnLevel, "Zoom's client is not opened: Zoom gives no address for it", refusalOf(err))
		return s.leadsTo(login)
	}
	return address
}

// insideZoom reports whether a page is being opened inside the Zoom client,
// which must not be sent to zoom.us. The client says so in its User-Agent
// (developers.zoom.us/docs/zoom-apps/architecture); Zoom's web client is a page
// that embeds the app. Whoever pretends to be inside gets a page that does
// nothing elsewhere.
func (s *site) insideZoom(r *http.Request) bool {
	if s.zoomApp == nil {
		return false
	}
	if len(r.Header[appContextHeader]) > 0 || strings.Contains(r.UserAgent(), "ZoomApps/") {
		return true
	}
	return browser.Classify(r) == browser.FramedLoad && isZoomPage(r.Referer())
}

// zoomFrames are the pages of Zoom that embed apps, as sources of a
// Content-Security-Policy. A frame's parent plays the part of the Zoom client
// (github.com/zoom/appssdk posts to window.parent), and so gets the code
// challenge, which is the verifier itself: nobody else may be it.
const zoomFrames = "'self' https://zoom.us https://*.zoom.us https://zoomgov.com https://*.zoomgov.com"

// isZoomPage reports whether a URL is of one of zoomFrames.
func isZoomPage(page string) bool {
	u, err := url.Parse(page)
	if err != nil || u.Scheme != "https" {
		return false
	}
	host := strings.ToLower(u.Hostname())
	return conf.InDomain(host, "zoom.us") || conf.InDomain(host, "zoomgov.com")
}

// security is what all our answers have in their headers. Zoom's client wants HSTS of a
// Zoom App; of other sites it is the operator's, since it binds every port of the host.
func (s *site) security() pages.Security { return pages.Security{HSTS: s.secure && s.zoomApp != nil} }

// pageSecurity is what all our pages have in their headers. Those of a Zoom App
// can be shown where the app can: inside Zoom's web client, whose own headers
// ask for two more of every page it embeds
// (developers.zoom.us/docs/contact-center/apps/zcc-pwa).
func (s *site) pageSecurity(w http.ResponseWriter, r *http.Request) pages.Security {
	security := s.security()
	if s.zoomApp == nil {
		return security
	}
	security.FrameAncestors = zoomFrames
	if browser.Classify(r) == browser.FramedLoad {
		w.Header().Set("Cross-Origin-Embedder-Policy", "require-corp")
		w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
	return security
}
