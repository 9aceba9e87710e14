package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// fromElsewhere is what a browser says of what another site's page has it send.
var fromElsewhere = []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Origin", "https://evil.example"}

// Rules about where a request comes from are for cookies, which a browser adds by itself:
// a page that has a token, a code or nothing to lose may be anybody's.
func TestProgramsThatArePagesOfOtherSites(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(programOptions, "cookie {\nsame_site none\n}"))
	b := w.signedIn("user-ada")
	p := w.program()
	code := p.redirected(b.pressConsent(b.open(p.request()), "allow")).Get("code")
	page := append([]string{"Cookie", b.cookieLine()}, fromElsewhere...)
	ok := func(what string, a answer, status int) answer {
		t.Helper()
		if a.StatusCode != status || a.Header.Get("Access-Control-Allow-Origin") != "*" || a.Header.Get("Access-Control-Allow-Credentials") != "" ||
			len(a.Header["Set-Cookie"]) > 0 {
			t.Errorf("%s: got %d %v\n%s", what, a.StatusCode, a.Header, a.body)
		}
		return a
	}
	p.takeTokens(ok("a code", p.post("oauth/token", p.codeForm(code), page...), http.StatusOK))
	p.takeTokens(ok("a refresh token", p.post("oauth/token", p.refreshForm(), page...), http.StatusOK))
	r := b.request(http.MethodPost, "/zoom_pkce/oauth/register", append([]string{"Content-Type", "application/json"}, page...)...)
	setBody(r, `{"client_name":"A page","redirect_uris":["http://127.0.0.1/callback"]}`)
	ok("registering", p.send(r), http.StatusCreated)

	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		if got := p.call(method, "/", page...).received(t).Header.Get("X-Zoom-User-Id"); got != "user-ada" {
			t.Errorf("%s with a token arrives as %q", method, got)
		}
	}
	socket := append([]string{"Connection", "Upgrade", "Upgrade", "websocket"}, page...)
	if a := b.do(b.request(http.MethodGet, "/", socket...)); a.StatusCode != http.StatusForbidden {
		t.Errorf("a WebSocket with a cookie: %d", a.StatusCode)
	}
	if a := b.do(b.request(http.MethodPost, "/", page...)); a.StatusCode != http.StatusForbidden || a.problem(t).Code != "cross_site" {
		t.Errorf("a POST with a cookie: %d", a.StatusCode)
	}
	ok("revoking", p.post("oauth/revoke", url.Values{"token": {p.refresh}, "client_id": {p.id}}, page...), http.StatusOK)
	wantChallenge(t, w, p.call(http.MethodPost, "/mcp", page...), "/mcp", true)
}

// What the site's configuration and the app are told of a program's request is what
// they are told of its user's browser, and which program it is.
func TestWhatTheSiteIsToldOfAProgram(t *testing.T) {
	w := newWorld(t)
	w.load(w.caddyfile("zoom_pkce {\n" + w.options() + programOptions + "\n}\n" +
		"request_header X-Copy \"{http.auth.user.id} {http.auth.user.account_id} {http.auth.user.email} {http.auth.user.name}\"\n" +
		"reverse_proxy " + w.upstream.addr))
	b := w.signedIn("user-ada")
	configured, registered, twin := w.program().signedInBy(b), w.program(), w.program()
	registered.id, twin.id = registered.register(), twin.register()
	registered.signedInBy(b)
	twin.signedInBy(b)
	hers := b.open("/").received(t).Header
	for name, p := range map[string]*program{"configured": configured, "registered": registered} {
		a := p.call(http.MethodPost, "/deep?x=1", "X-Zoom-Client-Id", "phone", "X-Zoom-User-Id", "user-bob", "X-Copy", "user-bob")
		got := a.received(t).Header
		for _, field := range []string{"X-Zoom-User-Id", "X-Zoom-Account-Id", "X-Zoom-User-Email", "X-Zoom-User-Name", "X-Zoom-Access-Token", "X-Zoom-Zak", "X-Copy"} {
			if len(hers[field]) != 1 || !slices.Equal(got[field], hers[field]) {
				t.Errorf("%s: %s is %q, for a browser %q", name, field, got[field], hers[field])
			}
		}
		all, err := json.Marshal(a.received(t))
		if err != nil || strings.Contains(string(all), p.access) || got["Authorization"] != nil {
			t.Errorf("%s: the app sees the token: %s", name, all)
		}
	}
	if got := hers.Get("X-Copy"); got != "user-ada account-1 ada@example.com Ada Lovelace" {
		t.Errorf("placeholders tell %q", got)
	}
	client := func(p *program) []string { return p.call(http.MethodGet, "/").received(t).Header["X-Zoom-Client-Id"] }
	if got := client(configured); !slices.Equal(got, []string{"cli"}) {
		t.Errorf("a configured client is %q", got)
	}
	one := client(registered)
	if hash, ok := strings.CutPrefix(one[0], "registered:"); len(one) != 1 || !ok || len(hash) != 16 || strings.Trim(hash, "0123456789abcdef") != "" {
		t.Errorf("a registered client is %q", one)
	}
	if registered.id != twin.id && slices.Equal(one, client(twin)) {
		t.Error("two registered clients are the same to the app")
	}
}

