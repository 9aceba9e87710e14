package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestLogsSayWhatWhyAndWhatToDo(t *testing.T) {
	const trackingID = "v=2.0;clid=aw1;rid=WEB_0123456789abcdef"
	refuse := func(w *world, call zoomtest.Call, status int, body string) {
		w.zoom.Fail(call, -1, zoomtest.Status(status, body, "X-Zm-Trackingid", trackingID))
	}
	callback := func(w *world) {
		b := w.browser()
		b.open(b.consent(b.open("/"), "user-ada"))
	}
	for _, test := range []struct {
		name    string
		act     func(w *world)
		message string
		level   string
		want    map[string]string // parts of fields; empty: only there
	}{
		{"wrong credentials", func(w *world) {
			refuse(w, zoomtest.CallCode, 400, `{"reason":"Invalid client_id or client_secret","error":"invalid_client"}`)
			callback(w)
		}, "refused a request", "error", map[string]string{
			"code": "zoom_misconfigured", "advice": "client_secret", "request_id": "", "zoom_tracking_id": trackingID,
			"redirect_uri": "/zoom_pkce/callback", "error": "invalid client", "path": "/zoom_pkce/callback",
		}},
		{"a code that Zoom refuses", func(w *world) {
			refuse(w, zoomtest.CallCode, 400, `{"reason":"Invalid authorization code XYZ","error":"invalid_grant"}`)
			callback(w)
		}, "a sign-in failed and begins once more", "warn", map[string]string{
			"code": "code_refused", "advice": "", "request_id": "", "zoom_tracking_id": trackingID, "error": "invalid grant",
		}},
		{"a ZAK that cannot be had", func(w *world) {
			refuse(w, zoomtest.CallZAK, 400, `{"code":4711,"message":"Invalid access token, does not contain scopes:[user:read:zak]."}`)
			b := w.browser()
			b.open(b.consent(b.open("/"), "user-ada"))
			b.fetch(http.MethodGet, "/")
		}, "fetching a zak token failed", "warn", map[string]string{
			"user_id": "user-ada", "outcome": "missing_scope", "advice": "add the scope", "zoom_tracking_id": trackingID, "error": "user:read:zak",
		}},
		{"the request without it", func(w *world) {
			refuse(w, zoomtest.CallZAK, 400, `{"code":4711,"message":"Invalid access token, does not contain scopes:[user:read:zak]."}`)
			b := w.browser()
			b.open(b.consent(b.open("/"), "user-ada"))
			b.fetch(http.MethodGet, "/")
		}, "a request goes on without a ZAK", "debug", map[string]string{"code": "missing_scope", "request_id": "", "advice": ""}},
		{"a callback of nobody", func(w *world) {
			w.browser().open("/zoom_pkce/callback?code=abc&state=def")
		}, "a callback belongs to no sign-in of this browser, which begins once more", "info", map[string]string{"request_id": "", "code": "login_expired"}},
		{"a callback without a state", func(w *world) {
			w.browser().open("/zoom_pkce/callback?code=abc")
		}, "a sign-in was begun at Zoom and begins once more here", "info", map[string]string{"request_id": "", "error": "no state"}},
		{"a sign-in with a scope that is not the app's", func(w *world) {
			w.browser().open("/zoom_pkce/callback?error=invalid_scope&error_description=x")
		}, "refused a request", "warn", map[string]string{"code": "declined", "error": "invalid_scope"}},
		{"a sign-in that ends with somebody's own word", func(w *world) {
			w.browser().open("/zoom_pkce/callback?error=a_forged_word")
		}, "refused a request", "warn", map[string]string{"code": "declined", "error": "none of RFC 6749"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.load(w.site())
			test.act(w)
			lines := w.logLines(test.message)
			if len(lines) == 0 {
				t.Fatalf("no line %q", test.message)
			}
			line := lines[0]
			if line["level"] != test.level {
				t.Errorf("level %v, want %s", line["level"], test.level)
			}
			for field, want := range test.want {
				text, _ := line[field].(string)
				if text == "" || !strings.Contains(text, want) {
					t.Errorf("%s is %q, want %q in it", field, text, want)
				}
			}
		})
	}
}

// Without the scope for users/me visitors have only ids. That is said, and where
// allow turns on an address it is said again.
func TestVisitorsWithIDsOnly(t *testing.T) {
	w := newWorld(t)
	w.zoom.AddApp(zoomtest.App{
		ClientID: testClientID, ClientSecret: testClientSecret,
		RedirectURIs: []string{w.url + "/zoom_pkce/callback"}, Scopes: []string{"user:read:zak"},
	})
	w.load(w.site("allow {\nemail_domain example.com\n}"))
	b := w.browser()
	a := b.open(b.consent(b.open("/"), "user-ada"))
	if a = b.open(a.Header.Get("Location")); a.StatusCode != http.StatusForbidden {
		t.Fatalf("got %d\n%s", a.StatusCode, a.body)
	}
	for _, message := range []string{
		"signed in, without name and e-mail address; has the Zoom app the scope user:read:user?",
		"refused a request",
	} {
		lines := w.logLines(message)
		if len(lines) == 0 || !strings.Contains(fmt.Sprint(lines[len(lines)-1]), "user:read:user") {
			t.Errorf("%s: %v", message, lines)
		}
	}
}
