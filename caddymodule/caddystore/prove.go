package caddystore

import (
	"context"
	"fmt"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storecall"
)

// lockProof is how long a lock that the storage gave is proof that it gives others. A
// disk that is full shows with what is stored; locks are refused by what lasts, as
// rights of a directory do.
const lockProof = 10 * time.Second

// Prove implements [zoompkce.Prover]. Under a key that nobody else writes there is
// nothing to compare and nobody to keep out, so the storage's lock is only taken to see
// whether there is one, where no change has seen it a moment ago: in files it is as dear
// as the record.
func (s *Store) Prove(ctx context.Context, key string, value []byte, expires time.Time) error {
	next := newEnvelope(value, expires)
	_, err := storecall.Do(ctx, s.calls, storecall.Change, func(ctx context.Context) (struct{}, error) {
		if since := time.Now().UnixNano() - s.lastLock.Load(); since < 0 || since > int64(lockProof) {
			if err := s.proveLock(ctx, lockName(key, next)); err != nil {
				return struct{}{}, err
			}
		}
		if err := s.storage.Store(ctx, key, next.marshal()); err != nil {
			return struct{}{}, err
		}
		_, err := s.storage.Load(ctx, key) // what cannot be read again is as good as not written
		return struct{}{}, err
	})
	if err != nil {
		return fmt.Errorf("saving %s: %w", key, err)
	}
	return nil
}

func (s *Store) proveLock(ctx context.Context, name string) error {
	if err := s.lock(ctx, name); err != nil {
		return err
	}
	s.unlock(context.WithoutCancel(ctx), name)
	return nil
}
