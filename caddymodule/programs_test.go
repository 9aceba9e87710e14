package caddymodule

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

const programOptions = `, "protect": [{"path": ["/private/*"]}], "headers": {"client": {"name": "X-Zoom-Client-Id"}}, "programs": {
	"client": [{"id": "cli", "name": "The Tool", "redirect_uri": ["http://127.0.0.1/callback"]}], "registration": true}`

// program is a command line that a user allows.
type program struct {
	*provisioned
	id, resource    string
	access, refresh string
}

const (
	programVerifier = "a-verifier-of-43-characters_and.more~than-that"
	programRedirect = "http://127.0.0.1:4000/callback"
)

// request is the address that the program has a browser opened at.
func (p *program) request() string {
	sum := sha256.Sum256([]byte(programVerifier))
	query := url.Values{
		"response_type": {"code"}, "client_id": {p.id}, "redirect_uri": {programRedirect}, "state": {"s"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	if p.resource != "" {
		query.Set("resource", p.resource)
	}
	return "/zoom_pkce/oauth/authorize?" + query.Encode()
}

var consentValue = regexp.MustCompile(`name="consent" value="([^"]+)"`)

// decide presses a button of a consent page, and returns where the browser goes then.
func (p *program) decide(page *http.Response, decision, cookies string) *http.Response {
	p.t.Helper()
	text := bodyOf(page)
	value := consentValue.FindStringSubmatch(text)
	if value == nil {
		p.t.Fatalf("no consent page: %s to %q\n%s", page.Status, page.Header.Get("Location"), text)
	}
	form := url.Values{"consent": {html.UnescapeString(value[1])}, "decision": {decision}}
	got, _ := p.form("oauth/consent", form, cookies, "Sec-Fetch-Site", "same-origin")
	return got
}

// form posts one to an endpoint.
func (p *provisioned) form(endpoint string, form url.Values, cookies string, headers ...string) (*http.Response, http.Header) {
	p.t.Helper()
	return p.serve(request(http.MethodPost, "/zoom_pkce/"+endpoint, form.Encode(),
		append([]string{"Content-Type", "application/x-www-form-urlencoded"}, headers...)...), cookies, nil)
}

// signedIn is a program that the visitor with these cookies has allowed.
func (p *provisioned) program(cookies string, change func(*program)) *program {
	p.t.Helper()
	cli := &program{provisioned: p, id: "cli"}
	if change != nil {
		change(cli)
	}
	to, err := url.Parse(cli.decide(p.open(cli.request(), cookies), "allow", cookies).Header.Get("Location"))
	if err != nil || to.Query().Get("code") == "" {
		p.t.Fatalf("no code: %v", to)
	}
	if status := cli.token(url.Values{
		"grant_type": {"authorization_code"}, "code": {to.Query().Get("code")}, "client_id": {cli.id}, "redirect_uri": {programRedirect}, "code_verifier": {programVerifier},
	}); status != http.StatusOK {
		p.t.Fatalf("no tokens: %d", status)
	}
	return cli
}

// token asks for tokens, and takes them.
func (p *program) token(form url.Values, headers ...string) (status int) {
	p.t.Helper()
	got, _ := p.form("oauth/token", form, "", headers...)
	var answer struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal([]byte(bodyOf(got)), &answer); err == nil && answer.Access != "" {
		p.access, p.refresh = answer.Access, answer.Refresh
	}
	return got.StatusCode
}

func (p *program) bearer() []string { return []string{"Authorization", "Bearer " + p.access} }

// The app gets of a program what it gets of a browser, and who the program is; never its token.
func TestRequestsOfPrograms(t *testing.T) {
	p := provision(t, programOptions)
	ada := p.signIn()
	cli := p.program(ada, nil)
	if consent := bodyOf(p.open(cli.request(), ada)); !strings.Contains(consent, "The Tool") {
		t.Errorf("the page does not name the program:\n%s", consent)
	}
	got, headers := p.fetch("/private/x", "", cli.bearer()...)
	if got.StatusCode != passed || headers.Get(standardUserIDHeader) != "ada" || headers.Get("X-Zoom-Client-Id") != "cli" || headers["Authorization"] != nil {
		t.Errorf("%s, the app got %v", got.Status, headers)
	}
	if _, headers := p.fetch("/private/x", ada); headers.Get("X-Zoom-Client-Id") != "" || headers.Get(standardUserIDHeader) != "ada" {
		t.Errorf("of a browser the app got %v", headers)
	}
	if got, headers := p.fetch("/public", "", cli.bearer()...); got.StatusCode != passed || headers["Authorization"] != nil || headers.Get(standardUserIDHeader) != "" {
		t.Errorf("unprotected: %s, the app got %v", got.Status, headers)
	}
	if _, headers := p.fetch("/private/x", ada, "Authorization", "Bearer of-somebody-else"); headers.Get("Authorization") != "Bearer of-somebody-else" {
		t.Errorf("another bearer: the app got %v", headers)
	}
	// A token decides alone, whatever else the request is.
	for name, test := range map[string]struct{ authorization, site string }{
		"a dead token":    {"Bearer " + cli.access + "x", ""},
		"a refresh token": {"Bearer " + cli.refresh, ""},
	} {
		got := p.open("/private/x", ada, "Authorization", test.authorization)
		if got.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(got.Header.Get("Content-Type"), "application/problem+json") {
			t.Errorf("%s: %s %s", name, got.Status, got.Header.Get("Content-Type"))
		}
		challenge := got.Header.Get("WWW-Authenticate")
		if want := `Bearer resource_metadata="http://localhost/.well-known/oauth-protected-resource/private/x", error="invalid_token"`; challenge != want {
			t.Errorf("%s: %s", name, challenge)
		}
	}
}

// With cookies that travel everywhere a program still may send what it likes: no page can
// have a browser send its token. Nor is a program sent to Zoom for a scope.
func TestProgramsAreNoBrowsers(t *testing.T) {
	p := provision(t, programOptions+`, "cookie": {"same_site": "none"}, "zak": {"on_error": "fail"}`)
	ada := p.signIn()
	cli := p.program(ada, nil)
	for name, test := range map[string]struct {
		headers []string
		want    int
	}{
		"a browser":          {[]string{"Cookie", ada}, http.StatusForbidden},
		"a program":          {cli.bearer(), passed},
		"a program's cookie": {append(cli.bearer(), "Cookie", ada), passed},
	} {
		got, _ := p.serve(request(http.MethodPost, "/private/x", "", append(test.headers, "Sec-Fetch-Site", "cross-site")...), "", nil)
		if got.StatusCode != test.want {
			t.Errorf("%s: %s", name, got.Status)
		}
	}
	p.zoom.SetScopes(testClientID, "user:read:user")
	p.zoom.Fail(zoomtest.CallZAK, -1, zoomtest.Status(400, `{"code": 4711, "message": "Invalid access token, does not contain scopes:[user:read:zak]."}`))
	p.restarted()
	if got := p.open("/private/x", "", cli.bearer()...); got.StatusCode != http.StatusBadGateway {
		t.Errorf("a program without a scope: %s to %q", got.Status, got.Header.Get("Location"))
	}
	if got := p.open("/private/x", ada); !strings.HasPrefix(got.Header.Get("Location"), p.zoom.URL) {
		t.Errorf("a browser without a scope: %s to %q", got.Status, got.Header.Get("Location"))
	}
}

// Keys of meetings are for programs that the operator has named, with tokens for the whole site.
func TestKeysForPrograms(t *testing.T) {
	p := provision(t, strings.Replace(programOptions, `"registration"`, `"redirect_hosts": ["client.example.com"], "registration"`, 1)+
		`, "meeting_sdk": {}`)
	ada := p.signIn()
	cli := p.program(ada, nil)
	narrow := p.program(ada, func(c *program) { c.resource = "http://localhost/private/x" })
	registered, _ := p.serve(request(http.MethodPost, "/zoom_pkce/oauth/register", `{"redirect_uris": ["http://127.0.0.1/callback"], "client_name": "x"}`, "Content-Type", "application/json"), "", nil)
	var client struct {
		ID string `json:"client_id"`
	}
	if err := json.Unmarshal([]byte(bodyOf(registered)), &client); err != nil {
		t.Fatal(err)
	}
	stranger := p.program(ada, func(c *program) { c.id = client.ID })
	for endpoint, body := range map[string]string{"zak": "", "obf": `{"meeting_id": 123456789}`, "signature": `{}`} {
		for who, test := range map[string]struct {
			headers []string
			want    int
		}{
			"a program":           {cli.bearer(), http.StatusOK},
			"one for a part":      {narrow.bearer(), http.StatusForbidden},
			"one that registered": {stranger.bearer(), http.StatusForbidden},
			"a page":              {[]string{"Cookie", ada}, http.StatusNotFound}, // without page_tokens
			"another's token":     {[]string{"Cookie", ada, "Authorization", "Bearer x"}, http.StatusNotFound},
		} {
			if test.want == http.StatusNotFound && endpoint == "signature" {
				test.want = http.StatusOK
			}
			got, _ := p.serve(request(http.MethodPost, "/zoom_pkce/"+endpoint, body, append(test.headers, "Content-Type", "application/json")...), "", nil)
			if got.StatusCode != test.want {
				t.Errorf("%s asks for %s: %s %s", who, endpoint, got.Status, bodyOf(got))
			}
		}
	}
	if _, headers := p.fetch("/private/x", "", stranger.bearer()...); !strings.HasPrefix(headers.Get("X-Zoom-Client-Id"), "registered:") {
		t.Errorf("the app got %v", headers)
	}
	// A program reads its session; at endpoints of browsers its token is nothing.
	if got, _ := p.fetch("/zoom_pkce/session", "", cli.bearer()...); got.StatusCode != http.StatusOK || !strings.Contains(bodyOf(got), `"id":"ada"`) {
		t.Errorf("session: %s", got.Status)
	}
	if got, _ := p.fetch("/zoom_pkce/programs", "", cli.bearer()...); got.StatusCode == http.StatusOK {
		t.Errorf("a program sees programs: %s", got.Status)
	}
	without := p.beside(`, "page_tokens": false`)
	if got, _ := without.serve(request(http.MethodPost, "/zoom_pkce/zak", "", cli.bearer()...), "", nil); got.StatusCode != http.StatusNotFound {
		t.Errorf("a directive without programs gives a ZAK: %s", got.Status)
	}
}

// A directive without programs takes its app's tokens off a request, and takes whoever
// sent one for signed out, whatever a directive before it has found.
func TestDirectiveWithoutPrograms(t *testing.T) {
	p := provision(t, programOptions)
	cli := p.program(p.signIn(), nil)
	p.then = []*provisioned{p.beside("")}
	if got, _ := p.fetch("/private/x", "", cli.bearer()...); got.StatusCode != http.StatusUnauthorized || got.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("%s with %v", got.Status, got.Header)
	}
	another := p.beside(`, "client_id": "` + testOtherApp + `", "path_prefix": "/other", "redirect_uri": ["http://localhost/other/callback"], "unauthenticated": "pass"`)
	if _, headers := another.fetch("/", "", cli.bearer()...); headers.Get("Authorization") != "Bearer "+cli.access {
		t.Errorf("the token of another app is its own: %v", headers)
	}
	open := p.beside(`, "unauthenticated": "pass"`)
	if got, headers := open.fetch("/", "", cli.bearer()...); got.StatusCode != passed || headers["Authorization"] != nil {
		t.Errorf("%s, the app got %v", got.Status, headers)
	}
}

// Whoever wants a program's sign-in is a person on a page, here, and not in a frame.
func TestAuthorizationOfPrograms(t *testing.T) {
	p := provision(t, programOptions+`, "cookie": {"same_site": "none"}`)
	cli := &program{provisioned: p, id: "cli"}
	to := p.open(cli.request(), "")
	if back := p.open(p.allowed(to.Header.Get("Location"), "ada"), cookiesOf(to)); back.Header.Get("Location") != cli.request() {
		t.Errorf("the sign-in leads to %q", back.Header.Get("Location"))
	}
	to = p.open(cli.request(), "")
	declined := strings.Replace(p.allowed(to.Header.Get("Location"), "ada"), "code=", "error=access_denied&x=", 1)
	if got := p.open(declined, cookiesOf(to)); !strings.HasPrefix(got.Header.Get("Location"), programRedirect+"?error=access_denied") || dropped(got) != 1 {
		t.Errorf("declined at Zoom: %s to %q", got.Status, got.Header.Get("Location"))
	}
	to = p.open(cli.request(), "")
	p.zoom.Fail(zoomtest.CallCode, 2, zoomtest.Status(400, `{"error": "invalid_grant", "reason": "x"}`))
	again := p.open(p.allowed(to.Header.Get("Location"), "ada"), cookiesOf(to))
	if got := p.open(p.allowed(again.Header.Get("Location"), "ada"), cookiesOf(again)); got.StatusCode != http.StatusBadGateway ||
		!strings.Contains(bodyOf(got), html.EscapeString(cli.request())) {
		t.Errorf("refused twice: %s", got.Status)
	}
	for name, headers := range map[string][]string{
		"a script":   {"Sec-Fetch-Mode", "cors"},
		"a prefetch": {"Sec-Purpose", "prefetch"},
		"a frame":    {"Sec-Fetch-Dest", "iframe"},
	} {
		if got := p.open(cli.request(), "", headers...); got.StatusCode != http.StatusBadRequest || len(got.Cookies()) > 0 {
			t.Errorf("%s: %s to %q", name, got.Status, got.Header.Get("Location"))
		}
	}
	if got := p.open("http://foreign.example"+cli.request(), ""); got.Header.Get("Location") != "http://localhost"+cli.request() {
		t.Errorf("on a foreign host: %s to %q", got.Status, got.Header.Get("Location"))
	}
	if got := p.open(cli.request(), p.looped(5, 4)); !strings.HasPrefix(got.Header.Get("Location"), p.zoom.URL) || !strings.Contains(cookiesOf(got), ".5.5") {
		t.Errorf("a sign-in that was lost: %s, cookies %q", got.Status, cookiesOf(got))
	}
	if got := p.open(cli.request(), p.looped(6, 5)); got.StatusCode != http.StatusTooManyRequests || !strings.Contains(bodyOf(got), html.EscapeString(cli.request())) {
		t.Errorf("a sign-in that is lost again and again: %s to %q", got.Status, got.Header.Get("Location"))
	}
	ada := p.signIn()
	framed := p.framed(ada)
	if got := p.open(cli.request(), framed); !strings.HasPrefix(got.Header.Get("Location"), p.zoom.URL) {
		t.Errorf("a frame's session: %s to %q", got.Status, got.Header.Get("Location"))
	}
	consent := p.open(cli.request(), ada)
	if security := consent.Header.Get("Content-Security-Policy"); !strings.Contains(security, "frame-ancestors 'none'") || !strings.Contains(security, "form-action 'self' http://127.0.0.1:4000") {
		t.Errorf("the consent page: %s", security)
	}
	if got := cli.decide(consent, "deny", ada); !strings.HasPrefix(got.Header.Get("Location"), programRedirect+"?error=access_denied") {
		t.Errorf("declined here: %s to %q", got.Status, got.Header.Get("Location"))
	}
	if got := cli.decide(p.open(cli.request(), ada), "allow", framed); got.StatusCode == http.StatusSeeOther {
		t.Errorf("a frame allows a program: %s to %q", got.Status, got.Header.Get("Location"))
	}
	foreign, _ := p.form("oauth/consent", url.Values{"consent": {"x"}, "decision": {"allow"}}, ada, "Sec-Fetch-Site", "cross-site")
	if foreign.StatusCode != http.StatusForbidden {
		t.Errorf("another site's form: %s", foreign.Status)
	}
}

// framed are the cookies of a frame that has got a session from a window with these.
func (p *provisioned) framed(cookies string) string {
	p.t.Helper()
	var answer frameTicketAnswer
	_, text := p.post("/zoom_pkce/frame/ticket", "", cookies)
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		p.t.Fatal(err)
	}
	got, _ := p.serve(request(http.MethodPost, "/zoom_pkce/frame/redeem", `{"ticket": "`+answer.Ticket+`"}`, "Content-Type", "application/json"), "", nil)
	return cookiesOf(got)
}

