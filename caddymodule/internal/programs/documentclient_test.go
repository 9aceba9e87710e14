package programs

import (
	"bufio"
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
)

// publicSite is a site with TLS, of the issuer that its address is.
type publicSite struct {
	*world
	issuer string
}

func (s publicSite) Issuer(*http.Request) string { return s.issuer }

// A client on the MCP SDK for Go signs in by its document, which is read by TLS from
// its host. Through Caddy no test can have that: a host on this machine is never asked.
func TestGoClientByDocument(t *testing.T) {
	client := testkit.BuildGo(t, "../../e2e/testdata/mcpclients/gosdk")
	const id = "https://client.example/client.json"
	w := newWorldWith(t, ClientsConfig{DocumentHosts: []string{"client.example"}})
	w.Clients.documents.cache.fetch = documentServer(t, func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(rw, `{"client_id":"`+id+`","client_name":"Go","redirect_uris":["http://127.0.0.1/callback"]}`)
	}).fetch

	mux := http.NewServeMux()
	site := httptest.NewTLSServer(mux)
	t.Cleanup(site.Close)
	config := w.Config
	config.Site, config.Origins = publicSite{w, site.URL}, []string{site.URL}
	w.Server = NewServer(config)
	mux.HandleFunc("/.well-known/", func(rw http.ResponseWriter, r *http.Request) { w.Metadata(rw, r, r.URL.Path) })
	mux.HandleFunc("/zoom_pkce/oauth/token", func(rw http.ResponseWriter, r *http.Request) { w.Token(rw, r) })
	mux.HandleFunc("/mcp", func(rw http.ResponseWriter, r *http.Request) {
		token, _ := Bearer(r.Header["Authorization"], w.manager.TokenPrefix())
		if _, err := w.manager.ProgramSession(r.Context(), site.URL, token); err != nil {
			Challenge(rw.Header(), site.URL, "/mcp", false)
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		serveEcho(rw, r)
	})

	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: site.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, client, id, site.URL+"/mcp")
	cmd.Env, cmd.Stdin, cmd.Stderr = append(os.Environ(), "SSL_CERT_FILE="+roots), strings.NewReader("hello\n"), os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	next := func() string { lines.Scan(); return lines.Text() }

	address, err := url.Parse(strings.TrimPrefix(next(), "open "))
	if err != nil || !strings.HasPrefix(address.String(), site.URL+"/zoom_pkce/oauth/authorize?") || address.Query().Get("client_id") != id {
		t.Fatalf("it opens %s", address)
	}
	cookie := w.browser()
	w.authorize(cookie, address.RawQuery)
	if !strings.Contains(string(w.page.Main), "<code>client.example</code>") {
		t.Errorf("the page does not name the document's host:\n%s", w.page.Main)
	}
	back, err := http.Get(w.press(cookie, decisionAllow).Header().Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	back.Body.Close()
	if got := next(); got != "result hello" {
		t.Errorf("it says %q", got)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// serveEcho is an MCP server with a tool that says what it is told.
func serveEcho(w http.ResponseWriter, r *http.Request) {
	var message struct {
		ID     json.RawMessage
		Method string
		Params struct {
			ProtocolVersion string
			Arguments       struct{ Message string }
		}
	}
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if err := json.NewDecoder(r.Body).Decode(&message); err != nil || message.ID == nil {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	answer := map[string]any{"jsonrpc": "2.0", "id": message.ID}
	switch message.Method {
	case "initialize":
		answer["result"] = map[string]any{
			"protocolVersion": message.Params.ProtocolVersion, "capabilities": map[string]any{},
			"serverInfo": map[string]string{"name": "echo", "version": "1"},
		}
	case "tools/call":
		answer["result"] = map[string]any{"content": []any{map[string]string{"type": "text", "text": message.Params.Arguments.Message}}}
	default:
		answer["error"] = map[string]any{"code": -32601, "message": "Method not found"}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}
