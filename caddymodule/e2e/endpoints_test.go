package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Every endpoint answers the methods it has and no other, in a request of any
// kind, and none of its answers may be stored or lead to another.
func TestEndpointMethods(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("page_tokens on", "meeting_sdk", "zoom_app", "webhook {\nsecret_token a-webhook-secret-token\n}", sameSiteNone))
	b := w.browser()
	b.signIn("/", "user-ada")
	before := w.upstream.requests.Load()
	for name, methods := range map[string]string{
		"callback": "GET", "login": "GET", "logout": "GET, POST", "session": "GET",
		"zak": "POST", "obf": "POST", "signature": "POST",
		"app/authorize": "POST", "app/onauthorized": "POST", "webhook": "POST",
		"frame/ticket": "POST", "frame/redeem": "POST",
	} {
		path := "/zoom_pkce/" + name
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"} {
			if slices.Contains(strings.Split(methods, ", "), method) {
				continue
			}
			a := b.do(b.request(method, path, navigateSameOrigin...))
			if a.StatusCode != http.StatusMethodNotAllowed || a.Header.Get("Allow") != methods || a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s %s: got %d, Allow %q", method, path, a.StatusCode, a.Header.Get("Allow"))
			}
		}
	}
	if n := w.upstream.requests.Load() - before; n != 0 {
		t.Errorf("%d requests reached the upstream", n)
	}
}

// Options that are off have no endpoint.
func TestEndpointsThatAreOff(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	b := w.browser()
	b.signIn("/", "user-ada")
	for _, name := range []string{"zak", "obf", "signature", "app/authorize", "app/onauthorized", "webhook", "callback/", "session/", "..", ""} {
		if a := b.fetch("POST", "/zoom_pkce/"+name); a.StatusCode != http.StatusNotFound {
			t.Errorf("%q: got %d", name, a.StatusCode)
		}
	}
}

func TestSessionEndpoint(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	b := w.browser()
	if p := b.fetch("GET", "/zoom_pkce/session").problem(t); p.Code != "sign_in_required" || p.LoginURL != "/zoom_pkce/login" {
		t.Errorf("signed out: %+v", p)
	}
	got := b.signIn("/", "user-ada").received(t).Header
	a := b.fetch("GET", "/zoom_pkce/session")
	const want = `{"authenticated":true,"user":{"id":"user-ada","account_id":"account-1","email":"ada@example.com","name":"Ada Lovelace"},"expires_at":"`
	if a.StatusCode != http.StatusOK || !strings.HasPrefix(a.body, want) || a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	for _, name := range []string{"X-Zoom-Access-Token", "X-Zoom-Zak"} {
		if strings.Contains(a.body, got.Get(name)) {
			t.Errorf("the answer holds %s", name)
		}
	}
}

// Login links that something else than a person follows begin nothing.
func TestLoginEndpoint(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	for _, tt := range []struct {
		name   string
		header []string
		want   int
	}{
		{"page load", navigate, 303},
		{"program", nil, 303},
		{"prefetch", append([]string{"Sec-Purpose", "prefetch"}, navigate...), 400},
		{"fetch", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}, 400},
		{"image", []string{"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, 400},
		{"frame", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, 401},
	} {
		b := w.browser()
		a := b.do(b.request("GET", "/zoom_pkce/login?return_to=/x", tt.header...))
		if a.StatusCode != tt.want || (len(a.Cookies()) == 1) != (tt.want == 303) {
			t.Errorf("%s: got %d and %d cookies", tt.name, a.StatusCode, len(a.Cookies()))
		}
	}
}
