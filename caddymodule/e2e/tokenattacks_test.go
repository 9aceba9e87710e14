package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// Attack 11, the passthrough of tokens: ours never go to the app, Zoom's never to the
// program, and Zoom's open nothing here.
func TestPassthroughOfTokens(t *testing.T) {
	for _, header := range []string{"", "access_token Authorization Bearer"} {
		w := newWorld(t)
		w.load(w.site(strings.Replace(programOptions, "headers {", "headers {\n"+header, 1), "page_tokens on"))
		b := w.signedIn("user-ada")
		answers := ""
		p := w.program()
		a := b.pressConsent(b.open(p.request()), "allow")
		answers += a.Header.Get("Location")
		a = p.post("oauth/token", p.codeForm(p.redirected(a).Get("code")))
		answers += a.body
		p.takeTokens(a)
		seen := p.call(http.MethodGet, "/?access_token="+url.QueryEscape("x"))
		all, err := json.Marshal(seen.received(t))
		if err != nil || strings.Contains(string(all), p.access) || strings.Contains(string(all), p.refresh) {
			t.Errorf("the app got %s", all)
		}
		a = p.refreshed()
		answers += a.body
		p.takeTokens(a)
		for _, path := range []string{"/zoom_pkce/session", "/.well-known/oauth-authorization-server"} {
			answers += p.call(http.MethodGet, path).body
		}
		answers += b.open("/zoom_pkce/programs").body

		zoomTokens := map[string]bool{}
		for _, name := range []string{"X-Zoom-Access-Token", "Authorization"} {
			if token := strings.TrimPrefix(seen.received(t).Header.Get(name), "Bearer "); token != "" {
				zoomTokens[token] = true
			}
		}
		for _, r := range w.zoom.Requests(zoomtest.CallMe) {
			zoomTokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")] = true
		}
		if len(zoomTokens) == 0 {
			t.Fatal("this test knows no token of Zoom's")
		}
		for token := range zoomTokens {
			if strings.Contains(answers, token) {
				t.Error("the program was told a token of Zoom's")
			}
			stolen := *p
			stolen.access, stolen.refresh = token, token
			wantChallenge(t, w, stolen.call(http.MethodGet, "/mcp"), "/mcp", false)
			wantOAuthError(t, "Zoom's token", stolen.refreshed(), http.StatusBadRequest, "invalid_grant")
		}
	}
}

// RFC 6750, section 2.1: a token counts in its header alone. In an address it would be in
// logs, and another site's form could send it.
func TestTokensElsewhereThanInTheHeader(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(programOptions))
	p := w.program().signedInBy(w.signedIn("user-ada"))
	nobody := w.browser()
	token := "access_token=" + url.QueryEscape(p.access)
	form := nobody.request(http.MethodPost, "/mcp", "Content-Type", "application/x-www-form-urlencoded")
	setBody(form, token)
	for name, a := range map[string]answer{
		"the address":     nobody.fetch(http.MethodGet, "/mcp?"+token),
		"a form":          nobody.do(form),
		"a cookie":        nobody.fetch(http.MethodGet, "/mcp", "Cookie", w.sessionCookieName()+"="+p.access),
		"another header":  nobody.fetch(http.MethodGet, "/mcp", "X-Authorization", "Bearer "+p.access),
		"a proxy's":       nobody.fetch(http.MethodGet, "/mcp", "Proxy-Authorization", "Bearer "+p.access),
		"another scheme":  nobody.fetch(http.MethodGet, "/mcp", "Authorization", "Basic "+p.access),
		"with more after": nobody.fetch(http.MethodGet, "/zoom_pkce/session?"+token),
	} {
		if a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, a.StatusCode)
		}
	}
	p.wantUser("user-ada")
}

