package zoompkce

import (
	"context"
	"errors"
	"time"
)

// revokeTimeout bounds how long a visitor who signs out waits for Zoom.
const revokeTimeout = 5 * time.Second

// SignOut ends a session. With the user's last one the grant goes too, and its
// token is revoked at Zoom if Zoom can be reached.
func (m *Manager) SignOut(ctx context.Context, s *Session) error {
	ctx = context.WithoutCancel(ctx)
	last, err := m.endSession(ctx, s)
	if err != nil {
		return err
	}
	m.observe(Event{Kind: EventSignedOut, UserID: s.Profile().ID})
	if last != nil {
		m.revoke(ctx, last)
	}
	return nil
}

// endSession takes a session out of the record. If nobody is left in it the record
// becomes a tombstone, and the grant that was in it is returned.
func (m *Manager) endSession(ctx context.Context, s *Session) (last *grant, err error) {
	_, err = m.change(ctx, storeTimeout, s.user, "ending a session", func(r *record) error {
		last = nil
		if r.session(s.cookie.id) == nil {
			return errUnchanged
		}
		r.endSession(s.cookie.id)
		last = r.leave(time.Now(), m.life)
		return nil
	})
	if errors.Is(err, errUnchanged) {
		return nil, nil
	}
	if err != nil || last == nil {
		return nil, err
	}
	return newer(s.user.unsaved.Load(), last), nil
}

// EndUser ends every session of a user, here at once and in other processes
// within their sync interval, and every sign-in under way. It reports whether the
// user had a session. With a before, as Zoom's message of a deauthorization has
// one, only what was begun before it is ended. Without, it is an operator's
// doing: the token is revoked at Zoom too, and a record that cannot be opened,
// because its secret is lost, is replaced. That is the way out of that.
func (m *Manager) EndUser(ctx context.Context, userID string, before time.Time) (bool, error) {
	ctx = context.WithoutCancel(ctx)
	u := m.state.users.get(keyOf(userID))
	var last *grant
	ended := false
	_, err := m.change(ctx, storeTimeout, u, "ending all sessions of a user", func(r *record) error {
		if r.Grant != nil && !before.IsZero() && !r.Grant.SignedInAt.Before(before) {
			return errUnchanged
		}
		when := time.Now()
		if !before.IsZero() && before.Before(when) {
			when = before // who has come back since, or is on the way, may stay
		}
		if r.tombstone() && !r.Ended.Before(when) {
			return errUnchanged
		}
		// Who is not here may be on the way: the tombstone stops that sign-in.
		last, ended = r.Grant, r.Grant != nil || !r.unused()
		r.UserID = userID
		r.end(when)
		return nil
	})
	if before.IsZero() && errors.As(err, new(*UnopenableError)) {
		ended, err = true, m.replaceUnopenable(ctx, u, userID)
	}
	if errors.Is(err, errUnchanged) {
		return false, nil
	}
	if err != nil || !ended {
		return false, err
	}
	m.observe(Event{Kind: EventUserEnded, UserID: userID})
	if last != nil && before.IsZero() {
		last = newer(u.unsaved.Load(), last)
		m.run(func(ctx context.Context) { m.revoke(ctx, last) })
	}
	return true, nil
}

// replaceUnopenable swaps in a tombstone.
func (m *Manager) replaceUnopenable(ctx context.Context, u *user, userID string) error {
	const op = "replacing a record that cannot be opened"
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	k, err := m.loadKeys(ctx)
	if err != nil {
		return err
	}
	key := recordKey(m.client.AppID(), u.key)
	_, version, err := m.store.Load(ctx, key)
	if err != nil {
		return m.storeError(op, err)
	}
	r := &record{UserID: userID}
	r.end(time.Now())
	sealed, err := k.sealUser(key, r)
	if err != nil {
		return m.storeError(op, err)
	}
	if _, err = m.store.Swap(ctx, key, version, sealed, r.expires(r.Ended, m.life)); err != nil {
		return m.storeError(op, err)
	}
	u.readFailure.Store(nil)
	if _, err = m.load(ctx, k, u); err != nil {
		return m.storeError(op, err)
	}
	return nil
}

// newer is the unsaved grant if it follows the saved one.
func newer(unsaved, saved *grant) *grant {
	if unsaved != nil && unsaved.succeeds(saved) {
		return unsaved
	}
	return saved
}

// revoke tells Zoom that a grant is not needed any more. It may fail: then the
// token lives until it expires, and nobody has it.
func (m *Manager) revoke(ctx context.Context, g *grant) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTimeout)
	defer cancel()
	if err := m.client.Revoke(ctx, g.AccessToken); err != nil {
		m.observe(Event{Kind: EventRevokeFailed, UserID: g.Profile.ID, Err: err})
	}
}
