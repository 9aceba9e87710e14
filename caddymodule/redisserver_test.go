package caddymodule

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/redis/go-redis/v9"
)

// redisServer is a real Redis that keeps nothing on disk.
type redisServer struct {
	port string
	args []string
	cmd  *exec.Cmd
}

// startRedis starts a Redis on a free port of 127.0.0.1.
func startRedis(t testing.TB, args ...string) *redisServer {
	t.Helper()
	return startRedisProgram(t, append([]string{"--save", "", "--appendonly", "no"}, args...)...)
}

// startSentinel starts a Sentinel that watches master under the name "mymaster".
func startSentinel(t *testing.T, master *redisServer, settings ...string) *redisServer {
	t.Helper()
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	lines := append([]string{"sentinel monitor mymaster 127.0.0.1 " + master.port + " 1"}, settings...)
	if err := os.WriteFile(config, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return startRedisProgram(t, config, "--sentinel")
}

func startRedisProgram(t testing.TB, args ...string) *redisServer {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		missing(t, "there is no redis-server to test with")
	}
	s := &redisServer{args: args}
	t.Cleanup(s.stop)
	// Somebody else may take the free port before Redis does.
	for range 5 {
		s.port = freePort(t)
		if s.start(t) {
			return s
		}
	}
	t.Fatalf("redis-server %v did not start", args)
	return nil
}

// start runs the server, at the port it had before, and reports whether it
// answers.
func (s *redisServer) start(t testing.TB) bool {
	t.Helper()
	args := append(slices.Clip(s.args), "--bind", "127.0.0.1", "--dir", t.TempDir())
	if slices.Contains(args, "--tls-cert-file") {
		args = append(args, "--port", "0", "--tls-port", s.port)
	} else {
		args = append(args, "--port", s.port)
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
		if conn, err := net.Dial("tcp", "127.0.0.1:"+s.port); err == nil {
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

func (s *redisServer) stop() {
	if s.cmd != nil && s.cmd.Process != nil {
		s.cmd.Process.Kill()
	}
}

// stopAndWait returns when nobody listens any more.
func (s *redisServer) stopAndWait(t *testing.T) {
	t.Helper()
	s.stop()
	for range 500 {
		conn, err := net.Dial("tcp", "127.0.0.1:"+s.port)
		if err != nil {
			return
		}
		conn.Close()
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("redis-server does not stop")
}

func (s *redisServer) url() string { return "redis://127.0.0.1:" + s.port }

// do sends one command on a connection of its own.
func (s *redisServer) do(t *testing.T, args ...any) any {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + s.port, DisableIdentity: true, Protocol: 2})
	defer client.Close()
	answer, err := client.Do(t.Context(), args...).Result()
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return answer
}

// startRedisCluster starts masters that share the slots of a Cluster.
func startRedisCluster(t *testing.T, masters int) []*redisServer {
	t.Helper()
	nodes := make([]*redisServer, masters)
	for i := range nodes {
		nodes[i] = startRedis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
		const slots = 16384
		nodes[i].do(t, "cluster", "addslotsrange", i*slots/masters, (i+1)*slots/masters-1)
		if i > 0 {
			nodes[i].do(t, "cluster", "set-config-epoch", i)
		}
	}
	for _, node := range nodes[1:] {
		nodes[0].do(t, "cluster", "meet", "127.0.0.1", node.port)
	}
	for _, node := range nodes {
		ready := func() bool {
			state := fmt.Sprint(node.do(t, "cluster", "info"))
			return strings.Contains(state, "cluster_state:ok") &&
				strings.Contains(state, fmt.Sprintf("cluster_known_nodes:%d", masters))
		}
		for deadline := time.Now().Add(20 * time.Second); !ready(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the cluster does not come up")
			}
		}
	}
	return nodes
}

// openRedis provisions a store, to be cleaned up after the test.
func openRedis(t *testing.T, s *RedisStore) *RedisStore {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	if err := s.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Cleanup() })
	return s
}

func freePort(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}
