package zoomtest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

func TestSignInReturnsCodeAndStateUnchanged(t *testing.T) {
	w := newWorld(t)
	state := `odd & "state" = ü`
	back, err := w.SignIn(t.Context(), w.authorizeURL(w.app, "state", state), "ada")
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(back)
	if !strings.HasPrefix(back, callback+"?") || u.Query().Get("state") != state {
		t.Errorf("redirected to %s", back)
	}
	if code := u.Query().Get("code"); !regexp.MustCompile(`^[A-Za-z0-9_-]{33}$`).MatchString(code) {
		t.Errorf("code %q", code)
	}
}

func TestStateIsOptional(t *testing.T) {
	w := newWorld(t)
	back, err := w.SignIn(t.Context(), w.authorizeURL(w.app, "state", "-"), "ada")
	if err != nil || strings.Contains(back, "state") {
		t.Errorf("redirected to %s, %v", back, err)
	}
}

func TestDeclineReturnsErrorAndState(t *testing.T) {
	w := newWorld(t)
	back, err := w.Decline(t.Context(), w.authorizeURL(w.app))
	if want := callback + "?error=access_denied&state=st"; err != nil || back != want {
		t.Errorf("redirected to %s, %v", back, err)
	}
}

func TestAuthorizeRefuses(t *testing.T) {
	w := newWorld(t)
	w.AddApp(App{ClientID: "loopback", ClientSecret: "s3cret", RedirectURIs: []string{
		"http://127.0.0.1:4000/cb", "http://localhost:4000/cb", "https://127.0.0.1:4000/tls",
	}})
	loopback := &App{ClientID: "loopback"}
	for name, u := range map[string]string{
		"unknown client (4,702)":             w.authorizeURL(&App{ClientID: "nobody"}),
		"no client (4,702)":                  w.authorizeURL(w.app, "client_id", "-"),
		"no redirect uri (4,700)":            w.authorizeURL(w.app, "redirect_uri", "-"),
		"longer redirect uri (4,700)":        w.authorizeURL(w.app, "redirect_uri", callback+"/more"),
		"capitals in the path (4,700)":       w.authorizeURL(w.app, "redirect_uri", "https://app.example/Callback"),
		"query added to redirect (4,700)":    w.authorizeURL(w.app, "redirect_uri", callback+"?x=1"),
		"http instead of https (4,700)":      w.authorizeURL(w.app, "redirect_uri", "http://app.example/callback"),
		"default port written (4,700)":       w.authorizeURL(w.app, "redirect_uri", "https://app.example:443/callback"),
		"other response type (4,700)":        w.authorizeURL(w.app, "response_type", "token"),
		"no response type (4,700)":           w.authorizeURL(w.app, "response_type", "-"),
		"unknown challenge method (4,700)":   w.authorizeURL(w.app, "code_challenge_method", "s256"),
		"empty challenge method (4,700)":     w.authorizeURL(w.app, "code_challenge_method", ""),
		"method without challenge (4,700)":   w.authorizeURL(w.app, "code_challenge", "-"),
		"public without challenge (4,700)":   w.authorizeURL(w.public, "code_challenge", "-", "code_challenge_method", "-"),
		"scope the app lacks (4,700)":        w.authorizeURL(w.app, "scope", "user:read:user meeting:write:meeting"),
		"repeated parameter (4,700)":         w.authorizeURL(w.app) + "&state=again",
		"loopback other path (4,700)":        w.authorizeURL(loopback, "redirect_uri", "http://127.0.0.1:5000/other"),
		"loopback without challenge (4,700)": w.authorizeURL(loopback, "redirect_uri", "http://127.0.0.1:5000/cb", "code_challenge", "-", "code_challenge_method", "-"),
		"localhost other port (4,700)":       w.authorizeURL(loopback, "redirect_uri", "http://localhost:5000/cb"),
		"https loopback other port (4,700)":  w.authorizeURL(loopback, "redirect_uri", "https://127.0.0.1:5000/tls"),
		"loopback lookalike host (4,700)":    w.authorizeURL(loopback, "redirect_uri", "http://127.0.0.1.evil.example:4000/cb"),
		"user info before loopback (4,700)":  w.authorizeURL(loopback, "redirect_uri", "http://127.0.0.1:4000@127.0.0.1/cb"),
		"loopback path alone (4,700)":        w.authorizeURL(loopback, "redirect_uri", "/cb"),
		"loopback client, wrong page(4,700)": w.authorizeURL(loopback, "redirect_uri", callback),
	} {
		t.Run(name, func(t *testing.T) {
			number := name[strings.Index(name, "("):]
			if back, err := w.SignIn(t.Context(), u, "ada"); err == nil || !strings.Contains(err.Error(), number) {
				t.Errorf("went to %q, error %v", back, err)
			}
		})
	}
}

func TestLoopbackRedirectIgnoresThePort(t *testing.T) {
	w := newWorld(t)
	app := w.AddApp(App{RedirectURIs: []string{"http://127.0.0.1:4000/cb"}})
	for _, uri := range []string{"http://127.0.0.1:5000/cb", "http://127.0.0.1/cb"} {
		back, err := w.SignIn(t.Context(), w.authorizeURL(app, "redirect_uri", uri), "ada")
		if err != nil || !strings.HasPrefix(back, uri+"?code=") {
			t.Errorf("went to %q, error %v", back, err)
		}
	}
}

