package routes

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// ours is a handler of ours.
type ours struct{ *Site }

func (ours) ServeHTTP(http.ResponseWriter, *http.Request, caddyhttp.Handler) error { return nil }

func findOurs(handler caddyhttp.MiddlewareHandler) *Site {
	if h, ok := handler.(ours); ok {
		return h.Site
	}
	return nil
}

var ourSite = &Site{
	AppID: "1a2b3c4d", ClientID: "client", CallbackPath: "/zoom_pkce/callback", PathPrefix: "/zoom_pkce",
	RedirectURIs: []RedirectURI{{URI: "http://127.0.0.1:8080/zoom_pkce/callback", Host: "127.0.0.1:8080"}},
}

// Routes as only JSON can have them.
func TestReachThroughGroupsAndTerminalRoutes(t *testing.T) {
	handlers := func(list ...caddyhttp.MiddlewareHandler) []caddyhttp.MiddlewareHandler { return list }
	elsewhere := *ourSite
	elsewhere.CallbackPath = "/another/callback"
	here := handlers(ours{ourSite})
	visitors := caddyhttp.MatcherSets{{&caddyhttp.MatchHeader{"X": {"y"}}}}
	group := &caddyhttp.Subroute{Routes: caddyhttp.RouteList{{Group: "g"}}}
	for name, tt := range map[string]struct {
		routes caddyhttp.RouteList
		stray  bool
	}{
		"after a group in a subroute":            {caddyhttp.RouteList{{Handlers: handlers(group)}, {Group: "g", Handlers: here}}, true},
		"after a group that some requests enter": {caddyhttp.RouteList{{MatcherSets: visitors, Handlers: handlers(group)}, {Group: "g", Handlers: here}}, false},
		"after a terminal route":                 {caddyhttp.RouteList{{Terminal: true}, {Handlers: here}}, true},
		"after a terminal route for some":        {caddyhttp.RouteList{{Terminal: true, MatcherSets: visitors}, {Handlers: here}}, false},
		"after a terminal route in a subroute":   {caddyhttp.RouteList{{Handlers: handlers(&caddyhttp.Subroute{Routes: caddyhttp.RouteList{{Terminal: true}}})}, {Handlers: here}}, true},
		"in the error routes of a subroute":      {caddyhttp.RouteList{{Handlers: handlers(&caddyhttp.Subroute{Errors: &caddyhttp.HTTPErrorConfig{Routes: caddyhttp.RouteList{{Handlers: here}}}})}}, false},
		"in one of two sets of matchers":         {caddyhttp.RouteList{{MatcherSets: caddyhttp.MatcherSets{{&caddyhttp.MatchPath{"/a"}}, {&caddyhttp.MatchPath{"/zoom_pkce/*"}}}, Handlers: here}}, false},
		"behind a path and a header":             {caddyhttp.RouteList{{MatcherSets: caddyhttp.MatcherSets{{visitors[0][0], &caddyhttp.MatchPath{"/a"}}}, Handlers: here}}, true},
		"in a handler that is not looked into":   {caddyhttp.RouteList{{}}, false},
		"behind not a header":                    {caddyhttp.RouteList{{MatcherSets: caddyhttp.MatcherSets{{&caddyhttp.MatchNot{MatcherSets: visitors}}}, Handlers: here}}, false},
		"nowhere, another callback at the top":   {caddyhttp.RouteList{{Handlers: handlers(ours{&elsewhere})}}, false},
		"in a handle, another callback at the top": {caddyhttp.RouteList{
			{Handlers: handlers(ours{&elsewhere})},
			{MatcherSets: caddyhttp.MatcherSets{{&caddyhttp.MatchPath{"/a"}}}, Handlers: here},
		}, true},
	} {
		server := &caddyhttp.Server{Routes: tt.routes}
		found := Stray(&caddyhttp.App{Servers: map[string]*caddyhttp.Server{"": server}}, findOurs, []*Site{ourSite})
		if got := len(found.ByPath) > 0; got != tt.stray || len(found.ByHost) > 0 {
			t.Errorf("%s: found %v, want %v", name, found, tt.stray)
		}
	}
}

// Named routes may invoke each other any number of times.
func TestReachIsBounded(t *testing.T) {
	server := &caddyhttp.Server{NamedRoutes: make(map[string]*caddyhttp.Route)}
	const length = 40
	for i := range length {
		next := &caddyhttp.Invoke{Name: strconv.Itoa(i + 1)}
		server.NamedRoutes[strconv.Itoa(i)] = &caddyhttp.Route{Handlers: []caddyhttp.MiddlewareHandler{next, next}}
	}
	server.NamedRoutes["itself"] = &caddyhttp.Route{Handlers: []caddyhttp.MiddlewareHandler{&caddyhttp.Invoke{Name: "itself"}}}
	inHandle := caddyhttp.Route{
		MatcherSets: caddyhttp.MatcherSets{{&caddyhttp.MatchPath{"/app/*"}}},
		Handlers:    []caddyhttp.MiddlewareHandler{ours{ourSite}},
	}
	for name, stray := range map[string]bool{"0": false, strconv.Itoa(length - 3): true, "itself": true} {
		server.Routes = caddyhttp.RouteList{
			{Handlers: []caddyhttp.MiddlewareHandler{&caddyhttp.Invoke{Name: name}}}, inHandle,
		}
		began := time.Now()
		found := Stray(&caddyhttp.App{Servers: map[string]*caddyhttp.Server{"": server}}, findOurs, []*Site{ourSite})
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: took %s", name, took)
		}
		if got := len(found.ByPath) > 0; got != stray {
			t.Errorf("%s: found %v, want %v: what was not looked at may be right", name, got, stray)
		}
	}
}
