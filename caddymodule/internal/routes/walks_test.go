package routes

import (
	"slices"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/encode"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/intercept"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/templates"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
)

// strange is a handler that nobody here knows.
type strange struct{ caddyhttp.MiddlewareHandler }

// forPath is a route for a path.
func forPath(path string, list ...caddyhttp.MiddlewareHandler) caddyhttp.Route {
	return caddyhttp.Route{MatcherSets: caddyhttp.MatcherSets{{&caddyhttp.MatchPath{path}}}, Handlers: list}
}

// Where a visitor who comes back ends up.
func TestStray(t *testing.T) {
	here := ours{ourSite}
	other := *ourSite
	other.AppID = "another"
	callback := *ourSite
	callback.CallbackPath = "/another/callback"
	unreadable := *ourSite
	unreadable.RedirectURIs = []RedirectURI{{URI: "https://%zz/"}, ourSite.RedirectURIs[0], ourSite.RedirectURIs[0]}
	elsewhere := []string{"elsewhere.example"}
	const met, byHost, byPath = "", "host", "path"
	for name, tt := range map[string]struct {
		server *caddyhttp.Server
		want   string
	}{
		"met":                                    {serverOf(at(nil, here)), met},
		"met by host":                            {serverOf(at([]string{"127.0.0.1"}, here)), met},
		"of another host":                        {serverOf(at(elsewhere, here)), byHost},
		"of a host that the request decides":     {serverOf(at([]string{"{http.request.header.X}"}, here)), met},
		"of a host of the environment":           {serverOf(at([]string{"{env.NO_SUCH_HOST}"}, here)), byHost},
		"of a path":                              {serverOf(forPath("/app/*", here)), byPath},
		"of its path":                            {serverOf(forPath("/zoom_pkce/*", here)), met},
		"of a path that the request decides":     {serverOf(forPath("/{http.vars.x}", here)), met},
		"not of its path":                        {serverOf(caddyhttp.Route{MatcherSets: caddyhttp.MatcherSets{{&caddyhttp.MatchNot{MatcherSets: caddyhttp.MatcherSets{{&caddyhttp.MatchPath{"/zoom_pkce/*"}}}}}}, Handlers: handlers(here)}), byPath},
		"not of another path":                    {serverOf(caddyhttp.Route{MatcherSets: caddyhttp.MatcherSets{{&caddyhttp.MatchNot{MatcherSets: caddyhttp.MatcherSets{{&caddyhttp.MatchPath{"/app/*"}}}}}}, Handlers: handlers(here)}), met},
		"of two sets, neither":                   {serverOf(caddyhttp.Route{MatcherSets: caddyhttp.MatcherSets{{&caddyhttp.MatchPath{"/a"}}, {&caddyhttp.MatchPath{"/b"}}}, Handlers: handlers(here)}), byPath},
		"of a path after a rewrite":              {serverOf(at(nil, &rewrite.Rewrite{}), forPath("/app/*", here)), met},
		"of a host after a rewrite":              {serverOf(at(nil, &rewrite.Rewrite{}), at(elsewhere, here)), byHost},
		"of a host after headers":                {serverOf(at(nil, &headers.Handler{}), at(elsewhere, here)), met},
		"of a path after headers":                {serverOf(at(nil, &headers.Handler{}), forPath("/app/*", here)), byPath},
		"of a host after something strange":      {serverOf(at(nil, strange{}), at(elsewhere, here)), met},
		"of a path after something strange":      {serverOf(at(nil, strange{}), forPath("/app/*", here)), met},
		"of a path after something harmless":     {serverOf(at(nil, &encode.Encode{}), forPath("/app/*", here)), byPath},
		"of another app":                         {serverOf(at(nil, ours{&other}), forPath("/app/*", here)), byPath},
		"nowhere":                                {serverOf(at(nil, &encode.Encode{})), met},
		"in the errors of the server":            {&caddyhttp.Server{Errors: errorRoutes(at(nil, here))}, met},
		"in the errors, of a path":               {&caddyhttp.Server{Errors: errorRoutes(forPath("/app/*", here))}, byPath},
		"in a named route":                       {&caddyhttp.Server{NamedRoutes: map[string]*caddyhttp.Route{"n": {Handlers: handlers(here)}}, Routes: caddyhttp.RouteList{at(nil, &caddyhttp.Invoke{Name: "n"})}}, met},
		"after the second of a group":            {serverOf(caddyhttp.Route{Group: "g"}, caddyhttp.Route{Group: "g", Handlers: handlers(here)}), byPath},
		"of a group, in errors as well":          {&caddyhttp.Server{Routes: caddyhttp.RouteList{{Group: "g"}}, Errors: errorRoutes(caddyhttp.Route{Group: "g", Handlers: handlers(here)})}, met},
		"of a group, in errors of a subroute":    {serverOf(caddyhttp.Route{Group: "g", Handlers: handlers(&caddyhttp.Subroute{Errors: errorRoutes(caddyhttp.Route{Group: "h"})})}, caddyhttp.Route{Group: "h", Handlers: handlers(here)}), met},
		"in the errors of a subroute, of a path": {serverOf(at(nil, &caddyhttp.Subroute{Errors: errorRoutes(forPath("/app/*", here))})), byPath},
		"after a group, in none":                 {serverOf(caddyhttp.Route{Group: "g"}, caddyhttp.Route{Group: "g"}, at(nil, here)), met},
		"after one with another callback":        {serverOf(at(nil, ours{&callback}), at(nil, here)), met},
		"after a terminal route of an empty set": {serverOf(caddyhttp.Route{Terminal: true, MatcherSets: caddyhttp.MatcherSets{{}}}, at(nil, here)), byPath},
		"after a terminal route of its path":     {serverOf(caddyhttp.Route{Terminal: true, MatcherSets: forPath("/zoom_pkce/*").MatcherSets}, at(nil, here)), byPath},
		"after a terminal route of some hosts":   {serverOf(caddyhttp.Route{Terminal: true, MatcherSets: at([]string{"{http.request.header.X}"}).MatcherSets}, at(nil, here)), met},
		"after what ends in a terminal route":    {serverOf(at(nil, subroute(caddyhttp.Route{Terminal: true})), at(nil, here)), byPath},
	} {
		for _, site := range []*Site{ourSite, &unreadable} {
			found := Stray(appOf(serverOf(), tt.server), findOurs, []*Site{site})
			got := ""
			switch {
			case len(found.ByHost) == 1 && found.ByPath == nil && found.ByHost[0] == ourSite.RedirectURIs[0].URI:
				got = byHost
			case len(found.ByPath) == 1 && found.ByHost == nil && found.ByPath[0] == ourSite.RedirectURIs[0].URI:
				got = byPath
			}
			if got != tt.want || got == met && (found.ByHost != nil || found.ByPath != nil) {
				t.Errorf("%s: %+v", name, found)
			}
		}
	}
}

