package e2e

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// programOptions is a site that two programs may sign in to.
const programOptions = `
	headers {
		client X-Zoom-Client-Id
	}
	programs {
		client cli http://127.0.0.1/callback http://localhost/callback
		client phone {
			name "The Phone"
			redirect_uri com.example.phone:/signed-in
		}
		registration on
	}`

// program is a native app, a command line or an MCP client: it has a browser
// opened for its user, keeps no cookies, and sends tokens.
type program struct {
	w        *world
	id       string
	redirect string
	resource string

	access, refresh string
}

const codeVerifier = "a-verifier-of-43-characters_and.more~than-that"

func (w *world) program() *program {
	return &program{w: w, id: "cli", redirect: "http://127.0.0.1:49152/callback"}
}

// request is the address that the program has a browser opened at, with
// parameters changed: a value of "-" leaves one out.
func (p *program) request(change ...string) string {
	sum := sha256.Sum256([]byte(codeVerifier))
	query := url.Values{
		"response_type": {"code"}, "client_id": {p.id}, "redirect_uri": {p.redirect}, "state": {"the state"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	if p.resource != "" {
		query.Set("resource", p.resource)
	}
	for i := 0; i+1 < len(change); i += 2 {
		query.Set(change[i], change[i+1])
		if change[i+1] == "-" {
			query.Del(change[i])
		}
	}
	return "/zoom_pkce/oauth/authorize?" + query.Encode()
}

// send is a request of the program.
func (p *program) send(r *http.Request) answer {
	p.w.t.Helper()
	return p.w.browser().do(r)
}

// call sends a request with a token.
func (p *program) call(method, target string, header ...string) answer {
	p.w.t.Helper()
	return p.send(p.w.browser().request(method, target, append([]string{"Authorization", "Bearer " + p.access}, header...)...))
}

// post sends a form to one of the endpoints.
func (p *program) post(endpoint string, form url.Values, header ...string) answer {
	p.w.t.Helper()
	r := p.w.browser().request(http.MethodPost, "/zoom_pkce/"+endpoint,
		append([]string{"Content-Type", "application/x-www-form-urlencoded"}, header...)...)
	setBody(r, form.Encode())
	return p.send(r)
}

func setBody(r *http.Request, body string) {
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }
	r.Body, _ = r.GetBody()
	r.ContentLength = int64(len(body))
}

var consentValue = regexp.MustCompile(`name="consent" value="([^"]+)"`)

// pressConsent presses a button of the consent page that a browser sees.
func (b *browser) pressConsent(page answer, decision string, header ...string) answer {
	b.w.t.Helper()
	value := consentValue.FindStringSubmatch(page.body)
	if page.StatusCode != http.StatusOK || value == nil {
		b.w.t.Fatalf("got %d to %q, want a consent page\n%s", page.StatusCode, page.Header.Get("Location"), page.body)
	}
	form := url.Values{"consent": {html.UnescapeString(value[1])}, "decision": {decision}}
	r := b.request(http.MethodPost, "/zoom_pkce/oauth/consent", append(append([]string{
		"Content-Type", "application/x-www-form-urlencoded", "Origin", b.origin,
	}, navigateSameOrigin...), header...)...)
	setBody(r, form.Encode())
	return b.do(r)
}

// redirected reads what the program is told at its redirect URI.
func (p *program) redirected(a answer) url.Values {
	p.w.t.Helper()
	location := a.Header.Get("Location")
	if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(location, p.redirect+"?") {
		p.w.t.Fatalf("got %d to %q, want the program's redirect URI\n%s", a.StatusCode, location, a.body)
	}
	query, err := url.ParseQuery(strings.TrimPrefix(location, p.redirect+"?"))
	if err != nil || query.Get("iss") != p.w.url || query.Get("state") != "the state" {
		p.w.t.Fatalf("redirected with %v, want iss and state", query)
	}
	return query
}

// exchange redeems a code.
func (p *program) exchange(code string) {
	p.w.t.Helper()
	p.takeTokens(p.post("oauth/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "client_id": {p.id}, "redirect_uri": {p.redirect},
		"code_verifier": {codeVerifier},
	}))
}

