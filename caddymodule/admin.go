package caddymodule

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

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
		{Pattern: "/zoom_pkce/apps/", Handler: caddy.AdminHandlerFunc(a.serveUser)},
	}
}

// runningSites are the handlers of the configuration that is running now. It
// may have been loaded after this module.
func runningSites() map[string][]*site {
	app, err := caddy.ActiveContext().AppIfConfigured("zoom_pkce")
	if err != nil || app == nil {
		return nil
	}
	return app.(*App).sites()
}

type appStatus struct {
	ClientID     string   `json:"client_id"`
	AppID        string   `json:"app_id"`
	RedirectURIs []string `json:"redirect_uris"`
	Handlers     int      `json:"handlers"`
	CachedUsers  int      `json:"cached_users"`
	UnsavedUsers int      `json:"unsaved_users"`
	// ZAKPausedUntil is set while Zoom wants no ZAK calls.
	ZAKPausedUntil time.Time `json:"zak_paused_until,omitzero"`
}

func (a *adminAPI) serveStatus(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		return adminError(http.StatusMethodNotAllowed, "method not allowed")
	}
	apps := make([]appStatus, 0)
	for id, sites := range runningSites() {
		status := appStatus{ClientID: sites[0].clientID, AppID: id, Handlers: len(sites)}
		for _, s := range sites {
			for _, uri := range s.redirectURIs {
				status.RedirectURIs = append(status.RedirectURIs, uri.uri)
			}
		}
		status.RedirectURIs = compact(status.RedirectURIs)
		state := sites[0].state
		status.CachedUsers, status.UnsavedUsers = state.Users(), state.UnsavedUsers()
		status.ZAKPausedUntil = state.ZAKPausedUntil()
		apps = append(apps, status)
	}
	return adminAnswer(w, map[string]any{"apps": apps})
}

// serveUser shows what is known of a user, or ends the user's sessions.
func (a *adminAPI) serveUser(w http.ResponseWriter, r *http.Request) error {
	parts := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/zoom_pkce/apps/"), "/")
	if len(parts) != 3 || parts[1] != "users" {
		return adminError(http.StatusNotFound, "the path is /zoom_pkce/apps/<client_id>/users/<user id>; percent-encode a slash in an id")
	}
	clientID, err1 := url.PathUnescape(parts[0])
	userID, err2 := url.PathUnescape(parts[2])
	if err1 != nil || err2 != nil || userID == "" {
		return adminError(http.StatusBadRequest, "an id in the path cannot be read")
	}
	var s *site
	for _, sites := range runningSites() {
		if sites[0].clientID == clientID {
			s = sites[0]
		}
	}
	if s == nil {
		return adminError(http.StatusNotFound, "no zoom_pkce handler has this client_id")
	}
	switch r.Method {
	case http.MethodGet:
		status, err := s.manager.UserStatus(r.Context(), userID)
		if errors.Is(err, zoompkce.ErrNotFound) {
			return adminError(http.StatusNotFound, "nothing is known of this user")
		} else if err != nil {
			return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: err}
		}
		return adminAnswer(w, status)
	case http.MethodDelete:
		ended, err := s.manager.EndUser(r.Context(), userID, time.Time{})
		if err != nil {
			return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: err}
		}
		if !ended {
			return adminError(http.StatusNotFound, "this user has no session")
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return adminError(http.StatusMethodNotAllowed, "method not allowed")
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