// Each redirect URI is told once.
func TestStrayURIs(t *testing.T) {
	site := *ourSite
	a, b := RedirectURI{URI: "http://a.example/zoom_pkce/callback", Host: "a.example"}, RedirectURI{URI: "http://b.example/zoom_pkce/callback", Host: "b.example"}
	site.RedirectURIs = []RedirectURI{a, a, b}
	found := Stray(appOf(serverOf(forPath("/app/*", ours{&site}))), findOurs, []*Site{&site, &site})
	if !slices.Equal(found.ByPath, []string{a.URI, b.URI}) {
		t.Errorf("found %v", found)
	}
}

// Who comes back by https is served without TLS alone: then a proxy in front has it.
func TestPlain(t *testing.T) {
	site := *ourSite
	site.RedirectURIs = []RedirectURI{{URI: "http://a.example/zoom_pkce/callback"}, {URI: "https://%zz"}, {URI: "https://a.example/zoom_pkce/callback", Host: "a.example"}}
	server := func(tls bool, handler caddyhttp.MiddlewareHandler, listen ...string) *caddyhttp.Server {
		s := serverOf(at(nil, handler))
		s.Listen = listen
		if tls {
			s.TLSConnPolicies = caddytls.ConnectionPolicies{{}}
		}
		return s
	}
	here, other := ours{&site}, &encode.Encode{}
	for name, tt := range map[string]struct {
		app   *caddyhttp.App
		plain bool
	}{
		"with TLS":                     {appOf(server(true, here, ":443")), false},
		"without":                      {appOf(server(false, here, ":443")), true},
		"on the port of http":          {appOf(server(true, here, ":80")), true},
		"on both ports":                {appOf(server(true, here, ":80", ":443")), false},
		"on a range that begins there": {appOf(server(true, here, ":80-81")), false},
		"on a range that ends there":   {appOf(server(true, here, ":79-80")), false},
		"on no address":                {appOf(server(true, here, "x/y:z")), false},
		"without, and with TLS":        {appOf(server(false, here, ":80"), server(true, here, ":443")), false},
		"with TLS, and without":        {appOf(server(true, here, ":443"), server(false, here, ":80")), false},
		"without, and others with TLS": {appOf(server(false, here, ":80"), server(true, other, ":443")), true},
		"nowhere":                      {appOf(server(false, other, ":80")), false},
	} {
		for range 20 { // servers come in any order
			if got := Plain(tt.app, findOurs, []*Site{&site}); slices.Equal(got, []string{"https://a.example/zoom_pkce/callback"}) != tt.plain || !tt.plain && got != nil {
				t.Errorf("%s: %q", name, got)
			}
		}
	}
	app := appOf(server(true, here, ":8080"))
	if app.HTTPPort = 8080; len(Plain(app, findOurs, []*Site{&site})) != 1 {
		t.Error("another port of http is taken for one with TLS")
	}
}

