package e2e

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

const (
	noZAKScope = `{"code":4711,"message":"Invalid access token, does not contain scopes:[user:read:zak]."}`
	zakHeader  = "X-Zoom-Zak"
)

func TestZAKFailures(t *testing.T) {
	for _, tt := range []struct {
		name string
		h    http.Handler
		code string // in the header, and of the page with on_error fail
	}{
		{"500", zoomtest.Status(500, ""), "zak_unavailable"},
		{"web page", zoomtest.HTML(), "zak_unavailable"},
		{"redirect", zoomtest.Redirect("http://127.0.0.1:1/"), "zak_unavailable"},
		{"10 MB", zoomtest.Huge(10 << 20), "zak_unavailable"},
		{"never answers", zoomtest.Hang(), "zak_unavailable"},
		{"connection reset", zoomtest.ResetConn(), "zak_unavailable"},
		{"empty key", zoomtest.Status(200, `{"token":""}`), "zak_unavailable"},
		{"key with a line break", zoomtest.Status(200, `{"token":"a\r\nX-Evil: 1"}`), "zak_unavailable"},
		{"rate limit", zoomtest.RateLimited("30", false), "zoom_rate_limited"},
		{"daily limit", zoomtest.RateLimited("2030-01-01T00:00:00Z", true), "zoom_rate_limited"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.load(w.site("zoom_timeout 300ms"))
			w.zoom.Fail(zoomtest.CallZAK, -1, tt.h)
			b := w.browser()
			got := b.signIn("/", "user-ada").received(t).Header
			if _, has := got[zakHeader]; has || got.Get("X-Zoom-Zak-Error") != tt.code || got.Get("X-Zoom-User-Id") != "user-ada" {
				t.Errorf("omit: %q", got)
			}
			// A header of the client's is removed although there is none of ours.
			got = b.open("/", zakHeader, "forged", "X-Zoom-Zak-Error", "forged", "X_zoom.zak", "forged").received(t).Header
			if _, has := got[zakHeader]; has || got.Get("X-Zoom-Zak-Error") != tt.code {
				t.Errorf("omit, forged: %q", got)
			}

			w.load(w.site("zoom_timeout 300ms", "zak {\non_error fail\n}"))
			time.Sleep(1100 * time.Millisecond) // a failure is remembered for a second
			before := w.upstream.requests.Load()
			a := b.open("/")
			wantRefusal(t, a, tt.code)
			if a.Header.Get("Retry-After") == "" || w.upstream.requests.Load() != before {
				t.Errorf("fail: Retry-After %q", a.Header.Get("Retry-After"))
			}
			if p := b.fetch("GET", "/").problem(t); p.Code != tt.code || p.Status != 503 || p.LoginURL != "" {
				t.Errorf("fail: %+v", p)
			}
		})
	}
}

// A scope that the app got after the visitor had signed in comes with one fresh
// authorization; one that the app does not have is named, and nothing loops.
func TestMissingScope(t *testing.T) {
	for _, onError := range []string{"omit", "fail"} {
		t.Run(onError, func(t *testing.T) {
			w := newWorld(t)
			w.load(w.site("zak {\non_error " + onError + "\n}"))
			b := w.browser()
			w.zoom.SetScopes(testClientID, "user:read:user")
			first := b.signIn("/page", "user-ada")
			if onError == "omit" {
				if got := first.received(t).Header.Get("X-Zoom-Zak-Error"); got != "missing_scope" {
					t.Errorf("header: %q", got)
				}
				first = b.open("/page")
			}
			// A fetch is never sent away.
			if a := b.fetch("GET", "/api"); a.StatusCode == http.StatusSeeOther {
				t.Error("a fetch was sent to Zoom")
			}
			wantRedirect(t, b.open(b.consent(first, "user-ada")), "/page")
			for range 3 {
				a := b.open("/page")
				if onError == "omit" {
					if got := a.received(t).Header.Get("X-Zoom-Zak-Error"); got != "missing_scope" {
						t.Errorf("after asking in vain: %q", got)
					}
					continue
				}
				wantRefusal(t, a, "missing_scope")
				if !strings.Contains(a.body, "user:read:zak") {
					t.Errorf("the page does not name the scope: %s", a.body)
				}
			}

			other := w.browser()
			other.open("/page")
			w.zoom.SetScopes(testClientID, zoomtest.DefaultScopes()...)
			if got := other.signIn("/page", "user-bob").received(t).Header.Get(zakHeader); got == "" {
				t.Error("no ZAK with the scope")
			}
		})
	}
}

