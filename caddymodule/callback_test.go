package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestCallbackRefuses(t *testing.T) {
	bothWays(t, "", testCallbackRefuses)
}

func testCallbackRefuses(t *testing.T, p *provisioned) {
	t.Helper()
	back, cookies := p.approve("/")
	u, err := url.Parse(back)
	if err != nil {
		t.Fatal(err)
	}
	state, code := "state="+u.Query().Get("state"), "code="+u.Query().Get("code")
	for query, want := range map[string]outcome.Code{
		"%zz&" + state + "&" + code:           outcome.BadCallback,
		state + "&" + state + "&" + code:      outcome.BadCallback,
		state + "&" + code + "&" + code:       outcome.BadCallback,
		state:                                 outcome.BadCallback,
		state + "&code=":                      outcome.BadCallback,
		"error=access_denied":                 outcome.Declined,
		"error=access_denied&state=x&" + code: outcome.Declined,
	} {
		r := httptest.NewRequest(http.MethodGet, "/zoom_pkce/callback?"+query, nil)
		got, _ := p.serve(r, cookies, nil)
		if text := bodyOf(got); codeOf(text) != string(want) || cookiesOf(got) != "" {
			t.Errorf("%s: got %s %s, cookies %q", query, got.Status, text, cookiesOf(got))
		}
	}
	// The login is as good as before, in this browser only (RFC 6749, section 10.12).
	if stray := p.open(back, ""); !strings.HasPrefix(stray.Header.Get("Location"), p.zoom.URL) {
		t.Errorf("another browser is sent to %q", stray.Header.Get("Location"))
	}
	if p.zoom.Count(zoomtest.CallCode) != 0 {
		t.Error("a code was exchanged for a callback that was refused")
	}
	signedIn := p.open(back, cookies)
	if signedIn.Header.Get("Location") != "/" {
		t.Fatalf("the callback: %s to %q", signedIn.Status, signedIn.Header.Get("Location"))
	}
	if n := dropped(signedIn); n != 1 {
		t.Errorf("%d cookies were dropped, want that of the login: %q", n, signedIn.Header["Set-Cookie"])
	}
	// A reload of the callback, and another tab that was slower.
	if again := p.open(back, cookiesOf(signedIn)); again.Header.Get("Location") != "/" {
		t.Errorf("a reload is sent to %q", again.Header.Get("Location"))
	}
	start := cookiesOf(p.open("/zoom_pkce/callback?code=x", ""))
	if slower := p.open(back, cookies+"; "+cookiesOf(signedIn)+"; "+start); slower.Header.Get("Location") != "/" || p.zoom.Count(zoomtest.CallCode) != 1 || dropped(slower) != 2 {
		t.Errorf("a slower tab is sent to %q, %d cookies dropped", slower.Header.Get("Location"), dropped(slower))
	}
	// Who was signed in before this login began may sign in as somebody else.
	to := p.open("/zoom_pkce/login", cookiesOf(signedIn))
	bob := p.open(p.allowed(to.Header.Get("Location"), "bob"), cookiesOf(to)+"; "+cookiesOf(signedIn))
	if _, headers := p.fetch("/", cookiesOf(bob)); headers.Get(standardUserIDHeader) != "bob" {
		t.Errorf("signed in as %q", headers.Get(standardUserIDHeader))
	}
}

