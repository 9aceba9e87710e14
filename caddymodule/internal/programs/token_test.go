package programs

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

func TestTokens(t *testing.T) {
	w := newWorld(t)
	a := w.tokens(w.browser())
	if a.TokenType != "Bearer" || a.ExpiresIn < 3590 || a.ExpiresIn > 3600 || !w.in(a.AccessToken) {
		t.Errorf("%+v", a)
	}
	b := w.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.RefreshToken}, "client_id": {"phone"}, "scope": {"x"}, "resource": {issuer}})
	if b.status != 200 || b.TokenType != "Bearer" || b.ExpiresIn < 3590 || !w.in(b.AccessToken) || b.RefreshToken == a.RefreshToken {
		t.Errorf("%+v", b)
	}
}

// What is refused spends neither code nor refresh token, so that a client's
// second way may work (x/oauth2 tries two).
func TestBadTokenRequests(t *testing.T) {
	w := newWorld(t)
	cookie := w.browser()
	code := w.code(cookie, asking())
	refresh := w.tokens(cookie).RefreshToken
	good, again := redemption(code), url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {"phone"}}
	refreshing := func(change ...string) string {
		v := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {"phone"}}
		return changed(v, change).Encode()
	}
	tests := map[string]struct {
		body   string
		change func(*http.Request)
		status int
		code   string
	}{
		"no grant":                  {redemption(code, "grant_type", "-").Encode(), nil, 400, invalidRequest},
		"unknown grant":             {redemption(code, "grant_type", "password").Encode(), nil, 400, unsupportedGrant},
		"client credentials":        {redemption(code, "grant_type", "client_credentials").Encode(), nil, 400, unsupportedGrant},
		"no client":                 {redemption(code, "client_id", "-").Encode(), nil, 400, invalidRequest},
		"unknown client":            {redemption(code, "client_id", "x").Encode(), nil, 401, invalidClient},
		"a URL as client":           {redemption(code, "client_id", "https://claude.ai/x").Encode(), nil, 401, invalidClient},
		"another client":            {redemption(code, "client_id", "cli").Encode(), nil, 400, invalidGrant},
		"a secret":                  {redemption(code, "client_secret", "x").Encode(), nil, 401, invalidClient},
		"no code":                   {redemption(code, "code", "-").Encode(), nil, 400, invalidRequest},
		"another code":              {redemption(code, "code", "x").Encode(), nil, 400, invalidGrant},
		"no verifier":               {redemption(code, "code_verifier", "-").Encode(), nil, 400, invalidRequest},
		"wrong verifier":            {redemption(code, "code_verifier", "wrong").Encode(), nil, 400, invalidGrant},
		"no redirect URI":           {redemption(code, "redirect_uri", "-").Encode(), nil, 400, invalidRequest},
		"another redirect URI":      {redemption(code, "redirect_uri", "com.example.app:/x").Encode(), nil, 400, invalidGrant},
		"foreign resource":          {redemption(code, "resource", "https://evil.example").Encode(), nil, 400, invalidTarget},
		"another resource":          {redemption(code, "resource", other).Encode(), nil, 400, invalidTarget},
		"repeated code":             {good.Encode() + "&code=x", nil, 400, invalidRequest},
		"repeated unknown":          {good.Encode() + "&x=1&x=1", nil, 400, invalidRequest},
		"broken form":               {good.Encode() + "&x=%zz", nil, 400, invalidRequest},
		"nothing":                   {"", nil, 400, invalidRequest},
		"1 MB":                      {good.Encode() + "&x=" + long(1<<20), nil, 400, invalidRequest},
		"breaks off":                {good.Encode(), breaksOff, 400, invalidRequest},
		"JSON":                      {`{"grant_type":"authorization_code"}`, contentType("application/json"), 400, invalidRequest},
		"multipart":                 {good.Encode(), contentType("multipart/form-data; boundary=x"), 400, invalidRequest},
		"no content type":           {good.Encode(), contentType(""), 400, invalidRequest},
		"GET":                       {"", func(r *http.Request) { r.Method, r.URL.RawQuery = "GET", good.Encode() }, 405, invalidRequest},
		"PUT":                       {good.Encode(), func(r *http.Request) { r.Method = "PUT" }, 405, invalidRequest},
		"everything in the address": {"", func(r *http.Request) { r.URL.RawQuery = good.Encode() }, 400, invalidRequest},
		"another host":              {good.Encode(), func(r *http.Request) { r.Host = "other.example" }, 400, invalidGrant},
		"Basic with a password":     {redemption(code, "client_id", "-").Encode(), basic("phone", "x"), 401, invalidClient},
		"Basic of an unknown":       {redemption(code, "client_id", "-").Encode(), basic("x", ""), 401, invalidClient},
		"Basic of nobody":           {redemption(code, "client_id", "-").Encode(), basic("", ""), 401, invalidClient},
		"Basic of another":          {good.Encode(), basic("cli", ""), 400, invalidRequest},
		"Basic that is none":        {good.Encode(), func(r *http.Request) { r.Header.Set("Authorization", "Basic x") }, 401, invalidClient},
		"two Basic":                 {good.Encode(), func(r *http.Request) { basic("phone", "")(r); r.Header.Add("Authorization", "Basic x") }, 401, invalidClient},
		"a bearer":                  {good.Encode(), func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, 401, invalidClient},

		"no refresh token":          {refreshing("refresh_token", "-"), nil, 400, invalidRequest},
		"another refresh token":     {refreshing("refresh_token", "x"), nil, 400, invalidGrant},
		"refresh of another client": {refreshing("client_id", "cli"), nil, 400, invalidGrant},
		"refresh of an unknown":     {refreshing("client_id", "x"), nil, 401, invalidClient},
		"refresh of no client":      {refreshing("client_id", "-"), nil, 400, invalidRequest},
		"refresh for another":       {refreshing("resource", other), nil, 400, invalidTarget},
		"refresh with a code":       {refreshing("refresh_token", code), nil, 400, invalidGrant},
		"refresh at another host":   {refreshing(), func(r *http.Request) { r.Host = "other.example" }, 400, invalidGrant},
		"refresh token twice":       {refreshing() + "&refresh_token=x", nil, 400, invalidRequest},
		"code with a refresh token": {redemption(refresh).Encode(), nil, 400, invalidGrant},
	}
	for name, test := range tests {
		r := formRequest("/zoom_pkce/oauth/token", test.body)
		if test.change != nil {
			test.change(r)
		}
		basic := r.Header.Get("Authorization") != ""
		a := w.post(w.Token, r)
		if a.status != test.status || a.Error != test.code || a.AccessToken != "" {
			t.Errorf("%s: %d %s", name, a.status, a.Error)
		}
		// RFC 6749, section 5.2; the field hides the body from oauth4webapi.
		if got := a.header.Get("WWW-Authenticate") != ""; got != (basic && test.status == 401) {
			t.Errorf("%s: WWW-Authenticate %q", name, a.header.Get("WWW-Authenticate"))
		}
		if test.status == 405 && a.header.Get("Allow") != "POST" {
			t.Errorf("%s: Allow %q", name, a.header.Get("Allow"))
		}
	}
	if a := w.token(good); a.status != 200 {
		t.Errorf("the code is spent: %s", a.Error)
	}
	if a := w.token(again); a.status != 200 {
		t.Errorf("the refresh token is spent: %s", a.Error)
	}
}

