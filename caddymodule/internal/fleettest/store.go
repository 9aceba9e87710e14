package fleettest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"path"
	"sync"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// watchedStore is a store that tells who has read what.
type watchedStore struct {
	zoompkce.Store
	tell func(record, format string, args ...any)

	mu   sync.Mutex
	read map[string]reads
}

// reads is what a process has lately read of a record.
type reads struct {
	Begun   time.Time // the last reading that was answered
	Failed  time.Time // when one was last not answered
	Waiting int       // those without an answer yet
}

func watch(store zoompkce.Store, tell func(record, format string, args ...any)) *watchedStore {
	return &watchedStore{Store: store, tell: tell, read: make(map[string]reads)}
}

// recordOf is the last part of the key of a user's record.
func recordOf(user string) string {
	sum := sha256.Sum256([]byte(user))
	return hex.EncodeToString(sum[:])
}

func (s *watchedStore) reads(user string) reads {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.read[recordOf(user)]
}

func (s *watchedStore) note(key string, change func(*reads)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.read[path.Base(key)]
	change(&r)
	s.read[path.Base(key)] = r
}

// Load implements [zoompkce.Store].
func (s *watchedStore) Load(ctx context.Context, key string) ([]byte, string, error) {
	began := time.Now()
	s.note(key, func(r *reads) { r.Waiting++ })
	value, version, err := s.Store.Load(ctx, key)
	s.note(key, func(r *reads) {
		r.Waiting--
		switch {
		case err != nil && !errors.Is(err, zoompkce.ErrNotFound):
			r.Failed = time.Now()
		case began.After(r.Begun):
			r.Begun = began
		}
	})
	if err != nil {
		s.tell(path.Base(key), "reads for %v: %v", time.Since(began), err)
	}
	return value, version, err
}

// Swap implements [zoompkce.Store].
func (s *watchedStore) Swap(ctx context.Context, key, old string, value []byte, expires time.Time) (string, error) {
	began := time.Now()
	version, err := s.Store.Swap(ctx, key, old, value, expires)
	s.tell(path.Base(key), "swaps %.6s for %.6s in %v: %v", old, version, time.Since(began), err)
	return version, err
}
