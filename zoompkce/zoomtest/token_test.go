package zoomtest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestExchange(t *testing.T) {
	w := newWorld(t)
	for _, app := range []*App{w.app, w.public} {
		tk := w.signIn(app)
		if tk.Type != "bearer" || tk.ExpiresIn != 3599 || tk.APIURL != w.URL ||
			tk.Scope != "user:read:user user:read:zak user:read:token" {
			t.Errorf("got %+v", tk)
		}
		if client, user, ok := w.ValidateAccessToken(tk.Access); client != app.ClientID || user != "ada" || !ok {
			t.Errorf("token of %s, %s, %v", client, user, ok)
		}
		for _, token := range []string{tk.Access, tk.Refresh} {
			if len(token) < 600 || len(token) > 720 {
				t.Errorf("a token has %d bytes", len(token))
			}
		}
		part, err := base64.RawURLEncoding.DecodeString(strings.Split(tk.Access, ".")[1])
		var claims map[string]any
		if err != nil || json.Unmarshal(part, &claims) != nil ||
			claims["uid"] != "ada" || claims["iss"] != "zm:cid:"+app.ClientID {
			t.Errorf("claims %s, %v", part, err)
		}
	}
}

func TestExchangeTakesQueryParameters(t *testing.T) {
	w := newWorld(t)
	form := codeForm(w.app, w.code(w.app))
	w.tokens(w.post("/oauth/token?"+form.Encode(), w.app, nil))
}

func TestExchangeHonoursScopeParameter(t *testing.T) {
	w := newWorld(t)
	form := codeForm(w.app, w.code(w.app, "scope", "user:read:zak"))
	if tk := w.tokens(w.post("/oauth/token", w.app, form)); tk.Scope != "user:read:zak" {
		t.Errorf("scope %q", tk.Scope)
	}
}

func TestWhatTokenAnswersMayLack(t *testing.T) {
	w := newWorld(t)
	w.APIURL, w.OmitScope = "", true
	_, body := w.post("/oauth/token", w.app, codeForm(w.app, w.code(w.app)))
	if strings.Contains(body, "api_url") || strings.Contains(body, "scope") {
		t.Error(body)
	}
}

func TestTwoAuthorizationHeaders(t *testing.T) {
	w := newWorld(t)
	form := codeForm(w.app, w.code(w.app))
	r, _ := http.NewRequest(http.MethodPost, w.URL+"/oauth/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header["Authorization"] = []string{basic("confidential", "s3cret"), basic("confidential", "s3cret")}
	status, body := w.send(r)
	expect(t, status, body, 400, invalidClientBody)
	w.tokens(w.post("/oauth/token", w.app, form)) // the code is unspent
}

func TestCodeIsSingleUse(t *testing.T) {
	w := newWorld(t)
	code := w.code(w.app)
	w.tokens(w.post("/oauth/token", w.app, codeForm(w.app, code)))
	status, body := w.post("/oauth/token", w.app, codeForm(w.app, code))
	expect(t, status, body, 400, invalidCodeBody(code))
}

func TestExchangeRefuses(t *testing.T) {
	mismatch := `{"reason":"Redirect URI mismatch","error":"invalid_grant"}`
	for name, tc := range map[string]struct {
		authorize, exchange []string
		want                string // empty: the invalid code answer
	}{
		"another verifier":           {exchange: []string{"code_verifier", verifier + "x"}},
		"no verifier":                {exchange: []string{"code_verifier", "-"}},
		"the challenge as verifier":  {exchange: []string{"code_verifier", s256(verifier)}},
		"S256 without saying so":     {authorize: []string{"code_challenge_method", "-"}},
		"another plain verifier":     {authorize: []string{"code_challenge_method", "plain", "code_challenge", "other"}},
		"a verifier without need":    {authorize: []string{"code_challenge_method", "-", "code_challenge", "-"}},
		"another redirect uri":       {exchange: []string{"redirect_uri", callback + "/"}, want: mismatch},
		"no redirect uri":            {exchange: []string{"redirect_uri", "-"}, want: mismatch},
		"no code":                    {exchange: []string{"code", "-"}, want: invalidCodeBody("")},
		"a made-up code":             {exchange: []string{"code", "nonsense"}, want: invalidCodeBody("nonsense")},
		"a secret in the body":       {exchange: []string{"client_secret", "s3cret"}, want: invalidClientBody},
		"two client ids":             {exchange: []string{"client_id", "public"}, want: invalidClientBody},
		"an unknown grant type":      {exchange: []string{"grant_type", "password"}, want: `{"reason":"Unsupported grant type","error":"unsupported_grant_type"}`},
		"no grant type":              {exchange: []string{"grant_type", "-"}, want: `{"reason":"Missing grant type","error":"invalid_request"}`},
		"an account credentials try": {exchange: []string{"grant_type", "account_credentials"}, want: `{"reason":"Unsupported grant type","error":"unsupported_grant_type"}`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			code := w.code(w.app, tc.authorize...)
			status, body := w.post("/oauth/token", w.app, codeForm(w.app, code, tc.exchange...))
			want := tc.want
			if want == "" {
				want = invalidCodeBody(code)
			}
			expect(t, status, body, 400, want)
		})
	}
}

