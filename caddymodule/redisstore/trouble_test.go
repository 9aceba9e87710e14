package redisstore

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/fleettest"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/redistest"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

var trouble = flag.Duration("trouble", 8*time.Second, "how long the tests of sessions have trouble")

// The protocol of package zoompkce on a real Redis: whoever signed in stays signed
// in while Redis stalls, pauses and loses connections, and whoever signed out is out.
func TestSessionsOnRedisInTrouble(t *testing.T) {
	server := redistest.Start(t, "--enable-debug-command", "local")
	f := fleettest.New(t, fleettest.Config{
		Users: 4, Pause: 40 * time.Millisecond, Ends: 4 * time.Second,
		Open: func(t testing.TB) zoompkce.Store {
			return openRedis(t, &Store{URLs: []string{"redis://" + startBadNetwork(t, "127.0.0.1:"+server.Port)}})
		},
	})
	f.Add()
	f.Add()
	f.Play(*trouble, func(ctx context.Context) {
		fleettest.Repeat(ctx, 2*time.Second, func(n int) { troubleRedis(t, server, n) })
	})
}

// troubleRedis stops Redis for a moment, in one of the ways it has.
func troubleRedis(t *testing.T, server *redistest.Server, n int) {
	switch n % 3 {
	case 0:
		server.Do(t, "CLIENT", "PAUSE", "700", "ALL")
	case 1:
		server.Do(t, "DEBUG", "SLEEP", "0.4")
	case 2:
		server.Do(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	}
}

// The same on a pair that a Sentinel guards and that changes places again and again.
// What one of them has taken in the meantime may be lost (its replication is asynchronous);
// what was there before is not.
func TestSessionsOnRedisThatFailsOver(t *testing.T) {
	pair := []*redistest.Server{redistest.Start(t, "--enable-debug-command", "local")}
	pair = append(pair, redistest.Start(t, "--enable-debug-command", "local",
		"--replicaof", "127.0.0.1 "+pair[0].Port, "--repl-diskless-sync-delay", "0"))
	testkit.Eventually(t, "the replica to follow", 30*time.Second, func() bool {
		return strings.Contains(fmt.Sprint(pair[0].Do(t, "info", "replication")), "state=online")
	})
	sentinel := redistest.StartSentinel(t, pair[0],
		"sentinel down-after-milliseconds mymaster 1500", "sentinel failover-timeout mymaster 2000")
	testkit.Eventually(t, "the Sentinel to know the replica", 30*time.Second, func() bool {
		return strings.Contains(fmt.Sprint(sentinel.Do(t, "sentinel", "replicas", "mymaster")), "master-link-status ok")
	})
	f := fleettest.New(t, fleettest.Config{
		Users: 8, Pause: 400 * time.Millisecond, Seldom: 100, Ends: 10 * time.Second,
		Open: func(t testing.TB) zoompkce.Store {
			return openRedis(t, &Store{URLs: []string{"redis://127.0.0.1:" + sentinel.Port}, MasterName: "mymaster"})
		},
	})
	f.Add()
	f.Add()
	f.Play(*trouble, func(ctx context.Context) {
		fleettest.Repeat(ctx, 2*time.Second, func(n int) {
			if n%6 == 2 {
				f.Forget(2*time.Second, func() { failOver(ctx, t, sentinel, pair, n%12 == 8) })
				return
			}
			for _, server := range pair {
				troubleRedis(t, server, n)
			}
		})
	})
}

// failOver has the replica take over, because somebody wants it or because the master
// is killed, and returns when the former master follows it.
func failOver(ctx context.Context, t *testing.T, sentinel *redistest.Server, pair []*redistest.Server, kill bool) {
	master := func() string { return fmt.Sprint(sentinel.Do(t, "sentinel", "get-master-addr-by-name", "mymaster")) }
	before := master()
	former := pair[0]
	if strings.Contains(before, pair[1].Port) {
		former = pair[1]
	}
	if kill {
		former.Stop(t)
	} else {
		for sentinel.Try(t, "sentinel", "failover", "mymaster") != nil {
			if time.Sleep(100 * time.Millisecond); ctx.Err() != nil { // it is not ready for another one
				return
			}
		}
	}
	testkit.Eventually(t, "the replica to take over", 30*time.Second, func() bool { return master() != before })
	if kill {
		former.Restart(t)
	}
	testkit.Eventually(t, "the former master to follow", 30*time.Second, func() bool {
		return strings.Contains(fmt.Sprint(former.Do(t, "info", "replication")), "master_link_status:up")
	})
	time.Sleep(100 * time.Millisecond) // for who still has a connection to the former one
}

// startBadNetwork returns the address of what carries everything to a server, with
// delays that have one connection overtake another, and cuts.
func startBadNetwork(t testing.TB, server string) (addr string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	t.Cleanup(group.Wait)
	t.Cleanup(func() { listener.Close() })
	group.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				defer client.Close()
				if server, err := net.Dial("tcp", server); err == nil {
					group.Go(func() { carryBadly(server, client) })
					carryBadly(client, server)
				}
			})
		}
	})
	return listener.Addr().String()
}

// carryBadly carries what comes from one end to the other until one of them, or
// chance, has enough.
func carryBadly(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil || rand.N(400) == 0 {
			return
		}
		time.Sleep(rand.N(5 * time.Millisecond))
		if rand.N(50) == 0 {
			time.Sleep(rand.N(time.Second))
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}
