package e2e

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
)

// childConfig names the configuration for a process that is to be a Caddy.
const childConfig = "ZOOM_PKCE_TEST_CHILD_CONFIG"

// TestChildCaddy is a Caddy until its parent is gone.
func TestChildCaddy(t *testing.T) {
	file := os.Getenv(childConfig)
	if file == "" {
		t.Skip("only a part of tests that need several processes")
	}
	config, err := os.ReadFile(file)
	if err == nil {
		err = caddy.Load(config, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	os.Stdout.WriteString("ready\n")
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := caddy.Stop(); err != nil {
		t.Error(err)
	}
}

// child is a Caddy in a process of its own, behind the address of its world: the
// tests are the load balancer.
type child struct {
	w     *world
	addr  string
	cmd   *exec.Cmd
	stdin io.Closer
	ready chan bool
	gone  chan struct{}
}

// begin starts a process with a site's Caddyfile, listening on a port of its own.
func (w *world) begin(caddyfile string) *child {
	w.t.Helper()
	c := &child{w: w, addr: "127.0.0.1:" + testkit.FreePort(w.t), ready: make(chan bool, 1), gone: make(chan struct{})}
	dir := w.t.TempDir()
	config := changed(w.t, caddyfile, func(config map[string]any) {
		server := config["apps"].(map[string]any)["http"].(map[string]any)["servers"].(map[string]any)["srv0"].(map[string]any)
		server["listen"] = []string{c.addr}
		log := config["logging"].(map[string]any)["logs"].(map[string]any)["default"].(map[string]any)
		log["writer"].(map[string]any)["filename"] = filepath.Join(dir, "caddy.log")
		log["level"] = "INFO"
	})
	file := filepath.Join(dir, "caddy.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		w.t.Fatal(err)
	}
	c.cmd = exec.Command(os.Args[0], "-test.run=^TestChildCaddy$", "-test.timeout=10m")
	c.cmd.Env = append(os.Environ(), childConfig+"="+file)
	c.cmd.Stderr = os.Stderr
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		w.t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(c.gone)
		lines := bufio.NewScanner(stdout)
		c.ready <- lines.Scan() && lines.Text() == "ready"
		for lines.Scan() {
		}
		_ = c.cmd.Wait()
	}()
	w.t.Cleanup(func() {
		c.kill()
		if w.t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "caddy.log"))
			for line := range strings.Lines(string(log)) {
				if !strings.Contains(line, `"http.log.access`) {
					w.t.Logf("%s: %.400s", c.addr, line)
				}
			}
		}
	})
	return c
}

// await returns when the child serves.
func (c *child) await() *child {
	c.w.t.Helper()
	select {
	case ok := <-c.ready:
		if !ok {
			c.w.t.Fatal("a child process did not start")
		}
	case <-time.After(time.Minute):
		c.w.t.Fatal("a child process does not start")
	}
	return c
}

// kill ends the process as kill -9 does.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	<-c.gone
	c.stdin.Close()
}

// dial takes all connections to the child.
func (c *child) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, c.addr)
}

// client has connections to the child only.
func (c *child) client() *http.Client {
	return &http.Client{
		Transport: &http.Transport{DialContext: c.dial, MaxIdleConnsPerHost: 1000},
		Timeout:   30 * time.Second,
	}
}

// at takes a browser to the child.
func (b *browser) at(c *child) *browser {
	b.client.Transport = &http.Transport{DialContext: c.dial, DisableKeepAlives: true}
	return b
}