func TestPlainChallenges(t *testing.T) {
	w := newWorld(t)
	for _, method := range []string{"-", "plain"} {
		code := w.code(w.public, "code_challenge", verifier, "code_challenge_method", method)
		w.tokens(w.post("/oauth/token", w.public, codeForm(w.public, code)))
	}
}

func TestConfidentialClientMayGoWithoutPKCE(t *testing.T) {
	w := newWorld(t)
	code := w.code(w.app, "code_challenge", "-", "code_challenge_method", "-")
	w.tokens(w.post("/oauth/token", w.app, codeForm(w.app, code, "code_verifier", "-")))
}

func TestFailedAttemptUsesTheCodeUp(t *testing.T) {
	w := newWorld(t)
	code := w.code(w.app)
	w.post("/oauth/token", w.app, codeForm(w.app, code, "code_verifier", "wrong"))
	status, body := w.post("/oauth/token", w.app, codeForm(w.app, code))
	expect(t, status, body, 400, invalidCodeBody(code))
}

func TestCodeOfAnotherClient(t *testing.T) {
	w := newWorld(t)
	code := w.code(w.app)
	status, body := w.post("/oauth/token", w.public, codeForm(w.public, code))
	expect(t, status, body, 400, invalidCodeBody(code))
	w.tokens(w.post("/oauth/token", w.app, codeForm(w.app, code))) // the thief has not spoilt it
}

func TestRepeatedTokenParameter(t *testing.T) {
	w := newWorld(t)
	form := codeForm(w.app, w.code(w.app))
	status, body := w.post("/oauth/token?grant_type=authorization_code", w.app, form)
	expect(t, status, body, 400, `{"reason":"Repeated parameter grant_type","error":"invalid_request"}`)
}

func TestTokenEndpointIsPostOnly(t *testing.T) {
	w := newWorld(t)
	form := codeForm(w.public, w.code(w.public))
	if status, _ := w.get("", "/oauth/token?"+form.Encode()); status != http.StatusMethodNotAllowed {
		t.Errorf("status %d", status)
	}
}

func TestClientAuthentication(t *testing.T) {
	w := newWorld(t)
	odd := w.AddApp(App{ClientID: "a b", ClientSecret: "p%/+ü", RedirectURIs: []string{callback}})
	plus := w.AddApp(App{ClientSecret: "p+q", RedirectURIs: []string{callback}})
	for name, tc := range map[string]struct {
		app    *App
		header string
		ok     bool
	}{
		"Basic":                        {w.app, basic("confidential", "s3cret"), true},
		"Basic, form-encoded":          {odd, basic(url.QueryEscape(odd.ClientID), url.QueryEscape(odd.ClientSecret)), true},
		"Basic, as it is":              {odd, basic(odd.ClientID, odd.ClientSecret), true},
		"Basic, a plus as it is":       {plus, basic(plus.ClientID, "p+q"), true},
		"wrong secret":                 {w.app, basic("confidential", "wrong"), false},
		"empty secret":                 {w.app, basic("confidential", ""), false},
		"unknown client":               {w.app, basic("nobody", "s3cret"), false},
		"Bearer":                       {w.app, "Bearer abc", false},
		"confidential without header":  {w.app, "", false},
		"public":                       {w.public, "", true},
		"public with Basic":            {w.public, basic("public", ""), false},
		"public with another's secret": {w.public, basic("confidential", "s3cret"), false},
		"public with a Bearer header":  {w.public, "Bearer abc", false},
		"public with an empty header":  {w.public, " ", false},
	} {
		t.Run(name, func(t *testing.T) {
			form := codeForm(tc.app, w.code(tc.app), "client_id", tc.app.ClientID)
			r, _ := http.NewRequest(http.MethodPost, w.URL+"/oauth/token", strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if tc.header != "" {
				r.Header.Set("Authorization", tc.header)
			}
			status, body := w.send(r)
			if tc.ok {
				w.tokens(status, body)
				return
			}
			expect(t, status, body, 400, invalidClientBody)
		})
	}
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

func TestPublicClientSendsNoSecret(t *testing.T) {
	w := newWorld(t)
	status, body := w.post("/oauth/token", w.public, codeForm(w.public, w.code(w.public), "client_secret", ""))
	expect(t, status, body, 400, invalidClientBody)
}

func TestJSONBodyIsNotAForm(t *testing.T) {
	w := newWorld(t)
	form := codeForm(w.public, w.code(w.public))
	r, _ := http.NewRequest(http.MethodPost, w.URL+"/oauth/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/json")
	status, body := w.send(r)
	expect(t, status, body, 400, invalidClientBody)
}
