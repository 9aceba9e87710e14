// Package redistest starts real Redis servers for tests, and ends them with the
// test. It knows no session store.
package redistest

import (
	"net"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
)

// Server is a real Redis that keeps nothing on disk.
type Server struct {
	// Port is where it listens on 127.0.0.1.
	Port string

	args []string
	cmd  *exec.Cmd
}

// Start starts a Redis on a free port of 127.0.0.1, with more arguments for
// redis-server. The test is skipped where that program is missing.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return startProgram(t, append([]string{"--save", "", "--appendonly", "no"}, args...)...)
}

func startProgram(t testing.TB, args ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		testkit.Missing(t, "there is no redis-server to test with")
	}
	s := &Server{args: args}
	t.Cleanup(s.stop)
	// Somebody else may take the free port before Redis does.
	for range 5 {
		s.Port = testkit.FreePort(t)
		if s.run(t) {
			return s
		}
	}
	t.Fatalf("redis-server %v did not start", args)
	return nil
}

// run runs the server at its port, and reports whether it answers.
func (s *Server) run(t testing.TB) bool {
	t.Helper()
	args := append(slices.Clip(s.args), "--bind", "127.0.0.1", "--dir", t.TempDir())
	if slices.Contains(args, "--tls-cert-file") {
		args = append(args, "--port", "0", "--tls-port", s.Port)
	} else {
		args = append(args, "--port", s.Port)
	}
	s.cmd = exec.Command("redis-server", args...)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		s.cmd.Wait()
		close(exited)
	}()
	for range 500 {
		if conn, err := net.Dial("tcp", "127.0.0.1:"+s.Port); err == nil {
			conn.Close()
			return true
		}
		select {
		case <-exited:
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
	return false
}

// Restart starts a server that was stopped, at the port it had before.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if !s.run(t) {
		t.Fatal("redis-server did not start again")
	}
}

func (s *Server) stop() {
	if s.cmd != nil && s.cmd.Process != nil {
		s.cmd.Process.Kill()
	}
}

// Stop kills the server and returns when nobody listens any more.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.stop()
	for range 500 {
		conn, err := net.Dial("tcp", "127.0.0.1:"+s.Port)
		if err != nil {
			return
		}
		conn.Close()
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("redis-server does not stop")
}

// URL is where clients find it.
func (s *Server) URL() string { return "redis://127.0.0.1:" + s.Port }

// Do sends one command on a connection of its own.
func (s *Server) Do(t testing.TB, args ...any) any {
	t.Helper()
	answer, err := s.do(t, args...)
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return answer
}

// Try is Do of what the server may refuse.
func (s *Server) Try(t testing.TB, args ...any) error {
	_, err := s.do(t, args...)
	return err
}

func (s *Server) do(t testing.TB, args ...any) (any, error) {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + s.Port, DisableIdentity: true, Protocol: 2})
	defer client.Close()
	return client.Do(t.Context(), args...).Result()
}
