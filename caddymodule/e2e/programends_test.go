package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// wantEnded checks that neither token of the program is worth anything.
func (p *program) wantEnded(t *testing.T) {
	t.Helper()
	wantChallenge(t, p.w, p.call(http.MethodGet, "/mcp"), "/mcp", true)
	wantOAuthError(t, "refreshing", p.refreshed(), http.StatusBadRequest, "invalid_grant")
}

// What ends a user's access ends all their programs at once, and nobody else's.
func TestWhatEndsAllProgramsOfAUser(t *testing.T) {
	for name, end := range map[string]func(w *world, b *browser, admin string){
		"the app is removed at Zoom": func(w *world, _ *browser, _ string) {
			if a := w.deliver(webhookSecret, time.Now(), deauthorization(testClientID, "user-ada", time.Now())); a.StatusCode != http.StatusOK {
				w.t.Errorf("deauthorizing: %d", a.StatusCode)
			}
		},
		"an operator": func(w *world, _ *browser, admin string) {
			if a := w.operator().admin(http.MethodDelete, userURL(admin, testClientID, "user-ada")); a.StatusCode != http.StatusNoContent {
				w.t.Errorf("ending: %d", a.StatusCode)
			}
		},
		"a form that disconnects": func(w *world, b *browser, _ string) {
			w.disconnected(b.post("logout", "disconnect=1", "Content-Type", "application/x-www-form-urlencoded"))
		},
		"an address that disconnects": func(w *world, b *browser, _ string) { w.disconnected(b.post("logout?disconnect=1", "")) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWebhookWorld(t)
			config, admin := w.withAdmin(w.site(programOptions, webhookOptions))
			w.load(config)
			ada, bob := w.signedIn("user-ada"), w.signedIn("user-bob")
			one, another, bobs := w.program().signedInBy(ada), w.program().signedInBy(ada), w.program().signedInBy(bob)
			leaving := w.signedIn("user-ada")
			w.disconnected(leaving.post("logout", ""))
			leaving.wantSignedOut()
			one.wantUser("user-ada")
			another.wantUser("user-ada")

			if a := ada.open("/zoom_pkce/logout"); !strings.Contains(a.body, `name="disconnect" value="1"`) {
				t.Error("the page that signs out has no button for all of it")
			}
			code := one.redirected(ada.pressConsent(ada.open(one.request()), "allow")).Get("code")
			end(w, ada, admin)
			wantOAuthError(t, "a code from before", one.post("oauth/token", one.codeForm(code)), http.StatusBadRequest, "invalid_grant")
			one.wantEnded(t)
			another.wantEnded(t)
			ada.wantSignedOut()
			bobs.wantUser("user-bob")
			if a := bobs.refreshed(); a.StatusCode != http.StatusOK {
				t.Errorf("another user's program: %d\n%s", a.StatusCode, a.body)
			}
			// A new sign-in begins anew: what has ended stays ended.
			again := w.program().signedInBy(w.signedIn("user-ada"))
			again.wantUser("user-ada")
			one.wantEnded(t)
		})
	}
}

// A program lives by its user's grant. While Zoom does not answer it is asked to try again
// and gets its tokens, which need no Zoom; once Zoom has ended the grant it ends.
func TestProgramsLiveByTheGrant(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(programOptions, "refresh_margin 1ms", "zoom_timeout 1s"))
	w.tokensLive(time.Second)
	p, q := w.program().signedInBy(w.signedIn("user-ada")), w.program().signedInBy(w.signedIn("user-bob"))
	w.zoom.Fail(zoomtest.CallRefresh, -1, zoomtest.Status(http.StatusServiceUnavailable, ""))
	time.Sleep(1100 * time.Millisecond)
	a := p.call(http.MethodGet, "/")
	w.wantUnavailable("Zoom is away", a)
	if a.problem(t).Code != "zoom_unavailable" || a.Header["Www-Authenticate"] != nil {
		t.Errorf("Zoom is away: %v\n%s", a.Header, a.body)
	}
	p.takeTokens(p.refreshed())

	w.zoom.Restore(zoomtest.CallRefresh)
	w.zoom.RevokeUser(testClientID, "user-bob") // of which no webhook tells
	q.wantEnded(t)
}