func contentType(value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Content-Type", value) }
}

func basic(user, password string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(user, password) }
}

// A Basic header with an empty password is how x/oauth2 names a public client,
// encoded as in a form.
func TestBasicWithEmptyPassword(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"phone", "%70hone"} {
		r := formRequest("/zoom_pkce/oauth/token", redemption(w.code(w.browser(), asking()), "client_id", "-").Encode())
		r.SetBasicAuth(id, "")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		if a := w.post(w.Token, r); a.status != 200 {
			t.Errorf("%s: %d %s", id, a.status, a.Error)
		}
	}
}

// A code that comes twice ends what it gave, and nothing else.
func TestCodeTwice(t *testing.T) {
	w := newWorld(t)
	cookie := w.browser()
	form := redemption(w.code(cookie, asking()))
	first, stays := w.token(form), w.tokens(cookie)
	if second := w.token(form); second.status != 400 || second.Error != invalidGrant {
		t.Errorf("%d %s", second.status, second.Error)
	}
	if w.in(first.AccessToken) || !w.in(stays.AccessToken) {
		t.Error("the wrong program has ended")
	}
}

// Attack 15: who may not use the site any more gets no new tokens, and loses
// nothing if that was a mistake.
func TestBarredUser(t *testing.T) {
	w := newWorld(t)
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {w.tokens(w.browser()).RefreshToken}, "client_id": {"phone"}}
	w.barred = true
	if a := w.token(form); a.status != 400 || a.Error != invalidGrant {
		t.Errorf("%d %s", a.status, a.Error)
	}
	w.barred = false
	if a := w.token(form); a.status != 200 {
		t.Errorf("%d %s", a.status, a.Error)
	}
}

