package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// replay is what an MCP client that cannot run here was seen to send, or sends by its
// source.
type replay struct {
	probe        []string // method and headers of its first request
	registration string
	kept         []string // of its redirect URIs; all of them if nil
	redirects    []string // what it is sent back to, at one time or another
	asks         []string // parameters of its authorization request
	token        []string // headers of its token requests
	whole        bool     // its resource is the site's origin
}

const streams = "application/json, text/event-stream"

var replays = map[string]replay{
	"Claude on the web": {
		probe: []string{"POST", "Accept", streams, "Content-Type", "application/json", "User-Agent", "Claude-User"},
		registration: `{"client_name":"Claude","redirect_uris":["https://claude.ai/api/mcp/auth_callback"],"grant_types":["authorization_code","refresh_token"],
			"response_types":["code"],"token_endpoint_auth_method":"none","scope":"claudeai"}`,
		redirects: []string{"https://claude.ai/api/mcp/auth_callback"},
		asks:      []string{"scope", "claudeai", "state", "x7Vw3yqg8Zb1QmC2H0o5dJ4kR9sT6uA-pLfNeXiYcBE"},
	},
	"Claude at its other address, with a secret": {
		probe: []string{"POST", "Accept", streams, "User-Agent", "python-httpx/0.27.0"},
		registration: `{"client_name":"Claude","redirect_uris":["https://claude.com/api/mcp/auth_callback"],"grant_types":["authorization_code","refresh_token"],
			"response_types":["code"],"token_endpoint_auth_method":"client_secret_post"}`,
		redirects: []string{"https://claude.com/api/mcp/auth_callback"},
	},
	"Claude Code": {
		probe: []string{"POST", "Accept", streams, "Content-Type", "application/json", "User-Agent", "claude-code/2.1.332 (cli)"},
		registration: `{"client_name":"Claude Code (zoom)","redirect_uris":["http://localhost:3118/callback"],"grant_types":["authorization_code","refresh_token"],
			"response_types":["code"],"token_endpoint_auth_method":"none","application_type":"native"}`,
		redirects: []string{"http://localhost:3118/callback", "http://localhost:58231/callback"},
	},
	"ChatGPT": {
		probe: []string{"POST", "Accept", streams, "Content-Type", "application/json", "User-Agent", "openai-mcp/1.0.0"},
		registration: `{"client_name":"ChatGPT","redirect_uris":["https://chatgpt.com/connector_platform_oauth_redirect","https://chatgpt.com/connector/oauth/OUbdUMlL15Ct"],
			"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}`,
		redirects: []string{"https://chatgpt.com/connector_platform_oauth_redirect", "https://chatgpt.com/connector/oauth/OUbdUMlL15Ct"},
		asks:      []string{"scope", "offline_access", "state", "oauth_s_6a1d0c2f9b8e4d7c8f3a5b6e7d8c9f0a"},
	},
	"Cursor": {
		probe: []string{"POST", "Accept", streams, "Content-Type", "application/json", "User-Agent", "Cursor/3.14.0 (linux x64)"},
		registration: `{"client_name":"Cursor","redirect_uris":["cursor://anysphere.cursor-mcp/oauth/callback","https://www.cursor.com/agents/mcp/oauth/callback",
			"http://localhost:8787/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}`,
		redirects: []string{"cursor://anysphere.cursor-mcp/oauth/callback", "https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback"},
		asks:      []string{"state", `{"id":"user-zoom","nonce":"5f0c"}`, "prompt", "consent"},
	},
	"a Cursor with an address that nobody listed": {
		probe: []string{"GET", "Accept", "text/event-stream"},
		registration: `{"client_name":"Cursor","redirect_uris":["cursor://anysphere.cursor-mcp/oauth/callback","https://cursor.example/callback","http://10.0.0.1/callback"],
			"token_endpoint_auth_method":"none","client_uri":"https://cursor.com","logo_uri":""}`,
		kept:      []string{"cursor://anysphere.cursor-mcp/oauth/callback"},
		redirects: []string{"cursor://anysphere.cursor-mcp/oauth/callback"},
	},
	"VS Code": {
		probe: []string{"POST", "Accept", "text/event-stream, application/json", "Content-Type", "application/json"},
		registration: `{"client_name":"Visual Studio Code","client_uri":"https://code.visualstudio.com","grant_types":["authorization_code","refresh_token"],
			"response_types":["code"],"redirect_uris":["https://insiders.vscode.dev/redirect","https://vscode.dev/redirect","http://127.0.0.1/","http://127.0.0.1:33418/"],
			"token_endpoint_auth_method":"none","application_type":"native"}`,
		redirects: []string{"http://127.0.0.1:33418/", "http://127.0.0.1:40123/", "http://127.0.0.1:40123", "https://vscode.dev/redirect", "https://insiders.vscode.dev/redirect"},
		asks:      []string{"state", "vscode://dynamicauthprovider/mcp.example.com/authorize?nonce=TVJ3yAHcK0mSPYq4XeXkCw6rS3Wf7l1Z&windowId=1"},
		token:     []string{"Accept", "application/json"},
	},
	"Codex without documents": {
		probe: []string{"GET", "Accept", "*/*", "Mcp-Protocol-Version", "2024-11-05"},
		registration: `{"client_name":"Codex","redirect_uris":["http://127.0.0.1:37819/callback"],
			"grant_types":["authorization_code","refresh_token"],"token_endpoint_auth_method":"none","response_types":["code"],"application_type":"native"}`,
		redirects: []string{"http://127.0.0.1:37819/callback", "http://127.0.0.1:49777/callback"},
	},
	"opencode": {
		probe: []string{"POST", "Accept", streams},
		registration: `{"redirect_uris":["http://127.0.0.1:19876/mcp/oauth/callback"],"client_name":"OpenCode","client_uri":"https://opencode.ai",
			"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}`,
		redirects: []string{"http://127.0.0.1:19876/mcp/oauth/callback"},
	},
	"Grok on the web": {
		probe:        []string{"POST", "Accept", streams},
		registration: `{"client_name":"Grok","redirect_uris":["https://grok.com/connectors-oauth-exchange-code/"],"token_endpoint_auth_method":"none"}`,
		redirects:    []string{"https://grok.com/connectors-oauth-exchange-code/"},
	},
	"a client of 2025-03-26, which knows no resources": {
		probe:        []string{"GET", "Accept", "text/event-stream"},
		registration: `{"client_name":"Old","redirect_uris":["http://localhost:3334/oauth/callback"]}`,
		redirects:    []string{"http://localhost:3334/oauth/callback"},
		asks:         []string{"resource", "-", "scope", "openid email profile"},
	},
	"a client that asks for the whole site": {
		probe:        []string{"POST"},
		registration: `{"client_name":"Whole","redirect_uris":["com.example.whole:/signed-in"]}`,
		redirects:    []string{"com.example.whole:/signed-in"},
		whole:        true,
	},
}

