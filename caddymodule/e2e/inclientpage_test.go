package e2e

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// Whatever starts a sign-in inside Zoom's client, it does not lead to zoom.us.
func TestInsideZoomNothingLeadsToZoom(t *testing.T) {
	w := newWorld(t)
	options := func(w *world, mode string) string {
		return w.site("zoom_app {\nsign_in_from_context on\n}\nkeep_fragment on\nunauthenticated " + mode)
	}
	stranger := w.zoom.AppContext(testClientID, zoomtest.AppContext{UID: "user-nobody"})
	inside := map[string][]string{
		"by its User-Agent": insideZoom,
		"with a context":    {contextHeader, stranger},
		"with a forged one": {contextHeader, "forged"},
		"in the web client": {"Sec-Fetch-Dest", "iframe", "Sec-Fetch-Site", "cross-site", "Referer", "https://app.zoom.us/"},
	}
	w.load(options(w, "redirect"))
	for name, header := range inside {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/", "/a?b=c"} {
				if a := w.browser().open(path, header...); !a.isInClientPage(t) {
					t.Errorf("%s: got %d to %q\n%s", path, a.StatusCode, a.Header.Get("Location"), a.body)
				}
			}
		})
	}
	t.Run("on an old system", func(t *testing.T) { // without fetch metadata
		b := w.browser()
		if a := b.do(b.request(http.MethodGet, "/", "User-Agent", zoomUserAgent, "Accept", "text/html")); !a.isInClientPage(t) {
			t.Errorf("got %d to %q\n%s", a.StatusCode, a.Header.Get("Location"), a.body)
		}
	})
	for name, test := range map[string]struct{ path, next string }{
		"login":                    {"/zoom_pkce/login?return_to=/a%3Fb%3Dc", `data-next="/a?b=c"`},
		"login with an evil wish":  {"/zoom_pkce/login?return_to=https://evil.example/", `data-next="/"`},
		"callback without a state": {"/zoom_pkce/callback?code=c", `data-next="/"`},
		"unknown state":            {"/zoom_pkce/callback?code=c&state=s", `data-next="/"`},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.browser().open(test.path, insideZoom...)
			if !a.isInClientPage(t) || !strings.Contains(a.body, test.next) {
				t.Errorf("got %d to %q\n%s", a.StatusCode, a.Header.Get("Location"), a.body)
			}
		})
	}
	t.Run("missing scope", func(t *testing.T) {
		b := w.browser()
		b.signInInside("user-ada")
		w.zoom.RemoveScope(testClientID, "user:read:zak")
		w.zoom.RevokeUser(testClientID, "user-ada")
		b = w.browser()
		b.signInInside("user-ada")
		b.open("/", insideZoom...)
		if a := b.open("/", insideZoom...); !a.isInClientPage(t) {
			t.Errorf("got %d to %q\n%s", a.StatusCode, a.Header.Get("Location"), a.body)
		}
		w.zoom.SetScopes(testClientID, zoomtest.DefaultScopes()...)
	})
	t.Run("page", func(t *testing.T) {
		w := newWorld(t)
		w.load(options(w, "page"))
		a := w.browser().open("/", insideZoom...)
		if !a.isInClientPage(t) || !strings.Contains(a.body, `data-wait="yes"`) {
			t.Errorf("got %d\n%s", a.StatusCode, a.body)
		}
	})
	t.Run("reject", func(t *testing.T) {
		w := newWorld(t)
		w.load(options(w, "reject"))
		if a := w.browser().open("/", insideZoom...); a.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") || a.isInClientPage(t) {
			t.Errorf("got %d\n%s", a.StatusCode, a.body)
		}
	})
	t.Run("pass", func(t *testing.T) {
		w := newWorld(t)
		w.load(options(w, "pass"))
		if got := w.browser().open("/", insideZoom...).received(t); got.Header.Get("X-Zoom-User-Id") != "" {
			t.Errorf("got %q", got.Header)
		}
	})
}

// To pretend to be inside changes the looks of a sign-in, nothing else.
func TestPretendingToBeInsideZoom(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("zoom_app"))
	b := w.browser()
	if a := b.fetch(http.MethodGet, "/", insideZoom...); a.problem(t).Code != "sign_in_required" {
		t.Errorf("a fetch got %s", a.body)
	}
	for _, referer := range []string{"", "https://evil.example/", "https://zoom.us.evil.example/", "https://evilzoom.us/", "http://zoom.us/", "https://zoom.us@evil.example/"} {
		a := b.open("/", "Sec-Fetch-Dest", "iframe", "Sec-Fetch-Site", "cross-site", "Referer", referer)
		if a.StatusCode != http.StatusUnauthorized || a.isInClientPage(t) {
			t.Errorf("framed by %q: got %d\n%s", referer, a.StatusCode, a.body)
		}
	}
	if w.upstream.requests.Load() > 0 {
		t.Error("the upstream was asked")
	}
}

func TestEmbedding(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("zoom_app", "allow {\nuser_id user-ada\n}"))
	const ancestors = "frame-ancestors 'self' https://zoom.us https://*.zoom.us https://zoomgov.com https://*.zoomgov.com"
	bob := w.browser()
	bob.signInInside("user-bob")
	framed := []string{"Sec-Fetch-Dest", "iframe", "Sec-Fetch-Site", "cross-site", "Referer", "https://app.zoom.us/wc/1"}
	for name, a := range map[string]answer{
		"sign-in":     w.browser().open("/", framed...),
		"not allowed": bob.open("/", framed...),
		"sign-out":    bob.open("/zoom_pkce/logout", framed...),
		"not found":   bob.open("/zoom_pkce/nothing", framed...),
	} {
		t.Run(name, func(t *testing.T) {
			if policy := a.Header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, ancestors) {
				t.Errorf("the policy is %s", policy)
			}
			if got := a.Header.Get("Cross-Origin-Embedder-Policy") + ", " + a.Header.Get("Cross-Origin-Resource-Policy"); got != "require-corp, cross-origin" {
				t.Errorf("got %s", got)
			}
			if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
				t.Errorf("got %s", a.Header.Get("Content-Type"))
			}
		})
	}
	page := w.browser().open("/", insideZoom...)
	_, script, _ := strings.Cut(page.body, "<script data-")
	_, script, _ = strings.Cut(script, ">")
	script, _, _ = strings.Cut(script, "</script>")
	sum := sha256.Sum256([]byte(script))
	want := "script-src " + sdkURL + " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; connect-src 'self'"
	if policy := page.Header.Get("Content-Security-Policy"); script == "" || !strings.Contains(policy, want) {
		t.Errorf("the policy is %s, want %s", policy, want)
	}
	w.load(w.site())
	if a := w.browser().open("/zoom_pkce/logout"); !strings.HasSuffix(a.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("without zoom_app the policy is %s", a.Header.Get("Content-Security-Policy"))
	}
}