// Trouble is not an error of the client, and it opens no browser.
func TestTokensInTrouble(t *testing.T) {
	w := newWorld(t)
	cookie := w.browser()
	code, tokens := w.code(cookie, asking()), w.tokens(cookie)
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.RefreshToken}, "client_id": {"phone"}}
	revoke := func() answer {
		return w.post(w.Revoke, formRequest("/", url.Values{"token": {tokens.AccessToken}, "client_id": {"phone"}}.Encode()))
	}
	w.store.down = true
	for name, a := range map[string]answer{"code": w.token(redemption(code)), "refresh": w.token(refresh), "revoke": revoke()} {
		if a.status != 503 || a.Error != temporarily || a.header.Get("Retry-After") != "5" {
			t.Errorf("%s: %d %s", name, a.status, a.Error)
		}
	}
	w.store.down = false
	for name, a := range map[string]answer{"code": w.token(redemption(code)), "refresh": w.token(refresh), "revoke": revoke()} {
		if a.status != 200 {
			t.Errorf("%s afterwards: %d %s", name, a.status, a.Error)
		}
	}
}

func TestRevoke(t *testing.T) {
	w := newWorld(t)
	cookie := w.browser()
	stays := w.tokens(cookie)
	revoke := func(form url.Values, change func(*http.Request)) answer {
		t.Helper()
		r := formRequest("/zoom_pkce/oauth/revoke", form.Encode())
		if change != nil {
			change(r)
		}
		return w.post(w.Revoke, r)
	}
	for name, test := range map[string]struct {
		form   url.Values
		change func(*http.Request)
		status int
		code   string
	}{
		"no token":       {url.Values{"client_id": {"phone"}}, nil, 400, invalidRequest},
		"no client":      {url.Values{"token": {stays.AccessToken}}, nil, 400, invalidRequest},
		"unknown client": {url.Values{"token": {stays.AccessToken}, "client_id": {"x"}}, nil, 401, invalidClient},
		"another client": {url.Values{"token": {stays.AccessToken}, "client_id": {"cli"}}, nil, 400, invalidGrant},
		"unknown token":  {url.Values{"token": {"x"}, "client_id": {"phone"}, "token_type_hint": {"y"}}, nil, 200, ""},
		"another issuer": {url.Values{"token": {stays.AccessToken}, "client_id": {"phone"}}, func(r *http.Request) { r.Host = "other.example" }, 200, ""},
		"GET":            {url.Values{}, func(r *http.Request) { r.Method = "GET" }, 405, invalidRequest},
		"JSON":           {url.Values{}, contentType("application/json"), 400, invalidRequest},
	} {
		if a := revoke(test.form, test.change); a.status != test.status || a.Error != test.code {
			t.Errorf("%s: %d %s", name, a.status, a.Error)
		}
		if !w.in(stays.AccessToken) {
			t.Fatalf("%s has ended the program", name)
		}
	}
	if a := revoke(url.Values{}, contentType("application/json")); !strings.Contains(a.Description, "content type") {
		t.Errorf("JSON: %s", a.Description)
	}
	for _, hint := range []string{"access_token", "refresh_token", ""} {
		for _, byAccess := range []bool{true, false} {
			tokens := w.tokens(cookie)
			token := tokens.RefreshToken
			if byAccess {
				token = tokens.AccessToken
			}
			form := url.Values{"token": {token}, "client_id": {"phone"}, "token_type_hint": {hint}}
			for range 2 {
				if a := revoke(form, nil); a.status != 200 {
					t.Errorf("%d %s", a.status, a.Error)
				}
			}
			if w.in(tokens.AccessToken) {
				t.Error("the program lives")
			}
		}
	}
}

