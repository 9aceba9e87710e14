package e2e

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
)

// wantChallenge checks that a 401 says first where a program finds out how to sign in.
func wantChallenge(t *testing.T, w *world, a answer, path string, dead bool) {
	t.Helper()
	want := `Bearer resource_metadata="` + w.url + "/.well-known/oauth-protected-resource" + path + `"`
	if dead {
		want += `, error="invalid_token"`
	}
	got := a.Header["Www-Authenticate"]
	if a.StatusCode != http.StatusUnauthorized || len(got) != 1 || got[0] != want {
		t.Errorf("got %d with %q, want %q\n%s", a.StatusCode, got, want, a.body)
	}
	if a.Header.Get("Access-Control-Allow-Origin") != "*" || a.Header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("for pages of other origins: %v", a.Header)
	}
}

// Every 401 is a way in for programs, whatever else it is.
func TestEveryRefusalOfAProgramIsAWayIn(t *testing.T) {
	for _, options := range []string{"", "unauthenticated page", "unauthenticated reject", "unauthenticated pass", "error_pages off"} {
		w := newWorld(t)
		w.load(w.site(programOptions, options))
		b, p := w.browser(), w.program()
		p.access = "zpk_00000000_a_x"
		if options != "unauthenticated pass" {
			wantChallenge(t, w, b.fetch(http.MethodGet, "/mcp/a%20b?x=y"), "/mcp/a%20b", false)
			wantChallenge(t, w, b.fetch(http.MethodPost, "/"), "", false)
			wantChallenge(t, w, p.call(http.MethodGet, "/mcp"), "/mcp", false) // another app's
		}
		wantChallenge(t, w, b.fetch(http.MethodGet, "/zoom_pkce/session"), "", false)
		p.access = w.tokenPrefix() + "a_x"
		wantChallenge(t, w, p.call(http.MethodPost, "/mcp"), "/mcp", true)
		wantChallenge(t, w, p.call(http.MethodGet, "/mcp", navigate...), "/mcp", true) // no redirect
		wantChallenge(t, w, p.call(http.MethodGet, "/zoom_pkce/session"), "", true)
	}
}

func (w *world) tokenPrefix() string {
	_, app, _ := strings.Cut(w.sessionCookieName(), "zoom_pkce_")
	return "zpk_" + app + "_"
}