func TestScopeIsHealedByOneAuthorization(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	b := w.browser()
	w.zoom.SetScopes(testClientID, "user:read:user")
	b.signIn("/page", "user-ada")
	w.zoom.SetScopes(testClientID, zoomtest.DefaultScopes()...)
	a := b.signIn("/page?x", "user-ada")
	if got := a.received(t); got.Header.Get(zakHeader) == "" || got.URI != "/page?x" {
		t.Errorf("got %q at %s", got.Header, got.URI)
	}
}

func TestZAKMatchAndLifetime(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("zak {\nmatch /m/*\nmatch path *.join\nlifetime 2h\nheader X-Key\n}"))
	b := w.browser()
	b.signIn("/", "user-ada")
	if n := w.zoom.Count(zoomtest.CallAny); w.zoom.Count(zoomtest.CallZAKToken) != 0 {
		t.Errorf("%d calls", n)
	}
	for path, want := range map[string]bool{"/m/1": true, "/x.join": true, "/style.css": false} {
		got := b.open(path, "X-Key", "forged", "X-Key-Error", "forged").received(t).Header
		if user, _, ok := w.zoom.ValidateZAK(got.Get("X-Key")); ok != want || want && user != "user-ada" || !want && got.Get("X-Key") != "" || got.Get("X-Key-Error") != "" {
			t.Errorf("%s: %q", path, got)
		}
	}
	if n := w.zoom.Count(zoomtest.CallZAKToken); n != 1 || w.zoom.Count(zoomtest.CallZAK) != 0 {
		t.Errorf("%d calls for a key", n)
	}
	if ttl := w.zoom.Requests(zoomtest.CallZAKToken)[0].Query.Get("ttl"); ttl != "7200" {
		t.Errorf("ttl %q", ttl)
	}
}

func TestZAKForEachRequest(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("zak {\nmax_age 0\n}"))
	b := w.browser()
	b.signIn("/", "user-ada")
	w.zoom.ResetCounts()
	for range 3 {
		b.open("/")
	}
	if n := w.zoom.Count(zoomtest.CallZAK); n != 3 {
		t.Errorf("%d calls for 3 requests", n)
	}
}

// Zoom has revoked the token before its time: one refresh, one repeat.
func TestZAKWithARevokedToken(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("zak {\nmax_age 0\n}"))
	b := w.browser()
	b.signIn("/", "user-ada")
	w.zoom.ResetCounts()
	w.zoom.RevokeAccessTokens(testClientID, "user-ada")
	if got := b.open("/").received(t).Header; got.Get(zakHeader) == "" {
		t.Errorf("%q", got)
	}
	if r, z := w.zoom.Count(zoomtest.CallRefresh), w.zoom.Count(zoomtest.CallZAK); r != 1 || z != 2 {
		t.Errorf("%d refreshes, %d ZAK calls", r, z)
	}
}

// An administrator or a sign-in elsewhere has ended the grant: the visitor is
// signed out, and does not go on with a token that is worth nothing.
func TestGrantEndsWhileFetchingAZAK(t *testing.T) {
	for _, onError := range []string{"omit", "fail"} {
		w := newWorld(t)
		w.load(w.site("zoom_timeout 300ms", "zak {\nmax_age 0\non_error "+onError+"\n}"))
		b := w.browser()
		b.signIn("/", "user-ada")
		w.zoom.RevokeUser(testClientID, "user-ada")
		if p := b.fetch("GET", "/api").problem(t); p.Code != "sign_in_required" {
			t.Errorf("%s: %+v", onError, p)
		}
		if a := b.signIn("/page", "user-ada"); a.StatusCode != http.StatusOK || a.received(t).Header.Get(zakHeader) == "" {
			t.Errorf("%s: signing in again: %d %s", onError, a.StatusCode, a.body)
		}
	}
}

