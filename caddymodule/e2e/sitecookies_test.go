package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
)

// attributes are those by which browsers tell cookies apart, and demand of a
// deletion.
func attributes(c *http.Cookie) string {
	name, _, _ := strings.Cut(c.Name, "_zoom")
	return strings.Join([]string{name, c.Path, c.Domain, map[http.SameSite]string{
		http.SameSiteLaxMode: "lax", http.SameSiteNoneMode: "none",
	}[c.SameSite]}, "|") + map[bool]string{true: "|secure"}[c.Secure] + map[bool]string{true: "|httponly"}[c.HttpOnly] +
		map[bool]string{true: "|partitioned"}[c.Partitioned]
}

// Every cookie of a visit, from the first login to the sign-out, has the
// attributes of the configuration, and so has every deletion.
func TestCookieAttributes(t *testing.T) {
	for _, tt := range []struct{ name, options, want, prefix string }{
		{"https", "", "|/||lax|secure|httponly", "__Host-zoom_pkce_"},
		{"domain", "cookie {\ndomain example.com\n}", "|/|example.com|lax|secure|httponly", "__Secure-zoom_pkce_"},
		{"same_site none", "cookie {\nsame_site none\n}", "|/||none|secure|httponly|partitioned", "__Host-zoom_pkce_"},
		{"name", "cookie {\nname app\n}", "|/||lax|secure|httponly", "__Host-app_"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.load(w.behindTLS(tt.options))
			b := w.browserAt(siteOrigin)
			var seen []*http.Cookie
			note := func(a answer) answer {
				seen = append(seen, a.Cookies()...)
				return a
			}
			stale := note(b.open("/"))
			note(b.open(b.consent(note(b.open("/")), "user-ada")))
			note(b.open("/zoom_pkce/callback?code=x"))
			declined, err := w.zoom.Decline(t.Context(), note(b.open("/zoom_pkce/login")).Header.Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			note(b.open(declined))
			note(b.fetch("POST", "/zoom_pkce/logout"))
			if left := b.cookies(); len(left) != 0 {
				t.Errorf("after signing out the browser has %q", left)
			}
			note(b.open(b.consent(stale, "user-ada")))
			if len(seen) < 10 {
				t.Fatalf("only %d cookies seen", len(seen))
			}
			for _, c := range seen {
				_, got, _ := strings.Cut(attributes(c), "|")
				if "|"+got != tt.want || !strings.HasPrefix(c.Name, tt.prefix) {
					t.Errorf("%s: %q, want %q", c.Name, "|"+got, tt.want)
				}
				if len(c.Value) > 4000 || c.MaxAge == 0 {
					t.Errorf("%s: %d bytes, MaxAge %d", c.Name, len(c.Value), c.MaxAge)
				}
			}
		})
	}
}

func TestOddCookies(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("unauthenticated pass"))
	b := w.browser()
	b.consentAndReturn("/zoom_pkce/login", "user-ada")
	ada := b.sessionCookie()
	name, value, _ := strings.Cut(ada, "=")
	other := w.browser()
	other.consentAndReturn("/zoom_pkce/login", "user-bob")
	bob := other.sessionCookie()
	login := w.browser().open("/zoom_pkce/login").Cookies()[0]
	flipped := []byte(value)
	flipped[len(flipped)/2] ^= 1

	for _, tt := range []struct{ name, cookie, user, upstream string }{
		{"a good one", ada, "user-ada", ""},
		{"the same twice", ada + "; " + ada, "user-ada", ""},
		{"one that does not open first", name + "=junk; " + ada, "user-ada", ""},
		{"one that does not open last", ada + "; " + name + "=junk", "user-ada", ""},
		{"those of two users", ada + "; " + bob, "", ""},
		{"the ninth of its name", strings.Repeat(name+"=junk; ", 8) + ada, "", ""},
		{"flipped bit", name + "=" + string(flipped), "", ""},
		{"cut off", ada[:len(ada)-5], "", ""},
		{"a login cookie in its place", name + "=" + login.Value, "", ""},
		{"a session cookie in the place of a login's", login.Name + "=" + value, "", ""},
		{"another name", "zoom_pkce=" + value, "", "zoom_pkce=" + value},
		{"another case of the name", strings.ToUpper(name) + "=" + value, "", strings.ToUpper(name) + "=" + value},
		{"chunks of other proxies", name + "_0of1=x; " + name + "_1of999999999=x; " + name + "_chunks=99999999; theme=dark", "", "theme=dark"},
		{"between others", "a=1;" + ada + ";  b=\"2;3\" ;c", "user-ada", "a=1;  b=\"2;3\" ;c"},
		{"empty name", "=" + value + "; =", "", "=" + value + "; ="},
		{"only separators", "; ; ;", "", "; ; ;"},
		{"8 KB of separators", strings.Repeat(";", 8000), "", strings.Repeat(";", 8000)},
		{"a bare word", "a", "", "a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fresh := w.browser()
			fresh.w = &world{t: t, zoom: w.zoom, url: w.url}
			got := fresh.open("/", "Cookie", tt.cookie).received(t)
			if user := got.Header.Get("X-Zoom-User-Id"); user != tt.user {
				t.Errorf("signed in as %q, want %q", user, tt.user)
			}
			if cookies := strings.Join(got.Header["Cookie"], "\n"); cookies != tt.upstream {
				t.Errorf("the upstream got %q, want %q", cookies, tt.upstream)
			}
		})
	}
}

