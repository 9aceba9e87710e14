// Package caddystore keeps user records in Caddy's own storage: an envelope for version
// and expiry, a swap under the storage's locks, and the sweep of what has expired. What
// is in a record it cannot read.
package caddystore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storecall"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

func init() {
	caddy.RegisterModule(new(Store))
}

// Store keeps sessions where Caddy keeps its certificates: in the file
// system by default, or in any storage plugin, which several Caddy instances may
// share. It has no options of its own; see the `storage` global option.
//
// Records that have expired are removed within about an hour.
type Store struct {
	storage certmagic.Storage
	logger  *zap.Logger
	calls   *storecall.Calls
	locks   *recordLocks

	lastLock *atomic.Int64 // when the storage last gave a lock, in Unix nanoseconds
}

// processLocks are shared by all stores of this process: during a reload two
// configurations have a store each, on the same records.
var processLocks = newRecordLocks()

// New returns a store on storage, as Provision makes one on the storage of a
// configuration. Cleanup closes it.
func New(storage certmagic.Storage, logger *zap.Logger) *Store {
	return &Store{storage: storage, logger: logger, calls: storecall.New(), locks: processLocks, lastLock: new(atomic.Int64)}
}

// CaddyModule returns the Caddy module information.
func (Store) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.zoom_pkce.session_stores.caddy",
		New: func() caddy.Module { return new(Store) },
	}
}

// Provision sets up the store. It does not touch the storage.
func (s *Store) Provision(ctx caddy.Context) error {
	*s = *New(ctx.Storage(), ctx.Logger())
	return nil
}

// Storage returns where the store keeps its records.
func (s *Store) Storage() certmagic.Storage { return s.storage }

// Cleanup closes the store.
func (s *Store) Cleanup() error {
	s.calls.Close()
	return nil
}

// UnmarshalCaddyfile sets up the store from Caddyfile tokens. Syntax:
//
//	store caddy
func (s *Store) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	b := conf.NewBlock(httpcaddyfile.Helper{Dispenser: d}, "caddy store", nil)
	if b.NextArg() {
		return b.WrongCount("store caddy", "takes no address; see the storage global option")
	}
	return b.Lines((*conf.Block).Unrecognized)
}

// Load implements [zoompkce.Store].
func (s *Store) Load(ctx context.Context, key string) ([]byte, string, error) {
	stored, err := s.load(ctx, key)
	if err != nil {
		return nil, "", fmt.Errorf("loading %s: %w", key, err)
	}
	version := stored.live()
	if version == "" {
		return nil, "", zoompkce.ErrNotFound
	}
	return stored.value, version, nil
}

func (s *Store) load(ctx context.Context, key string) (envelope, error) {
	return storecall.Do(ctx, s.calls, storecall.Read, func(ctx context.Context) (envelope, error) {
		return s.read(ctx, key)
	})
}

// read returns what is stored, expired or not. Only the storage's word that
// there is nothing counts as absent: taking trouble for absence would overwrite
// a user's only refresh token.
func (s *Store) read(ctx context.Context, key string) (envelope, error) {
	data, err := s.storage.Load(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return envelope{}, nil
	}
	if err != nil {
		return envelope{}, err
	}
	return parseEnvelope(data)
}

// List implements [zoompkce.Store]. It returns the records of users, those
// below a shard of two hexadecimal digits, and ignores whatever else lies there.
func (s *Store) List(ctx context.Context, prefix, _ string) ([]string, string, error) {
	keys, err := storecall.Do(ctx, s.calls, storecall.Read, func(ctx context.Context) ([]string, error) {
		return s.list(ctx, strings.TrimSuffix(prefix, "/"))
	})
	if err != nil {
		return nil, "", fmt.Errorf("listing %s: %w", prefix, err)
	}
	return keys, "", nil
}

func (s *Store) list(ctx context.Context, dir string) (keys []string, err error) {
	// certmagic's FileStorage walks the directory and answers "not exist" not
	// only where there is none, but also if a file goes away under its feet, and
	// every atomic write makes a temporary one.
	for range 50 {
		keys, err = s.storage.List(ctx, dir, true)
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
		if _, statErr := s.storage.Stat(ctx, dir); errors.Is(statErr, fs.ErrNotExist) {
			return nil, nil
		}
		time.Sleep(5 * time.Millisecond) // whoever has gone does not wait with it
	}
	if err != nil {
		return nil, err
	}
	found := keys[:0]
	for _, key := range keys {
		if storecall.IsUserKey(key) {
			found = append(found, key)
		}
	}
	return found, nil
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Store)(nil)
	_ caddy.CleanerUpper    = (*Store)(nil)
	_ caddyfile.Unmarshaler = (*Store)(nil)
	_ zoompkce.Store        = (*Store)(nil)
	_ zoompkce.Prover       = (*Store)(nil)
)
