package protect_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/protect"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestSignInAndOut(t *testing.T) {
	b := newWorld(t).browser()
	b.signIn("/notes?of=today")
	page := b.open("/notes?of=today")
	if page.wants(t, http.StatusOK); page.body != "/notes?of=today of Ada Lovelace" || page.Header.Get("Cache-Control") != "private" {
		t.Errorf("the page is %q, Cache-Control %q", page.body, page.Header.Get("Cache-Control"))
	}
	link := b.do(http.MethodGet, "/zoom/logout")
	if link.wants(t, http.StatusMethodNotAllowed); link.Header.Get("Allow") != http.MethodPost {
		t.Errorf("signing out allows %q", link.Header.Get("Allow"))
	}
	b.do(http.MethodPost, "/zoom/logout", "Origin", "https://evil.example").wants(t, http.StatusForbidden)
	b.open("/").wants(t, http.StatusOK)
	twin := b.twin()
	b.do(http.MethodPost, "/zoom/logout", "Origin", site).leadsTo(t, "/")
	b.keeps(t, 0)
	twin.fetch("/").wants(t, http.StatusUnauthorized)
	twin.keeps(t, 0) // of a session that is over
	b.atZoom("/")
}

// What brings the session cookie is for the visitor alone, whatever the app says of it:
// a shared cache would hand the session to everybody. It comes only with what shows that
// the visitor is there.
func TestRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newWorld(t, func(cfg *zoompkce.ManagerConfig) { cfg.IdleTimeout = 10 * time.Second }).browser()
		b.signIn("/")
		page := []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
		for _, c := range []struct {
			path, want string
			status     int
			headers    []string
		}{
			{"/a.js?cache=public", "private", http.StatusOK, page},
			{"/a.js?cache=public", "private", http.StatusOK, []string{"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Site", "same-origin"}},
			{"/empty?cache=public", "private", http.StatusOK, page},
			{"/ok?cache=public", "private", http.StatusOK, page},
			{"/made?cache=public", "private", http.StatusCreated, page},
			{"/stream?cache=public", "private", http.StatusOK, page},
			{"/?cache=no-store", "no-store", http.StatusOK, page},
		} {
			for try := 0; ; try++ {
				foreign := b.do(http.MethodGet, c.path, "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Site", "cross-site")
				got := b.do(http.MethodGet, c.path, c.headers...)
				got.wants(t, c.status)
				if got.Header.Get("X-Late") != "" {
					t.Error("the headers wait for what comes after a flush")
				}
				if len(foreign.Cookies()) > 0 || foreign.Header.Get("CDN-Cache-Control") == "" {
					t.Fatalf("%s, for another site: %v", c.path, foreign.Header)
				}
				if len(got.Cookies()) == 0 && try < 100 {
					time.Sleep(20 * time.Millisecond)
					continue
				}
				if len(got.Cookies()) != 1 || got.Header.Get("Cache-Control") != c.want || got.Header.Get("CDN-Cache-Control") != "" {
					t.Errorf("%s: %v", c.path, got.Header)
				}
				break
			}
		}
	})
}

func TestSessionInUseLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newWorld(t).browser()
		b.signIn("/")
		if again := b.open("/"); len(again.Cookies()) != 0 {
			t.Errorf("a new session is given the cookies %v", again.Cookies())
		}
		for range 3 {
			time.Sleep(20 * time.Hour) // it would end after a day without use
			b.open("/").wants(t, http.StatusOK)
		}
	})
}

// Every refusal says what to do, and nobody keeps it.
func TestRefusals(t *testing.T) {
	b := newWorld(t, generated).browser()
	check := func(got answer, status int, sentence, retryAfter string) {
		t.Helper()
		if got.wants(t, status); !strings.HasPrefix(got.body, sentence) {
			t.Errorf("%d says %q", status, got.body)
		}
		if got.Header.Get("Cache-Control") != "no-store" || got.Header.Get("Retry-After") != retryAfter {
			t.Errorf("%d has the headers %v", status, got.Header)
		}
	}
	b.store.broken = true
	check(b.open("/"), http.StatusServiceUnavailable, "Who is signed in cannot be found out now.", "5")
	check(b.open("/zoom/callback?state=x&code=y"), http.StatusServiceUnavailable, "Who is signed in cannot be found out now.", "5")
	check(b.do(http.MethodPost, "/zoom/logout", "Origin", site), http.StatusServiceUnavailable, "Who is signed in cannot be found out now.", "5")
	b.store.broken = false
	check(b.open("/zoom/callback"), http.StatusBadRequest, "This sign-in cannot be finished.", "")
	check(b.fetch("/"), http.StatusUnauthorized, "Sign in first:", "")
	check(b.do(http.MethodPost, "/zoom/logout", "Origin", "https://evil.example"), http.StatusForbidden, "Nobody was signed in or out.", "")
	check(b.do(http.MethodGet, "/zoom/logout"), http.StatusMethodNotAllowed, "This address takes another method.", "")
	authorize, err := url.Parse(b.atZoom("/"))
	if err != nil {
		t.Fatal(err)
	}
	check(b.open("/zoom/callback?code=x&state="+authorize.Query().Get("state")), http.StatusBadGateway, "Zoom did not sign you in.", "")
}

