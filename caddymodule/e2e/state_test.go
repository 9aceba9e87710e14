package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// The state of a Zoom app, of which the users in memory are a part, lives as
// long as a configuration has the app, whatever others were tried in between.
func TestStateLivesAsLongAsItsConfigurations(t *testing.T) {
	w := newWorld(t)
	site, admin := w.withAdmin(w.site())
	cached := func(what string, want int) {
		t.Helper()
		w.load(site)
		if got := w.status(admin).Apps[0].CachedUsers; got != want {
			t.Errorf("after %s %d users are in memory, want %d", what, got, want)
		}
	}
	var b *browser
	// check looks for too few references to the state, and then for too many.
	check := func(what string) {
		t.Helper()
		cached(what, 1)
		w.load(w.administered(w.caddyfile("respond hello"), admin))
		cached(what+", and when nothing had the app", 0)
		b.wantUser("user-ada")
	}

	if err := w.tryLoad(strings.Replace(w.site(), "client_id", "unknown", 1)); err == nil {
		t.Error("a wrong configuration was loaded")
	}
	validate := func() {
		t.Helper()
		var config caddy.Config
		if err := caddy.StrictUnmarshalJSON(changed(t, w.site(), func(map[string]any) {}), &config); err != nil {
			t.Fatal(err)
		}
		if err := caddy.Validate(&config); err != nil {
			t.Fatal(err)
		}
	}
	validate()
	if entries, err := os.ReadDir(w.storage); err != nil || len(entries) > 0 {
		t.Errorf("validating left %v in the storage (%v)", entries, err)
	}
	cached("nothing but a validation", 0)
	b = w.signedIn("user-ada")
	validate()
	check("a validation beside the running configuration")
	for range 10 {
		w.load(site)
	}
	check("reloads")
	twice := w.administered(w.caddyfile(fmt.Sprintf("zoom_pkce /a/* {\n%s}\nroute /b/* {\nzoom_pkce {\n%s}\n}\nreverse_proxy %s",
		w.options(), w.options(), w.upstream.addr)), admin)
	w.load(twice)
	check("two handlers of the app")
	for _, at := range []string{"provision", "start"} {
		w.load(twice)
		for range 3 {
			if err := caddy.Load(changed(t, site, func(c map[string]any) { failingAt(c, at) }), true); err == nil {
				t.Errorf("an app that fails at %s was loaded", at)
			}
		}
		check("configurations that fail at " + at)
	}
	// The second handler fails, the first has its state already.
	disagreeing := strings.Replace(twice, "route /b/* {\nzoom_pkce {\n", "route /b/* {\nzoom_pkce {\ncookie {\nname other\n}\n", 1)
	if err := w.tryLoad(disagreeing); err == nil || !strings.Contains(err.Error(), "disagree") {
		t.Errorf("handlers that disagree: %v", err)
	}
	check("handlers that disagree")
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	cached("the end of Caddy", 0)
}