// Clients that nobody can run here get in by what they were seen to send.
func TestReplaysOfMCPClients(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("headers {\nclient X-Zoom-Client-Id\n}\nprograms {\nregistration on\n}"))
	for name, r := range replays {
		t.Run(name, func(t *testing.T) {
			c := &replayed{program: w.program(), t: t, replay: r}
			c.discover()
			c.register()
			for _, redirect := range r.redirects {
				c.redirect = redirect
				c.signIn(w.browser())
				c.use()
				c.takeTokens(c.refreshed())
				c.use()
			}
		})
	}
}

// replayed is such a client at work.
type replayed struct {
	*program
	t *testing.T
	replay
	server struct {
		Issuer                string   `json:"issuer"`
		AuthorizationEndpoint string   `json:"authorization_endpoint"`
		TokenEndpoint         string   `json:"token_endpoint"`
		RegistrationEndpoint  string   `json:"registration_endpoint"`
		GrantTypes            []string `json:"grant_types_supported"`
		ChallengeMethods      []string `json:"code_challenge_methods_supported"`
		TokenAuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
		IssuerIsSent          bool     `json:"authorization_response_iss_parameter_supported"`
	}
}

// read fetches a JSON document as a client does, which says the version it speaks.
func (c *replayed) read(target string, into any) {
	c.t.Helper()
	a := c.send(c.w.browser().request(http.MethodGet, target, "Accept", "application/json", "Mcp-Protocol-Version", "2025-11-25"))
	if err := json.Unmarshal([]byte(a.body), into); err != nil || a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "application/json" {
		c.t.Fatalf("%s: %d %v\n%s", target, a.StatusCode, a.Header, a.body)
	}
}