func TestOnlyPageLoadsGoToZoom(t *testing.T) {
	b := newWorld(t).browser()
	for name, headers := range map[string][]string{
		"a fetch":               {"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"},
		"a fetch that is loose": {"Accept", "*/*"},
		"a frame":               {"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"},
		"a page loaded ahead":   {"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Purpose", "prefetch"},
	} {
		got := b.do(http.MethodGet, "/", headers...)
		if got.StatusCode != http.StatusUnauthorized || len(got.Cookies()) != 0 || strings.Contains(got.body, "Ada") {
			t.Errorf("%s: %s, cookies %v", name, got.Status, got.Cookies())
		}
	}
	b.do(http.MethodPost, "/", "Accept", "text/html").wants(t, http.StatusUnauthorized)
	b.do(http.MethodGet, "/", "Accept", "text/html,*/*").wants(t, http.StatusSeeOther)
}

func TestCallbackOfAnotherBrowser(t *testing.T) {
	w := newWorld(t)
	mallory, victim := w.browser(), w.browser()
	stolen := mallory.approve(mallory.atZoom("/"))

	again := victim.open(stolen) // login CSRF: the victim is to be signed in as somebody else
	again.leadsTo(t, w.zoom.URL+"/oauth/authorize?")
	forgetful := w.browser()
	forgetful.open(victim.approve(again.Header.Get("Location"))).wants(t, http.StatusBadRequest)
	if !errors.Is(w.why[len(w.why)-1], zoompkce.ErrLoginUnknown) {
		t.Errorf("refused for %v", w.why)
	}
}

func TestCallbackOfAnotherHandler(t *testing.T) {
	w := newWorld(t)
	w.mux.Handle("/other/", w.handler(site+"/other/callback"))
	b := w.browser()
	back := strings.Replace(b.approve(b.atZoom("/")), "/zoom/", "/other/", 1)
	b.open(back).leadsTo(t, w.zoom.URL+"/oauth/authorize?")
}

// Who signs in while an operator ends all their sessions has to do so once more.
func TestSignedOutMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		w.browser().signIn("/")
		end := func() {
			t.Helper()
			time.Sleep(time.Minute)
			if ended, err := w.manager.EndUser(t.Context(), "ada", time.Now()); err != nil || !ended {
				t.Fatal(ended, err)
			}
			time.Sleep(time.Second)
		}
		back := b.approve(b.atZoom("/notes"))
		end()
		again := b.open(back)
		again.leadsTo(t, w.zoom.URL+"/oauth/authorize?")
		b.keeps(t, 1)
		w.browser().signIn("/")
		back = b.approve(again.Header.Get("Location"))
		end()
		b.open(back).wants(t, http.StatusBadGateway) // and not for ever
		b.keeps(t, 0)
	})
}

func TestCallbacksThatSignNobodyIn(t *testing.T) {
	b := newWorld(t).browser()
	authorize, err := url.Parse(b.atZoom("/"))
	if err != nil {
		t.Fatal(err)
	}
	state := "state=" + authorize.Query().Get("state")
	for _, query := range []string{
		"", "code=x", state, state + "&code=x&code=y", state + "&code=x&error=access_denied", state + "&" + state + "&code=x",
	} {
		b.open("/zoom/callback?"+query).wants(t, http.StatusBadRequest)
	}
	posted := b.do(http.MethodPost, "/zoom/callback?"+state+"&code=x")
	if posted.wants(t, http.StatusMethodNotAllowed); posted.Header.Get("Allow") != http.MethodGet {
		t.Errorf("the callback allows %q", posted.Header.Get("Allow"))
	}
	b.open("/zoom/callback?"+state+"&error=access_denied").wants(t, http.StatusForbidden)
	b.open("/zoom/callback?"+state+"&code=x").wants(t, http.StatusSeeOther) // that login is over: another one begins
	b.atZoom("/")
}

func TestCodeThatZoomRefuses(t *testing.T) {
	b := newWorld(t).browser()
	authorize, err := url.Parse(b.atZoom("/"))
	if err != nil {
		t.Fatal(err)
	}
	b.open("/zoom/callback?code=x&state="+authorize.Query().Get("state")).wants(t, http.StatusBadGateway)
	b.keeps(t, 0) // the code may have been used: that login is over
	b.atZoom("/")
}

