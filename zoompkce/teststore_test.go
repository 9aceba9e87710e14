package zoompkce_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/memstore"
)

// testStore is a store that can be broken, stopped and watched.
type testStore struct {
	zoompkce.Store
	mu    sync.Mutex
	count map[string]int
	rules []*storeRule
}

type storeRule struct {
	op    string // load, swap, trial, list or any
	times int    // < 0: until healed
	after bool   // what was asked for is done nevertheless
	err   error
	gate  *gate
	delay time.Duration

	panics bool
}

type gate struct{ arrived, release chan struct{} }

var errStoreDown = errors.New("the store is down")

func newTestStore() *testStore {
	return &testStore{Store: memstore.New(), count: map[string]int{}}
}

func (s *testStore) add(r storeRule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = append(s.rules, &r)
}

func (s *testStore) fail(op string, times int) {
	s.add(storeRule{op: op, times: times, err: errStoreDown})
}

func (s *testStore) failAfter(op string, times int) {
	s.add(storeRule{op: op, times: times, err: errStoreDown, after: true})
}

// pass lets operations be done before the next rule counts.
func (s *testStore) pass(op string, times int) { s.add(storeRule{op: op, times: times}) }

func (s *testStore) hang(op string) { s.add(storeRule{op: op, times: -1, delay: time.Hour}) }

// hold stops the next operation before it is done, or after.
func (s *testStore) hold(op string, after bool) *gate {
	g := &gate{make(chan struct{}), make(chan struct{})}
	s.add(storeRule{op: op, times: 1, gate: g, after: after})
	return g
}

func (s *testStore) heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = nil
}

func (s *testStore) counted(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count[op]
}

func (s *testStore) rule(op string) *storeRule {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count[op]++
	for i, r := range s.rules {
		if r.op == op || r.op == "any" {
			if r.times--; r.times == 0 {
				s.rules = slices.Delete(s.rules, i, i+1)
			}
			return r
		}
	}
	return nil
}

func (r *storeRule) apply(ctx context.Context) error {
	if r.gate != nil {
		close(r.gate.arrived)
		select {
		case <-r.gate.release:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if r.delay > 0 {
		select {
		case <-time.After(r.delay):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if r.panics {
		panic("the store has a bug")
	}
	return r.err
}

func (s *testStore) Load(ctx context.Context, key string) ([]byte, string, error) {
	r := s.rule("load")
	if r != nil && !r.after {
		if err := r.apply(ctx); err != nil {
			return nil, "", err
		}
	}
	value, version, err := s.Store.Load(ctx, key)
	if r != nil && r.after {
		if failed := r.apply(ctx); failed != nil {
			return nil, "", failed
		}
	}
	return value, version, err
}

func (s *testStore) Swap(ctx context.Context, key, old string, value []byte, expires time.Time) (string, error) {
	r := s.rule(opOf(value))
	if r != nil && !r.after {
		if err := r.apply(ctx); err != nil {
			return "", err
		}
	}
	version, err := s.Store.Swap(ctx, key, old, value, expires)
	if r != nil && r.after {
		if failed := r.apply(ctx); failed != nil {
			return "", failed
		}
	}
	return version, err
}

func (s *testStore) List(ctx context.Context, prefix, cursor string) ([]string, string, error) {
	if r := s.rule("list"); r != nil {
		if err := r.apply(ctx); err != nil {
			return nil, "", err
		}
	}
	keys, next, err := s.Store.List(ctx, prefix, cursor)
	slices.Reverse(keys) // there is no order to rely on
	return keys, next, err
}

// opOf tells what a manager writes to find out whether it can from what it keeps.
func opOf(value []byte) string {
	if string(value) == "trial" {
		return "trial"
	}
	return "swap"
}

func (s *testStore) version(key string) string {
	_, version, _ := s.Store.Load(ctx, key)
	return version
}

// only is the key of the one record in the store.
func (s *testStore) only(t *testing.T) string { return s.other(t, "") }

// other is the key of the one record beside that one.
func (s *testStore) other(t *testing.T, key string) string {
	t.Helper()
	keys, _, err := s.Store.List(ctx, "zoom_pkce/", "")
	if err != nil {
		t.Fatal(err)
	}
	keys = slices.DeleteFunc(keys, func(k string) bool {
		value, _, _ := s.Store.Load(ctx, k)
		return k == key || opOf(value) == "trial"
	})
	if len(keys) != 1 {
		t.Fatalf("%d records", len(keys))
	}
	return keys[0]
}
