package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/redistest"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// TestRotatingTheSecret is the way from one cookie secret to the next.
func TestRotatingTheSecret(t *testing.T) {
	w := newWorld(t)
	sync := "session {\nsync_interval 200ms\n}"
	w.load(w.site(sync, secrets(oldSecret)))
	users := []string{"user-ada", "user-bob"}
	browsers := []*browser{w.signedIn("user-ada"), w.signedIn("user-bob")}
	stale := browsers[0].cookieLine()
	traffic := w.traffic(100, w.url, browsers, users)
	for _, list := range [][]string{{oldSecret, newSecret}, {newSecret, oldSecret}} {
		pending := w.browser()
		callback := pending.consent(pending.open("/"), "user-bob")
		w.load(w.site(sync, secrets(list...)))
		if a := pending.open(callback); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/" {
			t.Errorf("a login that was pending during the rotation ended with %d", a.StatusCode)
		}
		time.Sleep(500 * time.Millisecond)
	}
	traffic.end(t, 50)
	late := w.signedIn("user-ada") // with the new secret
	w.load(w.site(sync, secrets(newSecret)))
	late.wantUser("user-ada")
	if err := hit(plain, w.url, stale, "user-ada"); err == nil || !strings.Contains(err.Error(), "status 401") {
		t.Errorf("a cookie of the withdrawn secret, which was cached: %v", err)
	}
}

// TestUnopenableRecordsStay signs in a user whose record is sealed with a
// secret that is lost.
func TestUnopenableRecordsStay(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(secrets(oldSecret)))
	b := w.signedIn("user-ada")
	w.load(w.site(secrets(newSecret)))
	other := w.browser()
	a := other.open(other.consent(other.open("/"), "user-ada"))
	if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
		t.Errorf("signing in: got %d, want 503 with Retry-After\n%s", a.StatusCode, a.body)
	}
	if !strings.Contains(a.body, "Only its operator can put that right") || strings.Contains(a.body, "in a moment") {
		t.Errorf("the page promises that it passes\n%s", a.body)
	}
	refusals := w.logLines("refused a request")
	last := fmt.Sprint(refusals[len(refusals)-1])
	for _, want := range []string{`user "user-ada"`, "which is not among the cookie secrets", "DELETE /zoom_pkce/apps/"} {
		if !strings.Contains(last, want) {
			t.Errorf("the log does not say %s: %s", want, last)
		}
	}
	config, admin := w.withAdmin(w.site(secrets(oldSecret)))
	w.load(config)
	b.wantUser("user-ada")
	if a := w.operator().admin(http.MethodDelete, userURL(admin, testClientID, "user-ada")); a.StatusCode != http.StatusNoContent {
		t.Errorf("ending the user: %d %s", a.StatusCode, a.body)
	}
	b.wantSignedOut()
}

// TestSwitchingTheStore by a reload means new sessions, and the old ones when
// it is switched back.
func TestSwitchingTheStore(t *testing.T) {
	w := newWorld(t)
	redis := redistest.Start(t)
	settings := "sync_interval 50ms\n"
	onFiles := w.site(secrets(oldSecret), "session {\n"+settings+"}")
	onRedis := w.site(secrets(oldSecret), "session {\nstore redis "+redis.URL()+"\n"+settings+"}")
	w.load(onFiles)
	b := w.signedIn("user-ada")
	w.load(onRedis)
	testkit.Eventually(t, "the sessions of the other store to end", 5*time.Second, func() bool {
		return b.open("/").StatusCode == http.StatusSeeOther
	})
	again := w.signedIn("user-bob")
	w.load(onRedis)
	again.wantUser("user-bob")
	w.load(onFiles)
	testkit.Eventually(t, "the sessions of the other store to end", 5*time.Second, func() bool {
		return again.open("/").StatusCode == http.StatusSeeOther
	})
	w.signedIn("user-ada").wantUser("user-ada")
}

// TestTwoAppsInOneCaddy share nothing, and each survives the removal of the other.
func TestTwoAppsInOneCaddy(t *testing.T) {
	w := newWorld(t)
	const otherID = "AnotherClientIdOfZoom"
	w.zoom.AddApp(zoomtest.App{ClientID: otherID, ClientSecret: testClientSecret, RedirectURIs: []string{w.url + "/other/callback"}})
	other := strings.NewReplacer(testClientID, otherID, "/zoom_pkce/callback", "/other/callback").Replace(w.options()) +
		"path_prefix /other\nheaders {\nuser_id X-Other-User-Id\naccess_token X-Other-Token\naccount_id off\nemail off\nname off\n}\nzak off\n"
	first := fmt.Sprintf("zoom_pkce /a/* {\n%s}\n", w.options())
	second := fmt.Sprintf("zoom_pkce /b/* {\n%s}\n", other)
	proxy := "reverse_proxy " + w.upstream.addr
	w.load(w.caddyfile("route {\n" + first + second + proxy + "\n}"))
	b := w.browser()
	b.signIn("/a/", "user-ada")
	if got := b.signIn("/b/", "user-bob").received(t).Header; got.Get("X-Other-User-Id") != "user-bob" || got.Get("X-Zoom-User-Id") != "" {
		t.Errorf("the second app's page got %v", got)
	}
	if got := b.open("/a/").received(t).Header; got.Get("X-Zoom-User-Id") != "user-ada" || got.Get("X-Other-User-Id") != "" {
		t.Errorf("the first app's page got %v", got)
	}
	w.load(w.caddyfile("route {\n" + second + proxy + "\n}"))
	if got := b.open("/b/").received(t).Header.Get("X-Other-User-Id"); got != "user-bob" {
		t.Errorf("the app that stayed has the user %q", got)
	}
	both, admin := w.withAdmin(w.caddyfile("route {\n" + first + second + proxy + "\n}"))
	w.load(both)
	for _, app := range w.status(admin).Apps {
		if want := map[string]int{testClientID: 0, otherID: 1}[app.ClientID]; app.CachedUsers != want {
			t.Errorf("%s remembers %d users after its removal, want %d", app.ClientID, app.CachedUsers, want)
		}
	}
}
