package doctor_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// The doctor finds the same without starting.
func TestDoctorFindsStrayRedirectURIs(t *testing.T) {
	for _, tt := range []struct {
		name, address, before, after string
		status                       string
		message, advice              string
	}{
		{"in a handle", "http://127.0.0.1:8080", "handle /app/* {\n", "}\n", "fail", "do not reach this handler: zoom_pkce stands inside a handle or route", "at the top of the site"},
		{"on another host", "http://localhost:8080", "", "", "warn", "do not reach this handler: its site has another address", "rewrites Host"},
		{"as it should be", "http://127.0.0.1:8080", "", "", "ok", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPatient(t)
			file, err := os.ReadFile(p.write(t))
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Replace(string(file), "http://127.0.0.1:8080 {\n", tt.address+" {\n"+tt.before, 1)
			p.file = strings.TrimSuffix(text, "}\n") + tt.after + "}\n"
			found, healthy := p.examine(t)
			if healthy != (tt.status != "fail") {
				t.Errorf("healthy: %v", healthy)
			}
			var stray []finding
			for _, f := range found["redirect_uris"] {
				if f.Status != "skipped" {
					stray = append(stray, f)
				}
			}
			if tt.status == "ok" {
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

// It names the endpoints that only the second directive of a site has.
func TestDoctorFindsDeadEndpoints(t *testing.T) {
	p := newPatient(t)
	const handler = "zoom_pkce {\nclient_id %s\nclient_secret {env.DOCTOR_CLIENT_SECRET}\nredirect_uri %s\noauth_url %s\napi_url %[3]s\n" +
		"cookie {\nsecret {env.DOCTOR_COOKIE_SECRET}\n}\n}\n"
	p.options["page_tokens"] = "on"
	p.edited(t, "\tzoom_pkce {", fmt.Sprintf(handler, testClientID, doctorRedirectURI, p.zoom.URL)+"\tzoom_pkce {")
	found, healthy := p.examine(t)
	want := "[http://127.0.0.1:8080/zoom_pkce/obf http://127.0.0.1:8080/zoom_pkce/zak]"
	if dead := found["endpoints"]; !healthy || len(dead) != 1 || dead[0].Status != "warn" || fmt.Sprint(dead[0].Values) != want || !strings.Contains(dead[0].Advice, "first zoom_pkce") {
		t.Errorf("healthy: %t, %+v", healthy, dead)
	}
	p.file = ""
	if found, _ := p.examine(t); found["endpoints"] != nil {
		t.Errorf("with one directive: %+v", found["endpoints"])
	}
}

// edited is the patient's Caddyfile with one text in the place of another.
func (p *patient) edited(t *testing.T, old, new string) {
	t.Helper()
	file, err := os.ReadFile(p.write(t))
	if err != nil {
		t.Fatal(err)
	}
	if p.file = strings.Replace(string(file), old, new, 1); p.file == string(file) {
		t.Fatalf("%q is not in\n%s", old, file)
	}
}

// An https redirect URI on a site without TLS is right behind a proxy and nowhere else.
func TestDoctorTellsOfPlainSites(t *testing.T) {
	const uri = "https://app.example.com/zoom_pkce/callback"
	for address, want := range map[string]string{
		"http://app.example.com":  "warn",
		":8080":                   "warn",
		"https://app.example.com": "",
		"http://app.example.com, https://app.example.com": "",
	} {
		p := newPatient(t)
		p.options["redirect_uri"] = uri
		p.zoom.AddApp(zoomtest.App{ClientID: testClientID, ClientSecret: testClientSecret, RedirectURIs: []string{uri}})
		p.edited(t, "http://127.0.0.1:8080 {\n", address+" {\n")
		found, healthy := p.examine(t)
		got := ""
		for _, f := range found["redirect_uris"] {
			if strings.Contains(f.Message, "by plain http") {
				got = f.Status
				if fmt.Sprint(f.Values) != "["+uri+"]" || !strings.Contains(f.Advice, "proxy") {
					t.Errorf("%s: %+v", address, f)
				}
			}
		}
		if got != want || !healthy {
			t.Errorf("%s: %q, want %q: %+v", address, got, want, found)
		}
	}
}

// What is protected is printed: a path without * is that path alone.
func TestDoctorTellsWhatIsProtected(t *testing.T) {
	for matcher, want := range map[string]struct{ status, values, message, advice string }{
		"":            {"ok", "[]", "every request", ""},
		"/app/*":      {"ok", "[/app/*]", "these requests and no others", ""},
		"/app":        {"warn", "[/app]", "nothing below /app is", "`@app path /app /app/*`"},
		"/":           {"warn", "[/]", "nothing below / is", "path / /*"},
		"/report.pdf": {"ok", "[/report.pdf]", "these requests", ""},
		"@both":       {"ok", "[/app /app/*]", "these requests", ""},
		"@posts":      {"warn", "[/app (those that match by method)]", "nothing below /app is", ""},
		"@host":       {"ok", "[(those that match by header)]", "these requests", ""},
	} {
		p := newPatient(t)
		p.edited(t, "zoom_pkce {\n", "@both path /app /app/*\n@posts {\npath /app\nmethod POST\n}\n@host header X-A b\nzoom_pkce "+matcher+" {\n")
		found, healthy := p.examine(t)
		got := found["protected"]
		if len(got) != 1 || got[0].Status != want.status || fmt.Sprint(got[0].Values) != want.values ||
			!strings.Contains(got[0].Message, want.message) || !strings.Contains(got[0].Advice, want.advice) || !healthy {
			t.Errorf("zoom_pkce %s: %+v", matcher, got)
		}
	}
}

// guest is somebody else's module: who has provisioned one cleans it up, once for each.
type guest struct {
	Fails bool `json:"fails,omitempty"`
}

var guests struct{ provisioned, alive int }

func init() {
	caddy.RegisterModule(guest{})
	httpcaddyfile.RegisterHandlerDirective("doctor_guest", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		h.Next()
		return &guest{Fails: h.NextArg()}, nil
	})
}

func (guest) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.doctor_guest", New: func() caddy.Module { return new(guest) }}
}

func (g *guest) Provision(caddy.Context) error {
	guests.provisioned++
	guests.alive++
	if g.Fails {
		return errors.New("the guest is ill")
	}
	return nil
}

func (*guest) Cleanup() error {
	guests.alive--
	return nil
}

func (*guest) ServeHTTP(http.ResponseWriter, *http.Request, caddyhttp.Handler) error { return nil }

func TestDoctorCleansUp(t *testing.T) {
	const another = "http://127.0.0.1:8081 {\nroute {\ndoctor_guest\n}\n}\n"
	for name, tt := range map[string]struct {
		change  func(file string) string
		guests  int
		message string
	}{
		"healthy": {func(file string) string { return file + another }, 1, "loads"},
		"a module that fails": {func(file string) string {
			return file + strings.Replace(another, "}\n", "doctor_guest fails\n}\n", 1)
		}, 2, "the guest is ill"},
		"without the directive": {func(file string) string {
			global, _, _ := strings.Cut(file, "http://")
			return global + another
		}, 1, "has no zoom_pkce directive"},
		"a clash": {func(file string) string {
			_, directive, _ := strings.Cut(file, "zoom_pkce {")
			return strings.Replace(file, "zoom_pkce {", "zoom_pkce {"+strings.ReplaceAll(strings.TrimSuffix(directive, "}\n"), testClientID, "another")+"zoom_pkce {", 1) + another
		}, 1, "two Zoom apps in one site"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t)
			file, err := os.ReadFile(p.write(t))
			if err != nil {
				t.Fatal(err)
			}
			p.file = tt.change(string(file))
			guests.provisioned = 0
			found, _ := p.examine(t)
			if got := found["configuration"]; len(got) != 1 || !strings.Contains(got[0].Message, tt.message) {
				t.Errorf("found %+v", got)
			}
			if guests.provisioned != tt.guests || guests.alive != 0 {
				t.Errorf("%d guests came, %d are left", guests.provisioned, guests.alive)
			}
		})
	}
}
