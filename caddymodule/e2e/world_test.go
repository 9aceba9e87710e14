// Package e2e tests the directive in a real Caddy, between a simulated Zoom and
// an app, by what visitors, apps and operators see: pages, headers, JSON,
// metrics, the admin API and the log. What looks inside is tested where it
// stands.
//
// There is one Caddy in a process, so these tests do not run in parallel, and no
// other package starts one.
package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/zoompkce/caddy-zoom-pkce/caddymodule"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

const (
	testClientID     = "AbCdEfGhIjKlMnOpQrStU"
	testClientSecret = "a-client-secret-that-no-log-may-show"
)

const (
	oldSecret = "an-old-cookie-secret-of-32-bytes-or-more"
	newSecret = "a-new-cookie-secret-of-32-bytes-or-more"
)

// world is a simulated Zoom, an upstream and a Caddy with zoom_pkce between.
type world struct {
	t        testing.TB
	zoom     *zoomtest.Server
	upstream *upstream
	addr     string // of Caddy
	url      string // of Caddy
	storage  string
	logs     string // file of Caddy's logs
}

// newWorld starts everything but Caddy, on a port that stays the same when
// Caddy is loaded again.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, zoom: zoomtest.NewServer(), upstream: newUpstream(t), storage: t.TempDir()}
	t.Cleanup(w.zoom.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.addr = listener.Addr().String()
	listener.Close()
	w.url = "http://" + w.addr
	w.logs = t.TempDir() + "/caddy.log"
	w.registerAt(w.url + "/zoom_pkce/callback")
	w.zoom.AddUser(zoomtest.User{ID: "user-ada", AccountID: "account-1", Email: "ada@example.com", Verified: 1, DisplayName: "Ada Lovelace"})
	w.zoom.AddUser(zoomtest.User{ID: "user-bob", AccountID: "account-2", Email: "bob@example.org", Verified: 1, DisplayName: "Bob"})
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(w.logged())
		}
	})
	return w
}

// registerAt registers the redirect URIs of the app at Zoom, and no others.
func (w *world) registerAt(uris ...string) {
	w.zoom.AddApp(zoomtest.App{ClientID: testClientID, ClientSecret: testClientSecret, RedirectURIs: uris})
}

// sessionCookieName is the name of the session cookie on plain http.
func (w *world) sessionCookieName() string {
	return "zoom_pkce_" + zoomapi.AppID(w.zoom.URL, testClientID)
}

// logged is the end of what Caddy has logged.
func (w *world) logged() string {
	logs, err := os.ReadFile(w.logs)
	if err != nil {
		return err.Error()
	}
	return string(logs[max(0, len(logs)-20_000):])
}

// options are the subdirectives every site needs.
func (w *world) options() string {
	return fmt.Sprintf("client_id %s\nclient_secret %s\nredirect_uri %s/zoom_pkce/callback\noauth_url %s\napi_url %s\n",
		testClientID, testClientSecret, w.url, w.zoom.URL, w.zoom.URL)
}

// site is a Caddyfile of one site with zoom_pkce in front of the upstream.
func (w *world) site(options ...string) string {
	return w.caddyfile(fmt.Sprintf("zoom_pkce {\n%s%s\n}\nreverse_proxy %s\n",
		w.options(), strings.Join(options, "\n"), w.upstream.addr))
}

// caddyfile is a Caddyfile of one site with the directives given.
func (w *world) caddyfile(directives string) string {
	return w.caddyfileAt("http://"+w.addr, directives)
}

// caddyfileAt is the same for a site of another address, on our port.
func (w *world) caddyfileAt(address, directives string) string {
	return fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https off
	storage file_system %q
	log default {
		output file %q {
			roll_disabled
		}
		level DEBUG
	}
}
%s {
	bind 127.0.0.1
	log
	%s
}
`, w.storage, w.logs, address, directives)
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// logLines are the lines of the directive's logger with a message.
func (w *world) logLines(message string) (lines []map[string]any) {
	for line := range strings.Lines(w.logged()) {
		var entry map[string]any
		if json.Unmarshal([]byte(line), &entry) == nil && entry["logger"] == "http.handlers.zoom_pkce" && entry["msg"] == message {
			lines = append(lines, entry)
		}
	}
	return lines
}

func secrets(list ...string) string {
	return "cookie {\nsecret " + strings.Join(list, " ") + "\n}"
}

// tokensLive changes how long the tokens live that Zoom hands out from now on.
func (w *world) tokensLive(d time.Duration) {
	w.zoom.Advance(0) // whoever read the field before has done so
	w.zoom.AccessTokenLifetime = d
	w.zoom.Advance(0)
}
