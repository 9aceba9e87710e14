package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

const secondClientID = "ZyXwVuTsRqPoNmLkJiHgF"

// secondApp are the options of another Zoom app that stays out of the first
// one's way, with some of them replaced.
func (w *world) secondApp(replace map[string]string) string {
	w.zoom.AddApp(zoomtest.App{ClientID: secondClientID, ClientSecret: "another-client-secret", RedirectURIs: []string{w.url + "/second/callback"}})
	options := map[string]string{
		"redirect_uri": w.url + "/second/callback",
		"path_prefix":  "/second",
		"headers":      "{\naccess_token X-Second-Token\nuser_id X-Second-Id\naccount_id X-Second-Account\nemail X-Second-Email\nname X-Second-Name\n}",
		"zak":          "{\nheader X-Second-Zak\n}",
	}
	maps.Copy(options, replace)
	var b strings.Builder
	fmt.Fprintf(&b, "client_id %s\nclient_secret another-client-secret\noauth_url %s\n", secondClientID, w.zoom.URL)
	for name, value := range options {
		fmt.Fprintf(&b, "%s %s\n", name, value)
	}
	return b.String()
}

func TestTwoAppsInOneSite(t *testing.T) {
	w := newWorld(t)
	w.load(w.caddyfile(
		fmt.Sprintf("@one path /one/* /both\n@two path /two/* /both\nzoom_pkce @one {\n%s}\nzoom_pkce @two {\n%s}\nreverse_proxy %s\n",
			w.options(), w.secondApp(nil), w.upstream.addr)))
	b := w.browser()
	b.signIn("/one/x", "user-ada")
	b.signIn("/two/x", "user-bob")
	got := b.open("/both", "X-Second-Id", "forged", "X-Zoom-User-Id", "forged", "X_Second_Zak", "forged").received(t).Header
	if got.Get("X-Zoom-User-Id") != "user-ada" || got.Get("X-Second-Id") != "user-bob" || got.Get("X-Second-Zak") == "" || got.Get("X-Zoom-Zak") == "" {
		t.Errorf("headers: %q", got)
	}
	if c := got.Get("Cookie"); c != "" {
		t.Errorf("cookies: %q", c)
	}
	got = b.open("/two/x", "X-Zoom-User-Id", "forged", "X-Second-Id", "forged").received(t).Header
	if got.Get("X-Second-Id") != "user-bob" || got.Get("X-Zoom-User-Id") != "" {
		t.Errorf("headers of the second app: %q", got)
	}
	b.fetch("POST", "/second/logout")
	if a := b.fetch("GET", "/one/x"); a.StatusCode != http.StatusOK {
		t.Errorf("the first app after the second's sign-out: %d", a.StatusCode)
	}
	if a := b.fetch("GET", "/both"); a.StatusCode != http.StatusUnauthorized || a.problem(t).LoginURL != "/second/login?return_to=/both" {
		t.Errorf("both: %d %s", a.StatusCode, a.body)
	}
}

func TestClashingApps(t *testing.T) {
	for _, tt := range []struct {
		name     string
		second   map[string]string
		site     string // A and B stand for the two directives
		mentions string // "": loads
	}{
		{"nothing in common", nil, "A\nB", ""},
		{"path_prefix", map[string]string{"path_prefix": "/zoom_pkce"}, "A\nB", "path_prefix"},
		{"path_prefix below the other", map[string]string{"path_prefix": "/zoom_pkce/two"}, "A\nB", "path_prefix"},
		{"callback path", map[string]string{"redirect_uri": "https://app.example.com/zoom_pkce/callback"}, "A\nB", "path of redirect_uri"},
		{"callback below the other's prefix", map[string]string{"redirect_uri": "https://app.example.com/zoom_pkce/second"}, "A\nB", "path of redirect_uri or path_prefix"},
		{"header", map[string]string{"headers": "{\nuser_id x_zoom.user-ID\naccess_token off\naccount_id off\nname off\nemail off\n}"}, "A\nB", "header name"},
		{"error header of the ZAK", map[string]string{"headers": "{\nuser_id X-Zoom-Zak-Error\naccess_token off\naccount_id off\nname off\nemail off\n}"}, "A\nB", "header name"},
		{"in a handle and outside", map[string]string{"path_prefix": "/zoom_pkce"}, "A\nhandle /x/* {\nB\n}", "path_prefix"},
		{"in a route", map[string]string{"path_prefix": "/zoom_pkce"}, "route {\nA\nroute /x/* {\nB\n}\n}", "path_prefix"},
		{"in handle_errors", map[string]string{"path_prefix": "/zoom_pkce"}, "A\nhandle_errors {\nB\n}", "path_prefix"},
		{"in a named route", map[string]string{"path_prefix": "/zoom_pkce"}, "A\ninvoke named", "path_prefix"},
		{"in handles that exclude each other", map[string]string{"path_prefix": "/zoom_pkce"}, "handle /a/* {\nA\n}\nhandle /b/* {\nB\n}", ""},
		{"in handle_paths that exclude each other", map[string]string{"path_prefix": "/zoom_pkce"}, "handle_path /a/* {\nA\n}\nhandle {\nB\n}", ""},
		{"in another site", map[string]string{"path_prefix": "/zoom_pkce"}, "A\n}\nhttp://other.localhost:PORT {\nB", ""},
		{"in another site's handle_errors", map[string]string{"path_prefix": "/zoom_pkce"}, "A\n}\nhttp://other.localhost:PORT {\nhandle_errors {\nB\n}", ""},
		{"in a site for all hosts", map[string]string{"path_prefix": "/zoom_pkce"}, "A\n}\nhttp://:PORT {\nB", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			_, port, _ := strings.Cut(w.addr, ":")
			site := strings.NewReplacer(
				"A", "zoom_pkce {\n"+w.options()+"}", "B", "zoom_pkce {\n"+w.secondApp(tt.second)+"}", "PORT", port,
			).Replace(tt.site)
			file := w.caddyfile(site)
			if strings.Contains(site, "invoke named") {
				head, tail, _ := strings.Cut(file, "\nhttp://")
				file = head + "\n&(named) {\nzoom_pkce {\n" + w.secondApp(tt.second) + "}\n}\nhttp://" + tail
			}
			err := w.tryLoad(file)
			if tt.mentions == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil {
				t.Fatal("loaded")
			}
			for _, want := range []string{tt.mentions, testClientID, secondClientID, "two Zoom apps in one site"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not mention %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("%q", err)
			}
		})
	}
}

