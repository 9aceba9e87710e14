package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/goleak"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/redistest"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storebench"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storecall"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/storetest"
)

func TestRedisStore(t *testing.T) {
	server := redistest.Start(t)
	storetest.Run(t, func(t *testing.T) storetest.Backend {
		server.Do(t, "flushall")
		store := openRedis(t, &Store{URLs: []string{server.URL()}})
		return storetest.Backend{
			Store:  store,
			Other:  openRedis(t, &Store{URLs: []string{server.URL()}}),
			Damage: func(t *testing.T, key string) { server.Do(t, "set", key, "zoom_pkce/1 garbage") },
			Close:  store.Cleanup,
		}
	})
}

func TestRedisCluster(t *testing.T) {
	nodes := redistest.StartCluster(t, 2)
	storetest.Run(t, func(t *testing.T) storetest.Backend {
		for _, node := range nodes {
			node.Do(t, "flushall")
		}
		store := openRedis(t, &Store{URLs: []string{nodes[0].URL(), nodes[1].URL()}})
		return storetest.Backend{
			Store: store,
			Other: openRedis(t, &Store{URLs: []string{nodes[1].URL()}, Cluster: true}),
			Close: store.Cleanup,
		}
	})
	if nodes[0].Do(t, "info", "commandstats") == nodes[1].Do(t, "info", "commandstats") {
		t.Error("one of the nodes was never used")
	}
}

func TestRedisSentinel(t *testing.T) {
	master := redistest.Start(t, "--requirepass", "master pass")
	sentinel := redistest.StartSentinel(t, master, "requirepass sentinelpass", `sentinel auth-pass mymaster "master pass"`)
	store := openRedis(t, &Store{
		URLs:       []string{"redis://:sentinelpass@127.0.0.1:" + sentinel.Port},
		MasterName: "mymaster",
		Password:   "master pass",
	})
	storebench.Works(t, store)
}

// The commands a user needs who is allowed nothing else.
var redisACL = []any{"acl", "setuser", "zoom", "on", ">p@ss:w/rd {1}", "~zoom_pkce/*", "+get", "+set", "+del", "+eval", "+evalsha", "+scan"}

