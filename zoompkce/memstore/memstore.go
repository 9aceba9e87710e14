// Package memstore keeps user records in the memory of one process, for tests, for trying
// things out, and for servers that may sign everybody out when they restart. What is in
// a record it cannot read.
package memstore

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// Store is a [zoompkce.Store] in the memory of one process, for tests and for
// programs that may forget all sessions when they end.
type Store struct {
	mu      sync.Mutex
	records map[string]memoryRecord // nil when the store is closed
	swaps   int
}

type memoryRecord struct {
	value   []byte
	version string
	expires time.Time
}

// sweepEvery is how many changes of a Store go by between two removals of
// everything that has expired, so that it stays bounded without a goroutine.
const sweepEvery = 1024

// New returns an empty store.
func New() *Store {
	return &Store{records: make(map[string]memoryRecord)}
}

// Load implements [Store].
func (s *Store) Load(ctx context.Context, key string) ([]byte, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return nil, "", err
	}
	r, ok := s.get(key)
	if !ok {
		return nil, "", zoompkce.ErrNotFound
	}
	return r.value, r.version, nil
}

// Swap implements [Store].
func (s *Store) Swap(ctx context.Context, key, old string, value []byte, expires time.Time) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return "", err
	}
	if r, _ := s.get(key); r.version != old {
		return "", zoompkce.ErrConflict
	}
	if s.swaps++; s.swaps%sweepEvery == 0 {
		for k := range s.records {
			s.get(k)
		}
	}
	version := rand.Text()
	s.records[key] = memoryRecord{value, version, expires}
	return version, nil
}

// List implements [Store]. Its keys are in order, at once.
func (s *Store) List(ctx context.Context, prefix, _ string) (keys []string, next string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return nil, "", err
	}
	for key := range s.records {
		if _, ok := s.get(key); ok && strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, "", nil
}

// Close makes every later call fail with [ErrStoreClosed].
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = nil
	return nil
}

func (s *Store) usable(ctx context.Context) error {
	if s.records == nil {
		return zoompkce.ErrStoreClosed
	}
	return ctx.Err()
}

// get returns a record that has not expired, and forgets one that has.
func (s *Store) get(key string) (memoryRecord, bool) {
	r, ok := s.records[key]
	if ok && !r.expires.IsZero() && !time.Now().Before(r.expires) {
		delete(s.records, key)
		return memoryRecord{}, false
	}
	return r, ok
}

var _ zoompkce.Store = (*Store)(nil)
