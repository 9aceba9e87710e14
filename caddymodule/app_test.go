package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/routes"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/logformat"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// siteConfig is a configuration with a server for each handler.
func siteConfig(t *testing.T, handlers ...string) *caddy.Config {
	t.Helper()
	servers, sockets := make(map[string]any), t.TempDir()
	for i, handler := range handlers {
		servers[fmt.Sprint(i)] = map[string]any{
			"listen": []string{fmt.Sprintf("unix/%s/%d", sockets, i)},
			"routes": []any{map[string]any{"handle": []any{json.RawMessage(handler)}}},
		}
	}
	http, err := json.Marshal(map[string]any{"servers": servers})
	if err != nil {
		t.Fatal(err)
	}
	config := testConfig(t)
	config.AppsRaw = caddy.ModuleMap{"http": http}
	return config
}

// appOf is the app of a configuration, with logs to look at.
func appOf(t *testing.T, ctx caddy.Context) (*App, *observer.ObservedLogs) {
	t.Helper()
	module, err := ctx.AppIfConfigured("zoom_pkce")
	if err != nil {
		t.Fatal(err)
	}
	app := module.(*App)
	core, logs := observer.New(zap.DebugLevel)
	for _, sites := range app.sites() {
		for _, s := range sites {
			s.logger = zap.New(core)
		}
	}
	return app, logs
}

// started is the app of a configuration that runs until the test ends.
func started(t *testing.T, config *caddy.Config, change ...func(*site)) (*App, *observer.ObservedLogs) {
	t.Helper()
	ctx, err := caddy.ProvisionContext(config)
	if err != nil {
		t.Fatal(err)
	}
	app, logs := appOf(t, ctx)
	for _, sites := range app.sites() {
		for _, of := range change {
			of(sites[0])
		}
	}
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(app.Stop(), cleaned(app)); err != nil {
			t.Error(err)
		}
	})
	return app, logs
}

// cleaned cleans up all handlers of an app.
func cleaned(app *App) (err error) {
	for _, sites := range app.sites() {
		for _, s := range sites {
			err = errors.Join(err, (&Handler{site: s}).Cleanup())
		}
	}
	return err
}

