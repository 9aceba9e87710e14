package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/storetest"
)

const testApp = "zoom_pkce/1a2b3c4d/"

func testKey(n int) string { return fmt.Sprintf("%s%02x/%064x", testApp, n%256, n) }

// newOtherProcess returns a store that shares nothing but the storage, as that
// of another process does.
func newOtherProcess(storage certmagic.Storage) *CaddyStore {
	s := newCaddyStore(storage, zap.NewNop())
	s.locks = newRecordLocks()
	return s
}

func TestCaddyStoreInFiles(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Backend {
		storage := &certmagic.FileStorage{Path: t.TempDir()}
		store := newOtherProcess(storage)
		return storetest.Backend{
			Store: store,
			Other: newOtherProcess(&certmagic.FileStorage{Path: storage.Path}),
			Damage: func(t *testing.T, key string) {
				if err := os.WriteFile(storage.Filename(key), []byte("zoom_pkce/1 garbage"), 0o600); err != nil {
					t.Fatal(err)
				}
			},
			Close: store.Cleanup,
		}
	})
}

func TestCaddyStoreInMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Backend {
		storage := newMemStorage()
		store := newOtherProcess(storage)
		return storetest.Backend{
			Store:  store,
			Other:  newOtherProcess(storage),
			Damage: func(_ *testing.T, key string) { storage.files[key] = nil },
			Close:  store.Cleanup,
		}
	})
}

func TestCaddyStoreIsLoadedByCaddy(t *testing.T) {
	root := t.TempDir()
	storage, _ := json.Marshal(map[string]string{"module": "file_system", "root": root})
	ctx, err := caddy.ProvisionContext(&caddy.Config{
		Admin:      &caddy.AdminConfig{Disabled: true, Config: &caddy.ConfigSettings{Persist: new(bool)}},
		StorageRaw: storage,
	})
	if err != nil {
		t.Fatal(err)
	}
	module, err := ctx.LoadModuleByID("http.zoom_pkce.session_stores.caddy", nil)
	if err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(root); len(entries) != 0 {
		t.Errorf("provisioning wrote %v; it also happens for `caddy validate`", entries)
	}
	store := module.(zoompkce.Store)
	if _, err := store.Swap(t.Context(), testKey(1), "", []byte("x"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(testKey(1)))); err != nil {
		t.Errorf("the record is not where Caddy's storage is: %v", err)
	}
	if err := module.(caddy.CleanerUpper).Cleanup(); err != nil {
		t.Error(err)
	}
}

func TestCaddyStoreCaddyfile(t *testing.T) {
	for name, test := range map[string]struct{ input, err string }{
		"plain":           {"caddy", ""},
		"with an address": {"caddy /var/lib", "wrong argument count"},
		"with options":    {"caddy {\n path /x\n}", "unrecognized caddy store subdirective 'path'"},
	} {
		t.Run(name, func(t *testing.T) {
			err := new(CaddyStore).UnmarshalCaddyfile(caddyfile.NewTestDispenser(test.input))
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("got %v, want %q", err, test.err)
			}
		})
	}
}

