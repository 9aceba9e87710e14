package programs

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Clients that nobody can run here, by the documents that they publish, and by what they
// were seen to send.
func TestReplaysOfDocumentClients(t *testing.T) {
	const common = `"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"`
	for name, tt := range map[string]struct {
		id, says  string
		redirects []string
		refused   []string
		asks      []string
		basic     bool
	}{
		"Claude Code": {
			id:        "https://claude.ai/oauth/claude-code-client-metadata",
			says:      `"client_name":"Claude Code","client_uri":"https://claude.ai","redirect_uris":["http://localhost/callback","http://127.0.0.1/callback"]`,
			redirects: []string{"http://localhost:58231/callback", "http://127.0.0.1:3118/callback"},
			refused:   []string{"http://localhost:58231/", "https://claude.ai/callback"},
			asks:      []string{"resource", issuer + "/mcp"},
		},
		"Claude on the web": {
			id:        "https://claude.ai/oauth/mcp-client-metadata",
			says:      `"client_name":"Claude","redirect_uris":["https://claude.ai/api/mcp/auth_callback","https://claude.com/api/mcp/auth_callback"]`,
			redirects: []string{"https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback"},
			refused:   []string{"https://claude.ai/api/mcp/auth_callback/", "http://localhost/callback"},
			asks:      []string{"scope", "claudeai", "resource", issuer + "/mcp"},
		},
		"Codex": {
			id:        codex,
			says:      `"client_name":"Codex","redirect_uris":["http://127.0.0.1/callback","http://localhost/callback"],"application_type":"native"`,
			redirects: []string{"http://127.0.0.1:37819/callback"},
			refused:   []string{"http://127.0.0.1:37819/callback/other"},
			asks:      []string{"resource", issuer + "/mcp"},
		},
		"ChatGPT": {
			id:        "https://chatgpt.com/oauth/connector/client.json",
			says:      `"client_name":"ChatGPT","redirect_uris":["https://chatgpt.com/connector_platform_oauth_redirect"]`,
			redirects: []string{"https://chatgpt.com/connector_platform_oauth_redirect"},
			refused:   []string{"https://chatgpt.com/connector/oauth/another"},
			asks:      []string{"scope", "offline_access", "resource", issuer + "/mcp"},
		},
		"VS Code": {
			id:        "https://vscode.dev/oauth/client-metadata.json",
			says:      `"client_name":"Visual Studio Code","redirect_uris":["http://127.0.0.1:33418/","https://vscode.dev/redirect"],"application_type":"native"`,
			redirects: []string{"http://127.0.0.1:33418/", "http://127.0.0.1:40123/", "https://vscode.dev/redirect"},
			asks:      []string{"state", "vscode://dynamicauthprovider/mcp.example.com/authorize?nonce=TVJ3&windowId=1", "resource", issuer + "/mcp"},
		},
		"Grok": {
			id:        "https://grok.com/oauth/mcp-client.json",
			says:      `"client_name":"Grok","redirect_uris":["https://grok.com/connectors-oauth-exchange-code/","https://console.x.ai/connectors-oauth-exchange-code/"]`,
			redirects: []string{"https://grok.com/connectors-oauth-exchange-code/"},
		},
		"opencode, whose document has another path than it sends": {
			id:        "https://opencode.ai/oauth/opencode/client.json",
			says:      `"client_name":"OpenCode","redirect_uris":["http://127.0.0.1/oauth/callback"]`,
			redirects: []string{"http://127.0.0.1:19876/oauth/callback"},
			refused:   []string{"http://127.0.0.1:19876/mcp/oauth/callback"},
		},
		"the Go SDK": {
			id:        "https://claude.ai/go",
			says:      `"client_name":"Go","redirect_uris":["http://localhost:3142"]`,
			redirects: []string{"http://localhost:3142"},
			basic:     true,
		},
	} {
		w := newWorldWith(t, ClientsConfig{DocumentHosts: LargeDocumentHosts})
		w.Clients.documents.cache.fetch = documentServer(t, func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(rw, `{"client_id":"https://`+r.Host+r.URL.Path+`",`+tt.says+`,`+common+`}`)
		}).fetch
		cookie := w.browser()
		for _, redirect := range tt.redirects {
			query := asking(append([]string{"client_id", tt.id, "redirect_uri", redirect}, tt.asks...)...)
			send := func(form url.Values) answer {
				r := formRequest("/zoom_pkce/oauth/token", form.Encode())
				if tt.basic {
					form.Del("client_id")
					r = formRequest("/zoom_pkce/oauth/token", form.Encode())
					r.SetBasicAuth(url.QueryEscape(tt.id), "")
				}
				return w.post(w.Token, r)
			}
			a := send(redemption(w.code(cookie, query), "client_id", tt.id, "redirect_uri", redirect))
			if a.status != http.StatusOK || !w.in(a.AccessToken) {
				t.Errorf("%s: %d %s", name, a.status, a.Error)
			}
			a = send(url.Values{"grant_type": {grantRefresh}, "refresh_token": {a.RefreshToken}, "client_id": {tt.id}})
			if a.status != http.StatusOK || !w.in(a.AccessToken) {
				t.Errorf("%s: the refresh: %d %s", name, a.status, a.Error)
			}
		}
		for _, redirect := range tt.refused {
			rec := w.authorize(cookie, asking("client_id", tt.id, "redirect_uri", redirect).Encode())
			if !errors.Is(w.refused, ErrBadClient) || rec.Header().Get("Location") != "" {
				t.Errorf("%s, %s: %v, to %q", name, redirect, w.refused, rec.Header().Get("Location"))
			}
		}
	}
}

// Attack 4: a malicious server sends its visitors' browsers here with the id of an
// honest client, which is the same everywhere and may have been allowed before, to take
// the code. The user is asked, each time, and the answer says whose it is.
func TestMaliciousServerThatNamesAnHonestClient(t *testing.T) {
	w := newWorldWith(t, ClientsConfig{DocumentHosts: LargeDocumentHosts})
	w.Clients.documents.cache.fetch = documentServer(t, func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(rw, codexDocument)
	}).fetch
	cookie := w.browser()
	query := asking("client_id", codex, "redirect_uri", "http://127.0.0.1:1234/callback")
	for range 3 {
		rec := w.authorize(cookie, query.Encode())
		if rec.Code != http.StatusOK || rec.Header().Get("Location") != "" || !strings.Contains(string(w.page.Main), "unverified") {
			t.Fatalf("%d to %q", rec.Code, rec.Header().Get("Location"))
		}
		got := w.answered(w.press(cookie, decisionAllow), query.Get("redirect_uri"))
		if got.Get("iss") != issuer {
			t.Errorf("the answer is of %q", got.Get("iss"))
		}
		if a := w.token(redemption(got.Get("code"), "client_id", codex, "redirect_uri", query.Get("redirect_uri"))); a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.Error)
		}
	}
}
