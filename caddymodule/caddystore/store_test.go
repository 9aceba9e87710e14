package caddystore

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"
	"github.com/caddyserver/certmagic"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storebench"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/storetest"
)

// newOtherProcess returns a store that shares nothing but the storage, as that
// of another process does.
func newOtherProcess(storage certmagic.Storage) *Store {
	s := New(storage, zap.NewNop())
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
	if _, err := store.Swap(t.Context(), storebench.Key(1), "", []byte("x"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(storebench.Key(1)))); err != nil {
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
			err := new(Store).UnmarshalCaddyfile(caddyfile.NewTestDispenser(test.input))
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("got %v, want %q", err, test.err)
			}
		})
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
			version := put(t, store, storebench.Key(1), time.Time{})
			before := string(storage.files[storebench.Key(1)])
			storage.before = func(operation, _ string) error {
				if operation == "load" || operation == "list" {
					return trouble
				}
				return nil
			}
			if _, _, err := store.Load(t.Context(), storebench.Key(1)); !errors.Is(err, trouble) || errors.Is(err, zoompkce.ErrNotFound) {
				t.Errorf("load: %v", err)
			}
			for _, old := range []string{"", version} {
				if _, err := store.Swap(t.Context(), storebench.Key(1), old, []byte("over"), time.Time{}); !errors.Is(err, trouble) || errors.Is(err, zoompkce.ErrConflict) {
					t.Errorf("swap from %q: %v", old, err)
				}
			}
			if _, _, err := store.List(t.Context(), storebench.App, ""); !errors.Is(err, trouble) {
				t.Errorf("list: %v", err)
			}
			if removed, err := store.SweepShard(t.Context(), storebench.App+"01/"); removed != 0 || !errors.Is(err, trouble) {
				t.Errorf("sweep: %d, %v", removed, err)
			}
			if string(storage.files[storebench.Key(1)]) != before {
				t.Error("the record was overwritten")
			}
		})
	}
}

func TestCaddyStoreWithoutProvision(t *testing.T) {
	store := new(Store)
	if _, _, err := store.Load(t.Context(), storebench.Key(1)); !errors.Is(err, zoompkce.ErrStoreClosed) {
		t.Errorf("load: %v", err)
	}
	if _, err := store.Swap(t.Context(), storebench.Key(1), "", nil, time.Time{}); !errors.Is(err, zoompkce.ErrStoreClosed) {
		t.Errorf("swap: %v", err)
	}
	for range 2 {
		if err := store.Cleanup(); err != nil {
			t.Error(err)
		}
	}
}

// While atomic writes come and go, FileStorage's listing fails with "not exist".
func TestListingAShardThatIsBeingWritten(t *testing.T) {
	store := newOtherProcess(&certmagic.FileStorage{Path: t.TempDir()})
	const records = 50
	versions := make([]string, records)
	for n := range versions {
		versions[n], _ = store.Swap(t.Context(), storebench.Key(n*256), "", nil, time.Time{})
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
				if version, err := store.Swap(ctx, storebench.Key(i*256), versions[i], nil, time.Time{}); err == nil {
					versions[i] = version
				}
			}
		})
	}
	for range 200 {
		keys, _, err := store.List(t.Context(), storebench.App+"00/", "")
		if err != nil || len(keys) != records {
			t.Errorf("%d of %d records, %v", len(keys), records, err)
			break
		}
	}
	cancel()
	group.Wait()
	// The swaps that were cut off go on until they are done.
	if err := store.Cleanup(); err != nil {
		t.Error(err)
	}
}

func TestCaddyCleanupLeavesNothingBehind(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent(),
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh")) // ends within 5 seconds
	store := newOtherProcess(&certmagic.FileStorage{Path: t.TempDir()})
	storebench.Works(t, store)
	if err := store.Cleanup(); err != nil {
		t.Error(err)
	}
}