// A code that Zoom refuses is worth one more try, and an error of Zoom's ends the login.
func TestCallbackTriesAgainOnce(t *testing.T) {
	bothWays(t, "", func(t *testing.T, p *provisioned) {
		withCode := func(back, code string) string {
			u, err := url.Parse(back)
			if err != nil {
				t.Fatal(err)
			}
			u.RawQuery = url.Values{"state": u.Query()["state"], code: {"access_denied"}}.Encode()
			return u.String()
		}
		back, cookies := p.approve("/notes")
		again := p.open(withCode(back, "code"), cookies)
		if !strings.HasPrefix(again.Header.Get("Location"), p.zoom.URL) {
			t.Fatalf("%s to %q", again.Status, again.Header.Get("Location"))
		}
		authorize := again.Header.Get("Location")
		back, err := p.zoom.SignIn(t.Context(), authorize, "ada")
		if err != nil {
			t.Fatal(err)
		}
		if last := p.open(withCode(back, "code"), cookiesOf(again)); last.StatusCode != http.StatusBadGateway {
			t.Errorf("the second code that Zoom refused: %s", last.Status)
		}
		// Not in this browser: it keeps no cookies.
		if lost := p.open(back, ""); lost.StatusCode != http.StatusBadRequest {
			t.Errorf("a second callback without its login: %s", lost.Status)
		}
		back, cookies = p.approve("/notes")
		declined := p.open(withCode(back, "error"), cookies)
		if n := dropped(declined); declined.StatusCode != http.StatusForbidden || n != 1 {
			t.Errorf("declined: %s, %d cookies dropped", declined.Status, n)
		}
	})
}

// A callback without a state begins a sign-in of this browser's own, once.
func TestCallbackWithoutState(t *testing.T) {
	bothWays(t, "", testCallbackWithoutState)
}

func testCallbackWithoutState(t *testing.T, p *provisioned) {
	t.Helper()
	first := p.open("/zoom_pkce/callback?code=x", "")
	if !strings.HasPrefix(first.Header.Get("Location"), p.zoom.URL) || p.zoom.Count(zoomtest.CallCode) != 0 {
		t.Fatalf("%s to %q", first.Status, first.Header.Get("Location"))
	}
	if second := p.open("/zoom_pkce/callback?code=x", cookiesOf(first)); second.StatusCode != http.StatusBadRequest {
		t.Errorf("a second one gets %s", second.Status)
	}
	back, err := p.zoom.SignIn(t.Context(), first.Header.Get("Location"), "ada")
	if err != nil {
		t.Fatal(err)
	}
	if lost := p.open(back, ""); lost.StatusCode != http.StatusBadRequest {
		t.Errorf("a browser that keeps nothing gets %s", lost.Status)
	}
	signedIn := p.open(back, cookiesOf(first))
	if n := dropped(signedIn); signedIn.Header.Get("Location") != "/" || n != 2 {
		t.Errorf("%s, %d cookies dropped: %q", signedIn.Status, n, signedIn.Header["Set-Cookie"])
	}
}

// startedAt is a browser on its way to Zoom.
type startedAt struct{ authorize, cookies string }

// start begins a sign-in that leads back to a page.
func (p *provisioned) start(page string) startedAt {
	p.t.Helper()
	to := p.open(page, "")
	return startedAt{to.Header.Get("Location"), cookiesOf(to)}
}

// A login is redeemed on the host where it began, and nowhere else.
func TestCallbackOnAnotherHost(t *testing.T) {
	p := provision(t, `, "redirect_uri": ["http://localhost/zoom_pkce/callback", "http://127.0.0.1/zoom_pkce/callback"]`)
	back, cookies := p.approve("/notes")
	got := p.open(strings.Replace(back, "localhost", "127.0.0.1", 1), cookies)
	if !strings.HasPrefix(got.Header.Get("Location"), p.zoom.URL) || dropped(got) != 1 || p.zoom.Count(zoomtest.CallCode) != 0 {
		t.Errorf("%s to %q, %d cookies dropped", got.Status, got.Header.Get("Location"), dropped(got))
	}
	again := strings.Replace(p.allowed(got.Header.Get("Location"), "ada"), "localhost", "127.0.0.1", 1)
	if got := p.open(again, cookiesOf(got)); got.Header.Get("Location") != "/notes" {
		t.Errorf("the one that began there leads to %q", got.Header.Get("Location"))
	}
}