// At its start an app tells what has to be done at Zoom, and what looks like a mistake.
func TestAppTellsAtItsStart(t *testing.T) {
	zoom := newZoom(t)
	count := func(logs *observer.ObservedLogs, message string) int { return logs.FilterMessageSnippet(message).Len() }
	for name, test := range map[string]struct {
		options string
		want    map[string]int
	}{
		"plain": {``, map[string]int{"register exactly": 1, "meeting_sdk without allow": 0, "cookie domain": 0, logformat.Missing: 1}},
		"open":  {`, "meeting_sdk": {}`, map[string]int{"meeting_sdk without allow": 1}},
		"idle":  {`, "headers": {"client": {"name": "X-Client"}}`, map[string]int{"headers client has no effect without programs": 1}},
		"hosts without clients": {
			`, "programs": {"redirect_hosts": ["a.example"], "client": [{"id": "cli", "redirect_uri": ["http://127.0.0.1/"]}]}, "headers": {"client": {"name": "X-Client"}}`,
			map[string]int{"programs redirect_hosts has no effect without registration or client_documents": 1, "headers client": 0},
		},
		"no hosts":                     {`, "programs": {"client": [{"id": "cli", "redirect_uri": ["http://127.0.0.1/"]}]}`, map[string]int{"no effect": 0}},
		"hosts of registered clients":  {`, "programs": {"redirect_hosts": ["a.example"], "registration": true}`, map[string]int{"no effect": 0}},
		"hosts of clients by document": {`, "programs": {"redirect_hosts": ["a.example"], "client_documents": []}`, map[string]int{"no effect": 0}},
		"closed": {
			`, "meeting_sdk": {}, "allow": {"user_id": ["ada"]}`, map[string]int{"meeting_sdk without allow": 0},
		},
		"a domain": {`, "cookie": {"domain": "localhost"}`, map[string]int{"cookie domain": 1}},
	} {
		_, logs := started(t, siteConfig(t, handlerJSON(zoom, test.options)))
		for message, want := range test.want {
			if n := count(logs, message); n != want {
				t.Errorf("%s: %q is logged %d times, want %d", name, message, n, want)
			}
		}
	}
	two := siteConfig(t, handlerJSON(zoom, `, "zoom_app": {"redirect_uri": ["https://app.example.com/page"]}`),
		handlerJSON(zoom, `, "redirect_uri": ["http://127.0.0.1/zoom_pkce/callback"]`))
	_, logs := started(t, two)
	line := logs.FilterMessageSnippet("register exactly").All()
	if len(line) != 1 || strings.Count(fmt.Sprint(line[0].ContextMap()["redirect_uris"]), " ") != 2 { // those of both
		t.Errorf("%v", line)
	}
	for match, warning := range map[string]string{`{"host":["other.example"]}`: routes.StrayByHost, `{"path":["/app/*"]}`: routes.StrayByPath, `{"path":["/zoom_pkce/*"]}`: routes.StrayMetadata} {
		stray := siteConfig(t, handlerJSON(zoom, `, "programs": {"registration": true}`))
		stray.AppsRaw["http"] = bytes.Replace(stray.AppsRaw["http"], []byte(`"handle":`), []byte(`"match":[`+match+`],"handle":`), 1)
		if _, logs := started(t, stray); count(logs, warning) == 0 {
			t.Errorf("%s: not a word of %q", match, warning)
		}
	}
	// What only a later handler of a site has is dead.
	for options, want := range map[string]string{
		`, "page_tokens": true, "webhook": {"secret_token": ["t"]}`: "[http://localhost/zoom_pkce/obf http://localhost/zoom_pkce/webhook http://localhost/zoom_pkce/zak]", "": "",
	} {
		later := siteConfig(t, handlerJSON(zoom, options))
		later.AppsRaw["http"] = bytes.Replace(later.AppsRaw["http"], []byte(`"handle":[`), []byte(`"handle":[`+handlerJSON(zoom, "")+`,`), 1)
		_, logs := started(t, later)
		got := ""
		for _, line := range logs.FilterMessage(routes.StrayEndpoints).All() {
			got += fmt.Sprint(line.ContextMap()["addresses"])
		}
		if got != want {
			t.Errorf("with%s: told of %q, want %q", options, got, want)
		}
	}
	// Two apps that claim the same paths on the same routes.
	clash := siteConfig(t, handlerJSON(zoom, ""))
	clash.AppsRaw["http"] = bytes.Replace(clash.AppsRaw["http"], []byte(`"routes":[`),
		[]byte(`"routes":[{"handle":[`+handlerJSON(zoom, `, "client_id": "`+testOtherApp+`"`)+`]},`), 1)
	ctx, err := caddy.ProvisionContext(clash)
	if err != nil {
		t.Fatal(err)
	}
	app, _ := appOf(t, ctx)
	if err := app.Start(); err == nil {
		t.Error("two apps at the same place")
	}
	if err := cleaned(app); err != nil {
		t.Error(err)
	}
}