// Certmagic's file locks may live for ever if a name is used again within 5
// seconds, and its waiters look once a second.
func TestSwapsOfOneProcessNeitherReuseNorAwaitLocks(t *testing.T) {
	storage := newMemStorage()
	store := newOtherProcess(storage)
	reloaded := newOtherProcess(storage)
	reloaded.locks = store.locks
	version, err := store.Swap(t.Context(), testKey(1), "", []byte{0}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var done atomic.Int32
	var group sync.WaitGroup
	for i := range 8 {
		s := []*CaddyStore{store, reloaded}[i%2]
		group.Go(func() {
			for range 20 {
				for {
					_, version, err := s.Load(t.Context(), testKey(1))
					if err == nil {
						_, err = s.Swap(t.Context(), testKey(1), version, []byte{0}, time.Time{})
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

func TestStorageTroubleIsNotAbsence(t *testing.T) {
	for name, trouble := range map[string]error{
		"no permission":  fs.ErrPermission,
		"an I/O error":   errors.New("input/output error"),
		"storage closed": errors.New("storage client is closed"),
		"a timeout":      os.ErrDeadlineExceeded,
	} {
		t.Run(name, func(t *testing.T) {
			storage := newMemStorage()
			store := newOtherProcess(storage)
			if _, err := store.Swap(t.Context(), testKey(1), "", []byte("precious"), time.Time{}); err != nil {
				t.Fatal(err)
			}
			before := string(storage.files[testKey(1)])
			storage.before = func(operation, _ string) error {
				if operation == "load" || operation == "list" {
					return trouble
				}
				return nil
			}
			if _, _, err := store.Load(t.Context(), testKey(1)); !errors.Is(err, trouble) || errors.Is(err, zoompkce.ErrNotFound) {
				t.Errorf("load: %v", err)
			}
			if _, err := store.Swap(t.Context(), testKey(1), "", []byte("over"), time.Time{}); !errors.Is(err, trouble) || errors.Is(err, zoompkce.ErrConflict) {
				t.Errorf("swap: %v", err)
			}
			if _, _, err := store.List(t.Context(), testApp, ""); !errors.Is(err, trouble) {
				t.Errorf("list: %v", err)
			}
			if string(storage.files[testKey(1)]) != before {
				t.Error("the record was overwritten")
			}
		})
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
	if _, err := store.Swap(t.Context(), testKey(1), "", nil, time.Time{}); !errors.Is(err, full) {
		t.Fatalf("got %v", err)
	}
	storage.before = nil
	if _, err := store.Swap(t.Context(), testKey(1), "", nil, time.Time{}); err != nil {
		t.Fatal(err)
	}
}

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
					_, _, err = store.Load(ctx, testKey(n))
				case 1:
					_, err = store.Swap(ctx, testKey(n), "", nil, time.Time{})
				case 2:
					_, _, err = store.List(ctx, testApp, "")
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
		if n := hanging.Load(); n != maxStoreReads+maxStoreChanges {
			t.Errorf("%d calls hang, want %d", n, maxStoreReads+maxStoreChanges)
		}
		if _, _, err := store.Load(context.Background(), testKey(1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without a deadline: %v", err)
		}

		close(hang)
		synctest.Wait()
		if _, err := store.Swap(t.Context(), "zoom_pkce/1a2b3c4d/secret", "", nil, time.Time{}); err != nil {
			t.Errorf("after it came back: %v", err)
		}
		if len(storage.locks) != 0 {
			t.Errorf("locks are left: %v", storage.locks)
		}
	})
}

func TestAbandonedSwapChangesNothing(t *testing.T) {
	storage := newMemStorage()
	store := newOtherProcess(storage)
	name := lockName(testKey(1), envelope{})
	if err := storage.Lock(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := store.Swap(ctx, testKey(1), "", nil, time.Time{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	if err := storage.Unlock(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	store.calls.running.Wait()
	if storage.count("store") != 0 || len(storage.locks) != 0 {
		t.Errorf("%d records stored, %d locks left", storage.count("store"), len(storage.locks))
	}
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
		store := newOtherProcess(storage)
		if _, err := store.Swap(t.Context(), testKey(1), "", nil, time.Time{}); err != nil {
			t.Fatalf("what is stored is stored: %v", err)
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if len(storage.locks) != 0 {
			t.Error("the record is still locked after the outage")
		}
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
	if _, err := store.Swap(t.Context(), testKey(1), "", nil, time.Time{}); err == nil {
		t.Fatal("no error")
	}
	storage.before = nil
	if _, err := store.Swap(t.Context(), testKey(1), "", nil, time.Time{}); err != nil {
		t.Fatalf("the record stayed locked: %v", err)
	}
}

func TestCaddyStoreWithoutProvision(t *testing.T) {
	store := new(CaddyStore)
	if _, _, err := store.Load(t.Context(), testKey(1)); !errors.Is(err, zoompkce.ErrStoreClosed) {
		t.Errorf("load: %v", err)
	}
	if _, err := store.Swap(t.Context(), testKey(1), "", nil, time.Time{}); !errors.Is(err, zoompkce.ErrStoreClosed) {
		t.Errorf("swap: %v", err)
	}
	for range 2 {
		if err := store.Cleanup(); err != nil {
			t.Error(err)
		}
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
	store.Load(t.Context(), testKey(1))
	store.Swap(t.Context(), testKey(1), "", nil, time.Time{})
	store.List(t.Context(), testApp, "")
	store.SweepShard(t.Context(), testApp+"01/")
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
					_, err := store.Swap(context.Background(), testKey(1), "", nil, time.Time{})
					saved <- err
				}()
				synctest.Wait()
				began := time.Now()
				if err := store.Cleanup(); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took > storeCloseLimit {
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

// While atomic writes come and go, FileStorage's listing fails with "not exist".
func TestListingAShardThatIsBeingWritten(t *testing.T) {
	store := newOtherProcess(&certmagic.FileStorage{Path: t.TempDir()})
	const records = 50
	versions := make([]string, records)
	for n := range versions {
		versions[n], _ = store.Swap(t.Context(), testKey(n*256), "", nil, time.Time{})
	}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for w := range 4 {
		group.Go(func() {
			for n := w; ctx.Err() == nil; n += 4 {
				i := n % records
				if w != i%4 {
					continue
				}
				if version, err := store.Swap(ctx, testKey(i*256), versions[i], nil, time.Time{}); err == nil {
					versions[i] = version
				}
			}
		})
	}
	for range 200 {
		keys, _, err := store.List(t.Context(), testApp+"00/", "")
		if err != nil || len(keys) != records {
			t.Errorf("%d of %d records, %v", len(keys), records, err)
			break
		}
	}
	cancel()
	group.Wait()
}
