package caddystore

import (
	"errors"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storebench"
)

// What a sign-in asks before it spends a code: whether all parts of a swap work.
func TestProveFailsWhereSwapsDo(t *testing.T) {
	for _, broken := range []string{"lock", "store", "load"} {
		t.Run(broken, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				storage := newMemStorage()
				store := newOtherProcess(storage)
				prove := func() error {
					return store.Prove(t.Context(), storebench.Key(1), []byte("trial"), time.Now().Add(time.Minute))
				}
				if err := prove(); err != nil {
					t.Fatal(err)
				}
				storage.before = func(operation, _ string) error {
					if operation == broken {
						return fs.ErrPermission
					}
					return nil
				}
				time.Sleep(lockProof + time.Second) // the last lock is no proof any more
				if err := prove(); !errors.Is(err, fs.ErrPermission) {
					t.Errorf("got %v", err)
				}
				storage.before = nil
				if err := prove(); err != nil {
					t.Errorf("after it was mended: %v", err)
				}
				if len(storage.locks) != 0 {
					t.Errorf("locks are left: %v", storage.locks)
				}
			})
		})
	}
}

// A disk that filled up since the last change is noticed by the next proof; the lock of
// that change is proof of locks for a while.
func TestProveWritesEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newMemStorage()
		store := newOtherProcess(storage)
		put(t, store, storebench.Key(1), time.Now().Add(time.Hour))
		for n, test := range []struct {
			after time.Duration
			locks int
		}{{0, 0}, {lockProof, 0}, {1, 1}, {lockProof, 0}, {1, 1}} {
			time.Sleep(test.after)
			stored, locked := storage.count("store"), storage.count("lock")
			if err := store.Prove(t.Context(), storebench.Key(2), []byte("trial"), time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			if stored, locked = storage.count("store")-stored, storage.count("lock")-locked; stored != 1 || locked != test.locks {
				t.Errorf("proof %d: %d writes and %d locks, want 1 and %d", n, stored, locked, test.locks)
			}
		}
		value, version, err := store.Load(t.Context(), storebench.Key(2))
		if err != nil || string(value) != "trial" {
			t.Fatalf("got %q, %v", value, err)
		}
		if _, err := store.Swap(t.Context(), storebench.Key(2), version, []byte("mine"), time.Time{}); err != nil {
			t.Errorf("what was written is no record: %v", err)
		}
	})
}