func TestRedisCredentials(t *testing.T) {
	server := redistest.Start(t)
	server.Do(t, redisACL...)
	server.Do(t, "config", "set", "requirepass", "default pass")
	for name, test := range map[string]struct {
		store Store
		err   string
	}{
		"password in the URL": {
			store: Store{URLs: []string{"redis://:default%20pass@127.0.0.1:" + server.Port}},
		},
		"password beside it": {
			store: Store{URLs: []string{server.URL()}, Password: "default pass"},
		},
		"narrow user": {
			store: Store{URLs: []string{server.URL()}, Username: "zoom", Password: `p@ss:w/rd \{1\}`},
		},
		"wrong password": {
			store: Store{URLs: []string{server.URL()}, Password: "wr0ng-secret"},
			err:   "WRONGPASS",
		},
		"no password": {
			store: Store{URLs: []string{server.URL()}},
			err:   "NOAUTH",
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := openRedis(t, &test.store)
			if test.err == "" {
				storebench.Works(t, store)
				// As the user that may do so.
				version := loadVersion(t, store)
				if _, err := store.Swap(t.Context(), storebench.Key(1), version, nil, time.Now().Add(-time.Second)); err != nil {
					t.Fatal(err)
				}
				return
			}
			_, _, err := store.Load(t.Context(), storebench.Key(1))
			if err == nil || !strings.Contains(err.Error(), test.err) || errors.Is(err, zoompkce.ErrNotFound) {
				t.Errorf("got %v", err)
			}
			if strings.Contains(fmt.Sprint(err), "wr0ng-secret") {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}

func loadVersion(t *testing.T, store zoompkce.Store) string {
	t.Helper()
	_, version, err := store.Load(t.Context(), storebench.Key(1))
	if err != nil {
		t.Fatal(err)
	}
	return version
}

func TestRedisOverTLS(t *testing.T) {
	ca, cert, key := testCertificate(t)
	server := redistest.Start(t, "--tls-cert-file", cert, "--tls-key-file", key,
		"--tls-ca-cert-file", ca, "--tls-auth-clients", "no", "--tls-protocols", "TLSv1.2")
	url := "rediss://127.0.0.1:" + server.Port
	storebench.Works(t, openRedis(t, &Store{URLs: []string{url}, TLSCA: ca}))

	unknown := openRedis(t, &Store{URLs: []string{url}})
	if _, _, err := unknown.Load(t.Context(), storebench.Key(1)); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a server nobody vouches for: %v", err)
	}
}

func TestRedisExpiresByItself(t *testing.T) {
	server := redistest.Start(t)
	store := openRedis(t, &Store{URLs: []string{server.URL()}})
	if _, err := store.Swap(t.Context(), storebench.Key(1), "", nil, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if ttl := server.Do(t, "pttl", storebench.Key(1)).(int64); ttl < 50_000 || ttl > 60_000 {
		t.Errorf("it lives %d ms", ttl)
	}
	if _, err := store.Swap(t.Context(), storebench.Key(1), loadVersion(t, store), nil, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if ttl := server.Do(t, "pttl", storebench.Key(1)).(int64); ttl != -1 {
		t.Errorf("for ever is %d ms", ttl)
	}
}

func TestRedisForeignKeyIsNotOverwritten(t *testing.T) {
	server := redistest.Start(t)
	server.Do(t, "hset", storebench.Key(1), "a", "b")
	store := openRedis(t, &Store{URLs: []string{server.URL()}})
	if _, _, err := store.Load(t.Context(), storebench.Key(1)); err == nil || errors.Is(err, zoompkce.ErrNotFound) {
		t.Errorf("load: %v", err)
	}
	if _, err := store.Swap(t.Context(), storebench.Key(1), "", nil, time.Time{}); err == nil || errors.Is(err, zoompkce.ErrConflict) {
		t.Errorf("swap: %v", err)
	}
}

func TestRedisDamagedRecord(t *testing.T) {
	server := redistest.Start(t)
	store := openRedis(t, &Store{URLs: []string{server.URL()}})
	version := storecall.NewVersion()
	for _, damaged := range []string{"zoom_pkce/1 garbage", "zoom_pkce/2 " + version + "\nx", "zoom_pkce/1 " + version + " x"} {
		server.Do(t, "set", storebench.Key(1), damaged)
		if _, _, err := store.Load(t.Context(), storebench.Key(1)); !errors.Is(err, storecall.ErrDamaged) {
			t.Errorf("load of %q: %v", damaged, err)
		}
		if _, err := store.Swap(t.Context(), storebench.Key(1), version, nil, time.Time{}); !errors.Is(err, storecall.ErrDamaged) {
			t.Errorf("swap of %q: %v", damaged, err)
		}
	}
}

func TestRedisForgottenScriptIsSentAgain(t *testing.T) {
	server := redistest.Start(t)
	store := openRedis(t, &Store{URLs: []string{server.URL()}})
	storebench.Works(t, store)
	server.Do(t, "script", "flush")
	if _, err := store.Swap(t.Context(), storebench.Key(1), loadVersion(t, store), nil, time.Time{}); err != nil {
		t.Error(err)
	}
}

// A cursor means something to the server that gave it alone: on another one keys would be missed.
func TestRedisListingOfAServerThatIsGone(t *testing.T) {
	server := redistest.Start(t)
	store := openRedis(t, &Store{URLs: []string{server.URL()}})
	fill := func() {
		for n := range 1000 {
			server.Do(t, "set", storebench.Key(n), "")
		}
	}
	fill()
	_, first, err := store.List(t.Context(), storebench.App, "")
	if err != nil || first == "" {
		t.Fatalf("%q, %v", first, err)
	}
	if _, second, err := store.List(t.Context(), storebench.App, first); err != nil || second == "" {
		t.Fatalf("%q, %v", second, err)
	}
	server.Stop(t)
	server.Restart(t)
	fill()
	if _, _, err := store.List(t.Context(), storebench.App, first); err == nil {
		t.Error("a listing goes on at another server")
	}
	if _, next, err := store.List(t.Context(), storebench.App, ""); err != nil || next == "" {
		t.Errorf("%q, %v", next, err)
	}
}

func TestRedisStoreWithoutProvision(t *testing.T) {
	store := new(Store)
	if _, _, err := store.Load(t.Context(), storebench.Key(1)); !errors.Is(err, zoompkce.ErrStoreClosed) {
		t.Errorf("load: %v", err)
	}
	for range 2 {
		if err := store.Cleanup(); err != nil {
			t.Error(err)
		}
	}
}

func TestRedisCleanupLeavesNothingBehind(t *testing.T) {
	server := redistest.Start(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	store := new(Store)
	store.URLs = []string{server.URL()}
	openRedis(t, store)
	storebench.Works(t, store)
	for range 2 {
		if err := store.Cleanup(); err != nil {
			t.Error(err)
		}
	}
}

func TestRedisStorePrintsNoPassword(t *testing.T) {
	store := &Store{URLs: []string{"redis://:hunter2@127.0.0.1"}, Password: "hunter2"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(format, store); strings.Contains(got, "hunter2") {
			t.Errorf("%s gives %s", format, got)
		}
	}
}

// openRedis provisions a store, to be cleaned up after the test.
func openRedis(t testing.TB, s *Store) *Store {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	if err := s.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Cleanup() })
	return s
}