// A browser whose session is never there on the next page does not go round for ever. After
// half a minute it may try again.
func TestSessionsThatAreNeverThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newWorld(t).browser()
		for range 6 {
			b.open(b.approve(b.atZoom("/page"))).leadsTo(t, "/page")
			b.forget(b.manager.SessionCookieName())
		}
		for range 2 {
			b.open("/page").wants(t, http.StatusBadRequest)
			b.fetch("/page").wants(t, http.StatusUnauthorized)
		}
		if calls := b.zoom.Count(zoomtest.CallCode); calls != 6 {
			t.Errorf("%d sign-ins", calls)
		}
		time.Sleep(31 * time.Second)
		b.signIn("/page")
		b.open("/page").wants(t, http.StatusOK)
	})
}

// Two cookies of different users count as none. When signing in has not helped for a while, those
// that are the site's are given up.
func TestTwoUsersInOneBrowser(t *testing.T) {
	w := newWorld(t)
	w.zoom.AddUser(zoomtest.User{ID: "bob", DisplayName: "Bob"})
	other, b := w.browser(), w.browser()
	back, err := w.zoom.SignIn(t.Context(), other.atZoom("/"), "bob")
	if err != nil {
		t.Fatal(err)
	}
	session := other.open(back).Cookies()[1]
	session.Path = "/page" // where no callback sees it
	u, err := url.Parse(site + "/page")
	if err != nil {
		t.Fatal(err)
	}
	b.signIn("/")
	b.client.Jar.SetCookies(u, []*http.Cookie{session})
	for range 5 {
		b.open(b.approve(b.atZoom("/page/one"))).leadsTo(t, "/page/one")
	}
	b.open("/page/one").wants(t, http.StatusBadRequest)
	b.keeps(t, 0)
	b.open("/page/one").wants(t, http.StatusOK)
}

// Many sign-ins are no loop while the sessions hold.
func TestSignInsThatHold(t *testing.T) {
	b := newWorld(t).browser()
	for range 10 {
		b.signIn("/")
		b.open("/").wants(t, http.StatusOK)
		b.do(http.MethodPost, "/zoom/logout", "Origin", site).leadsTo(t, "/")
	}
}

func TestTwoTabs(t *testing.T) {
	b := newWorld(t).browser()
	first, second := b.atZoom("/one"), b.atZoom("/two")
	b.open(b.approve(first)).wants(t, http.StatusSeeOther)
	before := b.zoom.Count(zoomtest.CallCode)
	back := b.approve(second)
	b.open(back).leadsTo(t, "/two")
	b.keeps(t, 2)                // the session and the count of sign-ins, and no login
	b.open(back).leadsTo(t, "/") // a reload
	if calls := b.zoom.Count(zoomtest.CallCode); calls != before {
		t.Errorf("a code that nobody needs was exchanged")
	}
}

func TestStoreTrouble(t *testing.T) {
	b := newWorld(t).browser()
	back := b.approve(b.atZoom("/"))
	b.store.broken = true
	b.open(back).wants(t, http.StatusServiceUnavailable)
	b.store.broken = false
	b.open(back).wants(t, http.StatusSeeOther) // the login was kept
	b.open("/").wants(t, http.StatusOK)
}

func TestStoreTroubleOfVisitors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newWorld(t).browser()
		b.signIn("/")
		time.Sleep(2 * time.Hour)
		b.store.broken = true
		b.open("/").wants(t, http.StatusServiceUnavailable)
		b.fetch("/").wants(t, http.StatusServiceUnavailable)
		b.store.broken = false
		time.Sleep(time.Minute)
		b.open("/").wants(t, http.StatusOK)
	})
}

func TestNewRefuses(t *testing.T) {
	for _, uri := range []string{
		"", "/callback", "https://app.example.com", "https://app.example.com/", "https://app.example.com/a/../b",
		"://", "https://app.example.com/a?b=c", "https://app.example.com/zoom/logout", "https://app.example.com/a%62",
	} {
		if _, err := protect.New(new(zoompkce.Manager), uri, http.NotFoundHandler()); err == nil {
			t.Errorf("%q is accepted", uri)
		}
	}
	if _, err := protect.New(nil, "https://app.example.com/callback", http.NotFoundHandler()); err == nil {
		t.Error("a handler without a manager")
	}
}

func TestSessionOfNobody(t *testing.T) {
	if s := protect.Session(t.Context()); s != nil {
		t.Errorf("a request that no handler let through has the session %v", s)
	}
}
