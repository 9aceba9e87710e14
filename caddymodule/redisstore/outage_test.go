package redisstore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/redistest"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storebench"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

func TestRedisDownAndBack(t *testing.T) {
	server := redistest.Start(t)
	store := openRedis(t, &Store{URLs: []string{server.URL()}})
	storebench.Works(t, store)
	server.Stop(t)

	began := time.Now()
	if _, _, err := store.Load(t.Context(), storebench.Key(1)); err == nil || errors.Is(err, zoompkce.ErrNotFound) {
		t.Errorf("load: %v", err)
	}
	if _, err := store.Swap(t.Context(), storebench.Key(1), "", nil, time.Time{}); err == nil || errors.Is(err, zoompkce.ErrConflict) {
		t.Errorf("swap: %v", err)
	}
	if keys, _, err := store.List(t.Context(), storebench.App, ""); err == nil {
		t.Errorf("list: %q", keys)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("it took %v to see that nobody listens", took)
	}
	server.Restart(t)
	var err error
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if _, err = store.Swap(t.Context(), storebench.Key(1), "", nil, time.Time{}); err == nil {
			return
		}
	}
	t.Errorf("Redis is back, the store is not: %v", err)
}

func TestRedisRestartGoesUnnoticed(t *testing.T) {
	server := redistest.Start(t)
	store := openRedis(t, &Store{URLs: []string{server.URL()}})
	storebench.Works(t, store)
	server.Stop(t)
	server.Restart(t)
	if _, err := store.Swap(t.Context(), storebench.Key(1), "", nil, time.Time{}); err != nil {
		t.Error(err)
	}
}

func TestRedisThatHangs(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
		}
	}()
	store := openRedis(t, &Store{URLs: []string{"redis://" + listener.Addr().String()}})
	for name, cause := range map[string]error{"deadline": context.DeadlineExceeded, "cancel": context.Canceled} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			if errors.Is(cause, context.DeadlineExceeded) {
				ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
			} else {
				time.AfterFunc(100*time.Millisecond, cancel)
			}
			defer cancel()
			began := time.Now()
			if _, _, err := store.Load(ctx, storebench.Key(1)); !errors.Is(err, cause) {
				t.Errorf("load: %v", err)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// A user waits for three tries, each on a connection of its own.
func TestRedisThatHangsUp(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var tries atomic.Int32
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			tries.Add(1)
			_, _ = conn.Read(make([]byte, 1))
			conn.Close()
		}
	}()
	store := openRedis(t, &Store{URLs: []string{"redis://" + listener.Addr().String()}})
	if _, _, err := store.Load(t.Context(), storebench.Key(1)); err == nil || tries.Load() != 3 {
		t.Errorf("%v after %d tries", err, tries.Load())
	}
}

