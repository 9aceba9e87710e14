package main

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demotest"
)

// TestMain makes the test binary what the program is: also its own nodes.
func TestMain(m *testing.M) {
	if file := os.Getenv(nodeConfig); file != "" {
		demo.Exit("cluster", runNode(file, os.Stdin))
	}
	os.Exit(m.Run())
}

// safeBuilder is written to by several goroutines.
type safeBuilder struct {
	mu sync.Mutex
	strings.Builder
}

func (b *safeBuilder) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Builder.Write(p)
}

func needRedis(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		demotest.Missing(t, "there is no redis-server")
	}
}

func TestCommandLine(t *testing.T) {
	needRedis(t)
	demotest.CommandLine(t, run)
}

func TestCheck(t *testing.T) {
	needRedis(t)
	var out safeBuilder
	if err := run(t.Context(), []string{"-check", "-port", "0"}, &out, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if n := strings.Count(out.String(), "all signed in"); n != 2 {
		t.Errorf("the output tells of %d visits, want 2:\n%s", n, out.String())
	}
}
