package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// withClientKey makes the app at Zoom one with a key of its own. It returns the
// options of a site for it; with a secret, it is a Zoom App's.
func (w *world) withClientKey(t *testing.T, clientSecret string) (options, privateKey string) {
	t.Helper()
	privateKey, err := zoomapi.GenerateClientKey()
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := zoomapi.ClientJWK(privateKey, "key-1")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(jwk)
	if err != nil {
		t.Fatal(err)
	}
	registered, err := zoomtest.ParseJWK(string(text))
	if err != nil {
		t.Fatal(err)
	}
	w.zoom.AddApp(zoomtest.App{
		ClientID: testClientID, ClientSecret: clientSecret, PublicKeys: []zoomtest.PublicKey{registered},
		RedirectURIs: []string{w.url + "/zoom_pkce/callback"},
	})
	file := t.TempDir() + "/zoom.pem"
	writeFile(t, file, privateKey)
	return "client_key {file." + file + "} key-1\n", privateKey
}

// secretLine is the line of options that a key takes the place of.
const secretLine = "client_secret " + testClientSecret + "\n"

func TestClientKey(t *testing.T) {
	w := newWorld(t)
	key, private := w.withClientKey(t, "")
	w.load(strings.Replace(w.site("zak {\nmax_age 0\n}"), secretLine, key, 1))
	b := w.browser()
	b.signIn("/", "user-ada")
	w.zoom.ExpireAccessTokens(testClientID, "user-ada")
	if got := b.open("/").received(t).Header; got.Get("X-Zoom-User-Id") != "user-ada" {
		t.Errorf("got %q", got)
	}
	if n := w.zoom.Count(zoomtest.CallRefresh); n != 1 {
		t.Errorf("%d refreshes", n)
	}
	b.fetch("POST", "/zoom_pkce/logout")
	for range 100 {
		if w.zoom.Count(zoomtest.CallRevoke) > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := len(w.zoom.RefreshTokens(testClientID, "user-ada")); n != 0 {
		t.Errorf("%d refresh tokens live on at Zoom", n)
	}
	for _, piece := range strings.Split(strings.TrimSpace(private), "\n")[1:3] {
		if strings.Contains(w.logged(), piece) {
			t.Error("the log shows the key")
		}
	}
}

// Zoom encrypts the app context with the client secret, whoever signs the calls.
func TestClientKeyOfAZoomApp(t *testing.T) {
	w := newWorld(t)
	key, _ := w.withClientKey(t, testClientSecret)
	w.load(w.site(key, "zoom_app {\nsign_in_from_context on\n}"))
	w.browser().signIn("/", "user-ada")
	inside := w.browser()
	context := w.zoom.AppContext(testClientID, zoomtest.AppContext{UID: "user-ada"})
	a := inside.open("/", "X-Zoom-App-Context", context)
	if got := a.received(t).Header; got.Get("X-Zoom-User-Id") != "user-ada" {
		t.Errorf("got %q", got)
	}
}

func TestHandlersOfOneAppHaveToAgreeOnItsKey(t *testing.T) {
	w := newWorld(t)
	first, private := w.withClientKey(t, "")
	second, _ := w.withClientKey(t, "")
	for name, other := range map[string]string{
		"another key":    strings.Replace(w.options(), secretLine, second, 1),
		"another key id": strings.Replace(w.options(), secretLine, strings.Replace(first, "key-1", "key-2", 1), 1),
	} {
		err := w.tryLoad(w.caddyfile("zoom_pkce /a/* {\n" + strings.Replace(w.options(), secretLine, first, 1) +
			"}\nzoom_pkce /b/* {\n" + other + "}\nrespond ok"))
		if err == nil || !strings.Contains(err.Error(), "disagree on client_key") || strings.Contains(err.Error(), private[40:80]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