// What is wrong with a program is told to the person, and where to go on.
func TestProgramsRefused(t *testing.T) {
	p := provision(t, programOptions)
	barred := p.beside(programOptions + `, "allow": {"user_id": ["bob"]}`)
	ada := p.signIn()
	cli := p.program(ada, nil)
	for name, test := range map[string]struct {
		got    *http.Response
		status int
		says   string
	}{
		"an unknown client": {p.open(strings.Replace(cli.request(), "client_id=cli", "client_id=x", 1), ada), http.StatusBadRequest, "This program is not known here"},
		"not allowed":       {barred.open(cli.request(), ada), http.StatusForbidden, "Ada Løvelace"},
	} {
		if text := bodyOf(test.got); test.got.StatusCode != test.status || !strings.Contains(text, test.says) || strings.Contains(text, "oauth/authorize") {
			t.Errorf("%s: %s\n%s", name, test.got.Status, text)
		}
	}
	if got, _ := p.form("oauth/consent", url.Values{"decision": {"allow"}}, ada, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"); got.StatusCode != http.StatusBadRequest {
		t.Errorf("a form without its value: %s", got.Status)
	}
	if got, _ := p.form("oauth/consent", url.Values{"consent": {"x"}, "decision": {"allow"}}, ada); codeOf(bodyOf(got)) != "login_expired" {
		t.Errorf("a form with another value: %s", got.Status)
	}
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {cli.refresh}, "client_id": {"cli"}}
	if got, _ := barred.form("oauth/token", refresh, ""); got.StatusCode != http.StatusBadRequest || !strings.Contains(bodyOf(got), "invalid_grant") {
		t.Errorf("a refresh for who is not allowed any more: %s", got.Status)
	}
	if got, _ := barred.fetch("/private/x", "", cli.bearer()...); got.StatusCode != http.StatusForbidden {
		t.Errorf("a program of who is not allowed any more: %s", got.Status)
	}
	if status := cli.token(refresh); status != http.StatusOK {
		t.Errorf("a refresh: %d", status)
	}
	// Trouble with the store is told as such, and leads back to the request.
	fresh := provision(t, programOptions)
	ada = fresh.signIn()
	fresh.restarted()
	fresh.site.store = &brokenStore{Store: fresh.site.store, reads: true}
	if got := fresh.open(cli.request(), ada); got.StatusCode != http.StatusServiceUnavailable || !strings.Contains(bodyOf(got), html.EscapeString(cli.request())) {
		t.Errorf("the store in trouble: %s", got.Status)
	}
}