// discover goes from the refusal of its first request to where it can sign in.
func (c *replayed) discover() {
	c.t.Helper()
	refused := c.send(c.w.browser().request(c.probe[0], "/mcp", c.probe[1:]...))
	wantChallenge(c.t, c.w, refused, "/mcp", false)
	_, at, _ := strings.Cut(refused.Header.Get("WWW-Authenticate"), `resource_metadata="`)
	at, _, _ = strings.Cut(at, `"`)
	var resource struct {
		Resource string
		Servers  []string `json:"authorization_servers"`
		Scopes   []string `json:"scopes_supported"`
	}
	// Claude and go-sdk compare byte for byte, VS Code as URLs.
	if c.read(at, &resource); resource.Resource != c.w.url+"/mcp" || len(resource.Servers) != 1 || resource.Scopes != nil {
		c.t.Fatalf("%s: %+v", at, resource)
	}
	c.resource = resource.Resource
	if c.whole {
		c.resource = c.w.url + "/"
	}
	c.read(resource.Servers[0]+"/.well-known/oauth-authorization-server", &c.server)
	if s := c.server; s.Issuer != resource.Servers[0] || !slices.Equal(s.ChallengeMethods, []string{"S256"}) || !slices.Contains(s.TokenAuthMethods, "none") ||
		!slices.Contains(s.GrantTypes, "refresh_token") || !s.IssuerIsSent {
		c.t.Fatalf("%+v", s)
	}
	// Where OpenID Connect would be, there is nothing to be taken for it.
	for _, path := range []string{"/.well-known/oauth-authorization-server/mcp", "/.well-known/openid-configuration", "/.well-known/openid-configuration/mcp", "/mcp/.well-known/openid-configuration"} {
		if a := c.send(c.w.browser().request(http.MethodGet, path, "Accept", "application/json")); a.StatusCode < 400 || a.StatusCode > 499 {
			c.t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
}

func (c *replayed) register() {
	c.t.Helper()
	var asked struct {
		RedirectURIs []string `json:"redirect_uris"`
	}
	if err := json.Unmarshal([]byte(c.registration), &asked); err != nil {
		c.t.Fatal(err)
	}
	kept := c.kept
	if kept == nil {
		kept = asked.RedirectURIs
	}
	for range 2 { // opencode does it twice
		r := c.w.browser().request(http.MethodPost, c.server.RegistrationEndpoint, "Content-Type", "application/json", "Accept", "application/json")
		setBody(r, c.registration)
		a := c.send(r)
		var got map[string]any
		if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.StatusCode != http.StatusCreated {
			c.t.Fatalf("registering: %d\n%s", a.StatusCode, a.body)
		}
		for name, value := range got {
			if value == nil || value == "" {
				c.t.Errorf("registered with an empty %s", name)
			}
		}
		var uris []string
		for _, uri := range got["redirect_uris"].([]any) {
			uris = append(uris, uri.(string))
		}
		if !slices.Equal(uris, kept) || got["token_endpoint_auth_method"] != "none" || got["client_secret"] != nil {
			c.t.Fatalf("registered as %v", got)
		}
		c.id = got["client_id"].(string)
	}
}

// signIn has a browser opened that is signed out, and takes the code to the token
// endpoint.
func (c *replayed) signIn(b *browser) {
	c.t.Helper()
	request, err := url.Parse(c.request(c.asks...))
	if err != nil {
		c.t.Fatal(err)
	}
	back := b.answerProgram(c.server.AuthorizationEndpoint+"?"+request.RawQuery, "user-ada", "allow")
	sent, query, _ := strings.Cut(back, "?")
	got, err := url.ParseQuery(query)
	if err != nil || sent != c.redirect || got.Get("iss") != c.server.Issuer || got.Get("state") != request.Query().Get("state") || got.Get("code") == "" {
		c.t.Fatalf("sent back to %s", back)
	}
	form := c.codeForm(got.Get("code"))
	if resource := request.Query().Get("resource"); resource != "" {
		form.Set("resource", resource)
	}
	r := c.w.browser().request(http.MethodPost, c.server.TokenEndpoint, append([]string{"Content-Type", "application/x-www-form-urlencoded"}, c.token...)...)
	setBody(r, form.Encode())
	a := c.send(r)
	var fields map[string]any
	if err := json.Unmarshal([]byte(a.body), &fields); err != nil || len(fields) != 4 {
		c.t.Errorf("tokens come with %v", fields)
	}
	c.takeTokens(a)
}

// use calls the server with the access token.
func (c *replayed) use() {
	c.t.Helper()
	got := c.call(http.MethodPost, "/mcp", "Accept", streams, "Mcp-Protocol-Version", "2025-11-25").received(c.t)
	if got.Header.Get("X-Zoom-User-Id") != "user-ada" || !strings.HasPrefix(got.Header.Get("X-Zoom-Client-Id"), "registered:") || got.Header["Authorization"] != nil {
		c.t.Fatalf("arrived as %v", got.Header)
	}
}

// A site of one page answers every path with it, which clients would take for metadata
// that they cannot read.
func TestReplayBehindTryFiles(t *testing.T) {
	root := t.TempDir()
	writeFile(t, root+"/index.html", "<p>the site's only page")
	w := newWorld(t)
	for _, before := range []string{"", "uri strip_prefix /mcp\n", "rewrite * /index.html\n"} {
		w.load(w.caddyfile("root " + root + "\n" + before + "try_files {path} /index.html\nzoom_pkce {\n" + w.options() +
			"headers {\nclient X-Zoom-Client-Id\n}\nprograms {\nregistration on\n}\n}\nreverse_proxy " + w.upstream.addr))
		c := &replayed{program: w.program(), t: t, replay: replays["Claude Code"]}
		c.discover()
		c.register()
		c.redirect = c.redirects[1]
		c.signIn(w.browser())
		c.use()
	}
}
