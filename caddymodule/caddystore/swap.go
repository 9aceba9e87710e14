package caddystore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storecall"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

const (
	// saveLimit is how long a save may take once it has the lock; the caller's
	// context does not cut it off half-way.
	saveLimit = 30 * time.Second

	unlockEvery = time.Second
	unlockTries = 60
)

// Swap implements [zoompkce.Store].
func (s *Store) Swap(ctx context.Context, key, old string, value []byte, expires time.Time) (string, error) {
	next := newEnvelope(value, expires)
	err := s.change(ctx, key,
		func(stored envelope) bool { return stored.live() == old },
		func(ctx context.Context) error { return storecall.Sent(s.storage.Store(ctx, key, next.marshal())) })
	if err != nil {
		return "", fmt.Errorf("saving %s: %w", key, err)
	}
	return next.version, nil
}

// remove deletes a record that has expired, unless it was replaced meanwhile.
func (s *Store) remove(ctx context.Context, key string) error {
	err := s.change(ctx, key, envelope.expired,
		func(ctx context.Context) error { return s.storage.Delete(ctx, key) })
	if err != nil {
		return fmt.Errorf("sweeping %s: %w", key, err)
	}
	return nil
}

// change runs apply if what is stored under key is wanted, and lets nobody else
// change it in between, in this process or another.
func (s *Store) change(ctx context.Context, key string, wanted func(envelope) bool, apply func(context.Context) error) error {
	if err := s.calls.Usable(ctx); err != nil {
		return err
	}
	release, err := s.locks.lock(ctx, key)
	if err != nil {
		return err
	}
	ctx, end, err := s.calls.Begin(ctx, storecall.Change)
	if err != nil {
		release()
		return err
	}
	_, err = storecall.Await(ctx, end, func() (struct{}, error) {
		defer release()
		return struct{}{}, s.compareAndApply(ctx, key, wanted, apply)
	})
	return err
}

func (s *Store) compareAndApply(ctx context.Context, key string, wanted func(envelope) bool, apply func(context.Context) error) error {
	// A record can go from expired to swept to created anew while this waits,
	// each with a lock of its own, so the lock has to be chosen again. Nothing
	// alive changes more than once under a caller who still gets what it wanted.
	for range 4 {
		// Looked at first without the storage's lock, which is slow: most of
		// those who come too late can be told so at once.
		before, err := s.read(ctx, key)
		if err != nil {
			return err
		}
		if !wanted(before) {
			return zoompkce.ErrConflict
		}
		if err := s.locked(ctx, key, before, wanted, apply); !errors.Is(err, errReplaced) {
			return err
		}
	}
	return zoompkce.ErrConflict
}

// errReplaced means that a lock is not that of the record any longer.
var errReplaced = errors.New("record was replaced before it was locked")

// locked takes the storage lock that goes with before. It fails with errReplaced if the
// record was replaced until it had it.
func (s *Store) locked(ctx context.Context, key string, before envelope, wanted func(envelope) bool, apply func(context.Context) error) error {
	name := lockName(key, before)
	if err := s.lock(ctx, name); err != nil {
		return err
	}
	defer s.unlock(context.WithoutCancel(ctx), name)
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveLimit)
	defer cancel()
	now, err := s.read(ctx, key)
	if err != nil {
		return err
	}
	if now.version != before.version {
		return errReplaced
	}
	if !wanted(now) {
		return zoompkce.ErrConflict
	}
	return apply(ctx)
}

func (s *Store) lock(ctx context.Context, name string) error {
	if err := s.storage.Lock(ctx, name); err != nil {
		return fmt.Errorf("locking: %w", err)
	}
	s.lastLock.Store(time.Now().UnixNano())
	return nil
}

// unlock does not give up at once, because certmagic keeps a file lock fresh
// for as long as its file exists: after a short outage it could stay locked until
// this process ends.
func (s *Store) unlock(ctx context.Context, name string) {
	try := func() error {
		ctx, cancel := context.WithTimeout(ctx, saveLimit)
		defer cancel()
		if err := s.storage.Unlock(ctx, name); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	err := try()
	if err == nil {
		return
	}
	s.logger.Warn("session record stays locked, trying again", zap.String("lock", name), zap.Error(err))
	s.calls.KeepTrying(unlockEvery, unlockTries, func() bool { return try() == nil })
}

// lockName names the storage lock under which stored may be replaced. It
// contains the version, so that nobody needs that lock again once it was
// replaced: certmagic's file locks are kept fresh by a goroutine that looks only
// every 5 seconds whether its lock is gone. It takes a lock of the same name that
// somebody else has got in between for its own, and if that process is killed,
// keeps its lock alive for ever (keepLockfileFresh in certmagic's filestorage.go).
//
// Two cases are left in which a name is used again: a save that failed is tried
// again at the same version, and a record may be created again after it was
// swept, at the earliest when it has expired. To get stuck, another process would
// have to take the lock within these 5 seconds and be killed while it holds it;
// what frees it then is to restart this one, or to delete the file below `locks`.
func lockName(key string, stored envelope) string {
	if stored.version == "" {
		sum := sha256.Sum256([]byte(key))
		return "zoom_pkce_new_" + hex.EncodeToString(sum[:])
	}
	return "zoom_pkce_" + stored.version
}
