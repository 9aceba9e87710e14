package zoompkce

import (
	"context"
	"time"
)

// UserSession returns a session of a user who is not there, for servers of the
// app: of whoever has a session, a program or a kept grant. What belongs to a browser,
// such as renewing a cookie, cannot be done with it. Errors are [ErrNoGrant], or a
// [*StoreError] where that cannot be found out now.
func (m *Manager) UserSession(ctx context.Context, userID string) (*Session, error) {
	k, err := m.loadKeys(ctx)
	if err != nil {
		return nil, err
	}
	// Users without a grant are not kept in memory: whoever asks for made-up ones
	// takes none.
	now, life := time.Now(), m.recordLife()
	u := m.memory.users.get(keyOf(userID))
	known := u.current.Load()
	snap, err := m.current(ctx, k, u, now)
	if err == nil && snap == known && !u.held(snap, now, life) {
		// They may have signed in elsewhere since.
		snap, err = m.reread(ctx, k, u, true)
	}
	if err != nil {
		return nil, err
	}
	if !u.held(snap, now, life) {
		if snap.record.grantOrNil() != nil {
			m.endLeft(u)
		}
		return nil, ErrNoGrant
	}
	m.memory.keep(u, now)
	return newSession(u, snap, &noCookie, now), nil
}

// endLeft ends a grant that nobody holds any more, and whose time is over if it was
// kept.
func (m *Manager) endLeft(u *user) {
	m.runOnce(&u.ending, func(ctx context.Context) {
		var last *grant
		var at time.Time
		var codes []sessionID
		_, err := m.change(ctx, storeTimeout, u, "ending a kept grant", func(r *record) error {
			now, life := time.Now(), m.recordLife()
			if !r.holdsGrant(now, life) {
				life.keep = 0 // that is over, whether or not anybody has noted when it began
			}
			if last, at, codes = r.leave(now, life); last == nil {
				return errUnchanged
			}
			return nil
		})
		if err == nil {
			m.memory.users.end(u, at, codes...)
			m.revoke(ctx, newer(u.unsaved.Load(), last))
		}
	})
}

// held reports whether somebody holds a grant that lives.
func (u *user) held(snap *snapshot, now time.Time, life sessionLife) bool {
	g := u.grant(snap)
	if !g.lives() {
		return false
	}
	r := snap.record
	if e := u.ended.Load(); e != nil && !e.at.IsZero() {
		// A store that went back to an earlier time has the sessions again.
		r = r.clone()
		u.dropEnded(r)
	}
	return r.holdsGrant(now, life)
}

// Access is an access token and what its holder has to know.
type Access struct {
	Token string
	// ExpiresAt is when it ends.
	ExpiresAt time.Time
	// APIURL is where it counts.
	APIURL string
}

// String keeps the token out of logs.
func (Access) String() string { return "[redacted]" }

// GoString keeps the token out of logs.
func (Access) GoString() string { return "[redacted]" }

// Access returns what [Manager.AccessToken] does, with the token's end and place.
func (m *Manager) Access(ctx context.Context, s *Session) (Access, error) {
	g, err := m.validGrant(ctx, s.user, s.user.newest())
	if err != nil {
		return Access{}, err
	}
	return Access{g.AccessToken, g.Expiry, m.client.APIURL(g.token())}, nil
}
