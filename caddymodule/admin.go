package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

func init() {
	caddy.RegisterModule(new(adminAPI))
}

// adminAPI adds the directive to Caddy's admin API, whose access rules hold for it:
//
//	GET    /zoom_pkce/status
//	GET    /zoom_pkce/apps/<client_id>/users/<user id>
//	DELETE /zoom_pkce/apps/<client_id>/users/<user id>
//	GET    /zoom_pkce/apps/<client_id>/users    records that do not open
//	DELETE /zoom_pkce/apps/<client_id>/users    ends all users
//	DELETE /zoom_pkce/apps/<client_id>/pauses
type adminAPI struct{}

// CaddyModule returns the Caddy module information.
func (*adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.zoom_pkce",
		New: func() caddy.Module { return new(adminAPI) },
	}
}

// Routes implements caddy.AdminRouter.
func (a *adminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: "/zoom_pkce/status", Handler: caddy.AdminHandlerFunc(a.serveStatus)},
		{Pattern: "/zoom_pkce/apps/", Handler: caddy.AdminHandlerFunc(a.serveApp)},
	}
}

// runningApps are the handlers of the configuration that is running now, by
// Zoom app. It may have been loaded after this module.
func runningApps() (apps [][]*site) {
	app, err := caddy.ActiveContext().AppIfConfigured("zoom_pkce")
	if err != nil || app == nil {
		return nil
	}
	byID := app.(*App).sites()
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		apps = append(apps, byID[id])
	}
	return apps
}

// appStatus is the state of one Zoom app in this process.
type appStatus struct {
	// ClientID and OAuthURL say which app at which Zoom this is; AppID stands
	// for both in cookie names and store keys.
	ClientID string `json:"client_id"`
	OAuthURL string `json:"oauth_url"`
	AppID    string `json:"app_id"`
	// RedirectURIs are those that Zoom has to know.
	RedirectURIs []string `json:"redirect_uris"`
	// Handlers is how often zoom_pkce stands in the configuration for this app.
	Handlers int `json:"handlers"`
	// CachedUsers is how many users are in memory.
	CachedUsers int `json:"cached_users"`
	// UnsavedUsers is how many users have tokens that the store has not taken yet:
	// a restart now would sign them out.
	UnsavedUsers int `json:"unsaved_users"`
	// ZAKPausedUntil is set while Zoom wants no ZAK calls.
	ZAKPausedUntil time.Time `json:"zak_paused_until,omitzero"`
	// OBFPausedUntil is set while Zoom wants no calls for OBF tokens.
	OBFPausedUntil time.Time `json:"obf_paused_until,omitzero"`
}

func (a *adminAPI) serveStatus(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		return adminError(http.StatusMethodNotAllowed, "method not allowed")
	}
	apps := make([]appStatus, 0)
	for _, sites := range runningApps() {
		first := sites[0]
		status := appStatus{
			ClientID: first.clientID, OAuthURL: first.oauthURL, AppID: first.client.AppID(),
			RedirectURIs: redirectURIsOf(sites), Handlers: len(sites),
		}
		state := first.state
		status.CachedUsers, status.UnsavedUsers = state.Users(), state.UnsavedUsers()
		status.ZAKPausedUntil, status.OBFPausedUntil = state.ZAKPausedUntil(), state.OBFPausedUntil()
		apps = append(apps, status)
	}
	return adminAnswer(w, map[string]any{"apps": apps})
}

// serveApp answers for what lies below a Zoom app.
func (a *adminAPI) serveApp(w http.ResponseWriter, r *http.Request) error {
	parts := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/zoom_pkce/apps/"), "/")
	for i, part := range parts {
		parts[i], _ = url.PathUnescape(part) // of a path that was read
	}
	serve := func([]*site) error {
		return adminError(http.StatusNotFound, "the path is /zoom_pkce/apps/<client_id>/users/<user id>, "+
			"/zoom_pkce/apps/<client_id>/users or /zoom_pkce/apps/<client_id>/pauses; percent-encode a slash in an id")
	}
	switch {
	case len(parts) == 3 && parts[1] == "users":
		serve = func(apps []*site) error { return serveUser(w, r, apps, parts[2]) }
	case len(parts) == 2 && parts[1] == "users":
		serve = func(apps []*site) error { return serveUsers(w, r, apps) }
	case len(parts) == 2 && parts[1] == "pauses":
		serve = func(apps []*site) error { return liftPauses(w, r, apps) }
	}
	// The same client id at two Zoom hosts is two apps.
	var apps []*site
	for _, sites := range runningApps() {
		if sites[0].clientID == parts[0] {
			apps = append(apps, sites[0])
		}
	}
	if len(apps) == 0 {
		return adminError(http.StatusNotFound, "no zoom_pkce handler has this client_id; GET /zoom_pkce/status lists those there are")
	}
	return serve(apps)
}

// liftPauses lets Zoom be asked again before its time, by an operator who knows
// that a limit was raised.
func liftPauses(w http.ResponseWriter, r *http.Request, apps []*site) error {
	if r.Method != http.MethodDelete {
		return adminError(http.StatusMethodNotAllowed, "method not allowed")
	}
	for _, s := range apps {
		s.state.LiftPauses()
		s.logger.Info("an operator ended the pauses that Zoom has asked for", zap.String("client_id", s.clientID))
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// adminTrouble is the answer when the store cannot be read or written.
func adminTrouble(err error) error {
	if errors.Is(err, zoompkce.ErrCursor) {
		return adminError(http.StatusBadRequest, "cursor is none that a page has ended with; begin without one")
	}
	if errors.As(err, new(*zoompkce.UnopenableError)) {
		err = fmt.Errorf("%w; DELETE ends the user's sessions all the same", err)
	}
	return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: err}
}

func adminError(status int, message string) error {
	return caddy.APIError{HTTPStatus: status, Err: errors.New(message)}
}

func adminAnswer(w http.ResponseWriter, value any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(value)
}

// Interface guards
var _ caddy.AdminRouter = (*adminAPI)(nil)

// redirectURIsOf are all URIs that Zoom has to know.
func redirectURIsOf(sites []*site) (uris []string) {
	for _, s := range sites {
		for _, uri := range s.redirectURIs {
			uris = append(uris, uri.uri)
		}
		if s.zoomApp != nil {
			uris = append(uris, s.zoomApp.redirectURIs...)
		}
	}
	return conf.Unique(uris)
}
