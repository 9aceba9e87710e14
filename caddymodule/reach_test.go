package caddymodule

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// provisionedSites are handlers without a running Caddy.
func provisionedSites(t *testing.T) []*site {
	t.Helper()
	file, err := os.ReadFile(newPatient(t).write(t))
	if err != nil {
		t.Fatal(err)
	}
	adapted, err := adapt(string(file))
	if err != nil {
		t.Fatal(err)
	}
	var cfg *caddy.Config
	if err := json.Unmarshal(adapted, &cfg); err != nil {
		t.Fatal(err)
	}
	loaded, err := provisionOnly(adapted, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(loaded.unload)
	return loaded.apps[0]
}

// Routes as only JSON can have them.
func TestReachThroughGroupsAndTerminalRoutes(t *testing.T) {
	sites := provisionedSites(t)
	handlers := func(list ...caddyhttp.MiddlewareHandler) []caddyhttp.MiddlewareHandler { return list }
	ours := handlers(&Handler{site: sites[0]})
	visitors := caddyhttp.MatcherSets{{&caddyhttp.MatchHeader{"X": {"y"}}}}
	group := &caddyhttp.Subroute{Routes: caddyhttp.RouteList{{Group: "g"}}}
	for name, tt := range map[string]struct {
		routes caddyhttp.RouteList
		stray  bool
	}{
		"after a group in a subroute":            {caddyhttp.RouteList{{Handlers: handlers(group)}, {Group: "g", Handlers: ours}}, true},
		"after a group that some requests enter": {caddyhttp.RouteList{{MatcherSets: visitors, Handlers: handlers(group)}, {Group: "g", Handlers: ours}}, false},
		"after a terminal route":                 {caddyhttp.RouteList{{Terminal: true}, {Handlers: ours}}, true},
		"after a terminal route for some":        {caddyhttp.RouteList{{Terminal: true, MatcherSets: visitors}, {Handlers: ours}}, false},
		"after a terminal route in a subroute":   {caddyhttp.RouteList{{Handlers: handlers(&caddyhttp.Subroute{Routes: caddyhttp.RouteList{{Terminal: true}}})}, {Handlers: ours}}, true},
		"in the error routes of a subroute":      {caddyhttp.RouteList{{Handlers: handlers(&caddyhttp.Subroute{Errors: &caddyhttp.HTTPErrorConfig{Routes: caddyhttp.RouteList{{Handlers: ours}}}})}}, false},
		"in one of two sets of matchers":         {caddyhttp.RouteList{{MatcherSets: caddyhttp.MatcherSets{{&caddyhttp.MatchPath{"/a"}}, {&caddyhttp.MatchPath{"/zoom_pkce/*"}}}, Handlers: ours}}, false},
		"behind a path and a header":             {caddyhttp.RouteList{{MatcherSets: caddyhttp.MatcherSets{{visitors[0][0], &caddyhttp.MatchPath{"/a"}}}, Handlers: ours}}, true},
		"in a handler that is not looked into":   {caddyhttp.RouteList{{}}, false},
		"behind not a header":                    {caddyhttp.RouteList{{MatcherSets: caddyhttp.MatcherSets{{&caddyhttp.MatchNot{MatcherSets: visitors}}}, Handlers: ours}}, false},
		"nowhere, another callback at the top":   {caddyhttp.RouteList{{Handlers: handlers(&Handler{site: otherCallback(sites[0])})}}, false},
		"in a handle, another callback at the top": {caddyhttp.RouteList{
			{Handlers: handlers(&Handler{site: otherCallback(sites[0])})},
			{MatcherSets: caddyhttp.MatcherSets{{&caddyhttp.MatchPath{"/a"}}}, Handlers: ours},
		}, true},
	} {
		server := &caddyhttp.Server{Routes: tt.routes}
		found := findStrayURIs(&caddyhttp.App{Servers: map[string]*caddyhttp.Server{"": server}}, findSite, inRoutes(sites))
		if got := len(found.byPath) > 0; got != tt.stray || len(found.byHost) > 0 {
			t.Errorf("%s: found %v, want %v", name, found, tt.stray)
		}
	}
}

// otherCallback is a handler of the same app with another redirect URI.
func otherCallback(s *site) *site {
	settings := *s.settings
	settings.callbackPath = "/another/callback"
	return &site{settings: &settings, client: s.client}
}

// Named routes may invoke each other any number of times.
func TestReachIsBounded(t *testing.T) {
	sites := provisionedSites(t)
	server := &caddyhttp.Server{NamedRoutes: make(map[string]*caddyhttp.Route)}
	const length = 40
	for i := range length {
		next := &caddyhttp.Invoke{Name: strconv.Itoa(i + 1)}
		server.NamedRoutes[strconv.Itoa(i)] = &caddyhttp.Route{Handlers: []caddyhttp.MiddlewareHandler{next, next}}
	}
	server.NamedRoutes["itself"] = &caddyhttp.Route{Handlers: []caddyhttp.MiddlewareHandler{&caddyhttp.Invoke{Name: "itself"}}}
	inHandle := caddyhttp.Route{
		MatcherSets: caddyhttp.MatcherSets{{&caddyhttp.MatchPath{"/app/*"}}},
		Handlers:    []caddyhttp.MiddlewareHandler{&Handler{site: sites[0]}},
	}
	for name, stray := range map[string]bool{"0": false, strconv.Itoa(length - 3): true, "itself": true} {
		server.Routes = caddyhttp.RouteList{
			{Handlers: []caddyhttp.MiddlewareHandler{&caddyhttp.Invoke{Name: name}}}, inHandle,
		}
		began := time.Now()
		found := findStrayURIs(&caddyhttp.App{Servers: map[string]*caddyhttp.Server{"": server}}, findSite, inRoutes(sites))
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: took %s", name, took)
		}
		if got := len(found.byPath) > 0; got != stray {
			t.Errorf("%s: found %v, want %v: what was not looked at may be right", name, got, stray)
		}
	}
}

