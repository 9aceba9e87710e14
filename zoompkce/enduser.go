package zoompkce

import (
	"context"
	"errors"
	"sync"
	"time"
)

// EndUser ends every session and program of a user, here at once and in other processes
// within their sync interval, and every sign-in under way. It reports whether the
// user had a session. With a before, as Zoom's message of a deauthorization has
// one, only what was begun before it is ended; where clocks cannot tell, Zoom is asked,
// and its trouble is the error. Without, it is an operator's
// doing: the token is revoked at Zoom too, and a record that cannot be opened,
// because its secret is lost, is replaced. That is the way out of that.
func (m *Manager) EndUser(ctx context.Context, userID string, before time.Time) (bool, error) {
	ctx = context.WithoutCancel(ctx)
	if _, err := m.storedKeys(ctx); err != nil {
		return false, err
	}
	u := m.memory.users.get(keyOf(userID))
	former, err := m.endAll(ctx, u, userID, before)
	ended := former != nil && (former.Grant != nil || !former.unused())
	if before.IsZero() && errors.As(err, new(*UnopenableError)) {
		ended, err = true, m.replaceUnopenable(ctx, u, userID)
	}
	if err != nil || !ended {
		return false, err
	}
	m.observe(Event{Kind: EventUserEnded, UserID: userID})
	if former != nil {
		if last := former.Grant; last != nil && before.IsZero() {
			last = newer(u.unsaved.Load(), last)
			m.run(func(ctx context.Context) { m.revoke(ctx, last) })
		}
	}
	return true, nil
}

// maxAsks bounds the questions to Zoom of one end. After each the user has signed in once more.
const maxAsks = 10

// endAll makes a user's record a tombstone and returns what it was, nil if there
// was nothing to end. A sign-in that may have come after before is asked about at
// Zoom, which has revoked the tokens of a user who removed the app.
func (m *Manager) endAll(ctx context.Context, u *user, userID string, before time.Time) (former *record, err error) {
	var at time.Time
	revoked := "" // the grant that Zoom does not take any more
	for range maxAsks {
		snap, err := m.change(ctx, storeTimeout, u, "ending all sessions of a user", func(r *record) error {
			if g := r.Grant; g != nil && !before.IsZero() && !g.SignedInAt.Before(before) && g.id() != revoked {
				if g.SignedInAt.Sub(before) > closeTimes || time.Until(g.Expiry) < clockSkew {
					return errUnchanged // clearly later, or Zoom may refuse its token because it is over
				}
				return errAsk
			}
			at = time.Now()
			when := at
			if !before.IsZero() && before.Before(when) {
				// Who has come back since, or is on the way, may stay. It is another's clock.
				// Of the times before the year 1, which no record can hold, nothing is left to be ended.
				when, at = later(before, time.Time{}).Local(), time.Time{}
			}
			if r.tombstone() && !r.Ended.Before(when) {
				return errUnchanged
			}
			former = r.clone()
			// Who is not here may be on the way: the tombstone stops that sign-in.
			r.UserID = userID
			r.end(when)
			return nil
		})
		switch {
		case errors.Is(err, errUnchanged):
			return nil, nil
		case err == nil:
			m.memory.users.end(u, at, former.sessionIDs()...)
			return former, nil
		case !errors.Is(err, errAsk):
			return nil, err
		}
		if err := m.judge(ctx, u, newer(u.unsaved.Load(), snap.record.Grant)); !errors.Is(err, errGrantDying) {
			return nil, err
		}
		revoked = snap.record.Grant.id()
	}
	return nil, m.storeError("ending all sessions of a user", errors.New("the user signs in all the time"))
}

// judge asks Zoom about a user's grant, and returns errGrantDying if it has ended. That Zoom refuses the
// access token does not say so: it may be over before its time, and the refresh token beside it be good.
func (m *Manager) judge(ctx context.Context, u *user, g *grant) error {
	if taken, err := m.takes(ctx, g); taken || err != nil {
		return err
	}
	_, err := m.refreshWithin(ctx, u, g, storeTimeout)
	return err
}

// replaceUnopenable swaps in a tombstone.
func (m *Manager) replaceUnopenable(ctx context.Context, u *user, userID string) error {
	const op = "replacing a record that cannot be opened"
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	k, key := m.keys.Load(), recordKey(m.client.AppID(), u.key)
	_, version, err := m.store.Load(ctx, key)
	if err != nil {
		return m.storeError(op, err)
	}
	r := &record{UserID: userID}
	r.end(time.Now())
	r.Seq = u.nextSeq()
	if _, err = m.store.Swap(ctx, key, version, k.sealUser(key, r), r.expires(r.Ended, m.life)); err != nil {
		return m.storeError(op, err)
	}
	u.readFailure.Store(nil)
	if _, err = m.load(ctx, k, u); err != nil {
		return m.storeError(op, err)
	}
	return nil
}

// maxEnded is how many users a page ends at most: each is written, and revoked at Zoom.
const maxEnded = 100

// EndUsers ends every session and program of all users, a page at a time, as
// [Manager.EndUser] does for one; records that cannot be opened go, too. It returns how
// many users it has ended and how many it could not end, which may be tried again.
// Errors are [ErrCursor] or a [*StoreError].
func (m *Manager) EndUsers(ctx context.Context, cursor string) (ended, failed int, next string, err error) {
	ctx = context.WithoutCancel(ctx)
	k, err := m.storedKeys(ctx)
	if err != nil {
		return ended, failed, next, err
	}
	next, err = m.walk(ctx, cursor, func(key string) (bool, error) {
		found, err := m.look(ctx, k, key)
		if found != nil {
			var was bool
			if was, err = m.endFound(ctx, found); was {
				ended++
			}
		}
		if err != nil && !isOutage(ctx, err) {
			failed++
			err = nil
		}
		return ended+failed < maxEnded, err
	})
	return ended, failed, next, err
}

// endFound ends the user of a record. One whose id nobody can read has no
// tombstone; it is made to expire, which nobody takes for a session.
func (m *Manager) endFound(ctx context.Context, found *foundRecord) (bool, error) {
	if found.bad == nil {
		return m.EndUser(ctx, found.record.UserID, time.Time{})
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	_, err := m.store.Swap(ctx, found.bad.Record, found.version, found.sealed, time.Now().Add(-time.Second))
	if err != nil {
		return false, m.storeError("removing a record that cannot be opened", err)
	}
	return true, nil
}

// Disconnect signs the users out of everything whose session cookies came with a
// request: all their sessions and programs end, and a kept grant. Their tokens
// are revoked at Zoom if Zoom can be reached. A cookie whose session has ended has
// no say. A failed read or write is a [*StoreError].
func (m *Manager) Disconnect(ctx context.Context, cookies []string) error {
	k, err := m.keysToLeave(ctx, cookies)
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
	m.memory.users.end(s.user, at, former.sessionIDs()...)
	return former, nil
}
