package e2e

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
)

func init() {
	caddy.RegisterModule(new(testStorage))
	caddy.RegisterModule(new(failingApp))
}

// testStorage keeps files. Like a client of a database, each instance answers
// nothing any more after its Cleanup; a test may also put it in trouble.
type testStorage struct {
	Root string `json:"root"`

	certmagic.Storage `json:"-"`
	closed            atomic.Bool
}

// storageTrouble is asked before every operation of any testStorage.
var storageTrouble atomic.Pointer[func(ctx context.Context, operation string) error]

// trouble makes the storage answer with what f returns until the test is over.
func trouble(t *testing.T, f func(ctx context.Context, operation string) error) {
	t.Helper()
	storageTrouble.Store(&f)
	t.Cleanup(noTrouble)
}

func noTrouble() { storageTrouble.Store(nil) }

func (*testStorage) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.storage.zoom_pkce_test", New: func() caddy.Module { return new(testStorage) }}
}

func (s *testStorage) Provision(caddy.Context) error {
	s.Storage = &certmagic.FileStorage{Path: s.Root}
	return nil
}

func (s *testStorage) Cleanup() error {
	s.closed.Store(true)
	return nil
}

func (s *testStorage) CertMagicStorage() (certmagic.Storage, error) { return s, nil }

var errStorageClosed = errors.New("storage client is closed")

func (s *testStorage) begin(ctx context.Context, operation string) error {
	if s.closed.Load() {
		return errStorageClosed
	}
	if f := storageTrouble.Load(); f != nil {
		if err := (*f)(ctx, operation); err != nil {
			return err
		}
	}
	if s.closed.Load() {
		return errStorageClosed
	}
	return nil
}

func (s *testStorage) Load(ctx context.Context, key string) ([]byte, error) {
	if err := s.begin(ctx, "load"); err != nil {
		return nil, err
	}
	return s.Storage.Load(ctx, key)
}

func (s *testStorage) Store(ctx context.Context, key string, value []byte) error {
	if err := s.begin(ctx, "store"); err != nil {
		return err
	}
	return s.Storage.Store(ctx, key, value)
}

func (s *testStorage) Lock(ctx context.Context, name string) error {
	if err := s.begin(ctx, "lock"); err != nil {
		return err
	}
	return s.Storage.Lock(ctx, name)
}

func (s *testStorage) Unlock(ctx context.Context, name string) error {
	if err := s.begin(ctx, "unlock"); err != nil {
		return err
	}
	return s.Storage.Unlock(ctx, name)
}

// failingApp makes a configuration fail to load.
type failingApp struct {
	At string `json:"at"` // "provision" or "start"
}

var errFailingApp = errors.New("this app always fails")

func (*failingApp) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "zoom_pkce_test_failing", New: func() caddy.Module { return new(failingApp) }}
}

func (a *failingApp) Provision(caddy.Context) error {
	if a.At == "provision" {
		return errFailingApp
	}
	return nil
}

func (a *failingApp) Start() error {
	// Long enough for requests to reach an http app that was started before.
	time.Sleep(20 * time.Millisecond)
	return errFailingApp
}

func (a *failingApp) Stop() error { return nil }

// onTestStorage makes a configuration use a testStorage in the same place.
func (w *world) onTestStorage(config map[string]any) {
	config["storage"] = map[string]any{"module": "zoom_pkce_test", "root": w.storage}
}

// failingAt makes a configuration fail.
func failingAt(config map[string]any, at string) {
	config["apps"].(map[string]any)["zoom_pkce_test_failing"] = map[string]any{"at": at}
}

// Interface guards
var (
	_ caddy.StorageConverter = (*testStorage)(nil)
	_ caddy.CleanerUpper     = (*testStorage)(nil)
	_ caddy.App              = (*failingApp)(nil)
)
