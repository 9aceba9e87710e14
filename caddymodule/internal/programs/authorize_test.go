package programs

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// RFC 6749, section 4.1.2.1: where client or redirect URI are not good, nothing
// goes there.
func TestBadClients(t *testing.T) {
	w := newWorld(t)
	cookie := w.browser()
	good := asking().Encode()
	for name, query := range map[string]string{
		"no client":                  asking("client_id", "-").Encode(),
		"unknown client":             asking("client_id", "other").Encode(),
		"a document nobody listed":   asking("client_id", "https://claude.ai/client.json").Encode(),
		"two clients":                good + "&client_id=phone",
		"no redirect URI":            asking("redirect_uri", "-").Encode(),
		"empty redirect URI":         asking("redirect_uri", "").Encode(),
		"another's redirect URI":     asking("redirect_uri", "https://web.example/cb?a=b").Encode(),
		"two redirect URIs":          good + "&redirect_uri=https%3A%2F%2Fevil.example",
		"redirect URI with more":     asking("redirect_uri", "com.example.app:/signed-in/../x").Encode(),
		"redirect URI with new line": asking("redirect_uri", "com.example.app:/signed-in\r\nX: y").Encode(),
		"nothing":                    "",
		"not a query":                "%zz",
	} {
		for _, cookie := range []string{"", cookie} {
			rec := w.authorize(cookie, query)
			if !errors.Is(w.refused, ErrBadClient) || rec.Header().Get("Location") != "" || w.signIn != "" {
				t.Errorf("%s: %v, to %q", name, w.refused, rec.Header().Get("Location"))
			}
		}
	}
}

// All else goes back, with state and issuer, whether somebody is signed in or not.
func TestBadAuthorizations(t *testing.T) {
	w := newWorld(t)
	cookie := w.browser()
	good := asking().Encode()
	for name, test := range map[string]struct{ query, code string }{
		"no response type":        {asking("response_type", "-").Encode(), invalidRequest},
		"token":                   {asking("response_type", "token").Encode(), unsupportedResponse},
		"hybrid":                  {asking("response_type", "code id_token").Encode(), unsupportedResponse},
		"fragment":                {asking("response_mode", "fragment").Encode(), invalidRequest},
		"form_post":               {asking("response_mode", "form_post").Encode(), invalidRequest},
		"no challenge":            {asking("code_challenge", "-").Encode(), invalidRequest},
		"no challenge, no method": {asking("code_challenge", "-", "code_challenge_method", "-").Encode(), invalidRequest},
		"no method":               {asking("code_challenge_method", "-").Encode(), invalidRequest},
		"plain":                   {asking("code_challenge_method", "plain").Encode(), invalidRequest},
		"short challenge":         {asking("code_challenge", challenge[1:]).Encode(), invalidRequest},
		"padded challenge":        {asking("code_challenge", challenge+"=").Encode(), invalidRequest},
		"two challenges":          {good + "&code_challenge=" + challenge, invalidRequest},
		"two response types":      {good + "&response_type=code", invalidRequest},
		"two of an unknown":       {good + "&x=1&x=2", invalidRequest},
		"syntax":                  {good + "&a=%zz", invalidRequest},
		"semicolon":               {good + "&a=b;c", invalidRequest},
		"long":                    {asking("login_hint", long(1300)).Encode(), invalidRequest},
		"one byte too long":       {asking("x", long(1301-len(good)-len("&x="))).Encode(), invalidRequest},
		"foreign resource":        {asking("resource", "https://evil.example/mcp").Encode(), invalidTarget},
		"resource in disguise":    {asking("resource", issuer+"@evil.example/").Encode(), invalidTarget},
		"resource by http":        {asking("resource", "http://app.example").Encode(), invalidTarget},
		"resource with fragment":  {asking("resource", issuer+"/mcp#x").Encode(), invalidTarget},
		"relative resource":       {asking("resource", "/mcp").Encode(), invalidTarget},
		"two resources":           {good + "&resource=" + url.QueryEscape(issuer) + "&resource=" + url.QueryEscape(other), invalidTarget},
	} {
		for _, cookie := range []string{"", cookie} {
			got := w.answered(w.authorize(cookie, test.query), "com.example.app:/signed-in?")
			if got.Get("error") != test.code || got.Get("state") != "the state" || got.Get("iss") != issuer || got.Has("code") {
				t.Errorf("%s: %v", name, got)
			}
		}
	}
	if got := w.answered(w.authorize(cookie, asking("response_type", "x", "state", "-").Encode()), "com.example.app:/signed-in?"); got.Has("state") {
		t.Errorf("a state that nobody sent: %v", got)
	}
	if got := w.answered(w.authorize(cookie, good+"&state=other"), "com.example.app:/signed-in?"); got.Has("state") || got.Get("error") != invalidRequest {
		t.Errorf("two states: %v", got)
	}
}

