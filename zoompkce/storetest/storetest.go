// Package storetest is the contract of [zoompkce.Store] as a test suite, to be
// run against every implementation of it.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// Backend is a store to be tested, empty and used by nobody else.
type Backend struct {
	// Store is the store itself.
	Store zoompkce.Store

	// Other is a second store on the same data, as another process would have
	// it. Nil: the store cannot be shared.
	Other zoompkce.Store

	// Damage overwrites what is stored under key with other bytes, behind the
	// store's back. Nil: nobody can do that.
	Damage func(t *testing.T, key string)

	// Close closes Store.
	Close func() error
}

// Run runs the whole suite. newBackend is called once for each test.
func Run(t *testing.T, newBackend func(t *testing.T) Backend) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Backend)
	}{
		{"an absent record is not found", testAbsent},
		{"a stored record is loaded as it was", testRoundTrip},
		{"a swap needs the current version", testConflict},
		{"an expired record is absent", testExpiry},
		{"an expiry is replaced by the next swap", testExpiryReplaced},
		{"a listing finds what lies below the prefix", testList},
		{"of many concurrent swaps each version gives one winner", testConcurrent},
		{"of many creators one wins", testCreate},
		{"another process sees and competes", testOther},
		{"a damaged record is an error and not absent", testDamaged},
		{"a version that is kept keeps nothing else in memory", testKeptVersions},
		{"a cancelled call fails", testCancelled},
		{"a closed store says so", testClosed},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, newBackend(t)) })
	}
}

const prefix = "zoom_pkce/1a2b3c4d/"

func key(n int) string { return fmt.Sprintf("%s%02x/%064x", prefix, n%256, n) }

func testAbsent(t *testing.T, b Backend) {
	if _, _, err := b.Store.Load(t.Context(), key(1)); !errors.Is(err, zoompkce.ErrNotFound) {
		t.Fatalf("got %v, want ErrNotFound", err)
	}
	if _, err := b.Store.Swap(t.Context(), key(1), "never-there", []byte("x"), time.Time{}); !errors.Is(err, zoompkce.ErrConflict) {
		t.Fatalf("swapping an absent record from a version: got %v, want ErrConflict", err)
	}
}

func testRoundTrip(t *testing.T, b Backend) {
	all := make([]byte, 4096)
	for i := range all {
		all[i] = byte(i)
	}
	for i, value := range [][]byte{[]byte("a"), {}, {0, 0, 0}, []byte("two\r\nlines\n"), all} {
		version := swap(t, b.Store, key(i), "", value)
		check(t, b.Store, key(i), version, value)
	}
}

func testConflict(t *testing.T, b Backend) {
	first := swap(t, b.Store, key(1), "", []byte("one"))
	if _, err := b.Store.Swap(t.Context(), key(1), "", []byte("again"), time.Time{}); !errors.Is(err, zoompkce.ErrConflict) {
		t.Fatalf("creating what is there: got %v, want ErrConflict", err)
	}
	second := swap(t, b.Store, key(1), first, []byte("two"))
	if second == first {
		t.Fatal("a swap has to change the version")
	}
	if _, err := b.Store.Swap(t.Context(), key(1), first, []byte("late"), time.Time{}); !errors.Is(err, zoompkce.ErrConflict) {
		t.Fatalf("swapping from an old version: got %v, want ErrConflict", err)
	}
	check(t, b.Store, key(1), second, []byte("two"))
	if third := swap(t, b.Store, key(1), second, []byte("one")); third == first {
		t.Fatal("a version came back")
	}
}