// clears reports whether an answer deletes the session cookie, once.
func (b *browser) clears(a answer) bool {
	deletions := make(map[bool]int)
	for _, c := range a.Cookies() {
		if strings.HasPrefix(b.sessionCookie(), c.Name+"=") && c.MaxAge < 0 {
			deletions[c.Partitioned]++ // one that is, may be from before a change of same_site
		}
	}
	return deletions[false] == 1 && deletions[true] <= 1
}

// With a secret of the store's, another process may have put a new one there a moment ago.
func TestDeadCookiesAreCleared(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("cookie {\nsecret " + strings.Repeat("dead-cookies", 3) + "\n}"))
	b := w.signedIn("user-ada")
	dead := strings.SplitN(b.sessionCookie(), "=", 2)[0] + "=" + strings.Repeat("A", 200)
	// Another Caddy may have put another secret into the store: that is looked at first,
	// once a second.
	testkit.Eventually(t, "the cookie to be cleared", 5*time.Second, func() bool {
		return b.clears(w.browser().open("/", "Cookie", dead))
	})
	if a := w.browser().fetch("GET", "/", "Cookie", dead); a.StatusCode != http.StatusUnauthorized || len(a.Cookies()) != 0 {
		t.Errorf("a fetch got %d and %q", a.StatusCode, a.Header["Set-Cookie"])
	}
}

// Session cookies of two users sign nobody in, and would for ever.
func TestAmbiguousCookiesAreCleared(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	b := w.signedIn("user-ada")
	both := b.sessionCookie() + "; " + w.signedIn("user-bob").sessionCookie()
	for _, mode := range []string{"redirect", "page", "reject", "pass"} {
		w.load(w.site("unauthenticated "+mode, "page_tokens on"))
		for what, a := range map[string]answer{
			"a page load": w.browser().open("/", "Cookie", both),
			"a fetch":     w.browser().fetch("GET", "/", "Cookie", both),
			"session":     w.browser().fetch("GET", "/zoom_pkce/session", "Cookie", both),
			"zak":         w.browser().fetch("POST", "/zoom_pkce/zak", "Cookie", both),
			"logout":      w.browser().open("/zoom_pkce/logout", "Cookie", both),
		} {
			if !b.clears(a) {
				t.Errorf("%s, %s: got %d and %q", mode, what, a.StatusCode, a.Header["Set-Cookie"])
			}
		}
	}
}

// A browser has had an unpartitioned cookie since before `same_site none`, and deletes it
// only if it is told to without Partitioned. Beside that of another user it would keep
// the browser signing in until it expires.
func TestCookiesOfBothKindsAreCleared(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(sameSiteNone))
	both := w.signedIn("user-ada").sessionCookie() + "; " + w.signedIn("user-bob").sessionCookie()
	for what, a := range map[string]answer{
		"a page load": w.browser().open("/", "Cookie", both),
		"a fetch":     w.browser().fetch("GET", "/", "Cookie", both),
	} {
		deleted := make(map[bool]int)
		for _, c := range a.Cookies() {
			if strings.HasPrefix(both, c.Name+"=") && c.MaxAge < 0 && c.Secure && c.SameSite == http.SameSiteNoneMode {
				deleted[c.Partitioned]++
			}
		}
		if deleted[true] != 1 || deleted[false] != 1 {
			t.Errorf("%s: got %q", what, a.Header["Set-Cookie"])
		}
	}
}

