package zoompkce

import (
	"context"
	"errors"
	"time"
)

// errUnchanged ends a change that has nothing to do.
var errUnchanged = errors.New("unchanged")

// maxSwaps bounds the tries of one change. Every failed one means that
// somebody else's has succeeded.
const maxSwaps = 100

// change modifies a user record: it loads it, lets modify change a copy, and
// swaps that in, again and again until nobody came between. modify is called
// once for each try, with an empty record where there is none, and ends the
// change by returning an error; then the record as it was loaded is returned
// beside it. A failed read or swap is a [*StoreError].
func (m *Manager) change(
	ctx context.Context, timeout time.Duration, u *user, op string, modify func(*record) error,
) (*snapshot, error) {
	if _, err := m.loadKeys(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	key := recordKey(m.client.AppID(), u.key)
	var away outage
	for try := range maxSwaps {
		if try > 2 {
			_ = sleep(ctx, time.Duration(try)*time.Millisecond) // without time nothing can be read
		}
		snap, err := m.load(ctx, m.keys.Load(), u)
		if unreached(err) && away.outlast(ctx) {
			continue
		}
		if err != nil {
			return nil, m.storeError(op, err)
		}
		r := snap.record.clone()
		if err := modify(r); err != nil {
			return snap, err
		}
		k := m.keys.Load() // reading may have found others
		now, began, life := time.Now(), u.tickets.Add(1), m.recordLife()
		u.dropEnded(r)
		r.prune(now, life)
		r.keepGrant(snap.record, now, life)
		r.Seq = u.nextSeq()
		version, err := m.swap(ctx, key, snap.version, k.sealUser(key, r), r.expires(now, life))
		if errors.Is(err, ErrConflict) || neverSent(err) && away.outlast(ctx) {
			continue
		}
		if err != nil {
			return nil, m.storeError(op, err)
		}
		snap = &snapshot{record: r, version: version, key: k.list[0].id, readAt: now, began: began, seq: r.Seq}
		m.adopt(u, snap)
		return snap, nil
	}
	return nil, m.storeError(op, errors.New("the record is changed by others all the time"))
}

// swap is for changes: what was begun is waited for until the deadline, though the visitor
// has gone or the manager stops. Left alone, it could not give back the store's lock
// once the store is closed, and others would wait for that.
func (m *Manager) swap(ctx context.Context, key, old string, value []byte, expires time.Time) (string, error) {
	deadline, _ := ctx.Deadline()
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	defer cancel()
	return m.store.Swap(ctx, key, old, value, expires)
}
