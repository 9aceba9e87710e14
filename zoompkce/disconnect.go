package zoompkce

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Disconnect signs the users out of everything whose session cookies came with a
// request: all their sessions and programs end, and a kept grant. Their tokens
// are revoked at Zoom if Zoom can be reached. A cookie whose session has ended has
// no say. A failed read or write is a [*StoreError].
func (m *Manager) Disconnect(ctx context.Context, cookies []string) error {
	k, err := m.loadKeys(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	var revoking sync.WaitGroup
	defer revoking.Wait()
	for _, s := range m.presented(k, cookies) {
		former, e := m.endUserOf(ctx, s)
		if former != nil {
			m.observe(Event{Kind: EventSignedOut, UserID: former.UserID})
			if last := newer(s.user.unsaved.Load(), former.Grant); last != nil {
				revoking.Go(func() { m.revoke(ctx, last) })
			}
		}
		err = errors.Join(err, e)
	}
	return err
}

// endUserOf makes the record of an open session a tombstone, and returns what it
// was.
func (m *Manager) endUserOf(ctx context.Context, s presented) (former *record, err error) {
	var at time.Time
	_, err = m.change(ctx, storeTimeout, s.user, "ending all sessions of a user", func(r *record) error {
		if former = nil; r.session(s.id) == nil {
			return errUnchanged
		}
		former, at = r.clone(), time.Now()
		r.end(at)
		return nil
	})
	switch {
	case errors.Is(err, errUnchanged):
		return nil, nil
	case err != nil:
		return nil, err
	}
	m.state.users.end(s.user, at, former.sessionIDs()...)
	return former, nil
}