// No answer says more than it has to.
func TestNoSecretInErrors(t *testing.T) {
	w := newWorld(t)
	rec := httptest.NewRecorder()
	w.Token(rec, formRequest("/", redemption("a-secret-code", "client_id", "a-strange-client").Encode()))
	if body := rec.Body.String(); strings.Contains(body, "a-s") || strings.Contains(body, verifier) {
		t.Errorf("%s", body)
	}
}

func breaksOff(r *http.Request) {
	r.Body = io.NopCloser(io.MultiReader(r.Body, iotest.ErrReader(io.ErrUnexpectedEOF)))
}

// stalled is a body that comes but for its last byte.
type stalled struct {
	rest  int
	there chan<- struct{}
	end   <-chan struct{}
}

func (b *stalled) Read(p []byte) (int, error) {
	if b.rest == 0 {
		b.there <- struct{}{}
		<-b.end
		return 0, io.ErrUnexpectedEOF
	}
	n := min(len(p), b.rest)
	b.rest -= n
	return copy(p, strings.Repeat("x", n)), nil
}

// timed is a writer whose connection can be given a time to read by.
type timed struct {
	*httptest.ResponseRecorder
	by []time.Time
}

func (w *timed) SetReadDeadline(at time.Time) error {
	w.by = append(w.by, at)
	return nil
}

// Strangers who send bodies and do not end them have a bounded part of the memory, for a bounded time;
// the rest is left to short requests and to visitors with a session.
func TestStalledBodies(t *testing.T) {
	w := registering(t)
	cookie := w.browser()
	for name, test := range map[string]struct {
		serve       func(http.ResponseWriter, *http.Request)
		contentType string
	}{
		"token":    {w.Token, "application/x-www-form-urlencoded"},
		"revoke":   {w.Revoke, "application/x-www-form-urlencoded"},
		"register": {w.Register, "application/json"},
	} {
		t.Run(name, func(t *testing.T) {
			const many = 400 // 25 MiB
			there, end, busy := make(chan struct{}, many), make(chan struct{}), make(chan *httptest.ResponseRecorder, many)
			var all sync.WaitGroup
			for range many {
				all.Go(func() {
					r := httptest.NewRequest("POST", issuer+"/", &stalled{64<<10 - 1, there, end})
					r.Header.Set("Content-Type", test.contentType)
					rec := &timed{ResponseRecorder: httptest.NewRecorder()}
					test.serve(rec, r)
					if len(rec.by) == 0 || time.Until(rec.by[0]) > 10*time.Second {
						t.Errorf("read without an end: %v", rec.by)
					}
					select {
					case <-end:
					default:
						busy <- rec.ResponseRecorder
					}
				})
			}
			held := 0
			for done := 0; done < many; {
				select {
				case <-there:
					held++
					done++
				case rec := <-busy:
					if done++; rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") == "" {
						t.Errorf("refused with %d", rec.Code)
					}
				}
			}
			if held > 256 {
				t.Errorf("%d bodies are held", held)
			}
			if a := w.post(w.Token, formRequest("/", "grant_type=x&client_id=cli")); a.Error != unsupportedGrant {
				t.Errorf("a short request: %d %s", a.status, a.Error)
			}
			r := formRequest("/", "decision=deny&consent=x&y="+long(60<<10))
			r.Header.Set("Cookie", cookie)
			if w.visit(func(rw http.ResponseWriter) error { return w.Consent(rw, r) }); !errors.Is(w.refused, zoompkce.ErrConsentExpired) {
				t.Errorf("a visitor: %v", w.refused)
			}
			close(end)
			all.Wait()
		})
	}
}