// Caddy's own authentication stands before the handler, on the way that a request takes.
func TestGated(t *testing.T) {
	here, gate := ours{ourSite}, &caddyauth.Authentication{}
	for name, tt := range map[string]struct {
		app   *caddyhttp.App
		gated bool
	}{
		"before":              {appOf(serverOf(at(nil, gate), at(nil, here))), true},
		"in its route":        {appOf(serverOf(at(nil, gate, here))), true},
		"after":               {appOf(serverOf(at(nil, here), at(nil, gate))), false},
		"none":                {appOf(serverOf(at(nil, &encode.Encode{}), at(nil, here))), false},
		"of another path":     {appOf(serverOf(forPath("/app/*", gate), at(nil, here))), false},
		"of this path":        {appOf(serverOf(forPath("/private/*", gate), at(nil, here))), true},
		"of another host":     {appOf(serverOf(at([]string{"x.example"}, gate), at(nil, here))), false},
		"of this host":        {appOf(serverOf(at([]string{"127.0.0.1"}, gate), at(nil, here))), true},
		"without the handler": {appOf(serverOf(at(nil, gate))), false},
		"on another server":   {appOf(serverOf(at(nil, gate)), serverOf(at(nil, here))), false},
		"on both":             {appOf(serverOf(at(nil, gate), at(nil, here)), serverOf()), true},
	} {
		for range 20 { // servers come in any order
			if got := Gated(tt.app, findOurs, ourSite, "/private/x"); got != tt.gated {
				t.Errorf("%s: %t", name, got)
			}
		}
	}
	open, gated := serverOf(at(nil, here)), serverOf(at(nil, gate, here))
	for _, tt := range []struct {
		open, gated string // where they listen
		want        bool
	}{
		{":9090", ":8080", true}, // the port of the redirect URI
		{":8080", ":9090", false},
		{"127.0.0.1:8000-8090", "", false},
		{":9090", ":9091", true}, // behind a proxy, whose port is another one
		{":x", ":8080", true},
	} {
		open.Listen, gated.Listen = []string{":1", tt.open}, []string{tt.gated}
		for range 20 {
			if got := Gated(appOf(open, gated, serverOf()), findOurs, ourSite, "/"); got != tt.want {
				t.Errorf("%+v: %t", tt, got)
			}
		}
	}
	site := *ourSite
	open.Listen, gated.Listen = []string{":443"}, []string{":80"}
	for scheme, want := range map[string]bool{"https": false, "http": true} {
		site.RedirectURIs = []RedirectURI{{URI: scheme + "://127.0.0.1/cb", Host: "127.0.0.1"}}
		for range 20 {
			if got := Gated(appOf(open, gated), findOurs, &site, "/"); got != want {
				t.Errorf("the port of %s: %t", scheme, got)
			}
		}
	}
	site.RedirectURIs = []RedirectURI{{URI: "http://%zz/"}, {URI: "http://127.0.0.1:8080/cb", Host: "x.example"}, ourSite.RedirectURIs[0]}
	if !Gated(appOf(serverOf(at([]string{"127.0.0.1"}, gate), at(nil, here))), findOurs, &site, "/") {
		t.Error("the last redirect URI is not looked at")
	}
}