// What is asked for beyond that is ignored, as real clients ask for a lot.
func TestAuthorizationsOfRealClients(t *testing.T) {
	w := newWorld(t)
	cookie := w.browser()
	for name, query := range map[string]url.Values{
		"mcp-remote": asking("client_id", "cli", "redirect_uri", "http://localhost:3334/callback", "scope", "openid email profile", "resource", issuer+"/mcp"),
		"codex":      asking("client_id", "cli", "redirect_uri", "http://127.0.0.1:49152/callback", "resource", issuer+"/"),
		"AppAuth":    asking("nonce", "n", "prompt", "login", "response_mode", "query"),
		"VS Code":    asking("client_id", "cli", "redirect_uri", "http://127.0.0.1:33418/callback", "resource", "HTTPS://App.Example:443/mcp"),
		"two resources": {
			"client_id": asking()["client_id"], "redirect_uri": asking()["redirect_uri"], "response_type": {"code"},
			"code_challenge": {challenge}, "code_challenge_method": {"S256"}, "resource": {issuer, issuer + "/mcp"},
		},
		"no resource": asking("resource", ""),
		"at its most": asking("x", long(1300-len(asking().Encode())-len("&x="))),
	} {
		if rec := w.authorize(cookie, query.Encode()); rec.Code != http.StatusOK || w.page.Title == "" {
			t.Errorf("%s: %d, %v, %s", name, rec.Code, w.refused, rec.Header().Get("Location"))
		}
	}
}

func TestSignedOutAuthorization(t *testing.T) {
	w := newWorld(t)
	query := asking().Encode()
	if w.authorize("", query); w.signIn != query {
		t.Errorf("%q", w.signIn)
	}
	declined := func(query string) *httptest.ResponseRecorder {
		return w.visit(func(rw http.ResponseWriter) error {
			return w.Declined(rw, httptest.NewRequest("GET", callback, nil), query)
		})
	}
	got := w.answered(declined(query), "com.example.app:/signed-in?")
	if got.Get("error") != accessDenied || got.Get("state") != "the state" || got.Get("iss") != issuer {
		t.Errorf("declined at Zoom: %v", got)
	}
	if declined(asking("client_id", "other").Encode()); !errors.Is(w.refused, ErrBadClient) {
		t.Errorf("declined for nobody: %v", w.refused)
	}
}

// The page is shown each time, with what is known of the client and no more, and
// with a policy that lets the browser go where the code goes.
func TestConsentPage(t *testing.T) {
	w := newWorld(t)
	cookie := w.browser()
	for _, tt := range []struct {
		client, redirect string
		says             []string
		targets          []string
		anywhere         bool
	}{
		{"phone", "com.example.app:/signed-in", []string{"The &lt;b&gt;Phone&lt;/b&gt;", "com.example.app:", "an app on this device"}, []string{"com.example.app:"}, false},
		{"cli", "http://127.0.0.1:4000/callback", []string{"cli", "127.0.0.1:4000", "a program on this device"}, []string{"http://127.0.0.1:4000"}, false},
		{"cli", "http://localhost:4000/callback", []string{"localhost:4000"}, []string{"http://localhost:4000"}, false},
		{"six", "http://[::1]:4000/callback", []string{"[::1]:4000"}, nil, true},
		{"web", "https://web.example/cb?a=b", []string{"web.example"}, nil, true},
	} {
		query := asking("client_id", tt.client, "redirect_uri", tt.redirect)
		for range 2 {
			w.authorize(cookie, query.Encode())
			main := string(w.page.Main)
			for _, words := range append(tt.says, "Ada", "ada@example.com", `action="/zoom_pkce/oauth/consent"`) {
				if !strings.Contains(main, words) {
					t.Errorf("%s: %q is missing in\n%s", tt.client, words, main)
				}
			}
			if part := asking("client_id", tt.client, "redirect_uri", tt.redirect, "resource", issuer+"/mcp"); !strings.Contains(main, "meetings") {
				t.Errorf("%s: nothing of meetings in\n%s", tt.client, main)
			} else if w.authorize(cookie, part.Encode()); strings.Contains(string(w.page.Main), "meetings") {
				t.Errorf("%s: meetings for a part of the site in\n%s", tt.client, w.page.Main)
			}
			if strings.Contains(main, "unverified") || strings.Contains(main, "<b>") {
				t.Errorf("%s: %s", tt.client, main)
			}
			if !slices.Equal(w.page.FormTargets, tt.targets) || w.page.FormAnywhere != tt.anywhere {
				t.Errorf("%s: %q, %v", tt.redirect, w.page.FormTargets, w.page.FormAnywhere)
			}
		}
		w.code(cookie, query)
	}
	registered := Client{ID: "zpk_", Name: "Zoom", kind: zoompkce.RegisteredClient}
	a := &authorization{client: &registered, redirect: redirectTarget{uri: "cursor://x", scheme: "cursor", host: ""}}
	p := consentPage(a, zoomapi.Profile{ID: "ada"}, "/p", "v")
	if !strings.Contains(string(p.Main), "unverified") {
		t.Errorf("a client of which nothing is known: %s", p.Main)
	}
}

