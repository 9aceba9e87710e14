package e2e

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Who asks for a sign-in and is not known gets a page, and nothing goes to where
// the request wants it.
func TestUnknownProgramsAreRedirectedNowhere(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(programOptions))
	p, signedIn := w.program(), w.signedIn("user-ada")
	for name, request := range map[string]string{
		"an unknown client":         p.request("client_id", "evil"),
		"no client":                 p.request("client_id", "-"),
		"another redirect URI":      p.request("redirect_uri", "https://evil.example/"),
		"another path":              p.request("redirect_uri", "http://127.0.0.1:1/other"),
		"no redirect URI":           p.request("redirect_uri", "-"),
		"a repeated client":         p.request() + "&client_id=phone",
		"a redirect URI of another": p.request("redirect_uri", "com.example.phone:/signed-in"),
	} {
		for who, b := range map[string]*browser{"nobody": w.browser(), "a user": signedIn} {
			a := b.open(request)
			if a.Header.Get("Location") != "" || len(a.Header["Set-Cookie"]) > 0 {
				t.Errorf("%s, %s: sent to %q with %q", name, who, a.Header.Get("Location"), a.Header["Set-Cookie"])
			}
			wantRefusal(t, a, "bad_client")
		}
	}
	// What else is wrong goes back, without a sign-in.
	for name, change := range map[string][]string{
		"invalid_request":           {"code_challenge_method", "plain"},
		"unsupported_response_type": {"response_type", "token"},
		"invalid_target":            {"resource", "https://evil.example/"},
	} {
		if got := p.redirected(w.browser().open(p.request(change...))); got.Get("error") != name {
			t.Errorf("%v: %v", change, got)
		}
	}
	for _, endpoint := range []string{"oauth/authorize", "oauth/consent", "programs/end"} {
		method := http.MethodGet
		if endpoint == "oauth/authorize" {
			method = http.MethodPost
		}
		if a := signedIn.fetch(method, "/zoom_pkce/"+endpoint); a.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s %s: %d", method, endpoint, a.StatusCode)
		}
	}
}

// A sign-in for a program is one of a person in front of it.
func TestSignInForAProgram(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(programOptions))
	p := w.program()
	for name, header := range map[string][]string{
		"a fetch":    {"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"},
		"a prefetch": {"Sec-Purpose", "prefetch"},
		"a frame":    {"Sec-Fetch-Dest", "iframe"},
	} {
		if a := w.browser().open(p.request(), header...); a.StatusCode != http.StatusBadRequest || len(a.Header["Set-Cookie"]) > 0 {
			t.Errorf("%s: %d with %q", name, a.StatusCode, a.Header["Set-Cookie"])
		}
	}
	// Whoever declines at Zoom has declined.
	b := w.browser()
	state := stateOf(t, b.open(p.request()))
	if got := p.redirected(b.open("/zoom_pkce/callback?error=access_denied&state=" + state)); got.Get("error") != "access_denied" || got.Has("code") {
		t.Errorf("the program is told %v", got)
	}
	// The way back belongs to the browser that began it.
	callback := w.browser().consent(b.open(p.request()), "user-ada")
	if a := w.browser().open(callback); a.StatusCode == http.StatusSeeOther && strings.Contains(a.Header.Get("Location"), "oauth/authorize?response_type=code&client_id="+p.id) {
		t.Errorf("another browser is sent to %q", a.Header.Get("Location"))
	}
	// A request of the greatest length comes back as it was; a longer one is refused.
	long := w.browser()
	request := p.request("x", strings.Repeat("x", 900))
	wantRedirect(t, long.open(long.consent(long.open(request), "user-ada")), request)
	if got := p.redirected(long.open(p.request("x", strings.Repeat("x", 1300)))); got.Get("error") != "invalid_request" {
		t.Errorf("a long request: %v", got)
	}
	// A sign-in that fails begins once more, for the program.
	again := w.browser()
	again.open(p.request())
	a := again.open("/zoom_pkce/callback?code=unknown&state=" + stateOf(t, again.open(p.request())))
	wantRedirect(t, again.open(again.consent(a, "user-ada")), p.request())
}

// The page asks each time, and only its own form in the same browser answers it.
func TestConsentIsGivenOnItsPage(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(programOptions))
	ada, bob, p := w.signedIn("user-ada"), w.signedIn("user-bob"), w.program()
	page := ada.open(p.request())
	for name, value := range map[string]string{
		"Cache-Control": "no-store", "Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff",
	} {
		if page.Header.Get(name) != value {
			t.Errorf("%s is %q", name, page.Header.Get(name))
		}
	}
	policy := page.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "frame-ancestors 'none'") || !strings.Contains(policy, "form-action 'self' http://127.0.0.1:49152;") {
		t.Errorf("policy %q", policy)
	}
	if len(page.Header["Set-Cookie"]) > 0 {
		t.Errorf("the page sets %q", page.Header["Set-Cookie"])
	}

	if a := ada.pressConsent(page, "allow", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"); a.StatusCode != http.StatusForbidden {
		t.Errorf("from another site: %d", a.StatusCode)
	}
	wantRefusal(t, bob.pressConsent(page, "allow"), "login_expired")
	if a := w.browser().pressConsent(page, "allow"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a browser that is signed out: %d", a.StatusCode)
	}
	if a := ada.pressConsent(page, "maybe"); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a button that is not there: %d", a.StatusCode)
	}
	if got := p.redirected(ada.pressConsent(page, "deny")); got.Get("error") != "access_denied" {
		t.Errorf("declined: %v", got)
	}
	code := p.redirected(ada.pressConsent(page, "allow")).Get("code")
	p.exchange(code)
	wantRefusal(t, ada.pressConsent(page, "allow"), "login_expired")
	p.wantUser("user-ada")
	ada.pressConsent(ada.open(p.request()), "deny") // it asks again

	// A code that comes twice ends the program.
	second := p.post("oauth/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "client_id": {p.id}, "redirect_uri": {p.redirect}, "code_verifier": {codeVerifier},
	})
	if second.StatusCode != http.StatusBadRequest || !strings.Contains(second.body, `"error":"invalid_grant"`) {
		t.Errorf("the code again: %d %s", second.StatusCode, second.body)
	}
	p.wantDead()
}

