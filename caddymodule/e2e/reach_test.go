package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// What the log of a start says of a site: what to register, and what leads past
// the handler.
const (
	startMessage = "register exactly these redirect URIs at Zoom, in the app's OAuth allow list"
	otherHost    = "requests for this redirect URI do not reach this handler: its site has another address; " +
		"give the site the address of the redirect URI or the other way round, unless another Caddy serves that host or a proxy in front rewrites Host"
	insideHandle = "requests for this redirect URI do not reach this handler: zoom_pkce stands inside a handle or route " +
		"with a matcher; put `zoom_pkce <matcher>` at the top of the site instead"
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
		{"in a handle for some paths", "", "handle /app/* {\nZP\n}\nhandle {\nrespond ok\n}", insideHandle},
		{"in a handle_path", "", "handle_path /app/* {\nZP\n}", insideHandle},
		{"in a route with a matcher", "", "route /app/* {\nZP\n}", insideHandle},
		{"in a route with a named matcher", "", "@app path_regexp ^/app/\nroute @app {\nZP\n}", insideHandle},
		{"in a handle for all but the callback", "", "@app not path /zoom_pkce/*\nhandle @app {\nZP\n}", insideHandle},
		{"after another handle that takes the callback", "", "handle /zoom_pkce/* {\nrespond ok\n}\nhandle {\nZP\n}", insideHandle},
		{"in a named route that is invoked for some paths", "", "invoke /app/* named", insideHandle},
		{"in a handle for a placeholder of the environment", "", "@app path {env.REACH_PREFIX}/*\nhandle @app {\nZP\n}", insideHandle},
		{"in two handles for some paths", "", "handle /a/* {\nZP\n}\nhandle /b/* {\nZP\n}", insideHandle},

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

		{"on another host", "http://localhost:PORT", "ZP", otherHost},
		{"on another host, and this one serves something else", "http://127.0.0.1:PORT {\nbind 127.0.0.1\nrespond ok\n}\nhttp://localhost:PORT", "ZP", otherHost},
		{"on another host and in a handle", "http://localhost:PORT", "handle /app/* {\nZP\n}", insideHandle},
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
			for _, message := range []string{otherHost, insideHandle} {
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
		if warned := len(w.logLines(insideHandle)) > 0; a.StatusCode != want || warned != (want == http.StatusOK) {
			t.Errorf("the callback answers %d, want %d; warned: %v\n%s", a.StatusCode, want, warned, site)
		}
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