// A configuration that was replaced serves what comes late with the store of the one that
// has taken over, and its events are that one's.
func TestSuccession(t *testing.T) {
	zoom := newZoom(t)
	config, next := siteConfig(t, handlerJSON(zoom, "")), siteConfig(t, handlerJSON(zoom, ""))
	next.StorageRaw = config.StorageRaw
	serving := func(app *App) *provisioned {
		for _, sites := range app.sites() {
			return &provisioned{Handler: &Handler{site: sites[0]}, t: t}
		}
		return nil
	}
	broken := new(brokenStore)
	oldApp, _ := started(t, config, func(s *site) { broken.Store, s.store = s.store, broken })
	first := serving(oldApp)
	trial := func(p *provisioned) error {
		version, err := p.site.relay.Swap(t.Context(), "key", "", []byte("x"), time.Now().Add(time.Hour))
		if err != nil {
			return err
		}
		if _, _, err := p.site.relay.Load(t.Context(), "key"); err != nil {
			return err
		}
		_, err = p.site.relay.Swap(t.Context(), "key", version, nil, time.Now())
		return err
	}
	// Alone, it has nobody to ask in its place.
	broken.down.Store(true)
	if err := trial(first); !errors.Is(err, errBroken) {
		t.Errorf("without an heir: %v", err)
	}
	newApp, _ := started(t, next)
	second := serving(newApp)
	if err := trial(first); !errors.Is(err, errBroken) {
		t.Errorf("it is running, too: %v", err)
	}
	prove := func(p *provisioned) error {
		return p.site.relay.Prove(t.Context(), "trial", []byte("x"), time.Now().Add(time.Hour))
	}
	if mine, others := prove(first), prove(second); !errors.Is(mine, errors.ErrUnsupported) || others != nil {
		t.Errorf("proved by %v and %v", mine, others)
	}
	running.leave(first.site)
	if running.heirOf(first.site) != second.site || running.heirOf(second.site) != nil {
		t.Error("the heir is another one")
	}
	if err := trial(first); err != nil {
		t.Errorf("it has stopped and its store is closed: %v", err)
	}
	running.enter(first.site)
	if err := oldApp.Stop(); err != nil {
		t.Fatal(err)
	}
	broken.down.Store(false)
	asked := broken.calls.Load()
	if _, err := first.site.relay.Swap(t.Context(), "late", "", []byte("x"), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if value, _, err := second.site.store.Load(t.Context(), "late"); string(value) != "x" || err != nil {
		t.Errorf("what comes late is in its own store: %q, %v", value, err)
	}
	if broken.calls.Load() != asked {
		t.Error("what comes late is asked of a store that is closed")
	}
	if keys, _, err := first.site.relay.List(t.Context(), "", ""); err != nil {
		t.Errorf("%q, %v", keys, err)
	}
	running.enter(first.site) // for the end of the test, which stops it once more
	oldApp.stop = func() {}
}

// admin asks the admin API of the configuration that is running.
func admin(t *testing.T, method, target string) (status int, answer string) {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	routes := new(adminAPI).Routes()
	i := slices.IndexFunc(routes, func(r caddy.AdminRoute) bool { return strings.HasPrefix(u.Path, r.Pattern) })
	w := httptest.NewRecorder()
	err = routes[i].Handler.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	if failed, ok := errors.AsType[caddy.APIError](err); ok {
		return failed.HTTPStatus, failed.Err.Error()
	} else if kind := w.Header().Get("Content-Type"); err != nil || w.Body.Len() > 0 && kind != "application/json" {
		t.Fatal(err, kind)
	}
	return w.Code, w.Body.String()
}

// run has Caddy run a configuration until the test ends.
func run(t *testing.T, config *caddy.Config) map[string][]*site {
	t.Helper()
	if err := caddy.Run(config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	app, err := caddy.ActiveContext().AppIfConfigured("zoom_pkce")
	if err != nil {
		t.Fatal(err)
	}
	return app.(*App).sites()
}

// What operators see and end at the admin API.
func TestAdmin(t *testing.T) {
	if status, answer := admin(t, "GET", "/zoom_pkce/status"); status != http.StatusOK || answer != "{\"apps\":[]}\n" {
		t.Errorf("nothing is running: %d %s", status, answer)
	}
	here, there := newZoom(t), newZoom(t)
	config := siteConfig(t, handlerJSON(here, ""), handlerJSON(here, ""), handlerJSON(there, ""))
	sites := run(t, config)
	at := func(zoom *zoomtest.Server) *provisioned {
		for _, of := range sites {
			if of[0].oauthURL == zoom.URL {
				return &provisioned{Handler: &Handler{site: of[0]}, t: t, zoom: zoom}
			}
		}
		return nil
	}
	p, q := at(here), at(there)
	ada := p.signIn()
	q.signInAs("bob")
	const app = "/zoom_pkce/apps/" + testClientID
	want := func(method, target string, status int, parts ...string) string {
		t.Helper()
		got, answer := admin(t, method, target)
		if got != status {
			t.Errorf("%s %s: %d %s", method, target, got, answer)
		}
		for _, part := range parts {
			if !strings.Contains(answer, part) {
				t.Errorf("%s %s: %s is not in %s", method, target, part, answer)
			}
		}
		return answer
	}
	want("GET", "/zoom_pkce/status", http.StatusOK, `"client_id":"`+testClientID+`"`, `"handlers":2`, `"handlers":1`, `"cached_users":1`,
		`"redirect_uris":["http://localhost/zoom_pkce/callback"]`, `"oauth_url":"`+there.URL+`"`)
	want("POST", "/zoom_pkce/status", http.StatusMethodNotAllowed)
	want("GET", app+"/users/ada", http.StatusOK, `"user_id":"ada"`)
	want("GET", app+"/users/bob", http.StatusOK, `"user_id":"bob"`) // of the other Zoom
	here.AddUser(zoomtest.User{ID: "a/b"})
	p.signInAs("a/b")
	want("GET", app+"/users/a%2Fb", http.StatusOK, `"user_id":"a/b"`)
	want("GET", app+"/users/eve", http.StatusNotFound)
	want("GET", app+"/users/", http.StatusBadRequest)
	want("PUT", app+"/users/ada", http.StatusMethodNotAllowed)
	want("PUT", app+"/users", http.StatusMethodNotAllowed)
	want("GET", app+"/pauses", http.StatusMethodNotAllowed)
	want("GET", app, http.StatusNotFound, "the path is")
	want("GET", app+"/users/a/b", http.StatusNotFound, "the path is")
	want("GET", app+"/user/ada", http.StatusNotFound, "the path is")
	want("GET", "/zoom_pkce/apps/x/users", http.StatusNotFound, "has this client_id")
	want("GET", app+"/users?cursor=x.", http.StatusBadRequest)
	want("GET", app+"/users?cursor="+p.site.client.AppID()+".x", http.StatusBadRequest)

	here.Fail(zoomtest.CallZAK, -1, zoomtest.RateLimited("60", false))
	p.fetch("/", ada)
	want("GET", "/zoom_pkce/status", http.StatusOK, `"zak_paused_until"`)
	want("DELETE", app+"/pauses", http.StatusNoContent)
	if answer := want("GET", "/zoom_pkce/status", http.StatusOK); strings.Contains(answer, "zak_paused_until") {
		t.Errorf("the pause goes on: %s", answer)
	}
	// One page for each of the two apps of this client id.
	var page struct {
		LookedAt int      `json:"looked_at"`
		Ended    int      `json:"ended"`
		KeyIDs   []string `json:"key_ids"`
		Cursor   string   `json:"cursor"`
	}
	for _, method := range []string{"GET", "DELETE"} {
		target, pages, users := app+"/users", 0, 0
		for more := true; more && pages < 10; pages++ {
			page.Cursor = ""
			if err := json.Unmarshal([]byte(want(method, target, http.StatusOK)), &page); err != nil {
				t.Fatal(err)
			}
			users += page.Ended
			target, more = app+"/users?cursor="+page.Cursor, page.Cursor != ""
		}
		if pages != 2 || users != map[string]int{"GET": 0, "DELETE": 3}[method] || len(page.KeyIDs) == 0 {
			t.Errorf("%s: %d pages, %d users", method, pages, users)
		}
	}
	if got, _ := p.fetch("/", ada); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("after all were ended: %s", got.Status)
	}
	ada = p.signIn()
	want("DELETE", app+"/users/ada", http.StatusNoContent)
	if got, _ := p.fetch("/", ada); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("who was ended: %s", got.Status)
	}
	want("DELETE", app+"/users/ada", http.StatusNotFound)
	p.site.store = &brokenStore{Store: p.site.store, reads: true, writes: true}
	want("GET", app+"/users/eve", http.StatusServiceUnavailable)
	want("DELETE", app+"/users/eve", http.StatusServiceUnavailable)
	want("DELETE", app+"/users?cursor="+p.site.client.AppID()+".", http.StatusServiceUnavailable)
}

// A record whose secret is lost is an operator's to end.
func TestAdminAndALostSecret(t *testing.T) {
	zoom := newZoom(t)
	secret := func(c string) string { return `, "cookie": {"secret": ["` + strings.Repeat(c, 32) + `"]}` }
	config := siteConfig(t, handlerJSON(zoom, secret("a")))
	for _, of := range run(t, config) {
		(&provisioned{Handler: &Handler{site: of[0]}, t: t, zoom: zoom}).signIn()
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	other := siteConfig(t, handlerJSON(zoom, secret("b")))
	other.StorageRaw = config.StorageRaw
	run(t, other)
	const app = "/zoom_pkce/apps/" + testClientID
	if status, answer := admin(t, "GET", app+"/users/ada"); status != http.StatusServiceUnavailable || !strings.Contains(answer, "DELETE ends the user's sessions all the same") {
		t.Errorf("%d %s", status, answer)
	}
	if status, answer := admin(t, "GET", app+"/users"); status != http.StatusOK || strings.Contains(answer, `"users":[]`) {
		t.Errorf("%d %s", status, answer)
	}
	if status, answer := admin(t, "DELETE", app+"/users/ada"); status != http.StatusNoContent {
		t.Errorf("%d %s", status, answer)
	}
}
