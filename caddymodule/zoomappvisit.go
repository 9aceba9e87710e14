package caddymodule

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// appContext opens what Zoom's client says about the place a page was opened
// in, and makes it known as placeholders. Nothing said, or nothing true, is nothing.
func (s *site) appContext(r *http.Request) (c zoompkce.AppContext, ok bool) {
	header := r.Header.Get("X-Zoom-App-Context")
	if s.zoomApp == nil || header == "" {
		return c, false
	}
	c, err := zoompkce.OpenAppContext(s.clientID, string(s.clientSecret), header, time.Now())
	if err != nil {
		if l := s.logger.Check(zap.WarnLevel, "ignored an app context; if it comes from your app, compare client_secret with the one at Zoom"); l != nil {
			l.Write(zap.Error(err))
		}
		return c, false
	}
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Set("http.zoom_pkce.app_context.uid", c.UserID)
		repl.Set("http.zoom_pkce.app_context.mid", c.MeetingID)
		repl.Set("http.zoom_pkce.app_context.typ", c.Type)
		repl.Set("http.zoom_pkce.app_context.act", c.Action)
	}
	return c, true
}

// signInFromContext signs in the user an app context names, on a page load of
// a visitor without a session. It returns the session, or nil if
// there is no reason to have one.
func (s *site) signInFromContext(w http.ResponseWriter, r *http.Request, v *visit, c zoompkce.AppContext) (*zoompkce.Session, error) {
	if !s.zoomApp.signInFromContext || classify(r) == otherRequest {
		return nil, nil
	}
	signedIn, err := s.manager.SignInFromContext(r.Context(), c)
	switch {
	case errors.Is(err, zoompkce.ErrNoGrant):
		return nil, nil
	case errors.Is(err, zoompkce.ErrContextUsed):
		s.logger.Warn("refused an app context that has opened a session before", zap.String("user_id", c.UserID))
		return nil, nil
	case err != nil:
		return nil, err
	}
	http.SetCookie(w, signedIn.Cookie)
	v.remember(s.client.AppID(), signedIn.Session)
	return signedIn.Session, nil
}

// insideZoom reports whether a page is being opened inside the Zoom client,
// which must not be sent to zoom.us. (developers.zoom.us/docs/zoom-apps/architecture)
func (s *site) insideZoom(r *http.Request) bool {
	return s.zoomApp != nil &&
		(r.Header.Get("X-Zoom-App-Context") != "" || strings.Contains(r.UserAgent(), "ZoomApps/"))
}

// zoomFrames are the pages of Zoom that embed apps, as sources of a
// Content-Security-Policy.
const zoomFrames = "'self' https://*.zoom.us https://zoom.us https://*.zoomgov.com https://zoomgov.com"

// zoomSDK is the one foreign script a page of ours loads: it is the way to
// talk to the Zoom client.
const zoomSDK = "https://appssdk.zoom.us/sdk.min.js"

// serveInClientSignIn answers a page load inside the Zoom client with a page
// that signs in there, so that the app's own page needs to know nothing of it.
func (s *site) serveInClientSignIn(w http.ResponseWriter, r *http.Request) error {
	page := inClient{
		SDK:        zoomSDK,
		Authorize:  s.pathPrefix + "/app/authorize",
		Authorized: s.pathPrefix + "/app/onauthorized",
		Next:       s.returnURL(r),
	}
	page.write(w, securityOptions{https: s.secure, frameAncestors: zoomFrames})
	return nil
}