// The bearer decides alone, and nobody behind sees it.
func TestBearerDecidesAlone(t *testing.T) {
	w := newWorld(t)
	w.load(w.caddyfile("zoom_pkce /app/* {\n" + w.options() + programOptions + "\ncookie {\nsame_site none\n}\n}\nreverse_proxy " + w.upstream.addr))
	b := w.browser()
	b.consentAndReturn("/app/", "user-ada")
	p := w.program().signedInBy(b)
	bob := w.browser()
	bob.consentAndReturn("/app/", "user-bob")

	arrives := func(name string, a answer, userID string, authorization ...string) {
		t.Helper()
		if a.StatusCode != http.StatusOK {
			t.Fatalf("%s: got %d\n%s", name, a.StatusCode, a.body)
		}
		got := a.received(t).Header
		if got.Get("X-Zoom-User-Id") != userID || strings.Join(got["Authorization"], "|") != strings.Join(authorization, "|") {
			t.Errorf("%s: arrived as %v", name, got)
		}
		if len(a.Header["Set-Cookie"]) > 0 {
			t.Errorf("%s: got cookies %q", name, a.Header["Set-Cookie"])
		}
	}
	arrives("beside a cookie of another user", p.call(http.MethodGet, "/app/", "Cookie", bob.cookieLine()), "user-ada")
	arrives("from a page of another site", p.call(http.MethodPost, "/app/", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"), "user-ada")
	arrives("with a scheme in small letters", p.send(b.request(http.MethodGet, "/app/", "Authorization", "bearer "+p.access)), "user-ada")
	arrives("on a path that is not protected", p.call(http.MethodGet, "/public"), "")
	arrives("the app's own scheme", b.open("/app/", "Authorization", "Basic YTpi"), "user-ada", "Basic YTpi")
	if a := p.call(http.MethodGet, "/app/"); a.Header.Get("Cache-Control") != "private" {
		t.Errorf("its answers are %q", a.Header.Get("Cache-Control"))
	}

	r := b.request(http.MethodGet, "/app/")
	r.Header["Authorization"] = []string{"Basic YTpi", "Bearer " + p.access}
	wantChallenge(t, w, b.do(r), "/app/", true)
	r = b.request(http.MethodGet, "/public")
	r.Header["Authorization"] = []string{"Basic YTpi", "Bearer " + p.access}
	if got := p.send(r).received(t).Header["Authorization"]; got != nil {
		t.Errorf("the app got %q", got)
	}
	refresh := *p
	refresh.access = p.refresh
	wantChallenge(t, w, refresh.call(http.MethodGet, "/app/", "Cookie", b.cookieLine()), "/app/", true)
}

// A header of the directive takes the place of the program's, and a client that names
// itself in it is understood.
func TestBearerWhereTheAppGetsOne(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(strings.Replace(programOptions, "headers {", "headers {\naccess_token Authorization Bearer", 1)))
	b := w.signedIn("user-ada")
	p := w.program()
	code := p.redirected(b.pressConsent(b.open(p.request()), "allow")).Get("code")
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {p.redirect}, "code_verifier": {codeVerifier}}
	wrong := p.post("oauth/token", form, "Authorization", "Basic Y2xpOnNlY3JldA==") // cli:secret
	if wrong.StatusCode != http.StatusUnauthorized || wrong.Header.Get("Www-Authenticate") != `Basic realm="client"` {
		t.Errorf("a client with a secret: %d %v", wrong.StatusCode, wrong.Header)
	}
	p.takeTokens(p.post("oauth/token", form, "Authorization", "Basic Y2xpOg==")) // cli:
	got := p.call(http.MethodGet, "/").received(t).Header
	if token := got.Get("Authorization"); !strings.HasPrefix(token, "Bearer ") || strings.Contains(token, p.access) {
		t.Errorf("the app got %q", token)
	}
}

// A directive without programs has no use for the tokens of its app, wherever it stands.
func TestBearerAndADirectiveWithoutPrograms(t *testing.T) {
	w := newWorld(t)
	with, without := "zoom_pkce /api/* {\n"+w.options()+programOptions+"\n}", "zoom_pkce /admin/* {\n"+w.options()+"headers {\nclient X-Zoom-Client-Id\n}\n}"
	b, p := w.browser(), w.program()
	for i, site := range []string{with + "\n" + without, without + "\n" + with} {
		w.load(w.caddyfile(strings.Replace("route {\nSITE\nreverse_proxy "+w.upstream.addr+"\n}", "SITE", site, 1)))
		if i == 0 {
			b.consentAndReturn("/api/", "user-ada")
			p.signedInBy(b)
		}
		// The first directive answers at the endpoints, which a load warns of.
		if got := len(w.logLines(strayMetadata)); got != i {
			t.Errorf("%d warnings", got)
		}
		if got := p.call(http.MethodGet, "/api/").received(t).Header; got.Get("X-Zoom-User-Id") != "user-ada" || got["Authorization"] != nil {
			t.Errorf("with programs it arrived as %v", got)
		}
		if a := p.call(http.MethodGet, "/admin/", "Cookie", b.cookieLine()); a.StatusCode != http.StatusUnauthorized || a.Header["Www-Authenticate"] != nil {
			t.Errorf("without programs: %d %v", a.StatusCode, a.Header)
		}
		if a := p.call(http.MethodGet, "/admin/", navigate...); a.StatusCode != http.StatusSeeOther {
			t.Errorf("a page load without programs: %d", a.StatusCode)
		}
		if got := p.call(http.MethodGet, "/else").received(t).Header; got["Authorization"] != nil {
			t.Errorf("without protection the app got %v", got)
		}
	}
	w.load(w.site("unauthenticated pass"))
	p.access = w.tokenPrefix() + "a_x"
	if got := p.call(http.MethodGet, "/").received(t).Header; got["Authorization"] != nil || got.Get("X-Zoom-User-Id") != "" {
		t.Errorf("a site without programs: %v", got)
	}
}

