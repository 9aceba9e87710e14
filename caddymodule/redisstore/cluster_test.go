package redisstore

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/redistest"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storebench"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// A Cluster moves a user's record to another node while several processes change it: they are
// sent after it (ASK, MOVED), and each change is done once.
func TestRedisClusterMovesARecordInUse(t *testing.T) {
	nodes := redistest.StartCluster(t, 2)
	key := storebench.Key(1)
	processes := make([]*Store, 4)
	for i := range processes {
		processes[i] = openRedis(t, &Store{URLs: []string{nodes[i%2].URL()}, Cluster: true})
	}
	if _, err := processes[0].Swap(t.Context(), key, "", nil, time.Time{}); err != nil {
		t.Fatal(err)
	}
	var tried [4]int
	var saved, lost sync.Map // changes by name
	var over atomic.Bool
	var group sync.WaitGroup
	for i, store := range processes {
		group.Go(func() {
			for ; !over.Load(); tried[i]++ {
				value, version, err := store.Load(t.Context(), key)
				if err != nil {
					t.Error(err)
					return
				}
				name := fmt.Sprintf("%d.%d", i, tried[i])
				_, err = store.Swap(t.Context(), key, version, append(value, name+" "...), time.Time{})
				switch {
				case err == nil:
					saved.Store(name, true)
				case errors.Is(err, errLost):
					lost.Store(name, true)
				case !errors.Is(err, zoompkce.ErrConflict):
					t.Error(err)
					return
				}
			}
		})
	}
	from, to := nodes[0], nodes[1]
	if to.Try(t, "get", key) == nil {
		from, to = to, from
	}
	time.Sleep(50 * time.Millisecond)
	moveRecord(t, from, to, key)
	time.Sleep(50 * time.Millisecond)
	over.Store(true)
	group.Wait()

	value, _, err := processes[0].Load(t.Context(), key)
	if err != nil || to.Try(t, "get", key) != nil {
		t.Fatalf("the record is not where it was moved to: %v", err)
	}
	done := make(map[string]int)
	for name := range strings.FieldsSeq(string(value)) {
		done[name]++
	}
	for i := range tried {
		for n := range tried[i] {
			name := fmt.Sprintf("%d.%d", i, n)
			_, saved := saved.Load(name)
			_, lost := lost.Load(name)
			if times := done[name]; times > 1 || saved != (times == 1) && !lost {
				t.Errorf("change %s was done %d times; said to be saved: %t", name, times, saved)
			}
		}
	}
}

// moveRecord moves the slot of a key, as redis-cli does: the node that is to have it is told first.
func moveRecord(t *testing.T, from, to *redistest.Server, key string) {
	t.Helper()
	slot, taker := from.Do(t, "cluster", "keyslot", key), to.Do(t, "cluster", "myid")
	to.Do(t, "cluster", "setslot", slot, "importing", from.Do(t, "cluster", "myid"))
	from.Do(t, "cluster", "setslot", slot, "migrating", taker)
	time.Sleep(5 * time.Millisecond) // for requests meanwhile
	from.Do(t, "migrate", "127.0.0.1", to.Port, key, 0, 5000)
	time.Sleep(5 * time.Millisecond) // in which the record is asked for at both
	to.Do(t, "cluster", "setslot", slot, "node", taker)
	from.Do(t, "cluster", "setslot", slot, "node", taker)
}
