package e2e

import (
	"net/http"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/goleak"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/redistest"
)

// TestNothingIsLeftBehind looks for goroutines after all that can happen to a
// configuration.
func TestNothingIsLeftBehind(t *testing.T) {
	w := newWorld(t)
	redis := redistest.Start(t)
	// What Caddy and the Go runtime start once for a process is there now.
	w.load(w.caddyfile("respond hello"))
	w.browser().open("/")
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	before := goleak.IgnoreCurrent()

	config := changed(t, w.site(), w.onTestStorage)
	w.loadJSON(config)
	b := w.signedIn("user-ada")
	for range 10 {
		w.loadJSON(config)
		b.wantUser("user-ada")
	}
	for _, at := range []string{"provision", "start"} {
		if err := caddy.Load(changed(t, w.site(), func(c map[string]any) { failingAt(c, at) }), true); err == nil {
			t.Errorf("an app that fails at %s was loaded", at)
		}
	}
	onRedis := w.site("session {\nstore redis " + redis.URL() + "\n}")
	w.load(onRedis)
	w.signedIn("user-bob").fetch(http.MethodPost, "/zoom_pkce/logout")
	adapted, err := adapt(onRedis)
	if err != nil {
		t.Fatal(err)
	}
	var other caddy.Config
	if err := caddy.StrictUnmarshalJSON(adapted, &other); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(&other); err != nil {
		t.Fatal(err)
	}
	w.load(w.caddyfile("respond hello"))
	w.browser().open("/")
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	w.zoom.Client().CloseIdleConnections()
	if err := goleak.Find(before,
		// certmagic looks every 5 seconds whether a lock it had is gone.
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"),
		// Connections of the servers and clients of this test.
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreAnyFunction("net/http.(*conn).serve"),
	); err != nil {
		t.Error(err)
	}
}
