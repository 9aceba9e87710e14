package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
)

// TestMCPClients runs the clients that people use against an MCP server behind the
// directive, all at once.
func TestMCPClients(t *testing.T) {
	s := newMCPSite(t)
	goClient := testkit.BuildGo(t, mcpClients+"/gosdk")
	inGo := func(how string) func(*testing.T) *process {
		return func(t *testing.T) *process { return start(t, exec.CommandContext(t.Context(), goClient, how, s.url)) }
	}
	inNode := func(kind string, client ...string) func(*testing.T) *process {
		return func(t *testing.T) *process { return start(t, s.sdk(t, kind, t.TempDir(), client...)) }
	}
	var all sync.WaitGroup
	run := func(name string, test func(*testing.T)) { all.Go(func() { t.Run(name, test) }) }
	for _, c := range []struct {
		name  string
		start func(t *testing.T) *process
		id    string // what the server behind is told of it
	}{
		{"v1", inNode("v1"), registered},
		{"v1 configured", inNode("v1", "sdk"), "sdk"},
		{"v2", inNode("v2"), registered},
		{"v2 configured", inNode("v2", "sdk"), "sdk"},
		{"v2 that asks for the newest protocol", inNode("v2-auto"), registered},
		{"mcp-remote", inNode("remote", portFor(t, "remote")...), registered},
		{"Go", inGo("register"), registered},
		{"Go configured", inGo("sdk"), "sdk"},
	} {
		run(c.name, func(t *testing.T) { s.life(t, c.start(t), c.id) })
	}
	for _, kind := range []string{"v1", "v2", "remote"} {
		run("two of "+kind, func(t *testing.T) { s.pair(t, kind) })
		run("elsewhere by "+kind, func(t *testing.T) { s.elsewhere(t, kind) })
	}
	run("a redirect URI of nobody", func(t *testing.T) { s.unknown(t, "sdk", "REDIRECT=http://127.0.0.1:1/nobody") })
	run("a document out of reach", func(t *testing.T) { s.unknown(t, s.document()) })
	run("Inspector", s.inspector)
	run("conformance", s.conformance)
	all.Wait()
	t.Run("another secret", s.otherSecret)
}

const registered = "registered:[0-9a-f]{16}" // what the server is told of a client

// opens is how clients tell a person where to go.
const opens = `(http\S+/oauth/authorize\?\S+)\s`

// life is what a client lives to see: a sign-in, the end of an access token, the end of
// all access, and a person who does not want it.
func (s *mcpSite) life(t *testing.T, p *process, id string) {
	person := s.person(t)
	p.send("one")
	person.answer(p.await(opens), "allow")
	p.want("result Echo: one")
	time.Sleep(mcpTokenLife)
	p.send("two")
	p.want("result Echo: two")
	person.wantSeen(id)

	person.endProgram()
	p.send("three")
	person.answer(p.await(opens), "allow")
	p.want("result Echo: three")
	person.endProgram()
	p.send("four")
	person.answer(p.await(opens), "deny")
	p.want("error .*the user did not allow it")
	p.wantOpened(3)
}

// pair runs two processes that share one sign-in, and come with the same refresh
// token at the same time, twice.
func (s *mcpSite) pair(t *testing.T, kind string) {
	person, store, port := s.person(t), t.TempDir(), portFor(t, kind)
	p := start(t, s.sdk(t, kind, store, port...))
	p.send("one")
	person.answer(p.await(opens), "allow")
	p.want("result Echo: one")
	q := start(t, s.sdk(t, kind, store, port...))
	q.await(`^(ready)`)
	for _, message := range []string{"two", "three"} {
		time.Sleep(mcpTokenLife)
		p.send(message)
		q.send(message)
		p.want("result Echo: " + message)
		q.want("result Echo: " + message)
	}
	p.wantOpened(1)
	q.wantOpened(0)
}

// inspector is the MCP project's tool for looking at servers. It runs once for each
// call, and keeps its sign-in in files.
func (s *mcpSite) inspector(t *testing.T) {
	person, home, callback := s.person(t), t.TempDir(), "http://127.0.0.1:"+testkit.FreePort(t)+"/oauth/callback"
	call := func(message string, options ...string) *process {
		cmd := node(t, "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js", append([]string{
			"--cli", s.url, "--transport", "http", "--callback-url", callback,
			"--method", "tools/call", "--tool-name", "echo", "--tool-arg", "message=" + message,
		}, options...)...)
		cmd.Env = append(cmd.Env, "HOME="+home, "MCP_AUTO_OPEN_ENABLED=true", "MCP_INSPECTOR_SECRET_STORE=file")
		return start(t, cmd)
	}
	first := call("one")
	person.answer(first.await(opens), "allow")
	first.wantExit(true, `"Echo: one"`, 1)
	time.Sleep(mcpTokenLife)
	two, three := call("two"), call("three") // with the same refresh token
	two.wantExit(true, `"Echo: two"`, 0)
	three.wantExit(true, `"Echo: three"`, 0)
	person.wantSeen(registered)

	person.endProgram()
	declined := call("four")
	person.answer(declined.await(opens), "deny")
	declined.wantExit(false, "the user did not allow it", 1)
}

// conformance runs the suite of the MCP project for authorization servers.
func (s *mcpSite) conformance(t *testing.T) {
	p := start(t, node(t, "node_modules/@modelcontextprotocol/conformance/dist/index.js", "authorization",
		"--url", s.world.url, "--client-id", "sdk", "--resource", s.url, "--port", testkit.FreePort(t)))
	s.person(t).answer(p.await(opens), "allow")
	p.wantExit(true, "\nTotal: 3 passed, 0 failed\n", 1)
}

// sdk is a client on an MCP SDK for TypeScript, of kind v1 or v2, or, of kind remote,
// one that cannot sign in and has mcp-remote do it. It keeps its sign-in in a folder.
func (s *mcpSite) sdk(t *testing.T, kind, folder string, more ...string) *exec.Cmd {
	return node(t, "sdk.js", append([]string{kind, s.url, filepath.Join(folder, "store")}, more...)...)
}

// portFor is what mcp-remote wants beside. It would take a port by the server's address
// otherwise, and those who share one wait for each other.
func portFor(t *testing.T, kind string) []string {
	if kind != "remote" {
		return nil
	}
	return []string{testkit.FreePort(t)}
}

// wantOpened checks how often a process wanted a person to go somewhere.
func (p *process) wantOpened(times int) {
	p.t.Helper()
	if opened := strings.Count(p.text(), "/oauth/authorize?"); opened != times {
		p.t.Errorf("a person was asked %d times, want %d", opened, times)
	}
}