func TestConsentAnswers(t *testing.T) {
	w := newWorld(t)
	cookie := w.browser()
	query := asking()
	w.authorize(cookie, query.Encode())
	got := w.answered(w.press(cookie, decisionDeny), "com.example.app:/signed-in?")
	if got.Get("error") != accessDenied || got.Get("state") != "the state" || got.Get("iss") != issuer {
		t.Errorf("declined: %v", got)
	}
	got = w.answered(w.press(cookie, decisionAllow), "com.example.app:/signed-in?")
	if got.Get("code") == "" || got.Get("state") != "the state" || got.Get("iss") != issuer || got.Has("error") {
		t.Errorf("allowed: %v", got)
	}
	w.press(cookie, "")
	if !errors.Is(w.refused, ErrBadForm) {
		t.Errorf("no button: %v", w.refused)
	}
	web := asking("client_id", "web", "redirect_uri", "https://web.example/cb?a=b")
	w.authorize(cookie, web.Encode())
	if got = w.answered(w.press(cookie, decisionAllow), "https://web.example/cb?a=b&"); got.Get("code") == "" {
		t.Errorf("a redirect URI with a query: %v", got)
	}

	// Attacks 2 and 3: the page of another browser, and no browser at all.
	w.authorize(cookie, query.Encode())
	if rec := w.press(w.browser(), decisionAllow); !errors.Is(w.refused, zoompkce.ErrConsentExpired) || rec.Header().Get("Location") != "" {
		t.Errorf("another session: %v", w.refused)
	}
	if rec := w.press("", decisionAllow); !errors.As(w.refused, new(*zoompkce.NoSessionError)) || rec.Header().Get("Location") != "" {
		t.Errorf("no session: %v", w.refused)
	}

	// More codes than may wait.
	for range 5 {
		w.authorize(cookie, query.Encode())
		got = w.answered(w.press(cookie, decisionAllow), "com.example.app:/signed-in?")
	}
	if got.Get("error") != temporarily || got.Get("state") != "the state" || got.Has("code") {
		t.Errorf("too many: %v", got)
	}

	// A client that was taken out while the page was open.
	w.Clients = NewClients(ClientsConfig{})
	if rec := w.press(cookie, decisionAllow); !errors.Is(w.refused, ErrBadClient) || rec.Header().Get("Location") != "" {
		t.Errorf("a client that is gone: %v", w.refused)
	}
}

// Trouble with the store is nobody's answer: the person may try again.
func TestAuthorizationInTrouble(t *testing.T) {
	w := newWorld(t)
	cookie := w.browser()
	w.authorize(cookie, asking().Encode())
	page := w.page
	w.store.down = true
	if rec := w.press(cookie, decisionAllow); !errors.As(w.refused, new(*zoompkce.StoreError)) || rec.Header().Get("Location") != "" {
		t.Errorf("pressed: %v", w.refused)
	}
	w.store.down, w.page = false, page
	if got := w.answered(w.press(cookie, decisionAllow), "com.example.app:/signed-in?"); got.Get("code") == "" {
		t.Errorf("pressed again: %v", got)
	}
	w.barred = true
	if w.authorize(cookie, asking().Encode()); !errors.Is(w.refused, ErrNotAllowed) || w.page.Title != "" {
		t.Errorf("asked by who may not use the site: %v", w.refused)
	}
	w.barred = false
	w.Authority = brokenAuthority{w.manager}
	if w.authorize(cookie, asking().Encode()); !errors.Is(w.refused, errDown) || w.page.Title != "" {
		t.Errorf("sealing: %v", w.refused)
	}
}

