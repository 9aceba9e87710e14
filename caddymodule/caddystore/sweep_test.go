package caddystore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storebench"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storecall"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/memstore"
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

func TestSweepEndsWithItsContext(t *testing.T) {
	store := newOtherProcess(newMemStorage())
	put(t, store, storebench.Key(1), time.Now().Add(-time.Second))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.SweepShard(ctx, storebench.App+"01/"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// overlap counts sweeps and notices two at a time.
type overlap struct {
	*Store
	t       *testing.T
	running *atomic.Int32
	mu      *sync.Mutex
	swept   map[string]int
}

func (o overlap) SweepShard(ctx context.Context, prefix string) (int, error) {
	if o.running.Add(1) > 1 {
		o.t.Error("two processes sweep at a time")
	}
	defer o.running.Add(-1)
	time.Sleep(sweepEvery / 2)
	o.mu.Lock()
	o.swept[prefix]++
	o.mu.Unlock()
	return o.Store.SweepShard(ctx, prefix)
}

func TestSweepOfSeveralProcesses(t *testing.T) {
	for _, processes := range []int{1, 3} {
		t.Run(fmt.Sprint(processes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				storage := newMemStorage()
				store := newOtherProcess(storage)
				for n := range 512 {
					put(t, store, storebench.Key(n), time.Now().Add(time.Hour))
					put(t, store, storebench.Key(1000+n), time.Time{})
				}
				ctx, cancel := context.WithCancel(t.Context())
				sweeps := overlap{nil, t, new(atomic.Int32), new(sync.Mutex), make(map[string]int)}
				var group sync.WaitGroup
				for range processes {
					process := sweeps
					process.Store = newOtherProcess(storage)
					group.Go(func() { NewSweeper(process, "1a2b3c4d", zap.NewNop()).Run(ctx) })
				}
				reads := storage.count("load")
				time.Sleep(sweepEvery - time.Second)
				if n := storage.count("load") - reads + storage.count("list"); n != 0 {
					t.Errorf("%d operations right after the start", n)
				}

				time.Sleep(time.Hour + 10*time.Minute)
				if n := storage.size(); n < 513 {
					t.Errorf("%d records are left, live ones were removed", n)
				}
				time.Sleep(time.Hour + 10*time.Minute)
				sweeps.mu.Lock()
				if n := len(sweeps.swept); n != sweepShards {
					t.Errorf("%d shards swept", n)
				}
				for shard, n := range sweeps.swept {
					if n > 3 {
						t.Errorf("shard %s was swept %d times in 140 minutes", shard, n)
					}
				}
				sweeps.mu.Unlock()
				if n := storage.size(); n != 513 {
					t.Errorf("%d records are left, want 512 and that of the sweep", n)
				}

				began := time.Now()
				cancel()
				group.Wait()
				if took := time.Since(began); took > sweepEvery/2 {
					t.Errorf("stopping took %v", took)
				}
			})
		})
	}
}

func TestSweepGoesOnWhereAnotherProcessStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newMemStorage()
		seen := make(map[string]int)
		for range 4 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour/4+2*sweepEvery)
			process := overlap{newOtherProcess(storage), t, new(atomic.Int32), new(sync.Mutex), seen}
			NewSweeper(process, "1a2b3c4d", zap.NewNop()).Run(ctx)
			cancel()
		}
		if len(seen) < sweepShards-8 {
			t.Errorf("%d shards were swept in an hour with restarts", len(seen))
		}
	})
}

func TestSweepSurvivesNonsense(t *testing.T) {
	for name, record := range map[string]string{
		"no JSON":              "\x00\x01",
		"a shard out of range": `{"next":-77}`,
		"a claim from 2099":    `{"next":3,"claimed":"2099-01-01T00:00:00Z"}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newOtherProcess(newMemStorage())
				if _, err := store.Swap(t.Context(), storebench.App+"sweep", "", []byte(record), time.Time{}); err != nil {
					t.Fatal(err)
				}
				put(t, store, storebench.Key(1), time.Now())
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
				defer cancel()
				NewSweeper(store, "1a2b3c4d", zap.NewNop()).Run(ctx)
				if n := store.storage.(*memStorage).size(); n != 1 {
					t.Errorf("%d records are left", n)
				}
			})
		})
	}
}

func TestSweepLogsTroubleOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newMemStorage()
		outage := time.Now().Add(30 * time.Minute)
		storage.before = func(string, string) error {
			if time.Now().Before(outage) {
				return errors.New("input/output error")
			}
			return nil
		}
		core, logs := observer.New(zap.InfoLevel)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		NewSweeper(newOtherProcess(storage), "1a2b3c4d", zap.New(core)).Run(ctx)
		if logs.Len() != 2 || logs.All()[0].Level != zap.WarnLevel || logs.All()[1].Level != zap.InfoLevel {
			t.Errorf("logged %v", logs.All())
		}
	})
}

func TestSweepIsNotForStoresThatExpire(t *testing.T) {
	NewSweeper(memstore.New(), "1a2b3c4d", zap.NewNop()).Run(t.Context())
}
