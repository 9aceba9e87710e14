package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
)

// withAdmin turns the admin API of a configuration on.
func (w *world) withAdmin(caddyfile string) (config, adminURL string) {
	adminURL = "http://127.0.0.1:" + testkit.FreePort(w.t)
	return w.administered(caddyfile, adminURL), adminURL
}

// administered turns the admin API of a further configuration on.
func (w *world) administered(caddyfile, adminURL string) string {
	return strings.Replace(caddyfile, "admin off", "admin "+strings.TrimPrefix(adminURL, "http://"), 1)
}

func userURL(admin, clientID, userID string) string {
	return admin + "/zoom_pkce/apps/" + url.PathEscape(clientID) + "/users/" + url.PathEscape(userID)
}

// operator is somebody who goes to the admin API directly.
func (w *world) operator() *browser {
	b := w.browser()
	b.client = &http.Client{Transport: direct, Timeout: 30 * time.Second}
	return b
}

// admin makes a request without what a browser adds.
func (b *browser) admin(method, target string, header ...string) answer {
	b.w.t.Helper()
	return b.do(b.request(method, target, header...))
}

// status is what the admin API tells of all Zoom apps.
func (w *world) status(admin string) (all struct{ Apps []adminApp }) {
	w.t.Helper()
	a := w.operator().admin(http.MethodGet, admin+"/zoom_pkce/status")
	if err := json.Unmarshal([]byte(a.body), &all); err != nil || a.StatusCode != http.StatusOK {
		w.t.Fatalf("%d, %v\n%s", a.StatusCode, err, a.body)
	}
	return all
}

// adminApp is what the admin API tells of one Zoom app.
type adminApp struct {
	ClientID       string    `json:"client_id"`
	OAuthURL       string    `json:"oauth_url"`
	AppID          string    `json:"app_id"`
	RedirectURIs   []string  `json:"redirect_uris"`
	Handlers       int       `json:"handlers"`
	CachedUsers    int       `json:"cached_users"`
	UnsavedUsers   int       `json:"unsaved_users"`
	ZAKPausedUntil time.Time `json:"zak_paused_until"`
	OBFPausedUntil time.Time `json:"obf_paused_until"`
}
