package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestTabsFinishInAnyOrder(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}} {
		w := newWorld(t)
		w.load(w.site())
		b := w.browser()
		pages := []string{"/one?a=1", "/two", "/three/%2e/x?y=%20"}
		var callbacks []string
		for _, page := range pages {
			callbacks = append(callbacks, b.consent(b.open(page), "user-ada"))
		}
		time.Sleep(2 * time.Millisecond) // cookies hold times in milliseconds
		for _, tab := range order {
			wantRedirect(t, b.open(callbacks[tab]), pages[tab])
		}
		// A session that began after a login began makes its code needless.
		if n := w.zoom.Count(zoomtest.CallCode); n != 1 {
			t.Errorf("order %v: %d codes exchanged, want 1", order, n)
		}
		if names := b.cookies(); len(names) != 2 {
			t.Errorf("order %v: cookies left: %q", order, names)
		}
	}
}

func TestSwitchingAccounts(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	b := w.browser()
	b.signIn("/", "user-ada")
	old := b.sessionCookie()
	if got := b.signIn("/zoom_pkce/login?return_to=/me", "user-bob").received(t); got.Header.Get("X-Zoom-User-Id") != "user-bob" || got.URI != "/me" {
		t.Errorf("signed in as %q at %q", got.Header.Get("X-Zoom-User-Id"), got.URI)
	}
	// The session of before is replaced, not left behind.
	testkit.Eventually(t, "the replaced session to end", 5*time.Second, func() bool {
		thief := w.browser()
		return thief.fetch("GET", "/", "Cookie", old).StatusCode == http.StatusUnauthorized
	})
}

func TestCallbackAgain(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	b := w.browser()
	callback := b.consent(b.open("/app"), "user-ada")
	wantRedirect(t, b.open(callback), "/app")

	t.Run("reloaded, signed in", func(t *testing.T) {
		wantRedirect(t, b.open(callback), "/")
	})
	t.Run("bookmarked, signed out: one new login, then a page", func(t *testing.T) {
		other := w.browser()
		again := other.open(callback)
		wantRedirect(t, other.open(other.consent(again, "user-ada")), "/")
	})
	t.Run("in a browser without cookies", func(t *testing.T) {
		state := stateOf(t, w.browser().open(callback))
		wantRefusal(t, w.browser().open("/zoom_pkce/callback?code=x&state="+state), "cookies_missing")
	})
	if n := w.zoom.Count(zoomtest.CallCode); n != 2 {
		t.Errorf("%d codes exchanged, want 2: each once", n)
	}
}

// Of 30 logins that were begun, browsers keep the 12 newest, and finish them.
func TestManyPendingLogins(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	b := w.browser()
	var last answer
	for range 30 {
		last = b.open("/" + strings.Repeat("long/", 60))
	}
	if n := len(b.cookies()); n > 12 || n < 2 {
		t.Errorf("%d login cookies", n)
	}
	header := 0
	u, _ := url.Parse(w.url)
	for _, c := range b.jar.Cookies(u) {
		header += len(c.Name) + len(c.Value)
	}
	if header > 6*1024 {
		t.Errorf("login cookies take %d bytes", header)
	}
	if a := b.open(b.consent(last, "user-ada")); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the newest login: %d", a.StatusCode)
	}
	for range 100 {
		if a := b.fetch("GET", "/poll"); len(w.browser().fetch("GET", "/poll").Header["Set-Cookie"]) != 0 || len(a.Header["Set-Cookie"]) != 0 {
			t.Fatal("a background request set a cookie")
		}
	}
}

// The "Add" button of the Marketplace sends visitors with a code and no state.
func TestStartAtTheMarketplace(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	b := w.browser()
	a := b.open("/zoom_pkce/callback?code=somebody-elses")
	if n := w.zoom.Count(zoomtest.CallCode); n != 0 {
		t.Fatal("the code of a sign-in that was not begun here was used")
	}
	// Zoom, or whoever plays it, sends the visitor back without a state again.
	wantRefusal(t, b.open("/zoom_pkce/callback?code=somebody-elses"), "bad_callback")
	wantRedirect(t, b.open(b.consent(a, "user-ada")), "/")
	// Then it is no second try but a second "Add".
	wantRedirect(t, b.open(b.consent(b.open("/zoom_pkce/callback?code=another"), "user-bob")), "/")

	t.Run("in a browser without cookies", func(t *testing.T) {
		state := stateOf(t, w.browser().open("/zoom_pkce/callback?code=x"))
		wantRefusal(t, w.browser().open("/zoom_pkce/callback?code=x&state="+state), "cookies_missing")
	})
}

// A login begun in one browser cannot be finished in another: that would sign
// the victim of a forged link in as the attacker.
func TestCallbackOfAnotherBrowser(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	attacker, victim := w.browser(), w.browser()
	callback := attacker.consent(attacker.open("/"), "user-bob")
	a := victim.open(callback)
	if n := w.zoom.Count(zoomtest.CallCode); n != 0 || a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), w.zoom.URL) {
		t.Errorf("%d exchanges, %d to %q", n, a.StatusCode, a.Header.Get("Location"))
	}
	if got := victim.open("/"); got.StatusCode == http.StatusOK {
		t.Error("the victim is signed in")
	}
}