// Where programs look for how to sign in.
func TestStrayMetadata(t *testing.T) {
	site := *ourSite
	site.Metadata = []string{"/.well-known/x", "/.well-known/y"}
	here := ours{&site}
	plain := ours{ourSite}
	all := []string{"http://127.0.0.1:8080/.well-known/x", "http://127.0.0.1:8080/.well-known/y", "http://127.0.0.1:8080/zoom_pkce/oauth/token"}
	answer := &caddyhttp.StaticResponse{}
	for name, tt := range map[string]struct {
		server *caddyhttp.Server
		want   []string
	}{
		"met":                              {serverOf(at(nil, here)), nil},
		"answered before":                  {serverOf(forPath("/.well-known/*", answer), at(nil, here)), all[:2]},
		"answered for one":                 {serverOf(forPath("/.well-known/y", answer), at(nil, here)), all[1:2]},
		"its endpoints answered before":    {serverOf(forPath("/zoom_pkce/oauth/*", answer), at(nil, here)), all[2:]},
		"of another path":                  {serverOf(forPath("/zoom_pkce/*", here)), all[:2]},
		"answered for the host before":     {serverOf(at([]string{"127.0.0.1"}, answer), at(nil, here)), all},
		"answered for another host":        {serverOf(at([]string{"x.example"}, answer), at(nil, here)), nil},
		"where the callback does not come": {serverOf(forPath("/app/*", here)), nil},
		"before it one without":            {serverOf(at(nil, plain), at(nil, here)), all[2:]},
		"before it something harmless":     {serverOf(forPath("/.well-known/*", &encode.Encode{}), at(nil, here)), nil},
	} {
		if got := StrayMetadataOf(appOf(tt.server), findOurs, []*Site{ourSite, &site}); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	site.RedirectURIs = []RedirectURI{{URI: "http://%zz/"}}
	if got := StrayMetadataOf(appOf(serverOf(forPath("/.well-known/*", answer), at(nil, here))), findOurs, []*Site{&site}); got != nil {
		t.Errorf("of what is no URL: %q", got)
	}
}

// An endpoint that only a later handler has, or that something else answers, is dead.
func TestStrayEndpoints(t *testing.T) {
	site := *ourSite
	a, b := RedirectURI{URI: "http://a.example/zoom_pkce/callback", Host: "a.example"}, RedirectURI{URI: "http://b.example/zoom_pkce/callback", Host: "b.example"}
	site.Endpoints, site.RedirectURIs = []string{"backend/token", "zak"}, []RedirectURI{{URI: "http://%zz/"}, a, b}
	one, elsewhere := *ourSite, *ourSite
	one.Endpoints, elsewhere.PathPrefix = []string{"zak"}, "/another"
	here, plain, answer := ours{&site}, ours{ourSite}, &caddyhttp.StaticResponse{}
	all := []string{"http://a.example/zoom_pkce/backend/token", "http://a.example/zoom_pkce/zak"}
	for name, tt := range map[string]struct {
		server *caddyhttp.Server
		want   []string
	}{
		"met":                              {serverOf(at(nil, here)), nil},
		"after one without":                {serverOf(at(nil, plain), at(nil, here)), all},
		"before one without":               {serverOf(at(nil, here), at(nil, plain)), nil},
		"after one with another prefix":    {serverOf(at(nil, ours{&elsewhere}), at(nil, here)), nil},
		"after one that has one":           {serverOf(at(nil, ours{&one}), at(nil, here)), all[:1]},
		"after one of another path":        {serverOf(forPath("/app/*", plain), at(nil, here)), nil},
		"answered before":                  {serverOf(forPath("/zoom_pkce/zak", answer), at(nil, here)), all[1:]},
		"inside a handle":                  {serverOf(forPath("/admin/*", here), at(nil, plain)), all},
		"on the second host":               {serverOf(at([]string{"a.example"}, plain), at(nil, here)), nil},
		"on no host but the second":        {serverOf(at([]string{"b.example"}, plain, here)), []string{"http://b.example/zoom_pkce/backend/token", "http://b.example/zoom_pkce/zak"}},
		"where the callback does not come": {serverOf(forPath("/app/*", here)), nil},
	} {
		if got := StrayEndpointsOf(appOf(tt.server), findOurs, []*Site{ourSite, &site, &site}); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestHasTemplates(t *testing.T) {
	page := &templates.Templates{}
	responses := []caddyhttp.ResponseHandler{{}, {Routes: caddyhttp.RouteList{at(nil, page)}}}
	for name, tt := range map[string]struct {
		server *caddyhttp.Server
		want   bool
	}{
		"nothing":                     {serverOf(), false},
		"others":                      {serverOf(at(nil, &encode.Encode{}, strange{})), false},
		"in a route":                  {serverOf(at(nil), at(nil, &encode.Encode{}, page)), true},
		"in a subroute":               {serverOf(at(nil, subroute(at(nil, page)))), true},
		"in the errors of a subroute": {serverOf(at(nil, &caddyhttp.Subroute{Errors: errorRoutes(at(nil, page))})), true},
		"in errors":                   {&caddyhttp.Server{Errors: errorRoutes(at(nil, page))}, true},
		"others in errors":            {&caddyhttp.Server{Errors: errorRoutes(at(nil, &encode.Encode{}))}, false},
		"others in a subroute":        {serverOf(at(nil, &caddyhttp.Subroute{Errors: errorRoutes(at(nil))})), false},
		"in a named route":            {&caddyhttp.Server{NamedRoutes: map[string]*caddyhttp.Route{"m": nil, "n": {Handlers: handlers(page)}}}, true},
		"others in a named route":     {&caddyhttp.Server{NamedRoutes: map[string]*caddyhttp.Route{"n": {Handlers: handlers(&encode.Encode{})}}}, false},
		"in responses of a proxy":     {serverOf(at(nil, &reverseproxy.Handler{HandleResponse: responses})), true},
		"in intercepted responses":    {serverOf(at(nil, &intercept.Intercept{HandleResponse: responses})), true},
		"a proxy":                     {serverOf(at(nil, &reverseproxy.Handler{HandleResponse: responses[:1]})), false},
	} {
		if got := HasTemplates(appOf(serverOf(), tt.server)); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