// A configuration that clashes leaves the one before it running.
func TestClashKeepsTheRunningConfiguration(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	b := w.browser()
	b.signIn("/", "user-ada")
	err := w.tryLoad(w.caddyfile("zoom_pkce {\n" + w.options() + "}\nzoom_pkce {\n" + w.secondApp(map[string]string{"path_prefix": "/zoom_pkce"}) + "}\nrespond ok"))
	if err == nil {
		t.Fatal("loaded")
	}
	if a := b.open("/"); a.StatusCode != http.StatusOK || a.received(t).Header.Get("X-Zoom-User-Id") != "user-ada" {
		t.Errorf("got %d", a.StatusCode)
	}
}

// Directives of one app in one site: each applies its own rules, and the later
// one keeps what the earlier one has set.
func TestTwoDirectivesOfOneApp(t *testing.T) {
	w := newWorld(t)
	w.load(w.caddyfile(fmt.Sprintf("route {\nzoom_pkce {\n%szak {\nmax_age 0\n}\n}\nzoom_pkce /admin/* {\n%sallow {\nuser_id user-bob\n}\nzak {\nmax_age 0\n}\n"+
		"}\nzoom_pkce /plain/* {\n%szak off\nheaders {\naccess_token off\nname X-Called\n}\n}\nreverse_proxy %s\n}\n",
		w.options(), w.options(), w.options(), w.upstream.addr)))
	ada, bob := w.browser(), w.browser()
	if a := ada.signIn("/", "user-ada"); a.StatusCode != http.StatusOK {
		t.Fatalf("got %d", a.StatusCode)
	}
	wantRefusal(t, ada.open("/admin/x"), "not_allowed")
	bob.signIn("/", "user-bob")
	w.zoom.ResetCounts()
	if got := bob.open("/admin/x").received(t).Header; got.Get("X-Zoom-User-Id") != "user-bob" || got.Get("X-Zoom-Zak") == "" {
		t.Errorf("headers: %q", got)
	}
	if n := w.zoom.Count(zoomtest.CallZAK); n != 1 {
		t.Errorf("%d ZAKs fetched for one request", n)
	}
	got := bob.open("/plain/x", "X-Called", "forged", "X-Zoom-Zak", "forged").received(t).Header
	if got.Get("X-Zoom-Zak") == "" || got.Get("X-Zoom-Zak") == "forged" || got.Get("X-Zoom-Access-Token") == "" || got.Get("X-Called") != "Bob" {
		t.Errorf("headers: %q", got)
	}
	for name, values := range got {
		if len(values) != 1 {
			t.Errorf("%s: %q", name, values)
		}
	}
}

func TestHandlersOfOneAppHaveToAgree(t *testing.T) {
	for name, options := range map[string]string{
		"session store":         "session {\nstore redis redis://127.0.0.1:1\n}",
		"session idle_timeout":  "session {\nidle_timeout 1h\n}",
		"session max_lifetime":  "session {\nmax_lifetime 100h\n}",
		"session sync_interval": "session {\nsync_interval 1s\n}",
		"session max_sessions":  "session {\nmax_sessions 2\n}",
		"session cache_size":    "session {\ncache_size 2\n}",
		"cookie name":           "cookie {\nname other\n}",
		"cookie secret":         "cookie {\nsecret 0123456789abcdef0123456789abcdef\n}",
	} {
		w := newWorld(t)
		err := w.tryLoad(w.caddyfile("zoom_pkce /a/* {\n" + w.options() + "}\nzoom_pkce /b/* {\n" + w.options() + options + "\n}\nrespond ok"))
		if err == nil || !strings.Contains(err.Error(), "disagree on "+name+":") || strings.Contains(err.Error(), "0123456789abcdef") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