func TestAuthorizeErrorAsJSON(t *testing.T) {
	w := newWorld(t)
	r, _ := http.NewRequest(http.MethodGet, w.authorizeURL(w.app, "redirect_uri", "https://evil.example/?a=1&b=2"), nil)
	r.Header.Set("Accept", "application/json")
	status, body := w.send(r)
	expect(t, status, body, 400,
		`{"status":false,"errorCode":4700,"errorMessage":"Invalid redirect: https://evil.example/?a=1&b=2","result":null}`)
}

// Browsers, too, get JSON for a client that Zoom does not know.
func TestUnknownClientIsJSON(t *testing.T) {
	w := newWorld(t)
	r, _ := http.NewRequest(http.MethodGet, w.authorizeURL(&App{ClientID: "nobody"}), nil)
	r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	status, body := w.send(r)
	expect(t, status, body, 400, `{"status":false,"errorCode":4702,"errorMessage":"Invalid client_id","result":null}`)
}

// An Add button begins a sign-in that the app knows nothing of.
func TestMarketplace(t *testing.T) {
	w := newWorld(t)
	back, err := w.SignIn(t.Context(), w.MarketplaceURL(w.app.ClientID), "ada")
	code, ok := strings.CutPrefix(back, callback+"?code=")
	if err != nil || !ok || strings.Contains(code, "&") {
		t.Fatalf("went to %q, error %v", back, err)
	}
	status, body := w.post("/oauth/token", w.app, codeForm(w.app, code)) // a verifier without a challenge
	expect(t, status, body, 400, invalidCodeBody(code))
	if back, err := w.SignIn(t.Context(), w.MarketplaceURL(w.public.ClientID), "ada"); err == nil {
		t.Errorf("a public client went to %s", back)
	}
	if u := w.MarketplaceURL("nobody"); u != "" {
		t.Errorf("an unknown app has %s", u)
	}
}

func TestMetadata(t *testing.T) {
	w := newWorld(t)
	status, body := w.get("", "/.well-known/oauth-authorization-server")
	expect(t, status, body, 200, `{"authorization_endpoint":"https://zoom.test/oauth/authorize",`+
		`"grant_types_supported":["authorization_code","refresh_token","client_credentials","urn:ietf:params:oauth:grant-type:jwt-bearer"],`+
		`"issuer":"https://zoom.test","response_types_supported":["code"],`+
		`"token_endpoint":"https://zoom.test/oauth/token","token_endpoint_auth_methods_supported":["client_secret_basic"]}`)
	if status, _ := w.get("", "/.well-known/openid-configuration"); status != http.StatusNotFound {
		t.Errorf("OpenID: %d", status) // Zoom has none
	}
}

func TestAuthorizeIsGetOnly(t *testing.T) {
	w := newWorld(t)
	r, _ := http.NewRequest(http.MethodPost, w.authorizeURL(w.app), nil)
	if status, _ := w.send(r); status != http.StatusMethodNotAllowed {
		t.Errorf("status %d", status)
	}
}

// The page itself is used the way a browser would: by its form.
func TestConsentPage(t *testing.T) {
	s := NewServer()
	defer s.Close()
	w := populate(t, s)
	w.AddUser(User{ID: "grace", DisplayName: `<b>"Grace"</b>`})

	resp, err := http.Get(w.authorizeURL(w.app, "state", `"><script>`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	page := string(b)
	for _, want := range []string{
		"simulation", "Ada Lovelace", "ada@example.com", "user:read:zak",
		"&lt;b&gt;", `value="allow"`, `value="decline"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "<script>") || strings.Contains(page, "<b>") {
		t.Errorf("the page does not escape:\n%s", page)
	}
	if len(resp.Cookies()) != 0 {
		t.Error("the page remembers something")
	}

	_, request, _ := strings.Cut(page, `name="request" value="`)
	request, _, _ = strings.Cut(request, `"`)
	form := url.Values{"request": {strings.ReplaceAll(request, "&amp;", "&")}, "user": {"grace"}, "decision": {"allow"}}
	client := *s.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err = client.PostForm(s.URL+"/oauth/consent", form)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if to := resp.Header.Get("Location"); resp.StatusCode != 302 || !strings.HasPrefix(to, callback+"?code=") {
		t.Errorf("status %d to %q", resp.StatusCode, to)
	}
}

func TestConsentRefuses(t *testing.T) {
	w := newWorld(t)
	good := func() url.Values {
		_, query, _ := strings.Cut(w.authorizeURL(w.app), "?")
		return url.Values{"request": {query}, "user": {"ada"}, "decision": {"allow"}}
	}
	for name, tc := range map[string]struct {
		change func(url.Values)
		header string
	}{
		"a request that was tampered with": {change: func(f url.Values) {
			f.Set("request", strings.Replace(f.Get("request"), "app.example", "evil.example", 1))
		}},
		"nobody":             {change: func(f url.Values) { f.Set("user", "eve") }},
		"no decision":        {change: func(f url.Values) { f.Del("decision") }},
		"a post from a site": {change: func(url.Values) {}, header: "cross-site"},
	} {
		t.Run(name, func(t *testing.T) {
			form := good()
			tc.change(form)
			r := httptest.NewRequest(http.MethodPost, "/oauth/consent", strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if tc.header != "" {
				r.Header.Set("Sec-Fetch-Site", tc.header)
			}
			rec := httptest.NewRecorder()
			w.ServeHTTP(rec, r)
			if rec.Code != http.StatusBadRequest || rec.Header().Get("Location") != "" {
				t.Errorf("status %d to %q", rec.Code, rec.Header().Get("Location"))
			}
		})
	}
}
