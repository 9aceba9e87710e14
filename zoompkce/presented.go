package zoompkce

import (
	"context"
	"time"
)

// presented is a session whose cookie came with a request, whatever it is worth now.
type presented struct {
	user *user
	id   sessionID
}

// presented returns the sessions whose cookies came and open.
func (m *Manager) presented(k *keys, cookies []string) (sessions []presented) {
	now := time.Now()
next:
	for _, value := range cookieValues(nil, cookies, m.jar.base) {
		c := m.openSession(k, value, now)
		if c == nil {
			continue
		}
		for _, s := range sessions {
			if s.id == c.id {
				continue next
			}
		}
		sessions = append(sessions, presented{c.user, c.id})
	}
	return sessions
}

// idsOf returns the ids of those sessions that are the user's.
func idsOf(u *user, sessions []presented) (ids []sessionID) {
	for _, s := range sessions {
		if s.user == u {
			ids = append(ids, s.id)
		}
	}
	return ids
}

// leaveSessions ends the sessions of other users that the browser had before it
// signed in.
func (m *Manager) leaveSessions(ctx context.Context, u *user, sessions []presented) {
	ctx = context.WithoutCancel(ctx)
	for _, s := range sessions {
		if s.user == u {
			continue
		}
		if last, _, err := m.endSession(ctx, s); err == nil && last != nil {
			m.revoke(ctx, last)
		}
	}
}
