package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestInClientSignIn(t *testing.T) {
	w := newWorld(t)
	home := w.url + "/home#/start"
	w.zoom.AddApp(zoomtest.App{
		ClientID: testClientID, ClientSecret: testClientSecret,
		RedirectURIs: []string{w.url + "/zoom_pkce/callback", home},
	})
	w.load(w.site("zoom_app {\nredirect_uri " + home + "\n}"))

	for name, test := range map[string]struct {
		page      string // that calls authorize
		omitState bool   // as seen by zoom/arlo
		omitPage  bool
	}{
		"registered callback":  {page: w.url + "/zoom_pkce/callback"},
		"further redirect_uri": {page: home},
		"no state":             {page: home, omitState: true},
		"no redirectUri":       {page: w.url + "/zoom_pkce/callback", omitPage: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := w.browser()
			if a := b.open("/app?x=1", insideZoom...); !a.isInClientPage(t) || len(b.cookies()) > 0 {
				t.Fatalf("got %d, cookies %q\n%s", a.StatusCode, b.cookies(), a.body)
			}
			c := b.authorize()
			event := b.allowInside(c, "user-ada", test.page)
			if test.omitState {
				event.State = ""
			}
			if test.omitPage {
				event.RedirectURI = ""
			}
			a := b.post("app/onauthorized", eventBody(event))
			if a.StatusCode != http.StatusOK || !strings.Contains(a.body, `"authenticated":true`) || !strings.Contains(a.body, `"id":"user-ada"`) {
				t.Fatalf("got %d %s", a.StatusCode, a.body)
			}
			if strings.Contains(a.body, "token") {
				t.Errorf("the answer mentions a token: %s", a.body)
			}
			if got := b.open("/app?x=1", insideZoom...).received(t); got.Header.Get("X-Zoom-User-Id") != "user-ada" {
				t.Errorf("the upstream got %q", got.Header)
			}
			for _, cookie := range b.cookies() {
				if strings.HasSuffix(cookie, "_app") {
					t.Errorf("the login cookie is still there: %s", cookie)
				}
			}
			if again := b.post("app/onauthorized", eventBody(event)); again.problem(t).Code != "cookies_missing" {
				t.Errorf("a second use got %s", again.body)
			}
		})
	}
}

func TestOnAuthorizedRefuses(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("zoom_app"))
	const path = "app/onauthorized"
	event := func(b *browser) zoomtest.OnAuthorized {
		return b.allowInside(b.authorize(), "user-ada", w.url+"/zoom_pkce/callback")
	}
	body := func(e zoomtest.OnAuthorized, change func(*zoomtest.OnAuthorized)) string {
		change(&e)
		return eventBody(e)
	}
	keep := func(*zoomtest.OnAuthorized) {}

	for name, test := range map[string]struct {
		send func(b *browser, e zoomtest.OnAuthorized) answer
		want string
	}{
		"without the login cookie": {func(_ *browser, e zoomtest.OnAuthorized) answer {
			return w.browser().post(path, body(e, keep))
		}, "cookies_missing"},
		"another browser's login": {func(_ *browser, e zoomtest.OnAuthorized) answer {
			other := w.browser()
			other.authorize()
			return other.post(path, body(e, keep))
		}, "cookies_missing"},
		"another state": {func(b *browser, e zoomtest.OnAuthorized) answer {
			return b.post(path, body(e, func(e *zoomtest.OnAuthorized) { e.State = strings.ToUpper(e.State) }))
		}, "cookies_missing"},
		"a foreign redirectUri": {func(b *browser, e zoomtest.OnAuthorized) answer {
			return b.post(path, body(e, func(e *zoomtest.OnAuthorized) { e.RedirectURI = "https://evil.example/zoom_pkce/callback" }))
		}, "bad_request"},
		"a redirectUri that is longer": {func(b *browser, e zoomtest.OnAuthorized) answer {
			return b.post(path, body(e, func(e *zoomtest.OnAuthorized) { e.RedirectURI += "/" }))
		}, "bad_request"},
		"no code": {func(b *browser, e zoomtest.OnAuthorized) answer {
			return b.post(path, body(e, func(e *zoomtest.OnAuthorized) { e.Code = "" }))
		}, "bad_request"},
		"an endless code": {func(b *browser, e zoomtest.OnAuthorized) answer {
			return b.post(path, body(e, func(e *zoomtest.OnAuthorized) { e.Code = strings.Repeat("c", 513) }))
		}, "bad_request"},
		"too much": {func(b *browser, e zoomtest.OnAuthorized) answer {
			return b.post(path, body(e, func(e *zoomtest.OnAuthorized) { e.State = strings.Repeat("s", 64<<10) }))
		}, "bad_request"},
		"no JSON": {func(b *browser, e zoomtest.OnAuthorized) answer {
			return b.post(path, "code="+e.Code)
		}, "bad_request"},
		"a code that is a number": {func(b *browser, _ zoomtest.OnAuthorized) answer {
			return b.post(path, `{"code":1}`)
		}, "bad_request"},
		"a form": {func(b *browser, e zoomtest.OnAuthorized) answer {
			return b.post(path, body(e, keep), "Content-Type", "text/plain")
		}, "bad_request"},
		"another site": {func(b *browser, e zoomtest.OnAuthorized) answer {
			return b.post(path, body(e, keep), "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")
		}, "cross_site"},
		"a neighbour": {func(b *browser, e zoomtest.OnAuthorized) answer {
			return b.post(path, body(e, keep), "Sec-Fetch-Site", "same-site")
		}, "cross_site"},
		"a link": {func(b *browser, e zoomtest.OnAuthorized) answer {
			return b.fetch(http.MethodGet, "/zoom_pkce/"+path)
		}, "method_not_allowed"},
		"the browser's callback": {func(b *browser, e zoomtest.OnAuthorized) answer {
			// A login of one flow is worth nothing in the other.
			a := b.open("/zoom_pkce/callback?code=" + e.Code + "&state=" + e.State)
			if a.StatusCode != http.StatusSeeOther {
				t.Errorf("the callback took it: %d", a.StatusCode)
			}
			return b.post(path, "{}")
		}, "bad_request"},
	} {
		t.Run(name, func(t *testing.T) {
			b := w.browser()
			e := event(b)
			exchanges := w.zoom.Count(zoomtest.CallCode)
			a := test.send(b, e)
			p := a.problem(t)
			if p.Code != test.want || p.Status != statusOf[test.want] || a.StatusCode != p.Status || p.Detail == "" || p.RequestID == "" {
				t.Errorf("got %d %s, want %s", a.StatusCode, a.body, test.want)
			}
			if strings.Contains(a.body, e.Code) || len(a.Header["Set-Cookie"]) > 0 {
				t.Errorf("the answer is %s with cookies %q", a.body, a.Header["Set-Cookie"])
			}
			if n := w.zoom.Count(zoomtest.CallCode) - exchanges; n != 0 {
				t.Errorf("Zoom was asked %d times", n)
			}
			if w.isSignedIn(b) {
				t.Error("signed in")
			}
			// Nothing has changed: the same login can still be finished.
			if a := b.post(path, eventBody(e)); a.StatusCode != http.StatusOK {
				t.Errorf("afterwards got %d %s", a.StatusCode, a.body)
			}
		})
	}
}

