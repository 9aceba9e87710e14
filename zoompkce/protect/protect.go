// Package protect puts sign-in with Zoom in front of a net/http handler, as the
// directive zoom_pkce does in front of what Caddy serves. It decides who comes in and
// sends visitors through Zoom; what a visitor may do is the app's business, and who is
// signed in is that of package zoompkce.
package protect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/returnurl"
)

// Handler lets visitors who are signed in through to an app. Page loads of all others
// go to Zoom and come back; other requests get 401, since a script cannot follow a
// redirect to Zoom.
//
// Beside the callback, at the path of the redirect URI, it serves "logout" in the same
// folder: a POST from a page of the app ends the browser's session.
//
// A page load without a session that comes after more than five sign-ins, each within half a
// minute of the one before, is refused with 400: the browser would go round between Zoom and the app for ever.
//
// Answers to visitors are marked "Cache-Control: private", unless the app sets
// that header; those that renew the session cookie always are.
//
// The app sees the cookies of the sign-in, with which it can have the manager sign a
// visitor out of everything. An app that hands requests on must leave out those that
// [zoompkce.Manager.OwnsCookie] names.
type Handler struct {
	manager     *zoompkce.Manager
	redirectURI string
	callback    string
	logout      string
	app         http.Handler

	// Refuse answers a request that is not let in, in the place of http.Error with a
	// sentence: status is 400, 401, 403, 405, 502 or 503. The reason is for the log.
	// It is to be set before the handler serves.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, reason error)
}

// New returns a Handler in front of app. The redirect URI is the one registered at
// Zoom, absolute, with a path of its own.
func New(manager *zoompkce.Manager, redirectURI string, app http.Handler) (*Handler, error) {
	if manager == nil || app == nil {
		return nil, errors.New("protect: a handler needs a manager and an app")
	}
	u, err := url.Parse(redirectURI)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Path == "" || u.EscapedPath() != path.Clean(u.Path) || u.Path == "/" {
		return nil, fmt.Errorf("protect: the redirect URI %q is not absolute, or has no plain path of its own", redirectURI)
	}
	logout := path.Join(path.Dir(u.Path), "logout")
	if logout == u.Path {
		return nil, errors.New(`protect: the redirect URI has the path of "logout"`)
	}
	return &Handler{
		manager: manager, redirectURI: redirectURI, callback: u.Path, logout: logout, app: app, Refuse: refuse,
	}, nil
}

type sessionKey struct{}

// Session is who sent a request that a Handler has let through, for its context:
// with it the manager gives an access token or a ZAK. It is nil for any other.
func Session(ctx context.Context) *zoompkce.Session {
	session, _ := ctx.Value(sessionKey{}).(*zoompkce.Session)
	return session
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.EscapedPath() {
	case h.callback:
		h.serveCallback(w, r)
	case h.logout:
		h.serveLogout(w, r)
	default:
		h.serveApp(w, r)
	}
}

func (h *Handler) serveApp(w http.ResponseWriter, r *http.Request) {
	session, err := h.manager.Session(r.Context(), r.Header["Cookie"])
	switch missing, signedOut := errors.AsType[*zoompkce.NoSessionError](err); {
	case err == nil:
	case !signedOut:
		h.Refuse(w, r, http.StatusServiceUnavailable, err)
		return
	case isPageLoad(r) && h.signIns(r) > maxLoops:
		if missing.Clear {
			setCookies(w, h.manager.ClearCookies(r.Header["Cookie"]))
		}
		h.Refuse(w, r, http.StatusBadRequest, fmt.Errorf("more than %d sign-ins led to no session: %w", maxLoops, err))
		return
	case isPageLoad(r):
		h.signIn(w, r, zoompkce.LoginRequest{ReturnURL: returnurl.Of(r.URL)})
		return
	default:
		if missing.Clear {
			setCookies(w, h.manager.ClearCookies(r.Header["Cookie"]))
		}
		h.Refuse(w, r, http.StatusUnauthorized, err)
		return
	}
	w.Header().Set("Cache-Control", "private")
	if isPageLoad(r) || isFetchOfPage(r) {
		if cookie, _ := h.manager.Renew(r.Context(), session); cookie != nil {
			http.SetCookie(w, cookie)
			renewed := &renewal{w}
			defer renewed.mark() // of an app that writes nothing
			w = renewed
		}
	}
	h.app.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), sessionKey{}, session)))
}

// isPageLoad reports whether a person opens a page in a window: only that may begin a
// sign-in by itself. What a browser loads ahead of the user may not.
func isPageLoad(r *http.Request) bool {
	h := r.Header
	switch {
	case r.Method != http.MethodGet || h.Get("Sec-Purpose") != "":
		return false
	case h.Get("Sec-Fetch-Mode") != "":
		return h.Get("Sec-Fetch-Mode") == "navigate" && h.Get("Sec-Fetch-Dest") == "document"
	}
	return strings.Contains(h.Get("Accept"), "text/html") // what every page load of older browsers sends
}

// isFetchOfPage reports whether a page of this site loads something: with it, too, the
// visitor is there. A page of another site, which shows one of our pictures, proves nothing.
func isFetchOfPage(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Site") == "same-origin" && r.Header.Get("Sec-Fetch-Mode") != "websocket"
}