func TestManyRequestsTakeOneZAK(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	b := w.browser()
	b.consentAndReturn("/", "user-ada")
	cookie := b.sessionCookie()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			c := w.browser()
			if a := c.fetch("GET", "/", "Cookie", cookie); a.StatusCode != http.StatusOK {
				t.Errorf("got %d", a.StatusCode)
			}
		})
	}
	wg.Wait()
	if n := w.zoom.Count(zoomtest.CallZAK); n != 1 {
		t.Errorf("%d calls", n)
	}
}

func TestOBF(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("obf {\nmeeting_id {http.request.uri.query.meeting}\n}"))
	b := w.browser()
	b.signIn("/", "user-ada")
	for query, meeting := range map[string]string{
		"?meeting=123456789":                  "123456789",
		"?meeting=123-4567+890":               "1234567890",
		"?meeting=12345678":                   "",
		"?meeting=1234567890123":              "",
		"?meeting={env.HOME}":                 "",
		"?meeting=12345678x":                  "",
		"?meeting=%D9%A1%D9%A2%D9%A3456789":   "",
		"?meeting=123456789%0d%0aX-Evil:%201": "",
		"":                                    "",
	} {
		w.zoom.ResetCounts()
		got := b.open("/"+query, "X-Zoom-Obf", "forged").received(t).Header
		_, id, ok := w.zoom.ValidateOBF(got.Get("X-Zoom-Obf"))
		if ok != (meeting != "") || id != meeting || meeting == "" && got["X-Zoom-Obf"] != nil {
			t.Errorf("%s: token for %q, valid %v", query, id, ok)
		}
		if n := w.zoom.Count(zoomtest.CallOBF); n != map[bool]int{true: 1}[meeting != ""] {
			t.Errorf("%s: %d calls", query, n)
		}
	}
	w.zoom.Fail(zoomtest.CallOBF, -1, zoomtest.Status(500, ""))
	if got := b.open("/?meeting=999999999", "X-Zoom-Obf", "forged").received(t).Header; got["X-Zoom-Obf"] != nil {
		t.Errorf("omit: %q", got)
	}
	w.load(w.site("obf {\nmeeting_id {http.request.uri.query.meeting}\non_error fail\n}"))
	wantRefusal(t, b.open("/?meeting=999999999"), "zak_unavailable")
	if a := b.open("/"); a.StatusCode != http.StatusOK {
		t.Errorf("without a meeting: %d", a.StatusCode)
	}
}

func TestDecliningAScopeIsNotAskedAgain(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	b := w.browser()
	w.zoom.SetScopes(testClientID, "user:read:user")
	b.signIn("/page", "user-ada")
	back, err := w.zoom.Decline(t.Context(), b.open("/page").Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, b.open(back), "declined")
	for range 2 {
		if got := b.open("/page").received(t).Header.Get("X-Zoom-Zak-Error"); got != "missing_scope" {
			t.Errorf("header: %q", got)
		}
	}
}

// What zak match is about is the address that visitors see, whatever try_files
// makes of it, as well as what became of it.
func TestZAKMatchSeesWhatWasSent(t *testing.T) {
	w := newWorld(t)
	w.load(w.caddyfile("rewrite * /index.php?page={path}\nzoom_pkce {\n" + w.options() + "zak {\nmatch path /meeting/*\n}\n}\nreverse_proxy " + w.upstream.addr))
	b := w.browser()
	b.signIn("/zoom_pkce/login", "user-ada")
	for path, want := range map[string]bool{"/meeting/1": true, "/index.php": false} {
		got := b.open(path).received(t)
		if (got.Header.Get("X-Zoom-Zak") != "") != want || !strings.HasPrefix(got.URI, "/index.php?page=") {
			t.Errorf("%s arrived as %s, with ZAK %q", path, got.URI, got.Header.Get("X-Zoom-Zak"))
		}
	}
}