func TestInClientCodeIsUsedOnce(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("zoom_app"))
	b := w.browser()
	e := b.allowInside(b.authorize(), "user-ada", w.url+"/zoom_pkce/callback")
	thief := w.browser()
	thief.client.Jar = nil
	r := b.request(http.MethodPost, "/zoom_pkce/app/onauthorized")
	cookies := b.jar.Cookies(r.URL)
	if a := b.post("app/onauthorized", eventBody(e)); a.StatusCode != http.StatusOK {
		t.Fatalf("got %d %s", a.StatusCode, a.body)
	}
	var line []string
	for _, c := range cookies {
		line = append(line, c.Name+"="+c.Value)
	}
	a := thief.post("app/onauthorized", eventBody(e), "Cookie", strings.Join(line, "; "))
	if p := a.problem(t); p.Code != "code_refused" {
		t.Errorf("a replay of cookie and code got %s", a.body)
	}
	if !w.isSignedIn(b) {
		t.Error("the replay ended the session")
	}
}

func TestZoomAppIsOffByDefault(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	b := w.browser()
	for _, path := range []string{"authorize", "onauthorized"} {
		if a := b.post("app/"+path, "{}"); a.problem(t).Code != "not_found" {
			t.Errorf("%s: got %s", path, a.body)
		}
	}
	if a := b.open("/", insideZoom...); a.StatusCode != http.StatusSeeOther {
		t.Errorf("got %d", a.StatusCode)
	}
}

// A Caddy that does not know the sessions that another one opens must not let
// the client go round for ever.
func TestInClientLoopEnds(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("zoom_app"))
	b := w.browser()
	const lost = 5 // sessions before the page says so
	for n := range lost + 1 {
		if a := b.signInInside("user-ada"); a.StatusCode != http.StatusOK {
			t.Fatalf("sign-in %d: %d %s", n, a.StatusCode, a.body)
		}
		b.loseSession()
		a := b.open("/", insideZoom...)
		if last := n == lost; last != (a.StatusCode == http.StatusTooManyRequests) || last == a.isInClientPage(t) {
			t.Fatalf("page load %d: got %d\n%s", n, a.StatusCode, a.body)
		}
	}
}

func TestInClientAnswersWhenZoomFails(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("zoom_app"))
	for status, want := range map[int]string{
		http.StatusInternalServerError: "zoom_unavailable",
		http.StatusTooManyRequests:     "zoom_rate_limited",
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			b := w.browser()
			e := b.allowInside(b.authorize(), "user-ada", w.url+"/zoom_pkce/callback")
			w.zoom.Fail(zoomtest.CallCode, 1, zoomtest.Status(status, ""))
			if a := b.post("app/onauthorized", eventBody(e)); a.problem(t).Code != want {
				t.Errorf("got %s, want %s", a.body, want)
			}
			if w.isSignedIn(b) {
				t.Error("signed in")
			}
		})
	}
}
