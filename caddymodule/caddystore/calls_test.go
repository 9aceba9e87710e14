package caddystore

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storebench"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// A file system over the network that is gone blocks in the kernel, whatever
// the context.
func TestHangingStorageHoldsNobodyLongerThanItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newMemStorage()
		hang := make(chan struct{})
		var hanging atomic.Int32
		storage.before = func(string, string) error {
			hanging.Add(1)
			<-hang
			hanging.Add(-1)
			return nil
		}
		store := newOtherProcess(storage)
		var group sync.WaitGroup
		began := time.Now()
		for n := range 1000 {
			group.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				var err error
				switch n % 3 {
				case 0:
					_, _, err = store.Load(ctx, storebench.Key(n))
				case 1:
					_, err = store.Swap(ctx, storebench.Key(n), "", nil, time.Time{})
				case 2:
					_, _, err = store.List(ctx, storebench.App, "")
				}
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			})
		}
		group.Wait()
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("took %v", took)
		}
		if n := hanging.Load(); n != 2*128 {
			t.Errorf("%d calls hang, want %d", n, 2*128)
		}
		if _, _, err := store.Load(context.Background(), storebench.Key(1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without a deadline: %v", err)
		}

		close(hang)
		synctest.Wait()
		for n := 1; n < 1000; n += 3 {
			if _, err := store.Swap(t.Context(), storebench.Key(n), "", nil, time.Time{}); err != nil {
				t.Errorf("record %d, after it came back: %v", n, err)
			}
		}
		if len(storage.locks) != 0 {
			t.Errorf("locks are left: %v", storage.locks)
		}
	})
}

// Locks that nobody gives back hold up who changes records, and not who reads them.
func TestChangesThatHangLeaveRoomForReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newMemStorage()
		locked := make(chan struct{})
		storage.before = func(operation, _ string) error {
			if operation == "lock" {
				<-locked
			}
			return nil
		}
		store := newOtherProcess(storage)
		var group sync.WaitGroup
		for n := range 200 {
			group.Go(func() { store.Swap(t.Context(), storebench.Key(n), "", nil, time.Time{}) })
		}
		synctest.Wait()
		began := time.Now()
		if _, _, err := store.Load(t.Context(), storebench.Key(1)); !errors.Is(err, zoompkce.ErrNotFound) {
			t.Errorf("load: %v", err)
		}
		if _, _, err := store.List(t.Context(), storebench.App, ""); err != nil {
			t.Errorf("list: %v", err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("took %v", took)
		}
		close(locked)
		group.Wait()
	})
}

func TestPanicOfAStorageIsAnError(t *testing.T) {
	storage := newMemStorage()
	store := newOtherProcess(storage)
	storage.before = func(operation, _ string) error {
		if operation == "store" {
			panic("nil map")
		}
		return nil
	}
	if _, err := store.Swap(t.Context(), storebench.Key(1), "", nil, time.Time{}); err == nil {
		t.Fatal("no error")
	}
	storage.before = nil
	if _, err := store.Swap(t.Context(), storebench.Key(1), "", nil, time.Time{}); err != nil {
		t.Fatalf("the record stayed locked: %v", err)
	}
}

func TestClosedStoreLeavesTheStorageAlone(t *testing.T) {
	storage := newMemStorage()
	store := newOtherProcess(storage)
	for range 2 {
		if err := store.Cleanup(); err != nil {
			t.Fatal(err)
		}
	}
	storage.before = func(operation, key string) error {
		t.Errorf("%s of %s", operation, key)
		return nil
	}
	store.Load(t.Context(), storebench.Key(1))
	store.Swap(t.Context(), storebench.Key(1), "", nil, time.Time{})
	store.List(t.Context(), storebench.App, "")
	store.SweepShard(t.Context(), storebench.App+"01/")
}

func TestClosingWaitsForASave(t *testing.T) {
	for name, test := range map[string]struct {
		takes time.Duration
		saved bool
	}{
		"that takes its time": {4 * time.Second, true},
		"that hangs":          {time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				storage := newMemStorage()
				storage.before = func(operation, _ string) error {
					if operation == "store" {
						time.Sleep(test.takes)
					}
					return nil
				}
				store := newOtherProcess(storage)
				saved := make(chan error, 1)
				go func() {
					_, err := store.Swap(context.Background(), storebench.Key(1), "", nil, time.Time{})
					saved <- err
				}()
				synctest.Wait()
				began := time.Now()
				if err := store.Cleanup(); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("closing took %v", took)
				}
				err := <-saved
				if test.saved && err != nil || !test.saved && !errors.Is(err, zoompkce.ErrStoreClosed) {
					t.Errorf("got %v", err)
				}
				time.Sleep(2 * time.Hour)
			})
		})
	}
}