// Users see and end what they have allowed; others cannot.
func TestListOfPrograms(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(programOptions))
	ada, bob := w.signedIn("user-ada"), w.signedIn("user-bob")
	p := w.program().signedInBy(ada)
	if a := p.call(http.MethodGet, "/zoom_pkce/programs"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a program sees the list: %d", a.StatusCode)
	}
	list := ada.open("/zoom_pkce/programs")
	_, id, _ := strings.Cut(list.body, `name="program" value="`)
	id, _, _ = strings.Cut(id, `"`)
	if list.StatusCode != http.StatusOK || id == "" {
		t.Fatalf("%d\n%s", list.StatusCode, list.body)
	}
	end := func(b *browser, header ...string) answer {
		r := b.request(http.MethodPost, "/zoom_pkce/programs/end", append(append([]string{
			"Content-Type", "application/x-www-form-urlencoded", "Origin", b.origin,
		}, navigateSameOrigin...), header...)...)
		setBody(r, url.Values{"program": {html.UnescapeString(id)}}.Encode())
		return b.do(r)
	}
	if a := end(ada, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"); a.StatusCode != http.StatusForbidden {
		t.Errorf("from another site: %d", a.StatusCode)
	}
	end(bob)
	p.wantUser("user-ada")
	wantRedirect(t, end(ada), "/zoom_pkce/programs")
	p.wantDead()
	if a := p.refreshed(); a.StatusCode != http.StatusBadRequest || !strings.Contains(a.body, "invalid_grant") {
		t.Errorf("refreshing: %d %s", a.StatusCode, a.body)
	}
}

// A sign-in for the list comes back to it, and to no other endpoint. Without programs
// there is no list.
func TestSignInForTheListOfPrograms(t *testing.T) {
	const signIn, path = "/zoom_pkce/login?return_to=", "/zoom_pkce/programs"
	w := newWorld(t)
	w.load(w.site(programOptions))
	b := w.browser()
	page := b.open(path)
	if page.StatusCode != http.StatusUnauthorized || !strings.Contains(page.body, `href="`+signIn+path+`"`) {
		t.Fatalf("a browser that is signed out: %d\n%s", page.StatusCode, page.body)
	}
	wantRedirect(t, b.open(b.consent(b.open(signIn+path), "user-ada")), path)
	if a := b.open(path); a.StatusCode != http.StatusOK {
		t.Errorf("signed in: %d", a.StatusCode)
	}
	for _, other := range []string{path + "/end", path + "/", "/zoom_pkce/oauth/consent", "/zoom_pkce/logout", "/zoom_pkce/PROGRAMS"} {
		b := w.browser()
		wantRedirect(t, b.open(b.consent(b.open(signIn+other), "user-ada")), "/")
	}
	w.load(w.site())
	wantRedirect(t, b.open(b.consent(b.open(signIn+path), "user-ada")), "/")
}

// What ends a user's access ends their programs; a sign-out of one browser does not.
func TestWhatEndsPrograms(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(programOptions))
	ada := w.signedIn("user-ada")
	p := w.program().signedInBy(ada)
	ada.do(ada.request(http.MethodPost, "/zoom_pkce/logout", append([]string{"Origin", w.url}, navigateSameOrigin...)...))
	ada.wantSignedOut()
	p.wantUser("user-ada")

	// allow counts for each request and each refresh.
	w.load(w.site(programOptions, "allow {\nuser_id user-bob\n}"))
	if a := p.call(http.MethodGet, "/"); a.StatusCode != http.StatusForbidden || a.problem(t).Code != "not_allowed" {
		t.Errorf("not allowed: %d", a.StatusCode)
	}
	if a := p.refreshed(); a.StatusCode != http.StatusBadRequest || !strings.Contains(a.body, "invalid_grant") {
		t.Errorf("refreshing: %d %s", a.StatusCode, a.body)
	}
	w.load(w.site(programOptions))
	p.takeTokens(p.refreshed())
	p.wantUser("user-ada")

	// So does the client, as long as it is written down.
	w.load(w.site("programs {\nclient other http://127.0.0.1/callback\n}"))
	p.wantDead()
	w.load(w.site(programOptions))
	p.wantUser("user-ada")
}
