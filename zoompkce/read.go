package zoompkce

import (
	"context"
	"errors"
	"time"
)

const (
	// syncPatience is how long a request waits for a record to be read.
	syncPatience = 2 * time.Second
	// readPause is how long a failed read is remembered.
	readPause = time.Second
)

// current returns the user's record, not older than the sync interval if the
// store can be read. It is read again ahead of time, so that requests of an active user do
// not wait. With the store in trouble, users in memory go on for as long
// as their access token lives.
func (m *Manager) current(ctx context.Context, k *keys, u *user, now time.Time) (*snapshot, error) {
	snap := u.current.Load()
	if snap == nil || snap.record != nil && !k.has(snap.key) {
		return m.reread(ctx, k, u)
	}
	age := now.Sub(snap.readAt)
	if age < m.sync/2 {
		return snap, nil
	}
	if age < m.sync {
		m.readAhead(k, u, now)
		return snap, nil
	}
	fresh, err := m.reread(ctx, k, u)
	if err == nil {
		return fresh, nil
	}
	if g := u.grant(snap); errors.As(err, new(*UnopenableError)) || g == nil || g.dead() || !now.Before(g.Expiry) {
		return nil, err
	}
	return snap, nil
}

// readAhead reads the record in the background.
func (m *Manager) readAhead(k *keys, u *user, now time.Time) {
	if remembered(&u.readFailure, now) != nil {
		return
	}
	m.runOnce(&u.reading, func(ctx context.Context) { _ = m.read(ctx, k, u, storeTimeout) })
}

// reread reads the record now and waits for it.
func (m *Manager) reread(ctx context.Context, k *keys, u *user) (*snapshot, error) {
	if err := remembered(&u.readFailure, time.Now()); err != nil {
		return nil, err
	}
	if err := m.read(ctx, k, u, syncPatience); err != nil {
		if errors.Is(err, errPatience) {
			err = m.storeError("reading a user record", err)
			remember(&u.readFailure, err, readPause)
		}
		return nil, err
	}
	return u.current.Load(), nil
}

// read reads the record once for all who ask at the same time.
func (m *Manager) read(ctx context.Context, k *keys, u *user, patience time.Duration) error {
	// Under other secrets another outcome is possible.
	return m.share(ctx, u, "read"+string(k.set[:]), patience, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, storeTimeout)
		defer cancel()
		_, err := m.load(ctx, k, u)
		if err != nil {
			err = m.storeError("reading a user record", err)
			remember(&u.readFailure, err, readPause)
		} else {
			u.readFailure.Store(nil)
		}
		return err
	})
}

// load reads the record, whatever is known already.
func (m *Manager) load(ctx context.Context, k *keys, u *user) (*snapshot, error) {
	snap := &snapshot{ticket: u.tickets.Add(1), readAt: time.Now()}
	key := recordKey(m.client.AppID(), u.key)
	sealed, version, err := m.store.Load(ctx, key)
	switch {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return nil, err
	default:
		if snap.record, snap.key, err = k.openUser(key, u.key, sealed); err != nil {
			return nil, err
		}
		snap.version = version
	}
	u.adopt(snap)
	return snap, nil
}

// errUnchanged ends a change that has nothing to do.
var errUnchanged = errors.New("unchanged")

// maxSwaps bounds the tries of one change. Every failed one means that
// somebody else's has succeeded.
const maxSwaps = 100

// change modifies a user record: it loads it, lets modify change a copy, and
// swaps that in, again and again until nobody came between. modify is called
// once for each try, with an empty record where there is none, and ends the
// change by returning an error. A failed read or swap is a [*StoreError].
func (m *Manager) change(ctx context.Context, u *user, op string, modify func(*record) error) (*snapshot, error) {
	k, err := m.loadKeys(ctx)
	if err != nil {
		return nil, err
	}
	key := recordKey(m.client.AppID(), u.key)
	for try := range maxSwaps {
		if try > 2 {
			if err := sleep(ctx, time.Duration(try)*time.Millisecond); err != nil {
				return nil, m.storeError(op, err)
			}
		}
		snap, err := m.load(ctx, k, u)
		if err != nil {
			return nil, m.storeError(op, err)
		}
		r := snap.record.clone()
		if err := modify(r); err != nil {
			return snap, err
		}
		now := time.Now()
		r.prune(now, m.life)
		sealed, err := k.sealUser(key, r)
		if err != nil {
			return nil, m.storeError(op, err)
		}
		version, err := m.store.Swap(ctx, key, snap.version, sealed, r.expires(now, m.life))
		if errors.Is(err, ErrConflict) {
			continue
		}
		if err != nil {
			return nil, m.storeError(op, err)
		}
		changed := &snapshot{record: r, version: version, key: k.list[0].id, readAt: now, ticket: u.tickets.Add(1)}
		u.adopt(changed)
		return changed, nil
	}
	return nil, m.storeError(op, errors.New("the record is changed by others all the time"))
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