// The doctor finds the same without starting.
func TestDoctorFindsStrayRedirectURIs(t *testing.T) {
	for _, tt := range []struct {
		name, address, before, after string
		status                       verdict
		message, advice              string
	}{
		{"in a handle", "http://127.0.0.1:8080", "handle /app/* {\n", "}\n", verdictFail, "do not reach this handler: zoom_pkce stands inside a handle or route", "at the top of the site"},
		{"on another host", "http://localhost:8080", "", "", verdictWarn, "do not reach this handler: its site has another address", "rewrites Host"},
		{"as it should be", "http://127.0.0.1:8080", "", "", verdictOK, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPatient(t)
			file, err := os.ReadFile(p.write(t))
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Replace(string(file), "http://127.0.0.1:8080 {\n", tt.address+" {\n"+tt.before, 1)
			p.file = strings.TrimSuffix(text, "}\n") + tt.after + "}\n"
			found, healthy := p.examine(t, doctor{})
			if healthy != (tt.status != verdictFail) {
				t.Errorf("healthy: %v", healthy)
			}
			var stray []finding
			for _, f := range found["redirect_uris"] {
				if f.Status != verdictOK {
					stray = append(stray, f)
				}
			}
			if tt.status == verdictOK {
				if len(stray) > 0 {
					t.Errorf("found %+v", stray)
				}
				return
			}
			if len(stray) != 1 || stray[0].Status != tt.status || len(stray[0].Values) != 1 || stray[0].Values[0] != doctorRedirectURI {
				t.Fatalf("found %+v", found["redirect_uris"])
			}
			if !strings.Contains(stray[0].Message, tt.message) || !strings.Contains(stray[0].Advice, tt.advice) {
				t.Errorf("found %+v", stray[0])
			}
		})
	}
}
