package caddystore

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storebench"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// Certmagic's file locks may live for ever if a name is used again within 5
// seconds, and its waiters look once a second.
func TestSwapsOfOneProcessNeitherReuseNorAwaitLocks(t *testing.T) {
	storage := newMemStorage()
	store := newOtherProcess(storage)
	reloaded := newOtherProcess(storage)
	reloaded.locks = store.locks
	version, err := store.Swap(t.Context(), storebench.Key(1), "", []byte{0}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var done atomic.Int32
	var group sync.WaitGroup
	for i := range 8 {
		s := []*Store{store, reloaded}[i%2]
		group.Go(func() {
			for range 20 {
				for {
					_, version, err := s.Load(t.Context(), storebench.Key(1))
					if err == nil {
						_, err = s.Swap(t.Context(), storebench.Key(1), version, []byte{0}, time.Time{})
					}
					if err == nil {
						done.Add(1)
						break
					}
					if !errors.Is(err, zoompkce.ErrConflict) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	group.Wait()
	if done.Load() != 160 || storage.contended != 0 {
		t.Errorf("%d of 160 swaps; %d times a lock of the storage was waited for", done.Load(), storage.contended)
	}
	if len(storage.used) != 161 || storage.used["zoom_pkce_"+version] != 1 {
		t.Errorf("%d locks for 161 swaps", len(storage.used))
	}
	for name, n := range storage.used {
		if n != 1 {
			t.Errorf("lock %s was taken %d times", name, n)
		}
		if certmagic.StorageKeys.Safe(name) != name {
			t.Errorf("lock %s would be another file's name", name)
		}
	}
}

func TestFailedSaveReleasesTheLock(t *testing.T) {
	storage := newMemStorage()
	full := errors.New("no space left on device")
	storage.before = func(operation, _ string) error {
		if operation == "store" {
			return full
		}
		return nil
	}
	store := newOtherProcess(storage)
	if _, err := store.Swap(t.Context(), storebench.Key(1), "", nil, time.Time{}); !errors.Is(err, full) {
		t.Fatalf("got %v", err)
	}
	storage.before = nil
	if _, err := store.Swap(t.Context(), storebench.Key(1), "", nil, time.Time{}); err != nil {
		t.Fatal(err)
	}
}

// A storage that tries again by itself tells how its last try has failed. The first may have done it.
func TestSaveThatMayBeDone(t *testing.T) {
	storage := newMemStorage()
	store := newOtherProcess(storage)
	storage.before = func(operation, _ string) error {
		if operation == "store" {
			return &net.OpError{Op: "dial", Err: errors.New("connection refused")}
		}
		return nil
	}
	_, err := store.Swap(t.Context(), storebench.Key(1), "", []byte{0}, time.Time{})
	if err == nil || errors.As(err, new(*net.OpError)) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("%v", err)
	}
}

func TestAbandonedSwapChangesNothing(t *testing.T) {
	storage := newMemStorage()
	store := newOtherProcess(storage)
	name := lockName(storebench.Key(1), envelope{})
	if err := storage.Lock(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := store.Swap(ctx, storebench.Key(1), "", nil, time.Time{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	if err := storage.Unlock(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	_ = store.Cleanup() // waits for the calls under way
	if storage.count("store") != 0 || len(storage.locks) != 0 {
		t.Errorf("%d records stored, %d locks left", storage.count("store"), len(storage.locks))
	}
}

// A storage may give a lock to somebody who does not want it any more.
func TestLockGivenTooLate(t *testing.T) {
	for range 50 {
		storage := newMemStorage()
		store := newOtherProcess(storage)
		ctx, cancel := context.WithCancel(t.Context())
		storage.before = func(operation, _ string) error {
			if operation == "lock" {
				cancel()
			}
			return nil
		}
		if _, err := store.Swap(ctx, storebench.Key(1), "", nil, time.Time{}); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		_ = store.Cleanup() // waits for the calls under way
		if storage.count("store") != 0 || len(storage.locks) != 0 {
			t.Fatalf("%d records stored, %d locks left", storage.count("store"), len(storage.locks))
		}
	}
}

// Trouble under way is no conflict, after which a caller would look for the record of
// somebody else, and without lock and look nothing is written.
func TestTroubleOfASwapIsNoConflict(t *testing.T) {
	for _, broken := range []string{"lock", "load"} {
		t.Run(broken, func(t *testing.T) {
			storage := newMemStorage()
			store := newOtherProcess(storage)
			asked := make(map[string]int)
			storage.before = func(operation, _ string) error {
				asked[operation]++
				if operation == broken && (operation == "lock" || asked["lock"] > 0) {
					return fs.ErrPermission
				}
				return nil
			}
			if _, err := store.Swap(t.Context(), storebench.Key(1), "", nil, time.Time{}); !errors.Is(err, fs.ErrPermission) || errors.Is(err, zoompkce.ErrConflict) {
				t.Errorf("got %v", err)
			}
			if asked["lock"] != 1 || storage.size() != 0 || len(storage.locks) != 0 {
				t.Errorf("locked %d times; %d records and %d locks are there", asked["lock"], storage.size(), len(storage.locks))
			}
		})
	}
}

func TestSwapOfARecordThatExpiresMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newMemStorage()
		store := newOtherProcess(storage)
		version := put(t, store, storebench.Key(1), time.Now().Add(time.Second))
		storage.before = func(operation, _ string) error {
			if operation == "lock" {
				time.Sleep(time.Second)
			}
			return nil
		}
		if _, err := store.Swap(t.Context(), storebench.Key(1), version, []byte("late"), time.Time{}); !errors.Is(err, zoompkce.ErrConflict) {
			t.Errorf("got %v", err)
		}
	})
}

// Who never gets hold of a record is not told that it was changed.
func TestSwapOfARecordThatNeverStandsStill(t *testing.T) {
	storage := newMemStorage()
	store := newOtherProcess(storage)
	storage.before = func(operation, key string) error {
		if operation == "lock" {
			storage.mu.Lock()
			defer storage.mu.Unlock()
			storage.files[storebench.Key(1)] = newEnvelope(nil, time.Unix(1, 0)).marshal()
		}
		return nil
	}
	if _, err := store.Swap(t.Context(), storebench.Key(1), "", []byte("mine"), time.Time{}); !errors.Is(err, zoompkce.ErrConflict) {
		t.Errorf("got %v", err)
	}
	if storage.count("store") != 0 || len(storage.locks) != 0 {
		t.Errorf("%d records stored, %d locks left", storage.count("store"), len(storage.locks))
	}
}

// Changes of one record wait for each other no longer than they want to.
func TestSwapBehindOneThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newMemStorage()
		hang := make(chan struct{})
		storage.before = func(operation, _ string) error {
			if operation == "store" {
				<-hang
			}
			return nil
		}
		store := newOtherProcess(storage)
		go store.Swap(t.Context(), storebench.Key(1), "", nil, time.Time{})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := store.Swap(ctx, storebench.Key(1), "", nil, time.Time{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		close(hang)
	})
}

func TestUnlockIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newMemStorage()
		outage := time.Now().Add(10 * time.Second)
		storage.before = func(operation, _ string) error {
			if operation == "unlock" && time.Now().Before(outage) {
				return errors.New("input/output error")
			}
			return nil
		}
		core, logs := observer.New(zap.InfoLevel)
		store := New(storage, zap.New(core))
		if _, err := store.Swap(t.Context(), storebench.Key(1), "", nil, time.Time{}); err != nil {
			t.Fatalf("what is stored is stored: %v", err)
		}
		if logs.Len() != 1 || logs.All()[0].Level != zap.WarnLevel {
			t.Errorf("logged %v", logs.All())
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if len(storage.locks) != 0 {
			t.Error("the record is still locked after the outage")
		}
	})
}

// Who waited for the lock of an expired record that was swept meanwhile does
// not hold the lock of those who create it.
func TestCreatingTakesTheLockOfWhatIsThere(t *testing.T) {
	storage := newMemStorage()
	store := newOtherProcess(storage)
	put(t, store, storebench.Key(1), time.Now().Add(-time.Second))
	var swept atomic.Bool
	storage.before = func(operation, _ string) error {
		storage.mu.Lock()
		defer storage.mu.Unlock()
		if operation == "lock" && !swept.Swap(true) {
			delete(storage.files, storebench.Key(1))
		}
		if operation == "store" && storage.locks[lockName(storebench.Key(1), envelope{})] == nil {
			t.Error("created without the lock of creators")
		}
		return nil
	}
	if _, err := store.Swap(t.Context(), storebench.Key(1), "", nil, time.Time{}); err != nil {
		t.Fatal(err)
	}
}

// The visitor goes away while the record is being written.
func TestSaveIsNotCutOffHalfWay(t *testing.T) {
	storage := newMemStorage()
	store := newOtherProcess(storage)
	ctx, cancel := context.WithCancel(t.Context())
	storage.before = func(operation, _ string) error {
		if operation == "store" {
			cancel()
		}
		return nil
	}
	if _, err := store.Swap(ctx, storebench.Key(1), "", []byte("x"), time.Time{}); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	_ = store.Cleanup() // waits for the calls under way
	if storage.size() != 1 || len(storage.locks) != 0 {
		t.Errorf("%d records and %d locks are there, want a record and no lock", storage.size(), len(storage.locks))
	}
}
