package e2e

import (
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
)

// mcpClient is a client that calls the tool echo when it is told to.
type mcpClient struct {
	name    string
	command func(t *testing.T, s *mcpSite) *exec.Cmd
	id      string   // what the server behind is told of it
	begin   []string // lines that it wants first
	call    string   // a line that has it call the tool with MESSAGE
	opens   string   // how it tells a person where to go
	result  string   // how it tells the result
	failure string   // how it tells that there is none
}

const registeredID = "registered:[0-9a-f]{16}"

func sdk(args ...string) func(*testing.T, *mcpSite) *exec.Cmd {
	return func(t *testing.T, s *mcpSite) *exec.Cmd {
		return node(t, "sdk.js", append([]string{args[0], s.url, filepath.Join(t.TempDir(), "store")}, args[1:]...)...)
	}
}

// TestMCPClients runs the clients that people use against an MCP server behind the
// directive, all at once.
func TestMCPClients(t *testing.T) {
	s := newMCPSite(t, `
		headers {
			client X-Zoom-Client-Id
		}
		programs {
			client sdk http://127.0.0.1/callback
			client conformance http://127.0.0.1/callback
			registration on
			client_documents
			token_lifetime 5s
		}`)
	goClient := filepath.Join(t.TempDir(), "gosdk")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", goClient, ".")
	build.Dir = filepath.Join(mcpClients, "gosdk")
	if out, err := build.CombinedOutput(); err != nil {
		testkit.Missing(t, "building the client in Go: "+err.Error()+"\n"+string(out))
	}
	goSDK := func(how string) func(*testing.T, *mcpSite) *exec.Cmd {
		return func(t *testing.T, s *mcpSite) *exec.Cmd {
			return exec.CommandContext(context.Background(), goClient, how, s.url)
		}
	}
	var all sync.WaitGroup
	defer all.Wait()
	run := func(name string, test func(*testing.T)) { all.Go(func() { t.Run(name, test) }) }
	for _, c := range []mcpClient{
		{name: "v1", command: sdk("v1"), id: registeredID},
		{name: "v1 configured", command: sdk("v1", "sdk"), id: "sdk"},
		{name: "v2", command: sdk("v2"), id: registeredID},
		{name: "v2 configured", command: sdk("v2", "sdk"), id: "sdk"},
		{name: "v2 newest", command: sdk("v2-auto"), id: registeredID},
		{name: "go", command: goSDK("register"), id: registeredID},
		{name: "go configured", command: goSDK("sdk"), id: "sdk"},
	} {
		c.call, c.opens, c.result, c.failure = "MESSAGE", `^open (.*)$`, `^result (.*)$`, `^error (.*)$`
		run(c.name, func(t *testing.T) { c.test(t, s) })
	}
	run("conformance", func(t *testing.T) { conformance(t, s) })
	_ = json.Marshal
}

// test is what a client does in its life.
func (c *mcpClient) test(t *testing.T, s *mcpSite) {
	person := s.person(t)
	p := start(t, c.command(t, s))
	call := func(message string) { p.send(strings.ReplaceAll(c.call, "MESSAGE", message)) }
	wantResult := func(message string) {
		t.Helper()
		if got := p.await(c.result + "|" + c.failure); got != "Echo: "+message {
			t.Errorf("%s: the result is %q", message, got)
		}
	}

	call("one")
	person.answer(p.await(c.opens), "allow")
	wantResult("one")
	time.Sleep(mcpTokenLife) // the access token ends
	call("two")
	wantResult("two")
	person.wantSeen(c.id)

	person.endProgram()
	call("three")
	person.answer(p.await(c.opens), "deny")
	t.Logf("declined: %s", p.await(c.failure))
	call("four")
	person.answer(p.await(c.opens), "allow")
	wantResult("four")
	if opened := strings.Count(p.text(), "/oauth/authorize?"); opened != 3 {
		t.Errorf("a person was asked %d times", opened)
	}
}

// conformance runs the suite of the MCP project for authorization servers.
func conformance(t *testing.T, s *mcpSite) {
	person := s.person(t)
	p := start(t, node(t, "node_modules/@modelcontextprotocol/conformance/dist/index.js", "authorization",
		"--url", s.world.url, "--client-id", "conformance", "--resource", s.url, "--port", testkit.FreePort(t), "--verbose"))
	person.answer(p.await(`^(http\S+/oauth/authorize\S+)$`), "allow")
	out, err := p.exit()
	t.Logf("%v %s", err, out)
}