func testExpiry(t *testing.T, b Backend) {
	version, err := b.Store.Swap(t.Context(), key(1), "", []byte("x"), time.Now().Add(200*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	check(t, b.Store, key(1), version, []byte("x"))
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, _, err = b.Store.Load(t.Context(), key(1)); errors.Is(err, zoompkce.ErrNotFound) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("still there: %v", err)
		}
	}
	if _, err := b.Store.Swap(t.Context(), key(1), version, []byte("y"), time.Time{}); !errors.Is(err, zoompkce.ErrConflict) {
		t.Fatalf("swapping an expired version: got %v, want ErrConflict", err)
	}
	swap(t, b.Store, key(1), "", []byte("new"))

	if _, err := b.Store.Swap(t.Context(), key(2), "", []byte("x"), time.Now().Add(-time.Second)); err != nil {
		t.Fatalf("storing something already expired: %v", err)
	}
	if _, _, err := b.Store.Load(t.Context(), key(2)); !errors.Is(err, zoompkce.ErrNotFound) {
		t.Fatalf("got %v, want ErrNotFound", err)
	}
}

func testExpiryReplaced(t *testing.T, b Backend) {
	version, err := b.Store.Swap(t.Context(), key(1), "", []byte("x"), time.Now().Add(300*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	version = swap(t, b.Store, key(1), version, []byte("kept"))
	time.Sleep(400 * time.Millisecond)
	check(t, b.Store, key(1), version, []byte("kept"))
}

func testList(t *testing.T, b Backend) {
	var want []string
	for n := range 40 {
		swap(t, b.Store, key(n%4+n*256), "", []byte("x"))
		if n%4 == 3 {
			want = append(want, key(n%4+n*256))
		}
	}
	swap(t, b.Store, "zoom_pkce/ffffffff/03/"+strings.Repeat("0", 64), "", []byte("another app"))
	var got []string
	cursor := ""
	for range 1000 {
		keys, next, err := b.Store.List(t.Context(), prefix+"03/", cursor)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, keys...)
		if cursor = next; cursor == "" {
			break
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if got = slices.Compact(got); !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	if keys, _, err := b.Store.List(t.Context(), prefix+"99/", ""); err != nil || len(keys) != 0 {
		t.Fatalf("an empty shard: got %q, %v", keys, err)
	}
}

func testConcurrent(t *testing.T, b Backend) {
	const workers, each = 8, 10
	version := swap(t, b.Store, key(1), "", []byte{0})
	var group sync.WaitGroup
	for w := range workers {
		store := b.Store
		if w%2 == 1 && b.Other != nil {
			store = b.Other
		}
		group.Go(func() {
			for range each {
				if err := increment(t.Context(), store, key(1)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	value, now, err := b.Store.Load(t.Context(), key(1))
	if err != nil || len(value) != 1 || value[0] != workers*each || now == version {
		t.Fatalf("got %v at %q, %v; want %d: a swap was lost or done twice", value, now, err, workers*each)
	}
}

func increment(ctx context.Context, store zoompkce.Store, key string) error {
	for range 10_000 {
		value, version, err := store.Load(ctx, key)
		if err != nil {
			return err
		}
		_, err = store.Swap(ctx, key, version, []byte{value[0] + 1}, time.Time{})
		if !errors.Is(err, zoompkce.ErrConflict) {
			return err
		}
	}
	return errors.New("no swap succeeded in 10,000 tries")
}

func testCreate(t *testing.T, b Backend) {
	var winners atomic.Int32
	var group sync.WaitGroup
	for w := range 8 {
		store := b.Store
		if w%2 == 1 && b.Other != nil {
			store = b.Other
		}
		group.Go(func() {
			_, err := store.Swap(t.Context(), key(1), "", []byte{byte(w)}, time.Time{})
			switch {
			case err == nil:
				winners.Add(1)
			case !errors.Is(err, zoompkce.ErrConflict):
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := winners.Load(); n != 1 {
		t.Fatalf("%d creators won", n)
	}
}

func testOther(t *testing.T, b Backend) {
	if b.Other == nil {
		t.Skip("this store is not shared between processes")
	}
	version := swap(t, b.Store, key(1), "", []byte("mine"))
	check(t, b.Other, key(1), version, []byte("mine"))
	next := swap(t, b.Other, key(1), version, []byte("theirs"))
	if _, err := b.Store.Swap(t.Context(), key(1), version, []byte("late"), time.Time{}); !errors.Is(err, zoompkce.ErrConflict) {
		t.Fatalf("got %v, want ErrConflict", err)
	}
	check(t, b.Store, key(1), next, []byte("theirs"))
}

func testDamaged(t *testing.T, b Backend) {
	if b.Damage == nil {
		t.Skip("nobody can damage this store's records")
	}
	version := swap(t, b.Store, key(1), "", []byte("good"))
	b.Damage(t, key(1))
	value, _, err := b.Store.Load(t.Context(), key(1))
	if errors.Is(err, zoompkce.ErrNotFound) {
		t.Fatal("a damaged record was taken for absent: it would be overwritten")
	}
	if err == nil && string(value) == "good" {
		t.Fatal("the test damaged nothing")
	}
	if _, err := b.Store.Swap(t.Context(), key(1), "", []byte("over"), time.Time{}); err == nil {
		t.Fatal("a damaged record was overwritten as if absent")
	}
	if _, err := b.Store.Swap(t.Context(), key(1), version, []byte("over"), time.Time{}); err == nil {
		t.Fatal("a damaged record was overwritten from the version before")
	}
}

// Processes keep the versions of all users that they know, and no sealed record.
func testKeptVersions(t *testing.T, b Backend) {
	const size, loads = 256 << 10, 100
	swap(t, b.Store, key(1), "", make([]byte, size))
	inUse := func() int64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.GC() // what a pool holds goes with the second
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	before := inUse()
	var versions []string
	for range loads {
		_, version, err := b.Store.Load(t.Context(), key(1))
		if err != nil {
			t.Fatal(err)
		}
		versions = append(versions, version)
	}
	if grown := inUse() - before; grown > size*loads/4 {
		t.Errorf("%d versions of a record of %d bytes keep %d bytes", loads, size, grown)
	}
	runtime.KeepAlive(versions)
}

func testCancelled(t *testing.T, b Backend) {
	version := swap(t, b.Store, key(1), "", []byte("x"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := b.Store.Load(ctx, key(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("load: got %v, want context.Canceled", err)
	}
	if _, err := b.Store.Swap(ctx, key(1), version, []byte("y"), time.Time{}); !errors.Is(err, context.Canceled) {
		t.Errorf("swap: got %v, want context.Canceled", err)
	}
	check(t, b.Store, key(1), version, []byte("x"))
}

func testClosed(t *testing.T, b Backend) {
	swap(t, b.Store, key(1), "", []byte("x"))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Store.Load(t.Context(), key(1)); !errors.Is(err, zoompkce.ErrStoreClosed) {
		t.Errorf("load: got %v, want ErrStoreClosed", err)
	}
	if _, err := b.Store.Swap(t.Context(), key(2), "", []byte("y"), time.Time{}); !errors.Is(err, zoompkce.ErrStoreClosed) {
		t.Errorf("swap: got %v, want ErrStoreClosed", err)
	}
	if _, _, err := b.Store.List(t.Context(), prefix, ""); !errors.Is(err, zoompkce.ErrStoreClosed) {
		t.Errorf("list: got %v, want ErrStoreClosed", err)
	}
}

func swap(t *testing.T, s zoompkce.Store, key, old string, value []byte) string {
	t.Helper()
	version, err := s.Swap(t.Context(), key, old, value, time.Time{})
	if err != nil {
		t.Fatalf("swapping %s: %v", key, err)
	}
	if version == "" {
		t.Fatal("a version must not be empty")
	}
	return version
}

func check(t *testing.T, s zoompkce.Store, key, version string, value []byte) {
	t.Helper()
	gotValue, gotVersion, err := s.Load(t.Context(), key)
	if err != nil {
		t.Fatalf("loading %s: %v", key, err)
	}
	if string(gotValue) != string(value) || gotVersion != version {
		t.Fatalf("loading %s: got %q at %q, want %q at %q", key, gotValue, gotVersion, value, version)
	}
}
