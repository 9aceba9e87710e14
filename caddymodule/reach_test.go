package caddymodule

import (
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// ZP stands for the directive, the callback is /zoom_pkce/callback.
func TestStartWarnsOfRedirectURIsThatLeadPastTheHandler(t *testing.T) {
	for _, tt := range []struct {
		name    string
		address string // "": that of the redirect URI
		site    string
		want    string // "": no warning
	}{
		{"at the top", "", "ZP", ""},
		{"at the top, protecting a part", "", "zoom_pkce /app/* {\nOPTIONS}\nrespond ok", ""},
		{"in a handle for some paths", "", "handle /app/* {\nZP\n}\nhandle {\nrespond ok\n}", strayByPath},
		{"in a handle_path", "", "handle_path /app/* {\nZP\n}", strayByPath},
		{"in a route with a matcher", "", "route /app/* {\nZP\n}", strayByPath},
		{"in a route with a named matcher", "", "@app path_regexp ^/app/\nroute @app {\nZP\n}", strayByPath},
		{"in a handle for all but the callback", "", "@app not path /zoom_pkce/*\nhandle @app {\nZP\n}", strayByPath},
		{"after another handle that takes the callback", "", "handle /zoom_pkce/* {\nrespond ok\n}\nhandle {\nZP\n}", strayByPath},
		{"in a named route that is invoked for some paths", "", "invoke /app/* named", strayByPath},
		{"in a handle for a placeholder of the environment", "", "@app path {env.REACH_PREFIX}/*\nhandle @app {\nZP\n}", strayByPath},
		{"in two handles for some paths", "", "handle /a/* {\nZP\n}\nhandle /b/* {\nZP\n}", strayByPath},

		{"in a handle for everything", "", "handle /api/* {\nrespond ok\n}\nhandle {\nZP\n}", ""},
		{"in a handle that the callback matches", "", "handle /zoom_pkce/* {\nZP\n}\nhandle {\nrespond ok\n}", ""},
		{"in handles for some paths, one of which is that of the callback", "", "handle /app/* {\nZP\n}\nhandle /zoom_pkce/* {\nZP\n}", ""},
		{"in a handle_path that the callback matches", "", "handle_path /zoom_pkce/* {\nroute / {\nrespond ok\n}\nZP\n}", ""},
		{"in a handle for all but some paths", "", "@app not path /static/*\nhandle @app {\nZP\n}", ""},
		{"in a named route", "", "invoke named", ""},
		{"behind a rewrite", "", "rewrite * /app{uri}\nhandle /app/* {\nZP\n}", ""},
		{"in a route that depends on the visitor", "", "@inside remote_ip 10.0.0.0/8\nhandle @inside {\nZP\n}", ""},
		{"after a handle that depends on the visitor", "", "@bot header User-Agent *bot*\nhandle @bot {\nrespond ok\n}\nhandle {\nZP\n}", ""},
		{"in a route that depends on a placeholder of the request", "", "@x path {http.request.header.X}/*\nhandle @x {\nZP\n}", ""},
		{"behind a handler of others", "", "route {\nreach_test\nhandle /app/* {\nZP\n}\n}", ""},
		{"for a host that a directive sets", "", "request_header Host app.example\n@host host app.example\nhandle @host {\nZP\n}", ""},
		{"in handle_errors", "", "respond 404\nhandle_errors {\nZP\n}", ""},

		{"on another host", "http://localhost:PORT", "ZP", strayByHost},
		{"on another host, and this one serves something else", "http://127.0.0.1:PORT {\nbind 127.0.0.1\nrespond ok\n}\nhttp://localhost:PORT", "ZP", strayByHost},
		{"on another host and in a handle", "http://localhost:PORT", "handle /app/* {\nZP\n}", strayByPath},
		{"on any host", "http://:PORT", "ZP", ""},
		{"on two hosts", "http://localhost:PORT, http://127.0.0.1:PORT", "ZP", ""},
		{"on a host of the environment", "http://:PORT", "@host host {env.REACH_HOST}\nhandle @host {\nZP\n}", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			t.Setenv("REACH_PREFIX", "/app")
			t.Setenv("REACH_HOST", "127.0.0.1")
			_, port, _ := strings.Cut(w.addr, ":")
			fill := strings.NewReplacer("ZP", "zoom_pkce {\n"+w.options()+"}", "OPTIONS", w.options(), "PORT", port)
			address := tt.address
			if address == "" {
				address = "http://127.0.0.1:PORT"
			}
			file := w.caddyfileAt(fill.Replace(address), fill.Replace(tt.site))
			if strings.Contains(tt.site, "invoke ") {
				file = strings.Replace(file, "\nhttp://", fill.Replace("\n&(named) {\nZP\n}\nhttp://"), 1)
			}
			w.load(file)
			if len(w.logLines(startMessage)) != 1 {
				t.Fatal("the redirect URIs to register are not logged")
			}
			for _, message := range []string{strayByHost, strayByPath} {
				lines := w.logLines(message)
				if message != tt.want {
					if len(lines) > 0 {
						t.Errorf("warns: %v", lines)
					}
					continue
				}
				if len(lines) != 1 {
					t.Fatalf("%d warnings, want 1", len(lines))
				}
				line := lines[0]
				if line["level"] != "warn" || line["redirect_uri"] != w.url+"/zoom_pkce/callback" || line["client_id"] != testClientID {
					t.Errorf("warns: %v", line)
				}
			}
		})
	}
}

const startMessage = "register exactly these redirect URIs at Zoom, in the app's OAuth allow list"

// What is warned of does happen, and what is not warned of works.
func TestReachWarningIsTrue(t *testing.T) {
	for site, want := range map[string]int{
		"handle /app/* {\nZP\n}\nhandle {\nrespond elsewhere\n}":                       http.StatusOK,
		"handle /static/* {\nrespond elsewhere\n}\nhandle {\nZP\nrespond elsewhere\n}": http.StatusSeeOther,
	} {
		w := newWorld(t)
		w.load(w.caddyfile(strings.ReplaceAll(site, "ZP", "zoom_pkce {\n"+w.options()+"}")))
		b := w.browser()
		a := b.open(b.consent(b.open("/app/x"), "user-ada"))
		if warned := len(w.logLines(strayByPath)) > 0; a.StatusCode != want || warned != (want == http.StatusOK) {
			t.Errorf("the callback answers %d, want %d; warned: %v\n%s", a.StatusCode, want, warned, site)
		}
	}
}

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
		found := findStrayURIs(&caddyhttp.App{Servers: map[string]*caddyhttp.Server{"": server}}, sites)
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
		found := findStrayURIs(&caddyhttp.App{Servers: map[string]*caddyhttp.Server{"": server}}, sites)
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

// reachTestHandler stands for a handler that is not Caddy's.
type reachTestHandler struct{}

func (reachTestHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.reach_test", New: func() caddy.Module { return new(reachTestHandler) }}
}

func (reachTestHandler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return next.ServeHTTP(w, r)
}

func init() {
	caddy.RegisterModule(new(reachTestHandler))
	httpcaddyfile.RegisterHandlerDirective("reach_test", func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return new(reachTestHandler), nil
	})
}