func TestBadConsentForms(t *testing.T) {
	w := newWorld(t)
	cookie := w.browser()
	for name, r := range map[string]*http.Request{
		"JSON":       httptest.NewRequest("POST", issuer+"/", strings.NewReader(`{}`)),
		"long":       formRequest("/", "consent="+long(65<<10)),
		"repeated":   formRequest("/", "decision=allow&decision=allow"),
		"not ours":   formRequest("/", "decision=allow&consent=x"),
		"no consent": formRequest("/", "decision=allow"),
	} {
		r.Header.Set("Cookie", cookie)
		rec := w.visit(func(rw http.ResponseWriter) error { return w.Consent(rw, r) })
		ours := name == "not ours" || name == "no consent"
		if w.refused == nil || errors.Is(w.refused, ErrBadForm) == ours || rec.Header().Get("Location") != "" {
			t.Errorf("%s: %v", name, w.refused)
		}
	}
}

// What is longer than a form may be is not kept, and read to its end within reason,
// so that the answer arrives.
func TestLengthOfForms(t *testing.T) {
	w := newWorld(t)
	cookie := w.browser()
	for length, read := range map[int]int{64 << 10: 64 << 10, 64<<10 + 1: 64<<10 + 1, 1 << 20: 1 << 20, 9 << 20: 64<<10 + 1 + 2<<20} {
		body := strings.NewReader("x=" + long(length-2))
		r := formRequest("/", "")
		r.Header.Set("Cookie", cookie)
		r.Body = io.NopCloser(body)
		w.visit(func(rw http.ResponseWriter) error { return w.Consent(rw, r) })
		if long := errors.Is(w.refused, errLongForm); long != (length > 64<<10) || length-body.Len() != read {
			t.Errorf("%d bytes: %v, %d read", length, w.refused, length-body.Len())
		}
	}
}

func TestProgramsPage(t *testing.T) {
	w := newWorld(t)
	cookie := w.browser()
	list := func() string {
		t.Helper()
		r := httptest.NewRequest("GET", issuer+"/zoom_pkce/programs", nil)
		r.Header.Set("Cookie", cookie)
		w.visit(func(rw http.ResponseWriter) error { return w.List(rw, r) })
		return string(w.page.Main)
	}
	if got := list(); !strings.Contains(got, "No program") {
		t.Errorf("none: %s", got)
	}
	tokens := w.tokens(cookie)
	today := time.Now().UTC().Format("2 January 2006")
	got := list()
	for _, words := range []string{"The &lt;b&gt;Phone&lt;/b&gt;", "com.example.app:", today, `action="/zoom_pkce/programs/end"`} {
		if !strings.Contains(got, words) {
			t.Errorf("%q is missing in\n%s", words, got)
		}
	}
	id := got[strings.Index(got, `name="program" value="`)+len(`name="program" value="`):]
	r := formRequest("/zoom_pkce/programs/end", "program="+id[:strings.Index(id, `"`)])
	r.Header.Set("Cookie", cookie)
	rec := w.visit(func(rw http.ResponseWriter) error { return w.End(rw, r) })
	if rec.Code != http.StatusSeeOther || rec.Header().Get("Location") != "/zoom_pkce/programs" {
		t.Errorf("%d, %v", rec.Code, w.refused)
	}
	if w.in(tokens.AccessToken) || !strings.Contains(list(), "No program") {
		t.Error("the program lives")
	}
}

// What goes wrong is told to the person, and no program ends by it.
func TestProgramsPageInTrouble(t *testing.T) {
	w := newWorld(t)
	cookie := w.browser()
	visit := func(cookie string, serve func(http.ResponseWriter, *http.Request) error, body string) error {
		r := formRequest("/zoom_pkce/programs", body)
		r.Header.Set("Cookie", cookie)
		w.page = Page{}
		if w.visit(func(rw http.ResponseWriter) error { return serve(rw, r) }); w.page.Title != "" {
			t.Errorf("a page: %s", w.page.Main)
		}
		return w.refused
	}
	if err := visit("", w.List, ""); !errors.As(err, new(*zoompkce.NoSessionError)) {
		t.Errorf("the list for nobody: %v", err)
	}
	if err := visit("", w.End, "program=x"); !errors.As(err, new(*zoompkce.NoSessionError)) {
		t.Errorf("the end by nobody: %v", err)
	}
	if err := visit(cookie, w.End, "program=x&program=y"); !errors.Is(err, ErrBadForm) {
		t.Errorf("a form that is not ours: %v", err)
	}
	w.Authority = brokenAuthority{w.manager}
	if err := visit(cookie, w.List, ""); !errors.Is(err, errDown) {
		t.Errorf("the list in trouble: %v", err)
	}
	if err := visit(cookie, w.End, "program=x"); !errors.Is(err, errDown) {
		t.Errorf("the end in trouble: %v", err)
	}
}

func TestPageThatCannotBeShown(t *testing.T) {
	if p := newPage("Title", "consent.html", struct{}{}); p.Status != http.StatusInternalServerError || p.Main != "" {
		t.Errorf("%+v", p)
	}
}
