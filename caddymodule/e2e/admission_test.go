package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestAllow(t *testing.T) {
	for _, tt := range []struct {
		name, allow string
		user        zoomtest.User
		want        int
	}{
		{"account", "account_id account-1", zoomtest.User{AccountID: "account-1"}, 200},
		{"another account", "account_id account-1", zoomtest.User{AccountID: "account-2"}, 403},
		{"user", "user_id x user-mallory", zoomtest.User{}, 200},
		{"email", "email M@Example.com", zoomtest.User{Email: "m@example.COM", Verified: 1}, 200},
		{"email that is not verified", "email m@example.com", zoomtest.User{Email: "m@example.com"}, 403},
		{"domain", "email_domain example.com", zoomtest.User{Email: "m@example.com", Verified: 1}, 200},
		{"domain of an address that is not verified", "email_domain example.com", zoomtest.User{Email: "m@example.com"}, 403},
		{"subdomain", "email_domain example.com", zoomtest.User{Email: "m@sub.example.com", Verified: 1}, 403},
		{"domain with something before it", "email_domain example.com", zoomtest.User{Email: "m@evilexample.com", Verified: 1}, 403},
		{"two @", "email_domain example.com", zoomtest.User{Email: "m@evil.example@example.com", Verified: 1}, 403},
		{"no name before the @", "email_domain example.com", zoomtest.User{Email: "@example.com", Verified: 1}, 403},
		{"no email", "email_domain example.com", zoomtest.User{Verified: 1}, 403},
		{"any line is enough", "account_id other\nemail_domain example.com", zoomtest.User{Email: "m@example.com", Verified: 1}, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.user.ID = "user-mallory"
			w.zoom.AddUser(tt.user)
			w.load(w.site("allow {\n"+tt.allow+"\n}", "page_tokens on"))
			b := w.browser()
			a := b.signIn("/page", "user-mallory")
			if a.StatusCode != tt.want {
				t.Fatalf("got %d, want %d\n%s", a.StatusCode, tt.want, a.body)
			}
			session := b.fetch("GET", "/zoom_pkce/session")
			zak := b.fetch("POST", "/zoom_pkce/zak")
			if session.StatusCode != tt.want || zak.StatusCode != tt.want {
				t.Errorf("session: got %d; zak: got %d", session.StatusCode, zak.StatusCode)
			}
			if tt.want == 200 {
				return
			}
			if n := w.upstream.requests.Load(); n != 0 {
				t.Errorf("%d requests reached the upstream", n)
			}
			wantRefusal(t, a, "not_allowed")
			if !strings.Contains(a.body, `href="`+w.zoom.URL+`/logout"`) || !strings.Contains(a.body, "return_to=/page") {
				t.Errorf("no way on: %s", a.body)
			}
			if p := b.fetch("GET", "/api").problem(t); p.Code != "not_allowed" || p.Status != 403 || p.LoginURL != "" {
				t.Errorf("%+v", p)
			}
			if a := b.fetch("POST", "/zoom_pkce/logout"); a.StatusCode != http.StatusSeeOther {
				t.Errorf("signing out: got %d", a.StatusCode)
			}
		})
	}
}

// What a visitor is called at Zoom is shown to them alone, and as text.
func TestNotAllowedPageShowsWho(t *testing.T) {
	w := newWorld(t)
	w.zoom.AddUser(zoomtest.User{ID: "user-x", DisplayName: `<script>alert(1)</script>`, Email: `"><img src=x>@example.com`, Verified: 1})
	w.load(w.site("allow {\nuser_id nobody\n}"))
	a := w.browser().signIn("/", "user-x")
	if strings.Contains(a.body, "<script>alert") || strings.Contains(a.body, "<img") || !strings.Contains(a.body, "&lt;script&gt;alert(1)") {
		t.Errorf("%s", a.body)
	}
}

func TestIdentityHeaders(t *testing.T) {
	for _, tt := range []struct {
		name  string
		user  zoomtest.User
		names map[string]string // "": the header is absent
	}{
		{
			"Unicode and controls",
			zoomtest.User{ID: "u", DisplayName: "Zoë 100%\r\nX-Evil: 1\x00", Email: "zoë@example.com", Verified: 1},
			map[string]string{"X-Zoom-User-Name": "Zo%C3%AB 100%25%0D%0AX-Evil: 1%00", "X-Copy": "Zoë 100%X-Evil: 1", "X-Zoom-User-Email": "zo%C3%AB@example.com", "X-Evil": ""},
		},
		{
			"spaces that HTTP would drop",
			zoomtest.User{ID: "u", DisplayName: " Ada L "},
			map[string]string{"X-Zoom-User-Name": "%20Ada L%20"},
		},
		{"email that is not verified", zoomtest.User{ID: "u", Email: "u@example.com"}, map[string]string{"X-Zoom-User-Email": ""}},
		{
			"placeholders",
			zoomtest.User{ID: "u", DisplayName: "{env.HOME} {http.request.header.Cookie} {file./etc/passwd}"},
			map[string]string{"X-Zoom-User-Name": "{env.HOME} {http.request.header.Cookie} {file./etc/passwd}", "X-Copy": "{env.HOME} {http.request.header.Cookie} {file./etc/passwd}"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.zoom.AddUser(tt.user)
			w.load(w.caddyfile("zoom_pkce {\n" + w.options() + "}\nrequest_header X-Copy {http.auth.user.name}\n" +
				"request_header X-Copy-Id {http.auth.user.id}\nrequest_header X-Copy-Account {http.auth.user.account_id}\nreverse_proxy " + w.upstream.addr))
			got := w.browser().signIn("/", "u").received(t).Header
			for name, want := range tt.names {
				if values := got.Values(name); want == "" && len(values) != 0 || want != "" && (len(values) != 1 || values[0] != want) {
					t.Errorf("%s: %q, want %q", name, values, want)
				}
			}
			if got.Get("X-Copy-Id") != "u" || got.Get("X-Copy-Account") == "" {
				t.Errorf("placeholders: %q", got)
			}
		})
	}
}

func TestHeaderNames(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("headers {\naccess_token Authorization Bearer\nuser_id X-User\naccount_id off\nemail off\nname off\n}", "zak off"))
	b := w.browser()
	got := b.signIn("/", "user-ada").received(t).Header
	token, ok := strings.CutPrefix(got.Get("Authorization"), "Bearer ")
	if _, user, valid := w.zoom.ValidateAccessToken(token); !ok || !valid || user != "user-ada" {
		t.Errorf("Authorization: %q", got.Get("Authorization"))
	}
	if got.Get("X-User") != "user-ada" {
		t.Errorf("X-User: %q", got.Get("X-User"))
	}
	for name := range got {
		if strings.HasPrefix(name, "X-Zoom") {
			t.Errorf("unexpected %s", name)
		}
	}
	got = b.open("/", "Authorization", "Bearer mine", "X-User", "user-bob",
		"X-Zoom-User-Id", "user-bob", "X-Zoom-Zak", "mine", "X-Zoom-User-Email", "bob@example.com",
		"X-Zoom-Client-Id", "cli").received(t).Header
	for name := range got {
		if strings.HasPrefix(name, "X-Zoom") {
			t.Errorf("the client's %s got through: its name is another here, or it is off", name)
		}
	}
	if got.Get("Authorization") == "Bearer mine" || got.Get("X-User") != "user-ada" || len(got.Values("Authorization")) != 1 {
		t.Errorf("the client's headers got through: %q", got)
	}
}