// Pages of the app on a laptop can be tried inside other sites, too: browsers
// take loopback addresses for secure.
func TestSameSiteNoneOnLoopback(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("cookie {\nsame_site none\n}"))
	b := w.browser()
	callback := b.consent(b.open("/zoom_pkce/login"), "user-ada")
	for _, c := range b.open(callback).Cookies() {
		if !c.Secure || c.SameSite != http.SameSiteNoneMode || !c.Partitioned {
			t.Errorf("%q", c.Raw)
		}
	}
}

// With cookies that travel everywhere, requests that other sites cause would
// come from the visitor.
func TestCrossSiteGuard(t *testing.T) {
	w := newWorld(t)
	w.load(w.behindTLS("cookie {\nsame_site none\n}"))
	b := w.browserAt(siteOrigin)
	b.signIn("/", "user-ada")
	for _, tt := range []struct {
		name, method string
		header       []string
		want         int
	}{
		{"own fetch", "POST", []string{"Sec-Fetch-Site", "same-origin", "Origin", siteOrigin}, 200},
		{"own fetch, old browser", "POST", []string{"Origin", siteOrigin}, 200},
		{"program", "POST", nil, 200},
		{"foreign form", "POST", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		{"foreign form, old browser", "POST", []string{"Origin", "https://evil.example"}, 403},
		{"neighbour's fetch", "DELETE", []string{"Sec-Fetch-Site", "same-site", "Origin", "https://x.example.com"}, 403},
		{"opaque origin", "PUT", []string{"Origin", "null"}, 403},
		{"foreign link", "GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 200},
		{"own WebSocket", "GET", []string{"Connection", "Upgrade", "Upgrade", "websocket", "Origin", siteOrigin, "Sec-Fetch-Site", "same-origin"}, 200},
		{"foreign WebSocket", "GET", []string{"Connection", "Upgrade", "Upgrade", "websocket", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, 403},
		{"foreign WebSocket, old browser", "GET", []string{"Connection", "Upgrade", "Upgrade", "websocket", "Origin", "https://evil.example"}, 403},
		{"foreign WebSocket, odd spelling", "GET", []string{"Connection", "upgrade", "Upgrade", "h2c, WebSocket", "Origin", "https://evil.example"}, 403},
	} {
		before := w.upstream.requests.Load()
		a := b.do(b.request(tt.method, "/change", tt.header...))
		if a.StatusCode != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, a.StatusCode, tt.want)
		}
		if reached := w.upstream.requests.Load() != before; reached != (tt.want == 200) {
			t.Errorf("%s: reached the upstream: %v", tt.name, reached)
		}
		if tt.want == 403 && a.problem(t).Code != "cross_site" {
			t.Errorf("%s: %s", tt.name, a.body)
		}
	}
	// Lax cookies do not travel, so there is nothing to guard.
	w.load(w.behindTLS())
	if a := b.do(b.request("POST", "/change", "Sec-Fetch-Site", "cross-site", "Cookie", b.sessionCookie())); a.StatusCode != 200 {
		t.Errorf("lax: got %d", a.StatusCode)
	}
}

func TestRenewal(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("session {\nidle_timeout 2s\n}"))
	b := w.browser()
	b.signIn("/", "user-ada")
	renewed := func(a answer) bool { return len(a.Cookies()) == 1 && a.Cookies()[0].MaxAge == 2 }
	if a := b.open("/"); renewed(a) {
		t.Error("a cookie of this moment was renewed")
	}
	time.Sleep(300 * time.Millisecond) // more than a tenth of the idle time
	cookie := b.sessionCookie()
	for name, tt := range map[string]struct {
		header []string
		path   string
		want   bool
	}{
		"page load":                {navigate, "/", true},
		"own fetch":                {[]string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors"}, "/", true},
		"session endpoint":         {nil, "/zoom_pkce/session", true},
		"fetch of another site":    {[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors"}, "/", false},
		"prefetch by another site": {[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Purpose", "prefetch"}, "/", false},
		"program with the cookie":  {nil, "/", false},
		"sign-out page":            {navigate, "/zoom_pkce/logout", false},
	} {
		r := b.request("GET", tt.path, append([]string{"Cookie", cookie}, tt.header...)...)
		fresh := w.browser()
		a := fresh.do(r)
		if got := renewed(a); got != tt.want || a.StatusCode != http.StatusOK {
			t.Errorf("%s: renewed %v, want %v; status %d, %q", name, got, tt.want, a.StatusCode, a.Header["Set-Cookie"])
		}
	}
	time.Sleep(2100 * time.Millisecond)
	if a := b.fetch("GET", "/"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("an idle session: got %d", a.StatusCode)
	}
}
