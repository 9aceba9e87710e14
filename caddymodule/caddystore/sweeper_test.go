package caddystore

import (
	"context"
	"encoding/json"
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
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/memstore"
)

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

// One process alone sweeps a shard after the other, all within an hour, and tells what
// it has removed.
func TestSweepOfOneProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newMemStorage()
		var shards []string
		var times []time.Time
		storage.before = func(operation, key string) error {
			if operation == "list" {
				shards, times = append(shards, key), append(times, time.Now())
			}
			return nil
		}
		core, logs := observer.New(zap.DebugLevel)
		store := newOtherProcess(storage)
		put(t, store, storebench.Key(7), time.Now())
		put(t, store, storebench.Key(8), time.Now())
		put(t, store, storebench.Key(8+sweepShards), time.Now())
		put(t, store, storebench.Key(9), time.Time{})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
		defer cancel()
		NewSweeper(store, "1a2b3c4d", zap.New(core)).Run(ctx)
		for n, shard := range shards {
			if want := fmt.Sprintf("%s%02x", storebench.App, n%sweepShards); shard != want {
				t.Fatalf("%s was swept, want %s", shard, want)
			}
			if after := times[n].Sub(times[0]); after != time.Duration(n)*sweepEvery {
				t.Fatalf("shard %d after %v", n, after)
			}
		}
		if len(shards) < 500 {
			t.Errorf("%d shards in two hours", len(shards))
		}
		var told []string
		for _, entry := range logs.All() {
			told = append(told, fmt.Sprint(entry.ContextMap()))
		}
		if got := strings.Join(told, " "); got != "map[records:1 shard:7] map[records:2 shard:8]" {
			t.Errorf("logged %s", got)
		}
	})
}

// Who finds that another process has just swept looks again when the next shard is due.
func TestSweepAfterAProcessThatStopped(t *testing.T) {
	for range 5 {
		synctest.Test(t, func(t *testing.T) {
			storage := newMemStorage()
			swept := make(chan time.Time, 1)
			storage.before = func(operation, _ string) error {
				if operation == "list" {
					swept <- time.Now()
				}
				return nil
			}
			store := newOtherProcess(storage)
			ctx, cancel := context.WithCancel(t.Context())
			var group sync.WaitGroup
			group.Go(func() { NewSweeper(store, "1a2b3c4d", zap.NewNop()).Run(ctx) })
			time.Sleep(sweepEvery - 1)
			claimed := time.Now()
			record, _ := json.Marshal(sweepTurn{Next: 1, Claimed: claimed})
			if _, err := store.Swap(t.Context(), storebench.App+"sweep", "", record, time.Time{}); err != nil {
				t.Fatal(err)
			}
			if after := (<-swept).Sub(claimed); after < sweepEvery || after > sweepEvery+sweepEvery/16 {
				t.Errorf("the next shard was swept after %v", after)
			}
			cancel()
			group.Wait()
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

// Without a claim nothing is swept, so that not all processes do it at a time.
func TestSweepLogsTroubleOnce(t *testing.T) {
	for broken, swept := range map[string]bool{"load": false, "store": false, "list": true} {
		t.Run(broken, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				storage := newMemStorage()
				outage := time.Now().Add(30 * time.Minute)
				tried := false
				storage.before = func(operation, _ string) error {
					if time.Now().After(outage) {
						return nil
					}
					tried = tried || operation == "list"
					if operation == broken {
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
				if tried != swept {
					t.Errorf("swept during the outage: %t, want %t", tried, swept)
				}
			})
		})
	}
}

// A server that stops in the middle of a sweep has no trouble.
func TestSweepThatIsStoppedLogsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newMemStorage()
		ctx, cancel := context.WithCancel(t.Context())
		storage.before = func(operation, _ string) error {
			if operation == "list" {
				cancel()
				return ctx.Err()
			}
			return nil
		}
		core, logs := observer.New(zap.InfoLevel)
		NewSweeper(newOtherProcess(storage), "1a2b3c4d", zap.New(core)).Run(ctx)
		if ctx.Err() == nil || logs.Len() != 0 {
			t.Errorf("stopped: %v, logged %v", ctx.Err(), logs.All())
		}
	})
}

// A sweeper that stops leaves no lock behind: the storage may be closed next. It waits for what
// has begun, as long as that takes no longer than a user's change.
func TestSweepThatIsStoppedKeepsNoLock(t *testing.T) {
	for _, step := range []string{"lock", "store", "delete", "unlock"} {
		t.Run(step, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				storage := newMemStorage()
				store := newOtherProcess(storage)
				put(t, store, storebench.Key(0), time.Now()) // in the first shard
				put(t, store, storebench.Key(256), time.Now())
				ctx, cancel := context.WithCancel(t.Context())
				storage.before = func(operation, _ string) error {
					if operation == step {
						cancel()
						time.Sleep(2 * time.Second)
					}
					return nil
				}
				NewSweeper(store, "1a2b3c4d", zap.NewNop()).Run(ctx)
				if ctx.Err() == nil || len(storage.locks) != 0 {
					t.Errorf("stopped: %v, the locks left are %v", ctx.Err(), storage.locks)
				}
				if step == "delete" && storage.count("delete") != 1 {
					t.Errorf("%d records removed, want the one that was under way", storage.count("delete"))
				}
				time.Sleep(time.Minute) // whatever was left alone is over
			})
		})
	}
}

// A storage that hangs does not hold up a stop for long.
func TestSweepThatHangsIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newMemStorage()
		store := newOtherProcess(storage)
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan time.Time, 1)
		storage.before = func(operation, _ string) error {
			if operation == "lock" {
				cancel()
				stopped <- time.Now()
				time.Sleep(time.Hour)
			}
			return nil
		}
		NewSweeper(store, "1a2b3c4d", zap.NewNop()).Run(ctx)
		if took := time.Since(<-stopped); took > 5*time.Second {
			t.Errorf("stopping took %v", took)
		}
		time.Sleep(time.Hour)
	})
}

func TestSweepIsNotForStoresThatExpire(t *testing.T) {
	NewSweeper(memstore.New(), "1a2b3c4d", zap.NewNop()).Run(t.Context())
}
