// Package testkit is what the tests of several rooms share: what to do without
// a program, building one, waiting, ports. Nothing but tests imports it.
package testkit

import (
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Thorough reports whether tests may take as long as the numbers they prove.
func Thorough() bool { return os.Getenv("ZOOM_PKCE_E2E") == "1" || os.Getenv("CI") != "" }

// Missing skips a test for want of something, unless ZOOM_PKCE_E2E=1 says that
// nothing may be wanting.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("ZOOM_PKCE_E2E") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// BuildGo builds the program in a folder, a module of its own, and returns its file.
func BuildGo(t testing.TB, dir string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), filepath.Base(dir))
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", file, ".")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		Missing(t, "go build: "+err.Error()+"\n"+string(out))
	}
	return file
}

// Eventually waits for something that another goroutine does, and fails the
// test when that takes longer than limit.
func Eventually(t testing.TB, what string, limit time.Duration, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain for %s", limit, what)
		}
	}
}

// FreePort is a port of 127.0.0.1 that nobody listened on a moment ago.
func FreePort(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

// Document is a text about the directive, with its path from the root.
type Document struct {
	Path, Text string
}

// Documents are the texts that people read about the directive. The path of the
// repository's root is the test's.
func Documents(t testing.TB, root string) (all []Document) {
	t.Helper()
	for _, pattern := range []string{"README.md", "caddymodule/*.md", "examples/*.md", "examples/*/*.md"} {
		paths, err := fs.Glob(os.DirFS(root), pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %d documents, %v", pattern, len(paths), err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(filepath.Join(root, path))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, Document{path, string(text)})
		}
	}
	return all
}
