package routes

import (
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// siteOf is a site of an app whose paths and headers are its own.
func siteOf(app string) *Site {
	return &Site{
		AppID: app, ClientID: "client-" + app, CallbackPath: "/callback-" + app, PathPrefix: "/" + app, Headers: []string{"X-" + app},
		RedirectURIs: []RedirectURI{{URI: "https://" + app + ".example/callback-" + app, Host: app + ".example"}},
	}
}

func handlers(list ...caddyhttp.MiddlewareHandler) []caddyhttp.MiddlewareHandler { return list }

// at is a route for hosts, for all if there are none.
func at(hosts []string, list ...caddyhttp.MiddlewareHandler) caddyhttp.Route {
	route := caddyhttp.Route{Handlers: list}
	if hosts != nil {
		match := caddyhttp.MatchHost(hosts)
		route.MatcherSets = caddyhttp.MatcherSets{{&match}}
	}
	return route
}

func subroute(list ...caddyhttp.Route) *caddyhttp.Subroute { return &caddyhttp.Subroute{Routes: list} }

func errorRoutes(list ...caddyhttp.Route) *caddyhttp.HTTPErrorConfig {
	return &caddyhttp.HTTPErrorConfig{Routes: list}
}

func appOf(servers ...*caddyhttp.Server) *caddyhttp.App {
	app := &caddyhttp.App{Servers: make(map[string]*caddyhttp.Server)}
	for i, server := range servers {
		app.Servers[string(rune('a'+i))] = server
	}
	return app
}

func serverOf(list ...caddyhttp.Route) *caddyhttp.Server { return &caddyhttp.Server{Routes: list} }

// What sites of two apps claim, told by the first of them.
func TestClaims(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(a, b *Site)
		want   string
	}{
		"nothing":                  {func(a, b *Site) {}, ""},
		"the callback":             {func(a, b *Site) { b.CallbackPath = a.CallbackPath }, "client_id client-a and client_id client-b both have the callback /callback-a; give one of them another path of redirect_uri"},
		"the prefix":               {func(a, b *Site) { b.PathPrefix = a.PathPrefix }, "both answer below /a; give one of them another path_prefix"},
		"a prefix below":           {func(a, b *Site) { b.PathPrefix = a.PathPrefix + "/x" }, "both answer below /a/x;"},
		"a prefix above":           {func(a, b *Site) { a.PathPrefix = b.PathPrefix + "/x" }, "both answer below /b/x;"},
		"a prefix that begins so":  {func(a, b *Site) { b.PathPrefix = a.PathPrefix + "x" }, ""},
		"a callback below":         {func(a, b *Site) { a.CallbackPath = "/b/callback" }, "both answer at /b/callback; give one of them another path of redirect_uri or path_prefix"},
		"the other callback below": {func(a, b *Site) { b.CallbackPath = "/a/callback" }, "both answer at /a/callback;"},
		"a header":                 {func(a, b *Site) { b.Headers = []string{"X-Other", "x_A"} }, "both set the header X-a; give one of them another header name, or turn the header off"},
	} {
		a, b := siteOf("a"), siteOf("b")
		tt.change(a, b)
		err := Clash(appOf(serverOf(at(nil, ours{a}), at(nil, ours{b}))), findOurs)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Which handlers one request can meet.
func TestMeeting(t *testing.T) {
	one, two, three := siteOf("a"), siteOf("b"), siteOf("c")
	two.CallbackPath, three.CallbackPath = one.CallbackPath, one.CallbackPath
	a, b, again := ours{one}, ours{two}, ours{one}
	grouped := func(group string, h caddyhttp.MiddlewareHandler) caddyhttp.Route {
		return caddyhttp.Route{Group: group, Handlers: handlers(h)}
	}
	x, y := []string{"x.example"}, []string{"y.example"}
	twoHosts := at(x, b)
	twoHosts.MatcherSets = append(twoHosts.MatcherSets, caddyhttp.MatcherSet{&caddyhttp.MatchPath{"/b"}})
	pathAndHost := at(y, b)
	pathAndHost.MatcherSets[0] = append(caddyhttp.MatcherSet{&caddyhttp.MatchPath{"/b"}}, pathAndHost.MatcherSets[0]...)
	hosts := func(list ...string) []string { return list }
	for name, tt := range map[string]struct {
		server *caddyhttp.Server
		clash  bool
	}{
		"one route":                   {serverOf(at(nil, a, b)), true},
		"two routes":                  {serverOf(at(nil, a), at(nil), at(nil, b)), true},
		"two of one app":              {serverOf(at(nil, a), at(nil, again)), false},
		"one":                         {serverOf(at(nil, a)), false},
		"others":                      {serverOf(at(nil, &caddyhttp.StaticResponse{}, a), at(nil, &caddyhttp.StaticResponse{})), false},
		"after a terminal route":      {serverOf(caddyhttp.Route{Terminal: true, Handlers: handlers(a)}, at(nil, b)), false},
		"in one group":                {serverOf(grouped("g", a), grouped("g", b)), false},
		"in two groups":               {serverOf(grouped("g", a), grouped("h", b)), true},
		"in a group and in none":      {serverOf(grouped("g", a), at(nil, b)), true},
		"of two hosts":                {serverOf(at(x, a), at(y, b)), false},
		"of one host":                 {serverOf(at(x, a), at(hosts("z.example", "X.EXAMPLE"), b)), true},
		"of a host and of all":        {serverOf(at(x, a), at(nil, b)), true},
		"of a host and of many":       {serverOf(at(x, a), at(hosts("*.example"), b)), true},
		"of a host and a placeholder": {serverOf(at(x, a), at(hosts("{env.HOST}"), b)), true},
		"of a host or a path":         {serverOf(at(y, a), twoHosts), true},
		"of a host and a path":        {serverOf(at(x, a), pathAndHost), false},
		"of one host and a path":      {serverOf(at(y, a), pathAndHost), true},
		"in subroutes of two hosts":   {serverOf(at(x, subroute(at(nil, a))), at(y, subroute(at(nil, b)))), false},
		"in subroutes of one":         {serverOf(at(x, subroute(at(nil, a))), at(x, subroute(at(nil, b)))), true},
		"by hosts further inside":     {serverOf(at(hosts("x.example", "y.example"), subroute(at(x, a), at(y, b)))), false},
		"in one subroute":             {serverOf(at(nil, subroute(at(nil, a), at(nil, b)))), true},
		"in the errors of the server": {&caddyhttp.Server{Routes: caddyhttp.RouteList{at(nil, a)}, Errors: errorRoutes(at(nil, b))}, true},
		"both in the errors":          {&caddyhttp.Server{Errors: errorRoutes(at(nil, a), at(nil, b))}, true},
		"in the errors of a subroute": {serverOf(at(nil, &caddyhttp.Subroute{Routes: caddyhttp.RouteList{at(nil, a)}, Errors: errorRoutes(at(nil, b))})), true},
		"in errors and behind":        {serverOf(at(nil, &caddyhttp.Subroute{Errors: errorRoutes(at(nil, a))}), at(nil, b)), true},
		"in a named route":            {&caddyhttp.Server{NamedRoutes: map[string]*caddyhttp.Route{"n": {Handlers: handlers(b)}}, Routes: caddyhttp.RouteList{at(nil, a), at(nil, &caddyhttp.Invoke{Name: "n"})}}, true},
		"in a named route, invoked twice": {&caddyhttp.Server{
			NamedRoutes: map[string]*caddyhttp.Route{"n": {Handlers: handlers(b)}},
			Routes:      caddyhttp.RouteList{at(x, &caddyhttp.Invoke{Name: "n"}), at(y, &caddyhttp.Invoke{Name: "n"}), at(y, a)},
		}, true},
		"in a named route that nobody invokes": {&caddyhttp.Server{NamedRoutes: map[string]*caddyhttp.Route{"n": {Handlers: handlers(b)}}, Routes: caddyhttp.RouteList{at(nil, a)}}, false},
		"in a named route that there is not":   {serverOf(at(nil, a), at(nil, &caddyhttp.Invoke{Name: "n"})), false},
	} {
		if err := Clash(appOf(serverOf(), tt.server, serverOf()), findOurs); (err != nil) != tt.clash {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Clash(appOf(serverOf(at(nil, a)), serverOf(at(nil, b))), findOurs); err != nil {
		t.Errorf("of two servers: %v", err)
	}
	// The first one is told.
	err := Clash(appOf(serverOf(at(nil, a), at(nil, b), at(nil, ours{three}))), findOurs)
	if err == nil || !strings.Contains(err.Error(), "client-a and client_id client-b") {
		t.Errorf("of three: %v", err)
	}
}

// Programs must find one handler on a host.
func TestTwicePrograms(t *testing.T) {
	withPrograms := func(host string) ours {
		s := siteOf("a")
		s.ClientID = "client-" + host
		s.Metadata, s.RedirectURIs = []string{"/.well-known/x"}, []RedirectURI{{Host: "other.example"}, {Host: host}}
		return ours{s}
	}
	first, second, third := withPrograms("x.example"), withPrograms("x.example"), withPrograms("y.example")
	second.ClientID = "client-2"
	third.RedirectURIs = third.RedirectURIs[1:]
	without := ours{siteOf("a")}
	without.RedirectURIs = first.RedirectURIs
	x, y := []string{"x.example"}, []string{"y.example"}
	for name, tt := range map[string]struct {
		server *caddyhttp.Server
		twice  bool
	}{
		"twice":            {serverOf(at(nil, first), at(nil, second)), true},
		"for another host": {serverOf(at(nil, first), at(nil, third)), false},
		"by other hosts":   {serverOf(at(x, first), at(y, second)), false},
		"one without":      {serverOf(at(nil, first), at(nil, without)), false},
		"the other":        {serverOf(at(nil, without), at(nil, second)), false},
		"the same": {&caddyhttp.Server{
			NamedRoutes: map[string]*caddyhttp.Route{"n": {Handlers: handlers(first)}},
			Routes:      caddyhttp.RouteList{at(nil, &caddyhttp.Invoke{Name: "n"}), at(nil, &caddyhttp.Invoke{Name: "n"})},
		}, false},
		"after one that is none": {serverOf(at(nil, without), at(nil, first), at(nil, second)), true},
	} {
		err := Clash(appOf(tt.server), findOurs)
		if (err != nil) != tt.twice || err != nil && !strings.Contains(err.Error(), "(client_id client-x.example and client_id client-2)") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