func TestRedisThatRefusesWrites(t *testing.T) {
	for name, test := range map[string]struct {
		args   []string
		before []any
		err    string
	}{
		"full":    {before: []any{"config", "set", "maxmemory", "1"}, err: "OOM"},
		"replica": {args: []string{"--replicaof", "127.0.0.1", "1"}, err: "READONLY"},
		"no disk": {before: []any{"config", "set", "min-replicas-to-write", "1"}, err: "NOREPLICAS"},
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t, test.args...)
			if test.before != nil {
				server.Do(t, test.before...)
			}
			store := openRedis(t, &Store{URLs: []string{server.URL()}})
			_, err := store.Swap(t.Context(), storebench.Key(1), "", []byte("x"), time.Time{})
			if err == nil || !strings.Contains(err.Error(), test.err) || errors.Is(err, zoompkce.ErrConflict) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A conflict after a swap that succeeded would have the caller believe that
// somebody else took the lease, or that its new refresh token is not saved.
func TestRedisLostAnswerIsNoConflict(t *testing.T) {
	server := redistest.Start(t)
	proxy := startLossyProxy(t, "127.0.0.1:"+server.Port)
	store := openRedis(t, &Store{URLs: []string{"redis://" + proxy.addr}})
	storebench.Works(t, store)
	version := loadVersion(t, store)

	proxy.lose.Store(new(func() {}))
	next, err := store.Swap(t.Context(), storebench.Key(1), version, []byte("three"), time.Time{})
	if proxy.lose.Load() != nil {
		t.Fatal("no answer was lost: nothing was tested")
	}
	if err != nil {
		t.Fatal(err)
	}
	if value, now, err := store.Load(t.Context(), storebench.Key(1)); err != nil || string(value) != "three" || now != next {
		t.Errorf("got %q at %q, %v", value, now, err)
	}

	// The same, and another process changes the record before the client sends its swap again.
	other := openRedis(t, &Store{URLs: []string{server.URL()}})
	overtake := func() {
		_, now, err := other.Load(t.Context(), storebench.Key(1))
		if err == nil {
			_, err = other.Swap(t.Context(), storebench.Key(1), now, []byte("five"), time.Time{})
		}
		if err != nil {
			t.Error(err)
		}
	}
	proxy.lose.Store(&overtake)
	if _, err := store.Swap(t.Context(), storebench.Key(1), next, []byte("four"), time.Time{}); err != nil {
		t.Errorf("a swap that was done and overtaken: %v", err)
	}
	proxy.lose.Store(new(func() { overtake(); overtake() }))
	next = loadVersion(t, store)
	if _, err := store.Swap(t.Context(), storebench.Key(1), next, []byte("four"), time.Time{}); err == nil || errors.Is(err, zoompkce.ErrConflict) {
		t.Errorf("a swap that was done and overtaken twice: %v", err)
	}
	// What was never done is one, also on a server that does not know the script yet.
	server.Do(t, "script", "flush")
	for range 2 {
		if _, err := store.Swap(t.Context(), storebench.Key(1), next, []byte("six"), time.Time{}); !errors.Is(err, zoompkce.ErrConflict) {
			t.Errorf("a swap of a former version: %v", err)
		}
	}
}

// What was sent twice and never done, because of a node that did not take it, is a conflict.
func TestRedisConflictAfterARefusal(t *testing.T) {
	server := redistest.Start(t)
	proxy := startLossyProxy(t, "127.0.0.1:"+server.Port)
	store := openRedis(t, &Store{URLs: []string{"redis://" + proxy.addr}})
	storebench.Works(t, store)
	former := loadVersion(t, store)
	if _, err := store.Swap(t.Context(), storebench.Key(1), former, []byte("three"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	for key, version := range map[string]string{storebench.Key(1): former, storebench.Key(2): ""} {
		if version == "" {
			if _, err := store.Swap(t.Context(), key, "", []byte("one"), time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
		proxy.refuse.Store(new("-LOADING Redis is loading the dataset in memory\r\n"))
		if _, err := store.Swap(t.Context(), key, version, []byte("four"), time.Time{}); !errors.Is(err, zoompkce.ErrConflict) {
			t.Errorf("from %q: %v", version, err)
		}
		if proxy.refuse.Load() != nil {
			t.Error("nothing was refused: nothing was tested")
		}
	}
}

// Whose answer was lost, and who reached nobody afterwards, may have changed the record: a failed dial
// would say that nothing was sent.
func TestRedisGoneAfterALostAnswer(t *testing.T) {
	server := redistest.Start(t)
	proxy := startLossyProxy(t, "127.0.0.1:"+server.Port)
	store := openRedis(t, &Store{URLs: []string{"redis://" + proxy.addr}})
	storebench.Works(t, store)
	version := loadVersion(t, store)
	proxy.lose.Store(new(func() { proxy.listener.Close() }))
	_, err := store.Swap(t.Context(), storebench.Key(1), version, []byte("three"), time.Time{})
	if err == nil || errors.As(err, new(*net.OpError)) {
		t.Errorf("%v", err)
	}
	other := openRedis(t, &Store{URLs: []string{server.URL()}})
	if value, _, err := other.Load(t.Context(), storebench.Key(1)); err != nil || string(value) != "three" {
		t.Errorf("%q, %v: nothing was tested", value, err)
	}
}

// lossyProxy stands before a server and can lose the answer to one script, or refuse it. What it is
// told to do when an answer is lost comes before the client hears of it.
type lossyProxy struct {
	addr     string
	listener net.Listener
	lose     atomic.Pointer[func()]
	refuse   atomic.Pointer[string]
}

func startLossyProxy(t *testing.T, server string) *lossyProxy {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &lossyProxy{addr: listener.Addr().String(), listener: listener}
	var group sync.WaitGroup
	t.Cleanup(group.Wait)
	t.Cleanup(func() { listener.Close() })
	group.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() { p.serve(client, server) })
		}
	})
	return p
}

func (p *lossyProxy) serve(client net.Conn, addr string) {
	defer client.Close()
	server, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer server.Close()
	var losing atomic.Pointer[func()]
	go func() {
		defer server.Close()
		request := make([]byte, 64<<10)
		for {
			n, err := client.Read(request)
			if err != nil {
				return
			}
			if bytes.Contains(request[:n], []byte("evalsha")) {
				losing.Store(p.lose.Swap(nil))
				if refused := p.refuse.Swap(nil); refused != nil {
					_, _ = io.WriteString(client, *refused)
					continue
				}
			}
			if _, err := server.Write(request[:n]); err != nil {
				return
			}
		}
	}()
	answer := make([]byte, 64<<10)
	for {
		n, err := server.Read(answer)
		if err != nil {
			return
		}
		if lost := losing.Load(); lost != nil {
			(*lost)()
			return
		}
		if _, err := io.Copy(client, bytes.NewReader(answer[:n])); err != nil {
			return
		}
	}
}