// In trouble with the store, a login is kept for when it is over, and nobody is signed out.
func TestCallbackWithTheStoreInTrouble(t *testing.T) {
	p := provision(t, withSecret)
	p.signIn()
	back, cookies := p.approve("/notes")
	calls := p.zoom.Count(zoomtest.CallCode)
	for name, test := range map[string]struct {
		target, cookies string
		writes          bool // only those fail
	}{
		"a session that cannot be read": {back, cookies + "; " + p.signInAs("bob"), false},
		"a store that takes nothing":    {back, cookies, true},
		"a stray callback":              {"/zoom_pkce/callback?state=x&code=y", p.signInAs("bob"), false},
	} {
		fresh := p.restarted()
		fresh.site.store = &brokenStore{Store: fresh.site.store, reads: !test.writes, writes: true}
		got := fresh.open(test.target, test.cookies)
		if got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" || len(got.Cookies()) > 0 {
			t.Errorf("%s: %s with %v", name, got.Status, got.Header)
		}
	}
	if n := p.zoom.Count(zoomtest.CallCode) - calls; n != 2 { // those of Bob
		t.Errorf("%d codes were exchanged", n)
	}
	if got := p.restarted().open(back, cookies); got.Header.Get("Location") != "/notes" {
		t.Errorf("when it is over: %s to %q", got.Status, got.Header.Get("Location"))
	}
}

// One more try is all that a browser without its login gets, so that nothing loops.
func TestStrayCallbacks(t *testing.T) {
	p := provision(t, "")
	lost := p.start("/zoom_pkce/login?return_to=/notes")
	again := p.open(p.allowed(lost.authorize, "ada"), "")
	if !strings.HasPrefix(again.Header.Get("Location"), p.zoom.URL) {
		t.Fatalf("without its cookie: %s to %q", again.Status, again.Header.Get("Location"))
	}
	restarted := p.allowed(again.Header.Get("Location"), "ada")
	if got := p.open(restarted, ""); got.StatusCode != http.StatusBadRequest || !strings.Contains(bodyOf(got), outcome.CookiesMissing.Title()) {
		t.Errorf("a browser that keeps nothing: %s", got.Status)
	}
	if got := p.open(restarted, cookiesOf(again)); got.Header.Get("Location") != "/" {
		t.Errorf("one that does: %s to %q", got.Status, got.Header.Get("Location"))
	}
	if got := p.open("/zoom_pkce/callback?state=x&code=y", p.signIn()); got.Header.Get("Location") != "/" {
		t.Errorf("who is signed in, from a bookmark: %s to %q", got.Status, got.Header.Get("Location"))
	}
}

// What Zoom says of the new token decides whether the sign-in is tried once more.
func TestSignInThatFails(t *testing.T) {
	for name, test := range map[string]struct {
		call  zoomtest.Call
		fault http.Handler
		again bool
		want  outcome.Code // of the page, in the end
	}{
		"the code is refused":      {zoomtest.CallCode, zoomtest.Status(400, `{"error": "invalid_grant", "reason": "x"}`), true, outcome.CodeRefused},
		"the token is refused":     {zoomtest.CallMe, zoomtest.Status(401, `{"code": 124, "message": "Invalid access token."}`), true, outcome.CodeRefused},
		"there is no such user":    {zoomtest.CallMe, zoomtest.Status(404, `{"code": 1001, "message": "User does not exist"}`), true, outcome.CodeRefused},
		"the client is refused":    {zoomtest.CallCode, zoomtest.Status(401, `{"error": "invalid_client", "reason": "x"}`), false, outcome.ZoomMisconfigured},
		"Zoom cannot be reached":   {zoomtest.CallCode, zoomtest.Status(503, ""), false, outcome.ZoomUnavailable},
		"Zoom does not say who":    {zoomtest.CallMe, zoomtest.Status(503, ""), false, outcome.ZoomUnavailable},
		"Zoom answers with a page": {zoomtest.CallCode, zoomtest.HTML(), false, outcome.ZoomNonsense},
		"there are too many of us": {zoomtest.CallMe, zoomtest.RateLimited("60", false), false, outcome.ZoomRateLimited},
	} {
		p := provision(t, "")
		p.zoom.Fail(test.call, -1, test.fault)
		at := p.start("/notes")
		got := p.open(p.allowed(at.authorize, "ada"), at.cookies)
		if again := strings.HasPrefix(got.Header.Get("Location"), p.zoom.URL); again != test.again {
			t.Errorf("%s: %s to %q", name, got.Status, got.Header.Get("Location"))
		} else if again {
			got = p.open(p.allowed(got.Header.Get("Location"), "ada"), cookiesOf(got))
		}
		if text := bodyOf(got); got.StatusCode != test.want.Status() || !strings.Contains(text, test.want.Title()) ||
			test.want.HelpsToSignIn() && !strings.Contains(text, "/zoom_pkce/login?return_to=/notes") {
			t.Errorf("%s: %s\n%s", name, got.Status, text)
		}
		if strings.Contains(cookiesOf(got), p.site.manager.SessionCookieName()+"=") {
			t.Errorf("%s: signed in", name)
		}
	}
	public := provision(t, `, "client_secret": ""`)
	for p, named := range map[*provisioned]string{provision(t, ""): "client_secret", public: "client_id"} {
		p.zoom.Fail(zoomtest.CallCode, -1, zoomtest.Status(401, `{"error": "invalid_client", "reason": "x"}`))
		at := p.start("/")
		if text := bodyOf(p.open("/zoom_pkce/callback?code=x&"+at.authorize[strings.Index(at.authorize, "state="):], at.cookies)); strings.Contains(text, "client_secret") != (named == "client_secret") {
			t.Errorf("the operator is told to look at %s:\n%s", named, text)
		}
	}
}

