package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
)

// newZoomMCPWorld is the recipe with a stand-in for Zoom's own MCP server, and the
// requests that arrive there.
func newZoomMCPWorld(t *testing.T) (*world, <-chan *http.Request) {
	t.Helper()
	w := newWorld(t)
	recipe := strings.Replace(snippetWith(t, "https://mcp.zoom.us"), "https://mcp.zoom.us", "http://"+w.upstream.addr, 1)
	w.load(w.documented(t, recipe, ""))
	seen := make(chan *http.Request, 10)
	w.upstream.serveWith(w.takesTokensOfZooms(seen))
	return w, seen
}

// registered is a program of a user who signs in for it.
func (w *world) registered(userID string) (*program, *browser) {
	w.t.Helper()
	b, p := w.browser(), w.program()
	p.id = p.register()
	b.open(b.consent(b.open(p.request()), userID))
	return p.signedInBy(b), b
}

// takesTokensOfZooms is Zoom's own MCP server: it answers a user's access token with
// who that is, and everything else with where Zoom signs in.
func (w *world) takesTokensOfZooms(seen chan<- *http.Request) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		select {
		case seen <- r:
		default: // the test has seen enough
		}
		token, _ := strings.CutPrefix(strings.Join(r.Header["Authorization"], ", "), "Bearer ")
		_, user, ok := w.zoom.ValidateAccessToken(token)
		if !ok {
			rw.Header().Set("WWW-Authenticate", `Bearer resource_metadata="https://mcp.zoom.us/.well-known/oauth-protected-resource"`)
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		rw.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(rw, "data: hello, %s\n\n", user)
	}
}

// By the recipe, Zoom's own MCP server gets Zoom's token of whoever the program acts
// for, and nothing of the program's or of the site's.
func TestZoomsOwnMCPServer(t *testing.T) {
	w, seen := newZoomMCPWorld(t)
	for _, user := range []string{"user-ada", "user-bob"} {
		p, b := w.registered(user)
		resp, events := w.stream(http.MethodPost, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`,
			"Authorization", "Bearer "+p.access, "Cookie", b.cookieLine(), "Mcp-Session-Id", "a", "X-Zoom-User-Id", "forged")
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: got %d", user, resp.StatusCode)
		}
		wantEvent(t, events, "hello, "+user)
		got := <-seen
		for name, values := range got.Header {
			if text := strings.Join(values, "\n"); strings.Contains(text, "zpk_") || strings.HasPrefix(name, "X-Zoom-") || strings.Contains(text, w.sessionCookieName()) {
				t.Errorf("%s: Zoom was sent %s: %q", user, name, values)
			}
		}
		if got.Header.Get("Mcp-Session-Id") != "a" {
			t.Errorf("%s: Zoom was sent no session", user)
		}
	}
}

// A token of Zoom's is not a way past the sign-in. What Zoom refuses is not answered
// with Zoom's sign-in, to which the client would go, and soon another token is sent.
func TestRefusalsAtZoomsOwnMCPServer(t *testing.T) {
	w, seen := newZoomMCPWorld(t)
	p, _ := w.registered("user-ada")
	if a := p.call(http.MethodPost, "/mcp"); a.StatusCode != http.StatusOK {
		t.Fatalf("got %d", a.StatusCode)
	}
	passed := w.program()
	passed.access, _ = strings.CutPrefix((<-seen).Header.Get("Authorization"), "Bearer ")
	wantChallenge(t, w, passed.call(http.MethodPost, "/mcp"), "/mcp", false)
	if len(seen) > 0 {
		t.Error("a token that the client sent by itself reached Zoom")
	}
	w.zoom.RevokeAccessTokens(testClientID, "user-ada")
	if a := p.call(http.MethodPost, "/mcp"); a.StatusCode != http.StatusBadGateway ||
		a.Header["Www-Authenticate"] != nil || a.Header["Authorization-Rejected"] != nil {
		t.Errorf("refused by Zoom: got %d %v", a.StatusCode, a.Header)
	}
	testkit.Eventually(t, "a token that Zoom takes", 15*time.Second, func() bool {
		return p.call(http.MethodPost, "/mcp").StatusCode == http.StatusOK
	})
}