func (p *program) takeTokens(a answer) {
	p.w.t.Helper()
	var tokens struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		TokenType    string `json:"token_type"`
		ExpiresIn    int    `json:"expires_in"`
	}
	if err := json.Unmarshal([]byte(a.body), &tokens); err != nil || a.StatusCode != http.StatusOK ||
		tokens.TokenType != "Bearer" || tokens.ExpiresIn < 1 || tokens.RefreshToken == "" {
		p.w.t.Fatalf("got %d, want tokens\n%s", a.StatusCode, a.body)
	}
	p.access, p.refresh = tokens.AccessToken, tokens.RefreshToken
}

// refreshed is the answer to a refresh.
func (p *program) refreshed() answer {
	p.w.t.Helper()
	return p.post("oauth/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {p.refresh}, "client_id": {p.id}})
}

// signedInBy lets the user of a browser allow the program.
func (p *program) signedInBy(b *browser) *program {
	p.w.t.Helper()
	p.exchange(p.redirected(b.pressConsent(b.open(p.request()), "allow")).Get("code"))
	return p
}

// wantUser checks that requests of the program arrive as those of a user.
func (p *program) wantUser(userID string) {
	p.w.t.Helper()
	a := p.call(http.MethodGet, "/")
	if a.StatusCode != http.StatusOK {
		p.w.t.Fatalf("got %d\n%s", a.StatusCode, a.body)
	}
	got := a.received(p.w.t).Header
	if got.Get("X-Zoom-User-Id") != userID || got.Get("X-Zoom-Client-Id") != p.id || got["Authorization"] != nil {
		p.w.t.Fatalf("arrived as %v", got)
	}
}

// wantDead checks that the program's token is worth nothing.
func (p *program) wantDead() {
	p.w.t.Helper()
	a := p.call(http.MethodGet, "/")
	challenge := a.Header["Www-Authenticate"]
	if a.StatusCode != http.StatusUnauthorized || len(challenge) != 1 || !strings.HasSuffix(challenge[0], `, error="invalid_token"`) {
		p.w.t.Fatalf("got %d with %q\n%s", a.StatusCode, challenge, a.body)
	}
}

// The whole way: a program has a browser opened, its user signs in at Zoom and
// allows it, it gets tokens of ours, and the app sees the user.
func TestProgramSignsIn(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(programOptions))
	p, b := w.program(), w.browser()
	callback := b.consent(b.open(p.request()), "user-ada")
	back := b.open(callback)
	wantRedirect(t, back, p.request())
	page := b.open(back.Header.Get("Location"))
	for _, want := range []string{"cli", "127.0.0.1:49152", "Ada Lovelace", "ada@example.com"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the consent page does not tell %q", want)
		}
	}
	p.exchange(p.redirected(b.pressConsent(page, "allow")).Get("code"))
	p.wantUser("user-ada")
	got := p.call(http.MethodGet, "/").received(t).Header
	if got.Get("X-Zoom-Access-Token") == "" || got.Get("X-Zoom-Zak") == "" || got.Get("X-Zoom-User-Email") != "ada@example.com" {
		t.Errorf("the app got %v", got)
	}
	if page := b.open("/"); page.received(t).Header.Get("X-Zoom-Client-Id") != "" {
		t.Error("a browser has a client")
	}
	former := *p
	p.takeTokens(p.refreshed())
	p.wantUser("user-ada")
	former.wantUser("user-ada")

	if a := p.post("oauth/revoke", url.Values{"token": {p.refresh}, "client_id": {"cli"}}); a.StatusCode != http.StatusOK {
		t.Errorf("revoking: %d\n%s", a.StatusCode, a.body)
	}
	p.wantDead()
	b.wantUser("user-ada")
}