// Attack 12: who speaks for which host is in the configuration. What a request or a
// proxy says of it changes no issuer, no address, and no audience.
func TestIssuerAndAudienceBehindProxies(t *testing.T) {
	w := newWorld(t)
	config := w.httpsSite([]string{siteOrigin, otherOrigin}, programOptions)
	w.load(strings.Replace(config, "auto_https off", "auto_https off\n\tservers {\n\t\ttrusted_proxies static private_ranges\n\t}", 1))
	lies := []string{
		"X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "http", "X-Forwarded-Port", "1", "X-Forwarded-Prefix", "/evil", "X-Forwarded-For", "10.1.2.3",
		"Forwarded", "host=evil.example;proto=http", "X-Original-Host", "evil.example", "X-Original-Url", "/evil", "X-Rewrite-Url", "/evil",
	}
	for _, origin := range []string{siteOrigin, otherOrigin} {
		b := w.browserAt(origin)
		for path, want := range map[string]string{
			"/.well-known/oauth-authorization-server":       `"issuer":"` + origin + `"`,
			"/.well-known/oauth-protected-resource":         `"resource":"` + origin + `"`,
			"/.well-known/oauth-protected-resource/mcp":     `"resource":"` + origin + `/mcp"`,
			"/.well-known/oauth-protected-resource/mcp?x=y": `"authorization_servers":["` + origin + `"]`,
		} {
			if a := b.fetch(http.MethodGet, path, lies...); a.StatusCode != http.StatusOK || !strings.Contains(a.body, want) || strings.Contains(a.body, "evil") {
				t.Errorf("%s%s: %d %s", origin, path, a.StatusCode, a.body)
			}
		}
		a := b.fetch(http.MethodPost, "/mcp", lies...)
		if got := a.Header.Get("WWW-Authenticate"); got != `Bearer resource_metadata="`+origin+`/.well-known/oauth-protected-resource/mcp"` {
			t.Errorf("%s: challenged with %q", origin, got)
		}
	}
	// A host that nobody configured is spoken for by the first one.
	for _, host := range []string{"evil.example", "app.example.com.evil.example", "app.example.com:8443", "127.0.0.1"} {
		a := w.browserAt("https://"+host).fetch(http.MethodGet, "/.well-known/oauth-authorization-server")
		if a.StatusCode != http.StatusOK || !strings.Contains(a.body, `"issuer":"`+siteOrigin+`"`) || strings.Contains(a.body, "evil") {
			t.Errorf("%s: %d %s", host, a.StatusCode, a.body)
		}
	}

	// A token counts at its origin alone, whatever host a request pretends to be for.
	b := w.browserAt(siteOrigin)
	b.signIn("/", "user-ada")
	p := w.program()
	back, err := url.Parse(b.pressConsent(b.open(p.request(), lies...), "allow", lies...).Header.Get("Location"))
	if err != nil || back.Query().Get("iss") != siteOrigin {
		t.Fatalf("sent back to %s", back)
	}
	at := func(origin, endpoint string, form url.Values) answer {
		r := w.browserAt(origin).request(http.MethodPost, "/zoom_pkce/"+endpoint, append([]string{"Content-Type", "application/x-www-form-urlencoded"}, lies...)...)
		setBody(r, form.Encode())
		return p.send(r)
	}
	code := p.codeForm(back.Query().Get("code"))
	wantOAuthError(t, "a code at the other host", at(otherOrigin, "oauth/token", code), http.StatusBadRequest, "invalid_grant")
	p.takeTokens(at(siteOrigin, "oauth/token", code))
	wantOAuthError(t, "a refresh at the other host", at(otherOrigin, "oauth/token", p.refreshForm()), http.StatusBadRequest, "invalid_grant")
	for origin, want := range map[string]int{siteOrigin: http.StatusOK, otherOrigin: http.StatusUnauthorized, "https://old.example.net": http.StatusOK} {
		b := w.browserAt(origin)
		a := b.do(b.request(http.MethodGet, "/mcp", append([]string{"Authorization", "Bearer " + p.access}, lies...)...))
		if a.StatusCode != want {
			t.Errorf("a token at %s: %d, want %d", origin, a.StatusCode, want)
		}
	}
}