// Programs that the operator knows get what starts a meeting, with nothing turned on for pages.
func TestMeetingKeysForPrograms(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(programOptions, "meeting_sdk", "zak off"))
	b := w.signedIn("user-ada")
	phone := w.program()
	phone.id, phone.redirect = "phone", "com.example.phone:/signed-in"
	phone.signedInBy(b)
	json := []string{"Content-Type", "application/json"}
	call := func(p *program, endpoint, body string) answer {
		r := b.request(http.MethodPost, "/zoom_pkce/"+endpoint, append([]string{"Authorization", "Bearer " + p.access}, json...)...)
		setBody(r, body)
		return p.send(r)
	}
	for endpoint, body := range map[string]string{"zak": "", "obf": `{"meeting_id":"123456789"}`, "signature": "{}"} {
		if a := call(phone, endpoint, body); a.StatusCode != http.StatusOK {
			t.Errorf("%s: %d\n%s", endpoint, a.StatusCode, a.body)
		}
		dead := *phone
		dead.access += "x"
		wantChallenge(t, w, call(&dead, endpoint, body), "", true)
	}
	if a := phone.call(http.MethodGet, "/zoom_pkce/session"); a.StatusCode != http.StatusOK || !strings.Contains(a.body, `"id":"user-ada"`) {
		t.Errorf("session: %d\n%s", a.StatusCode, a.body)
	}

	part := w.program()
	part.resource = w.url + "/mcp"
	part.signedInBy(b)
	registered := w.program()
	registered.id = registered.register()
	registered.signedInBy(b)
	for name, p := range map[string]*program{"for a part of the site": part, "that registered itself": registered} {
		for endpoint, body := range map[string]string{"zak": "", "obf": `{"meeting_id":"123456789"}`, "signature": "{}"} {
			a := call(p, endpoint, body)
			if a.StatusCode != http.StatusForbidden || a.problem(t).Code != "not_allowed" || a.Header["Www-Authenticate"] != nil {
				t.Errorf("%s of a program %s: %d\n%s", endpoint, name, a.StatusCode, a.body)
			}
		}
		if a := p.call(http.MethodGet, "/mcp"); a.StatusCode != http.StatusOK {
			t.Errorf("a program %s: %d", name, a.StatusCode)
		}
	}
	if got := registered.call(http.MethodGet, "/").received(t).Header.Get("X-Zoom-Client-Id"); !strings.HasPrefix(got, "registered:") || len(got) != len("registered:")+16 {
		t.Errorf("the app is told of %q", got)
	}
	// Pages of the site still need page_tokens.
	if a := b.post("zak", ""); a.StatusCode != http.StatusNotFound {
		t.Errorf("a page's ZAK: %d", a.StatusCode)
	}
}

// register registers a client with the program's redirect URI.
func (p *program) register() (id string) {
	p.w.t.Helper()
	r := p.w.browser().request(http.MethodPost, "/zoom_pkce/oauth/register", "Content-Type", "application/json")
	setBody(r, `{"client_name":"An MCP client","redirect_uris":["`+p.redirect+`"]}`)
	a := p.send(r)
	_, id, _ = strings.Cut(a.body, `"client_id":"`)
	id, _, _ = strings.Cut(id, `"`)
	if a.StatusCode != http.StatusCreated || id == "" {
		p.w.t.Fatalf("registering: %d\n%s", a.StatusCode, a.body)
	}
	return id
}