// Who declines is told so, and the log tells only words that RFC 6749 has.
func TestDeclined(t *testing.T) {
	p := provision(t, "")
	for word, logged := range map[string]string{
		"access_denied": "the error word is access_denied", "invalid_scope": "the error word is invalid_scope", "<eve>": "the error word is none of RFC 6749",
	} {
		at := p.start("/notes")
		back, err := url.Parse(p.allowed(at.authorize, "ada"))
		if err != nil {
			t.Fatal(err)
		}
		back.RawQuery = url.Values{"state": back.Query()["state"], "error": {word}}.Encode()
		p.logs.TakeAll()
		got := p.open(back.String(), at.cookies)
		if text := bodyOf(got); got.StatusCode != http.StatusForbidden || !strings.Contains(text, "/zoom_pkce/login?return_to=/notes") || strings.Contains(text, "eve") {
			t.Errorf("%s: %s\n%s", word, got.Status, text)
		}
		if lines := p.logs.FilterMessage("refused a request").All(); len(lines) != 1 || lines[0].ContextMap()["error"] != logged {
			t.Errorf("%s: %v", word, lines)
		}
	}
}

// Who was signed out by an operator while signing in tries once more.
func TestSignedOutMeanwhile(t *testing.T) {
	p := provision(t, zoomAppOptions)
	at := p.start("/notes")
	back := p.allowed(at.authorize, "ada")
	p.zoom.RevokeUser(testClientID, "ada")
	inside, cookies := p.authorizeInside("ada", "http://localhost/zoom_pkce/callback")
	time.Sleep(1100 * time.Millisecond) // a login's time is counted in seconds
	if _, err := p.site.manager.EndUser(t.Context(), "ada", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if got := p.open(back, at.cookies); !strings.HasPrefix(got.Header.Get("Location"), p.zoom.URL) {
		t.Errorf("%s to %q", got.Status, got.Header.Get("Location"))
	}
	if _, answer := p.post("/zoom_pkce/app/onauthorized", fmt.Sprintf(`{"code": %q, "state": %q}`, inside["code"], inside["state"]), cookies); codeOf(answer) != "login_expired" {
		t.Errorf("inside Zoom: %s", answer)
	}
}

// Where an error's page is made, it gets who is there as a page does, if nobody has to be;
// what was refused does not come to the app by this way, and no endpoint is asked twice.
func TestPagesOfErrors(t *testing.T) {
	failure := errors.New("the app has failed")
	ask := func(p *provisioned, r *http.Request, cookies string) (*http.Response, http.Header) {
		return p.serve(r.WithContext(context.WithValue(r.Context(), caddyhttp.ErrorCtxKey, failure)), cookies, nil)
	}
	const pass = `, "unauthenticated": "pass", "cookie": {"same_site": "none"}`
	p := provision(t, pass)
	barred := p.beside(pass + `, "allow": {"user_id": ["bob"]}`)
	keyless := p.beside(pass + `, "zak": {"max_age": "0s", "on_error": "fail"}`)
	ada := p.signIn()
	p.zoom.Fail(zoomtest.CallZAK, -1, zoomtest.Status(503, ""))
	before := counts(t)
	for name, test := range map[string]struct {
		at      *provisioned
		cookies string
		headers []string
		user    string
	}{
		"a visitor":           {p, ada, nil, "ada"},
		"nobody":              {p, "", []string{standardUserIDHeader, "eve"}, ""},
		"one who is barred":   {barred, ada, nil, ""},
		"one without a key":   {keyless, ada, nil, ""},
		"another site's form": {p, ada, []string{"Sec-Fetch-Site", "cross-site"}, ""},
	} {
		got, headers := ask(test.at, request(http.MethodPost, "/", "", test.headers...), test.cookies)
		if got.StatusCode != passed || headers.Get(standardUserIDHeader) != test.user {
			t.Errorf("%s: %s, the app got %v", name, got.Status, headers)
		}
		if private := got.Header.Get("Cache-Control") == "private"; private != (test.user != "") {
			t.Errorf("%s: %v", name, got.Header)
		}
	}
	for decision, want := range map[string]float64{"signed_in": 1, "anonymous": 4} {
		if n := counts(t)["requests_total "+decision] - before["requests_total "+decision]; n != want {
			t.Errorf("%s is counted %v times", decision, n)
		}
	}
	// What an earlier directive has set of somebody who is refused here is taken back.
	p.then = []*provisioned{barred}
	if _, headers := ask(p, request(http.MethodGet, "/", "", "X-Other", "1"), ada); len(headers) != 1 {
		t.Errorf("the app got %v", headers)
	}
	for _, cookies := range []string{ada, ""} {
		r := request(http.MethodGet, "/", "", "Cookie", cookies)
		r.Host = "localhost"
		r = caddyhttp.PrepareRequest(r.WithContext(context.WithValue(r.Context(), caddyhttp.ErrorCtxKey, failure)), caddy.NewReplacer(), httptest.NewRecorder(), nil)
		again := errors.New("and once more")
		if err := p.ServeHTTP(httptest.NewRecorder(), r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return again })); !errors.Is(err, again) {
			t.Errorf("cookies %q: the error is %v", cookies, err)
		}
	}
	redirecting := provision(t, `, "error_pages": false`)
	if got, headers := ask(redirecting, request(http.MethodGet, "/", ""), ""); got.StatusCode != http.StatusUnauthorized || headers != nil {
		t.Errorf("an error of another directive: %s", got.Status)
	}
	for _, at := range []*provisioned{redirecting, provision(t, `, "error_pages": false, "unauthenticated": "pass"`)} {
		back, cookies := at.approve("/zoom_pkce/login")
		at.zoom.FailAfter(zoomtest.CallCode, -1, zoomtest.Status(503, ""))
		w := httptest.NewRecorder()
		r := request(http.MethodGet, back, "", "Cookie", cookies)
		r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, nil)
		refused := at.through(w, r, nil)
		reached := false
		again := at.through(w, r.WithContext(context.WithValue(r.Context(), caddyhttp.ErrorCtxKey, refused)), func(http.ResponseWriter, *http.Request) { reached = true })
		if n := at.zoom.Count(zoomtest.CallCode); n != 1 || refused == nil || reached != (at != redirecting) || at == redirecting && !errors.Is(again, refused) {
			t.Errorf("the code came %d times to Zoom: %v, then %v", n, refused, again)
		}
	}
}

// The placeholders of a request tell who is there.
func TestPlaceholdersOfARequest(t *testing.T) {
	p := provision(t, "")
	got := ""
	p.app = func(_ http.ResponseWriter, r *http.Request) {
		got = r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).ReplaceKnown("{http.auth.user.id} {http.auth.user.account_id} {http.auth.user.email} {http.auth.user.name} {http.vars.zoom_pkce}", "")
	}
	p.fetch("/", p.signIn())
	if want := "ada account ada@example.com Ada Løvelace [redacted]"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