// Attack 13: whatever a client calls itself, its name stands in its place, and nothing is
// fetched for it.
func TestNamesOfClients(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(programOptions))
	b := w.signedIn("user-ada")
	for name, shown := range map[string]string{
		`<img src=https://evil.example/x onerror=alert(1)>`: "&lt;img src=https://evil.example/x onerror=alert(1)&gt;",
		`</bdi><script>alert(1)</script>`:                   "&lt;/bdi&gt;&lt;script&gt;alert(1)&lt;/script&gt;",
		`{{.Value}} {{`:                                     "{{.Value}} {{",
		"Zoom\u202e\u2066\u200b\u00ad":                      "Zoom",
		"Zoom\r\nSet-Cookie: a=b\x00":                       "Zoom Set-Cookie: a=b",
		"  ":                                                "A program without a name",
		strings.Repeat("n", 10_000):                         strings.Repeat("n", 64),
	} {
		p := w.program()
		text, err := json.Marshal(map[string]any{
			"client_name": name, "redirect_uris": []string{p.redirect}, "logo_uri": "https://evil.example/logo", "client_uri": "https://evil.example/",
			"tos_uri": "https://evil.example/", "policy_uri": "javascript:alert(1)",
		})
		if err != nil {
			t.Fatal(err)
		}
		r := b.request(http.MethodPost, "/zoom_pkce/oauth/register", "Content-Type", "application/json")
		setBody(r, string(text))
		a := p.send(r)
		_, p.id, _ = strings.Cut(a.body, `"client_id":"`)
		p.id, _, _ = strings.Cut(p.id, `"`)
		page := b.open(p.request())
		if !strings.Contains(page.body, "<bdi>"+shown+"</bdi>") || !strings.Contains(page.body, "<title>Allow "+shown+"?") {
			t.Errorf("%q is shown as\n%s", name, page.body)
		}
		p.exchange(p.redirected(b.pressConsent(page, "allow")).Get("code"))
		list := b.open("/zoom_pkce/programs")
		for what, a := range map[string]answer{"the consent page": page, "the list": list} {
			if strings.Contains(a.body, "<img") || strings.Contains(a.body, "<script>alert") || strings.Contains(a.body, "evil.example/logo") ||
				strings.Contains(a.body, "\u202e") || !strings.HasPrefix(a.Header.Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("%q in %s: %v\n%s", name, what, a.Header, a.body)
			}
		}
		p.post("oauth/revoke", url.Values{"token": {p.refresh}, "client_id": {p.id}})
	}
}

// Attack 14: codes, tokens and what the consent page's form holds are in no log, with one
// exception that OPERATING.md tells of: Caddy's own access log has the code in the
// Location that it is sent by, which the format zoom_pkce hides.
func TestSecretsOfProgramsInLogs(t *testing.T) {
	for _, format := range []string{"", "format zoom_pkce"} {
		w := newWorld(t)
		w.load(strings.ReplaceAll(w.site(programOptions), "level DEBUG", "level DEBUG\n"+format))
		known := make(knownSecrets)
		b := w.browser()
		for n, redirect := range []string{"http://127.0.0.1:49152/callback", "com.example.phone:/signed-in"} {
			p := w.program()
			if p.redirect = redirect; n == 1 {
				p.id = "phone"
			}
			a := b.open(p.request())
			if n == 0 {
				a = b.open(b.open(b.consent(a, "user-ada")).Header.Get("Location"))
			}
			known.add("value of the form", consentValue.FindStringSubmatch(a.body)[1])
			code := p.redirected(b.pressConsent(a, "allow")).Get("code")
			known.add("code of a program", code)
			known.add("verifier", codeVerifier)
			p.exchange(code)
			known.add("access token", p.access)
			known.add("refresh token", p.refresh)
			p.call(http.MethodPost, "/mcp")
			// What goes wrong is logged more readily.
			p.post("oauth/token", p.codeForm(code+"x"))
			p.post("oauth/token", p.codeForm("x"))
			p.takeTokens(p.refreshed())
			known.add("access token", p.access)
			known.add("refresh token", p.refresh)
			broken := *p
			broken.access += "x"
			broken.call(http.MethodGet, "/mcp")
			p.post("oauth/revoke", url.Values{"token": {p.access}, "client_id": {p.id}})
			p.call(http.MethodGet, "/mcp")
			p.refreshed()
			p.post("oauth/token", p.codeForm(code))
		}
		logs, err := os.ReadFile(w.logs)
		if err != nil {
			t.Fatal(err)
		}
		inLocation := 0
		for line := range strings.Lines(string(logs)) {
			for value, what := range known {
				if !strings.Contains(line, value) {
					continue
				}
				if inAccessLog := strings.Contains(line, `"logger":"http.log.access"`); inAccessLog && what == "code of a program" && format == "" {
					inLocation++
					continue
				}
				t.Errorf("%q: the %s is in %.300s", format, what, line)
			}
		}
		if (inLocation == 0) == (format == "") {
			t.Errorf("%q: %d codes in access logs", format, inLocation)
		}
	}
}