// An app may have tokens of its own. Whatever is no bearer of ours arrives as it came.
func TestAuthorizationOfTheApp(t *testing.T) {
	w := newWorld(t)
	w.load(w.caddyfile("zoom_pkce /app/* {\n" + w.options() + programOptions + "\n}\nreverse_proxy " + w.upstream.addr))
	b := w.browser()
	b.consentAndReturn("/app/", "user-ada")
	p := w.program().signedInBy(b)
	send := func(target string, fields ...string) answer {
		r := b.request(http.MethodGet, target)
		r.Header["Authorization"] = fields
		return b.do(r)
	}
	for _, fields := range [][]string{
		{"Basic YTpi"},
		{"Bearer abc"},
		{"bearer  a b"},
		{"Bearer"},
		{"Bearer zpk_"},
		{"Bearer zpk_00000000_a_x"},
		{"Token " + p.access},
		{p.access},
		{"Bearer " + strings.ToUpper(p.access)},
		{`Digest username="zpk_", uri="/"`},
		{"AWS4-HMAC-SHA256 Credential=x/y, Signature=é"},
		{""},
		{"Basic YTpi", "Bearer abc"},
	} {
		for _, target := range []string{"/app/", "/public"} {
			a := send(target, fields...)
			var got []string
			if a.StatusCode == http.StatusOK {
				got = a.received(t).Header["Authorization"]
			}
			if !slices.Equal(got, fields) {
				t.Errorf("%s %q: got %d with %q", target, fields, a.StatusCode, got)
			}
		}
	}
	for _, fields := range [][]string{
		{"Basic YTpi", "Bearer " + p.access},
		{"Bearer " + p.access, "Basic YTpi"},
		{"Bearer " + p.access, "Bearer " + p.access},
		{"Bearer " + p.access, ""},
		{"Bearer abc", "Bearer abc", "bearer \t" + p.access},
	} {
		wantChallenge(t, w, send("/app/", fields...), "/app/", true)
		if got := send("/public", fields...).received(t).Header["Authorization"]; got != nil {
			t.Errorf("%q: the app got %q", fields, got)
		}
	}
}

// What a page includes, the same program asks for, whatever cookies it sends.
func TestIncludeIsTheProgramsToo(t *testing.T) {
	w := newWorld(t)
	w.load(w.withTemplates(t, w.directive("", programOptions)))
	b, bob := w.browser(), w.browser()
	b.signIn("/fragment", "user-ada")
	bob.signIn("/fragment", "user-bob")
	p := w.program().signedInBy(b)
	for _, target := range []string{"/page.html", "/nested.html"} {
		got := p.call(http.MethodGet, target, "Cookie", bob.cookieLine()).received(t).Header
		if got.Get("X-Zoom-User-Id") != "user-ada" || got.Get("X-Zoom-Client-Id") != "cli" || got["Authorization"] != nil {
			t.Errorf("%s: the fragment arrived as %v", target, got)
		}
	}
	if a := p.call(http.MethodGet, "/session.html", "Cookie", bob.cookieLine()); !strings.Contains(a.body, `"id":"user-ada"`) {
		t.Errorf("session: %d %s", a.StatusCode, a.body)
	}
	// From a page for everybody, too, and with a token that is worth nothing as nobody.
	w.load(w.withTemplates(t, w.directive("/fragment", programOptions)))
	if got := p.call(http.MethodGet, "/public/page.html").received(t).Header; got.Get("X-Zoom-User-Id") != "user-ada" || got.Get("X-Zoom-Client-Id") != "cli" {
		t.Errorf("from a public page it arrived as %v", got)
	}
	p.access += "x"
	if a := p.call(http.MethodGet, "/public/page.html", "Cookie", bob.cookieLine()); a.StatusCode == http.StatusOK || w.includeStatus() != http.StatusUnauthorized {
		t.Errorf("a dead token: %d, the include %d\n%s", a.StatusCode, w.includeStatus(), a.body)
	}
}