// Metadata and preflights are answered by the directive, from its configuration alone.
func TestMetadataAndPreflights(t *testing.T) {
	w := newWorld(t)
	w.load(w.caddyfile("zoom_pkce /mcp/* {\n" + w.options() + programOptions + "\n}\nreverse_proxy " + w.upstream.addr))
	b := w.browser()
	for path, status := range map[string]int{
		"/.well-known/oauth-authorization-server":                 200,
		"/.well-known/oauth-authorization-server/mcp":             404,
		"/.well-known/oauth-protected-resource":                   200,
		"/.well-known/oauth-protected-resource/mcp/a":             200,
		"/.well-known/oauth-protected-resource/mcp%2Fa":           200, // as servers behind may read it
		"/.well-known/oauth-protected-resource/public":            404,
		"/.well-known/oauth-protected-resource/zoom_pkce/session": 404,
	} {
		a := b.fetch(http.MethodGet, path, "Host", "evil.example", "X-Forwarded-Host", "evil.example")
		if a.StatusCode != status || a.Header.Get("Content-Type") != "application/json" || a.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d %v", path, a.StatusCode, a.Header)
		}
		if strings.Contains(a.body, "evil") || status == 200 && !strings.Contains(a.body, `"`+w.url) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	a := b.fetch(http.MethodGet, "/.well-known/oauth-protected-resource/mcp/a")
	if !strings.Contains(a.body, `"resource":"`+w.url+`/mcp/a"`) {
		t.Errorf("the resource is not the one asked for: %s", a.body)
	}

	before := w.upstream.requests.Load()
	asks := []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://page.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization"}
	for _, path := range []string{
		"/mcp/a", "/.well-known/oauth-protected-resource/mcp/a", "/zoom_pkce/oauth/token", "/zoom_pkce/oauth/revoke", "/zoom_pkce/oauth/register",
	} {
		a := b.fetch(http.MethodOptions, path, asks...)
		h := a.Header
		if a.StatusCode != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Methods") != "POST" ||
			h.Get("Access-Control-Allow-Headers") != "authorization" || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %d %v", path, a.StatusCode, h)
		}
	}
	if got := w.upstream.requests.Load(); got != before {
		t.Errorf("%d requests of nobody reached the app", got-before)
	}
	if a := b.fetch(http.MethodOptions, "/public", asks...); a.StatusCode != http.StatusOK {
		t.Errorf("a preflight of what is not protected is the app's: %d", a.StatusCode)
	}
	// Without programs all of it is the app's.
	w.load(w.caddyfile("zoom_pkce /mcp/* {\n" + w.options() + "\n}\nreverse_proxy " + w.upstream.addr))
	if a := b.fetch(http.MethodGet, "/.well-known/oauth-authorization-server"); a.StatusCode != http.StatusOK || a.received(t).URI == "" {
		t.Errorf("without programs: %d", a.StatusCode)
	}
	for _, endpoint := range []string{"oauth/authorize", "oauth/token", "programs"} {
		if a := b.fetch(http.MethodGet, "/zoom_pkce/"+endpoint); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s without programs: %d", endpoint, a.StatusCode)
		}
	}
}

// Caddy logs Authorization where it is told to log credentials: the tokens of programs are
// no more to be read there than what they open.
func TestProgramTokensStayOutOfAccessLogs(t *testing.T) {
	w := newWorld(t)
	told := strings.Replace(w.site(programOptions), "auto_https off", "auto_https off\n\tservers {\n\t\tlog_credentials\n\t}", 1)
	w.load(strings.Replace(told, "level DEBUG", "level DEBUG\n\t\tformat zoom_pkce", 1))
	b := w.browser()
	b.consentAndReturn("/", "user-ada")
	p := w.program().signedInBy(b)
	shown := func() bool {
		p.wantUser("user-ada")
		logs, err := os.ReadFile(w.logs)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(logs), p.access)
	}
	if shown() {
		t.Error("the log shows the token")
	}
	if w.load(told); !shown() {
		t.Error("this test sees nothing")
	}
}
