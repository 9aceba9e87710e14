package zoompkce

import (
	"context"
	"errors"
	"strconv"
	"time"
)

const opRead = "reading a user record"

// A failed read is the answer for as long as it took, within these bounds: a
// store that refuses at once is soon asked again, one that hangs is not waited
// for by every request.
const (
	minReadPause = 200 * time.Millisecond
	maxReadPause = 5 * time.Second
)

// current returns the user's record, not older than the sync interval if the
// store can be read. It is read again ahead of time, so that requests of an active user do
// not wait. With the store in trouble, users in memory go on for as long
// as their access token lives.
func (m *Manager) current(ctx context.Context, k *keys, u *user, now time.Time) (*snapshot, error) {
	snap := u.current.Load()
	if snap == nil || snap.record != nil && !k.has(snap.key) {
		return m.reread(ctx, k, u, true)
	}
	age := now.Sub(snap.readAt)
	if age < m.sync/2 {
		return snap, nil
	}
	if age < m.sync {
		if remembered(&u.readFailure, now) == nil {
			m.runOnce(&u.reading, func(ctx context.Context) { _, _ = m.read(ctx, k, u, storeTimeout, false) })
		}
		return snap, nil
	}
	g := u.grant(snap)
	goesOn := g.lives() && now.Before(g.Expiry)
	fresh, err := m.reread(ctx, k, u, !goesOn)
	if err != nil && goesOn && !errors.As(err, new(*UnopenableError)) {
		return snap, nil
	}
	return fresh, err
}

// reread reads the record now and waits for it, for the end of a short outage
// too where everything depends on it.
func (m *Manager) reread(ctx context.Context, k *keys, u *user, depends bool) (*snapshot, error) {
	if err := remembered(&u.readFailure, time.Now()); err != nil {
		return nil, err
	}
	snap, err := m.read(ctx, k, u, storePatience, depends)
	switch {
	case err == nil:
		return snap, nil
	case errors.Is(err, errPatience):
		return nil, m.readFailed(u, err, storePatience)
	case !errors.As(err, new(*StoreError)): // the visitor went away, or we do
		return nil, &StoreError{opRead, err}
	}
	return nil, err
}

// read reads the record once for all who ask at the same time. What it returns
// may be newer than what it read.
func (m *Manager) read(
	ctx context.Context, k *keys, u *user, patience time.Duration, depends bool,
) (*snapshot, error) {
	// Under other secrets another outcome is possible.
	key := "read" + strconv.FormatBool(depends) + string(k.set[:]) + string(u.key[:])
	return share(ctx, m, key, patience, func(ctx context.Context) (*snapshot, error) {
		ctx, cancel := context.WithTimeout(ctx, storeTimeout)
		defer cancel()
		began := time.Now()
		var away outage
		_, err := m.load(ctx, k, u)
		for depends && unreached(err) && away.outlast(ctx) {
			_, err = m.load(ctx, k, u)
		}
		if err != nil {
			return nil, m.readFailed(u, err, time.Since(began))
		}
		u.readFailure.Store(nil)
		return u.current.Load(), nil
	})
}

func (m *Manager) readFailed(u *user, err error, took time.Duration) error {
	err = m.storeError(opRead, err)
	remember(&u.readFailure, err, min(max(took, minReadPause), maxReadPause))
	return err
}

// load reads the record, whatever is known already, and returns what is known then: an answer that
// others have overtaken counts for nothing, even if the store went back meanwhile.
func (m *Manager) load(ctx context.Context, k *keys, u *user) (*snapshot, error) {
	snap := &snapshot{began: u.tickets.Add(1), readAt: time.Now()}
	key := recordKey(m.client.AppID(), u.key)
	sealed, version, err := m.store.Load(ctx, key)
	switch known := u.current.Load(); {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return nil, err
	case known != nil && known.version == version && k.has(known.key):
		// It is what was opened before: versions never come back.
		snap.record, snap.key, snap.version, snap.seq = known.record, known.key, version, known.record.Seq
	default:
		if snap.record, snap.key, err = k.openUser(key, sealed); err != nil {
			if other, _, _ := m.replacedKeys(ctx, k); other != nil {
				snap.record, snap.key, err = other.openUser(key, sealed)
			}
		}
		if err != nil {
			return nil, err
		}
		snap.version, snap.seq = version, snap.record.Seq
	}
	m.adopt(u, snap)
	return u.current.Load(), nil
}