// signIn sends the visitor to Zoom.
func (h *Handler) signIn(w http.ResponseWriter, r *http.Request, req zoompkce.LoginRequest) {
	req.RedirectURI = h.redirectURI
	login, cookies, err := h.manager.BeginLogin(r.Context(), r.Header["Cookie"], req)
	if err != nil {
		h.Refuse(w, r, http.StatusServiceUnavailable, err)
		return
	}
	setCookies(w, cookies)
	redirect(w, h.manager.AuthorizeURL(login))
}

// serveCallback finishes a sign-in: Zoom has sent the visitor back.
func (h *Handler) serveCallback(w http.ResponseWriter, r *http.Request) {
	query, cookies := r.URL.Query(), r.Header["Cookie"]
	state := query.Get("state")
	switch {
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		h.Refuse(w, r, http.StatusMethodNotAllowed, errors.New("the callback is a page"))
		return
	case len(query["state"]) != 1 || len(query["code"])+len(query["error"]) != 1:
		h.Refuse(w, r, http.StatusBadRequest, errors.New("the callback has no state, or neither code nor error, or one twice"))
		return
	}
	login, err := h.manager.PendingLogin(r.Context(), cookies, zoompkce.BrowserFlow, state)
	if err == nil && login.RedirectURI != h.redirectURI {
		err = zoompkce.ErrLoginUnknown // it belongs to another handler
	}
	if err != nil {
		h.strayCallback(w, r, state, err)
		return
	}
	if query.Has("error") {
		http.SetCookie(w, h.manager.DropLogin(login))
		h.Refuse(w, r, http.StatusForbidden, errors.New("the visitor, or Zoom, did not go through with the sign-in"))
		return
	}
	if session, _ := h.manager.Session(r.Context(), cookies); h.manager.Overtaken(login, session) {
		http.SetCookie(w, h.manager.DropLogin(login)) // another tab was faster; the code is not needed
		redirect(w, login.ReturnURL)
		return
	}
	signedIn, err := h.manager.SignIn(r.Context(), login, query.Get("code"), cookies)
	if !errors.Is(err, zoompkce.ErrCodeUnused) {
		http.SetCookie(w, h.manager.DropLogin(login))
	}
	switch {
	case err == nil:
		http.SetCookie(w, signedIn.Cookie)
		http.SetCookie(w, h.countSignIn(r))
		redirect(w, login.ReturnURL)
	case errors.Is(err, zoompkce.ErrSignedOutMeanwhile) && !login.Restarted:
		h.signIn(w, r, zoompkce.LoginRequest{ReturnURL: login.ReturnURL, Restarted: true})
	default:
		h.failed(w, r, err)
	}
}

// failed answers a sign-in that trouble has ended: the store's or Zoom's.
func (h *Handler) failed(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusBadGateway
	if errors.As(err, new(*zoompkce.StoreError)) {
		status = http.StatusServiceUnavailable
	}
	h.Refuse(w, r, status, err)
}

// strayCallback answers a callback whose login is not here: a bookmark, a reload, a
// login of an hour ago, a browser without cookies. It tries once more, and the state
// tells when that was done.
func (h *Handler) strayCallback(w http.ResponseWriter, r *http.Request, state string, err error) {
	if errors.As(err, new(*zoompkce.StoreError)) {
		h.failed(w, r, err)
		return
	}
	if _, noSession := h.manager.Session(r.Context(), r.Header["Cookie"]); noSession == nil {
		redirect(w, "/")
		return
	}
	if restarted, _ := h.manager.StateRestarted(r.Context(), state); restarted {
		h.Refuse(w, r, http.StatusBadRequest, fmt.Errorf("%w, twice; does the browser keep cookies?", err))
		return
	}
	h.signIn(w, r, zoompkce.LoginRequest{ReturnURL: "/", Restarted: true})
}

// serveLogout signs out. A link, which any site can make a browser follow, must not.
func (h *Handler) serveLogout(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		h.Refuse(w, r, http.StatusMethodNotAllowed, errors.New("signing out is a POST"))
		return
	}
	if err := new(http.CrossOriginProtection).Check(r); err != nil {
		h.Refuse(w, r, http.StatusForbidden, err)
		return
	}
	if err := h.manager.SignOut(r.Context(), r.Header["Cookie"]); err != nil {
		h.failed(w, r, err)
		return
	}
	setCookies(w, h.manager.ClearCookies(r.Header["Cookie"]))
	redirect(w, "/")
}

// redirect sends the browser on. The address holds a state or a code at times, which no
// cache and no Referer needs to know.
func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Location", to) // http.Redirect would rewrite the path
	w.WriteHeader(http.StatusSeeOther)
}

func setCookies(w http.ResponseWriter, cookies []*http.Cookie) {
	for _, cookie := range cookies {
		http.SetCookie(w, cookie)
	}
}

// refuse is the default of Refuse: what a visitor can do about it.
func refuse(w http.ResponseWriter, _ *http.Request, status int, _ error) {
	w.Header().Set("Cache-Control", "no-store")
	sentences := map[int]string{
		http.StatusBadRequest:       "This sign-in cannot be finished. Open the site again; the browser has to keep cookies.",
		http.StatusUnauthorized:     "Sign in first: open a page of this site.",
		http.StatusForbidden:        "Nobody was signed in or out. Open the site again.",
		http.StatusMethodNotAllowed: "This address takes another method.",
		http.StatusBadGateway:       "Zoom did not sign you in. Open the site again.",
	}
	sentence, ok := sentences[status]
	if !ok {
		w.Header().Set("Retry-After", "5")
		sentence = "Who is signed in cannot be found out now. Try again in a moment."
	}
	http.Error(w, sentence, status)
}