// A client may name itself in an Authorization field, also where the app gets its token
// in one; scripts of every page may ask; a user's page of programs ends them.
func TestEndpointsOfPrograms(t *testing.T) {
	p := provision(t, strings.Replace(programOptions, `"headers": {`, `"headers": {"access_token": {"name": "Authorization", "scheme": "Bearer"}, `, 1))
	ada := p.signIn()
	cli := p.program(ada, nil)
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {cli.refresh}}
	basic := func(id string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":")) }
	if status := cli.token(refresh, "Authorization", basic("other")); status == http.StatusOK {
		t.Error("another client gets tokens")
	}
	if status := cli.token(refresh, "Authorization", basic("cli")); status != http.StatusOK {
		t.Errorf("a client that names itself in a header: %d", status)
	}
	if status := cli.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {cli.refresh}, "client_id": {"cli"}}, cli.bearer()...); status != http.StatusOK {
		t.Errorf("a client that sends its token along: %d", status)
	}
	for _, target := range []string{"/zoom_pkce/oauth/token", "/zoom_pkce/oauth/revoke", "/zoom_pkce/oauth/register", "/private/x", "/.well-known/oauth-authorization-server"} {
		got, _ := p.serve(request(http.MethodOptions, target, "", "Origin", "https://page.example", "Access-Control-Request-Method", "POST"), "", nil)
		if got.StatusCode != http.StatusNoContent || got.Header.Get("Access-Control-Allow-Origin") != "*" || got.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("a preflight of %s: %s with %v", target, got.Status, got.Header)
		}
	}
	without := p.beside(`, "protect": [{"path": ["/private/*"]}], "programs": {"client": [{"id": "cli", "redirect_uri": ["http://127.0.0.1/callback"]}]}`)
	if got, _ := without.serve(request(http.MethodPost, "/zoom_pkce/oauth/register", "{}"), "", nil); got.StatusCode != http.StatusNotFound {
		t.Errorf("without registration: %s", got.Status)
	}
	list := bodyOf(p.open("/zoom_pkce/programs", ada))
	id := regexp.MustCompile(`name="program" value="([^"]+)"`).FindStringSubmatch(list)
	if id == nil {
		t.Fatalf("no program is listed:\n%s", list)
	}
	if got, _ := p.form("programs/end", url.Values{"program": {id[1]}}, ada, "Sec-Fetch-Site", "cross-site"); got.StatusCode != http.StatusForbidden {
		t.Errorf("another site ends a program: %s", got.Status)
	}
	if got, _ := p.form("programs/end", url.Values{"program": {id[1]}}, ada, "Sec-Fetch-Site", "same-origin"); got.StatusCode != http.StatusSeeOther {
		t.Errorf("ending a program: %s", got.Status)
	}
	if got, _ := p.fetch("/private/x", "", cli.bearer()...); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("a program that was ended: %s", got.Status)
	}
}