func TestDamagedCallbacks(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	for _, tt := range []struct {
		name, query string
		code        string // "": a new login
	}{
		{"nothing", "", "bad_callback"},
		{"empty query", "?", "bad_callback"},
		{"empty parameters", "?&", "bad_callback"},
		{"state alone", "?state=STATE", "bad_callback"},
		{"empty code", "?code=&state=STATE", "bad_callback"},
		{"repeated state", "?code=x&state=STATE&state=STATE", "bad_callback"},
		{"repeated code", "?code=x&code=y&state=STATE", "bad_callback"},
		{"unreadable query", "?code=x&state=%zz", "bad_callback"},
		{"semicolons", "?code=x;state=STATE", "bad_callback"},
		{"declined", "?error=access_denied&state=STATE", "declined"},
		{"declined without a state", "?error=access_denied", "declined"},
		{"script in an error", "?error=x&error_description=<script>alert(1)</script>&state=<script>alert(1)</script>", "declined"},
		{"empty state", "?code=x&state=", ""},
		{"unknown state", "?code=x&state=nonsense", ""},
		{"huge state", "?code=x&state=" + strings.Repeat("A", 8000), ""},
		{"state that is not base64", "?code=x&state=%00%ff", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := w.browser()
			b.w = &world{t: t, zoom: w.zoom, url: w.url}
			state := stateOf(t, b.open("/page"))
			a := b.open("/zoom_pkce/callback" + strings.ReplaceAll(tt.query, "STATE", state))
			if strings.Contains(a.body, "alert(1)") || strings.Contains(a.body, "access_denied") {
				t.Error("the page repeats the query")
			}
			if tt.code != "" {
				wantRefusal(t, a, tt.code)
				return
			}
			if !strings.HasPrefix(a.Header.Get("Location"), w.zoom.URL+"/oauth/authorize") {
				t.Errorf("got %d to %q", a.StatusCode, a.Header.Get("Location"))
			}
		})
	}
	if n := w.zoom.Count(zoomtest.CallCode); n != 0 {
		t.Errorf("%d codes exchanged", n)
	}
}

// Neither another spelling nor another method reaches the callback.
func TestCallbackIsExact(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("path_prefix /auth"))
	for _, path := range []string{
		"/ZOOM_PKCE/callback", "/zoom_pkce/CALLBACK", "/zoom_pkce/callback/", "//zoom_pkce/callback", "/zoom_pkce/callback%2f",
		"/zoom_pkce/call%62ack", "/zoom_pkce/callback;x", "/zoom_pkce//callback", "/zoom_pkce/./callback", "/x/../zoom_pkce/callback",
	} {
		c := w.dial()
		c.send("GET %s?error=x HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, w.addr)
		if status := c.status(); status != http.StatusUnauthorized {
			t.Errorf("%s: got %d, want the 401 of a protected path", path, status)
		}
	}
	b := w.browser()
	for _, method := range []string{"HEAD", "POST", "PUT", "OPTIONS"} {
		a := b.do(b.request(method, "/zoom_pkce/callback?code=x&state=y"))
		if a.StatusCode != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "GET" {
			t.Errorf("%s: got %d, Allow %q", method, a.StatusCode, a.Header.Get("Allow"))
		}
	}
	for _, path := range []string{"/auth/callback", "/auth/", "/auth/nothing", "/auth/login/", "/auth/%6cogin"} {
		if a := b.open(path); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: got %d, want 404", path, a.StatusCode)
		}
	}
}

// A code that Zoom refuses is tried once more, with another login.
func TestRefusedCode(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	b := w.browser()
	w.zoom.Fail(zoomtest.CallCode, 2, zoomtest.Status(400, `{"reason":"Invalid authorization code SECRETCODE","error":"invalid_grant"}`))
	again := b.open(b.consent(b.open("/page"), "user-ada"))
	a := b.open(b.consent(again, "user-ada"))
	wantRefusal(t, a, "code_refused")
	if strings.Contains(a.body, "SECRETCODE") {
		t.Error("the page shows Zoom's reason")
	}
	if !strings.Contains(a.body, `href="/zoom_pkce/login?return_to=/page"`) {
		t.Error("the way on does not lead back to the page")
	}
	wantRedirect(t, b.open(b.consent(b.open("/page"), "user-ada")), "/page")
}

// A token that Zoom's API refuses at once is no outage: its refresh token tells whether it
// was replaced by a sign-in elsewhere, where another one helps, or is only refused early.
func TestTokenRefusedAtOnce(t *testing.T) {
	refused := zoomtest.Status(401, `{"code":124,"message":"Invalid access token."}`)
	w := newWorld(t)
	w.load(w.site())
	b := w.browser()
	w.zoom.Fail(zoomtest.CallMe, 1, refused)
	wantRedirect(t, b.open(b.consent(b.open("/page"), "user-ada")), "/page")

	b = w.browser()
	w.zoom.Fail(zoomtest.CallMe, 1, refused)
	w.zoom.Fail(zoomtest.CallRefresh, 1, zoomtest.Status(400, `{"reason":"Invalid Token!","error":"invalid_grant"}`))
	again := b.open(b.consent(b.open("/page"), "user-bob"))
	wantRedirect(t, b.open(b.consent(again, "user-bob")), "/page")
}

func TestDeclinedKeepsOtherLogins(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	b := w.browser()
	first, second := b.open("/one"), b.open("/two")
	callback, err := w.zoom.Decline(t.Context(), first.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	a := b.open(callback)
	wantRefusal(t, a, "declined")
	if !strings.Contains(a.body, "return_to=/one") {
		t.Error("the page does not lead back to where the visitor was")
	}
	wantRedirect(t, b.open(b.consent(second, "user-ada")), "/two")
}
