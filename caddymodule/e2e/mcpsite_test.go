package e2e

import (
	"context"
	"html"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// mcpTokenLife is how long access tokens live at an mcpSite.
const mcpTokenLife = 5 * time.Second

// mcpSite is a site with an MCP server behind the directive that knows nothing of
// sign-ins. Many clients use it at once, each for a user of its own.
type mcpSite struct {
	*world
	url          string // of the server
	documentHost string // listed, and out of reach

	mu       sync.Mutex
	requests map[string][]http.Header // that reached the server, by user
}

func newMCPSite(t *testing.T) *mcpSite {
	t.Helper()
	npmInstall(t, mcpClients)
	s := &mcpSite{world: newWorld(t), documentHost: silentHost(t), requests: make(map[string][]http.Header)}
	s.url = s.world.url + "/mcp"
	server := everything(t)
	s.upstream.serveWith(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		user := r.Header.Get("X-Zoom-User-Id")
		s.requests[user] = append(s.requests[user], r.Header.Clone())
		s.mu.Unlock()
		server.ServeHTTP(w, r)
	})
	s.load(s.site(s.programs()))
	return s
}

// everything is the MCP project's server for tests of clients.
func everything(t *testing.T) http.Handler {
	t.Helper()
	// PORT is where it listens: at a number it would for other machines, too.
	socket := filepath.Join(t.TempDir(), "mcp")
	cmd := node(t, "node_modules/@modelcontextprotocol/server-everything/dist/index.js", "streamableHttp")
	cmd.Env = append(cmd.Env, "PORT="+socket)
	start(t, cmd).await(`(listening on port)`)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "everything"})
	proxy.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	proxy.FlushInterval = -1
	return proxy
}

// silentHost is a host that nobody may connect to, at an address for special use.
func silentHost(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		if conn, err := listener.Accept(); err == nil {
			conn.Close()
			t.Error("something connected to an address for special use")
		}
	}()
	return listener.Addr().String()
}

// programs are the options of the directive.
func (s *mcpSite) programs() string {
	return `
		headers {
			client X-Zoom-Client-Id
		}
		programs {
			client sdk http://127.0.0.1/callback
			registration on
			client_documents ` + s.documentHost + `
			token_lifetime ` + mcpTokenLife.String() + `
		}`
}

// document is a client id that cannot be read.
func (s *mcpSite) document() string { return "https://" + s.documentHost + "/client.json" }

// person is a user of a test's own, at a browser.
func (s *mcpSite) person(t *testing.T, name ...string) *mcpPerson {
	id := filepath.Base(t.Name()) + strings.Join(name, "")
	s.zoom.AddUser(zoomtest.User{ID: id, AccountID: "account-1", Email: "someone@example.com", Verified: 1, DisplayName: id})
	mine := *s.world
	mine.t = t
	return &mcpPerson{t, s, mine.browser(), id}
}

// mcpPerson has a browser.
type mcpPerson struct {
	t    *testing.T
	site *mcpSite
	*browser
	id string
}

// answer goes where a program wants a person to go, presses a button of the consent
// page, and goes on to the program.
func (p *mcpPerson) answer(address, decision string) {
	p.t.Helper()
	back := p.answerProgram(address, p.id, decision)
	client := http.Client{Timeout: 30 * time.Second}
	testkit.Eventually(p.t, "the program to listen at "+back, 20*time.Second, func() bool {
		resp, err := client.Get(back)
		if err == nil {
			p.read(resp)
		}
		return err == nil // mcp-remote sends people away first and listens then
	})
}

var programID = regexp.MustCompile(`name="program" value="([^"]+)"`)

// endProgram ends the one program that may use the site for the person.
func (p *mcpPerson) endProgram() {
	p.t.Helper()
	list := p.open("/zoom_pkce/programs")
	ids := programID.FindAllStringSubmatch(list.body, -1)
	if len(ids) != 1 {
		p.t.Fatalf("%d programs\n%s", len(ids), list.body)
	}
	r := p.request(http.MethodPost, "/zoom_pkce/programs/end",
		append([]string{"Content-Type", "application/x-www-form-urlencoded", "Origin", p.origin}, navigateSameOrigin...)...)
	setBody(r, url.Values{"program": {html.UnescapeString(ids[0][1])}}.Encode())
	wantRedirect(p.t, p.do(r), "/zoom_pkce/programs")
}

// wantSeen checks what the server saw of the person's requests: whose they are, of
// which client, and no token.
func (p *mcpPerson) wantSeen(client string) {
	p.t.Helper()
	p.site.mu.Lock()
	defer p.site.mu.Unlock()
	requests := p.site.requests[p.id]
	if len(requests) == 0 || len(p.site.requests[""]) > 0 {
		p.t.Errorf("%d requests reached the server, and %d of nobody", len(requests), len(p.site.requests[""]))
	}
	for _, h := range requests {
		if ok, _ := regexp.MatchString("^"+client+"$", h.Get("X-Zoom-Client-Id")); !ok || h["Authorization"] != nil {
			p.t.Errorf("the server got %q", h)
		}
	}
}
