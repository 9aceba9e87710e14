package caddystore

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storebench"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storecall"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

func put(t *testing.T, s *Store, key string, expires time.Time) string {
	t.Helper()
	version, err := s.Swap(t.Context(), key, "", []byte("x"), expires)
	if err != nil {
		t.Fatal(err)
	}
	return version
}

func TestSweepShardRemovesOnlyWhatHasExpired(t *testing.T) {
	storage := newMemStorage()
	store := newOtherProcess(storage)
	past := time.Now().Add(-time.Second)
	shard := storebench.App + "01/"
	keep := map[string]bool{storebench.Key(1): true, storebench.Key(257): true}
	put(t, store, storebench.Key(1), time.Time{})
	put(t, store, storebench.Key(257), time.Now().Add(time.Hour))
	put(t, store, storebench.Key(513), past)
	put(t, store, storebench.Key(769), past)
	for _, other := range []string{
		storebench.Key(2),               // another shard
		shard + "1234567890",            // a temporary file
		shard + strings.Repeat("A", 64), // no name of ours
		storebench.App + "secret",
		"zoom_pkce/ffffffff/01/" + strings.Repeat("0", 64),
	} {
		put(t, store, other, past)
		keep[other] = true
	}
	damaged := shard + strings.Repeat("d", 64)
	storage.files[damaged] = []byte("zoom_pkce/1 0 1 0\n")
	keep[damaged] = true

	removed, err := store.SweepShard(t.Context(), shard)
	if removed != 2 || !errors.Is(err, storecall.ErrDamaged) || !strings.Contains(err.Error(), damaged) {
		t.Errorf("removed %d, %v; want 2 and the damaged one named", removed, err)
	}
	for key := range storage.files {
		if !keep[key] {
			t.Errorf("%s is still there", key)
		}
		delete(keep, key)
	}
	for key := range keep {
		t.Errorf("%s was removed", key)
	}
}

// Somebody signs in at the moment at which the user's old record is swept.
func TestSweepAndCreationOfOneRecord(t *testing.T) {
	for range 200 {
		storage := newMemStorage()
		store, sweeping := newOtherProcess(storage), newOtherProcess(storage)
		put(t, store, storebench.Key(1), time.Now().Add(-time.Second))
		var group sync.WaitGroup
		var created atomic.Int32
		group.Go(func() {
			if _, err := sweeping.SweepShard(t.Context(), storebench.App+"01/"); err != nil {
				t.Error(err)
			}
		})
		for range 2 {
			group.Go(func() {
				_, err := store.Swap(t.Context(), storebench.Key(1), "", []byte("new"), time.Time{})
				if err == nil {
					created.Add(1)
				} else if !errors.Is(err, zoompkce.ErrConflict) {
					t.Error(err)
				}
			})
		}
		group.Wait()
		value, _, err := store.Load(t.Context(), storebench.Key(1))
		if created.Load() != 1 || err != nil || string(value) != "new" {
			t.Fatalf("%d created it, then %q, %v", created.Load(), value, err)
		}
	}
}

func TestSweepLeavesWhatWasReplacedMeanwhile(t *testing.T) {
	storage := newMemStorage()
	store := newOtherProcess(storage)
	put(t, store, storebench.Key(1), time.Now().Add(-time.Second))
	var replaced atomic.Bool
	storage.before = func(operation, _ string) error {
		if operation == "lock" && !replaced.Swap(true) {
			put(t, newOtherProcess(storage), storebench.Key(1), time.Time{})
		}
		return nil
	}
	if removed, err := store.SweepShard(t.Context(), storebench.App+"01/"); removed != 0 || err != nil {
		t.Errorf("removed %d, %v", removed, err)
	}
	if _, _, err := store.Load(t.Context(), storebench.Key(1)); err != nil {
		t.Error(err)
	}
}

// What a storage does not let go of was not removed.
func TestSweepTellsWhatItCannotRemove(t *testing.T) {
	storage := newMemStorage()
	store := newOtherProcess(storage)
	put(t, store, storebench.Key(1), time.Now().Add(-time.Second))
	storage.before = func(operation, _ string) error {
		if operation == "delete" {
			return fs.ErrPermission
		}
		return nil
	}
	if removed, err := store.SweepShard(t.Context(), storebench.App+"01/"); removed != 0 || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("removed %d, %v", removed, err)
	}
}

// What takes more time than there is begins elsewhere each time.
func TestSweepInNoOrder(t *testing.T) {
	storage := newMemStorage()
	store := newOtherProcess(storage)
	for n := range 64 {
		put(t, store, storebench.Key(256*n), time.Time{})
	}
	first := make(map[string]bool)
	for range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		storage.before = func(operation, key string) error {
			if operation == "load" {
				first[key] = true
				cancel()
			}
			return nil
		}
		if _, err := store.SweepShard(ctx, storebench.App+"00/"); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		_ = store.Cleanup() // waits for the calls under way
		store = newOtherProcess(storage)
	}
	if len(first) < 2 {
		t.Error("each sweep begins with the same record")
	}
}

func TestSweepEndsWithItsContext(t *testing.T) {
	store := newOtherProcess(newMemStorage())
	put(t, store, storebench.Key(1), time.Now().Add(-time.Second))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.SweepShard(ctx, storebench.App+"01/"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
