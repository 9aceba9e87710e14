package zoompkce

import (
	"crypto/sha256"
	"slices"
	"time"
	"weak"
)

// cookieHash identifies a session cookie, by name and value.
type cookieHash [sha256.Size]byte

// openedCookie is a session cookie that was found authentic. Whether it is
// still worth something is decided on every use. A session has one in memory:
// the one that came last, which takes over what the others knew of the session.
type openedCookie struct {
	sessionCookie
	user *user
	hash cookieHash
	set  [sha256.Size]byte // the secrets it was opened under

	openedAt int64          // the first cookie of the session, here; Unix nanoseconds
	renewed  *renewedCookie // guarded by the user's lock
}

// openSession opens a session cookie, from memory if it was opened before
// under the same secrets: one that was withdrawn is worth nothing at once.
// What is over by the times inside takes no memory.
func (m *Manager) openSession(k *keys, value string, now time.Time) *openedCookie {
	hash := m.hashCookie(value)
	if c, ok := m.state.opened.GetIfPresent(hash); ok && c.set == k.set {
		return c
	}
	plain, ok := k.openCookie(purposeSession, m.jar.base, value)
	if !ok {
		return nil
	}
	c := &openedCookie{hash: hash, set: k.set, openedAt: now.UnixNano()}
	if !c.unmarshal(plain) {
		return nil
	}
	c.user = m.state.users.get(c.sessionCookie.user)
	if c.alive(now, m.life) {
		m.state.remember(c)
	}
	return c
}

func (m *Manager) hashCookie(value string) cookieHash {
	var buffer [512]byte
	return sha256.Sum256(append(append(append(buffer[:0], m.jar.base...), 0), value...))
}

// remember puts a cookie into memory in the place of the one its session had
// there. A session gets any number of cookies, one after the other: presented
// in turn they must not take the places of other users.
func (s *State) remember(c *openedCookie) {
	u := c.user
	u.mu.Lock()
	defer u.mu.Unlock()
	if last := u.opened(c.id); last != nil {
		c.openedAt, c.renewed = last.openedAt, last.renewed
		s.opened.Invalidate(last.hash)
	}
	u.cookies = append(slices.DeleteFunc(u.cookies, func(p weak.Pointer[openedCookie]) bool {
		other := p.Value()
		return other == nil || other.id == c.id
	}), weak.Make(c))
	s.opened.Set(c.hash, c)
}

// opened finds the cookie of a session that is in memory. The user's lock is
// held.
func (u *user) opened(id sessionID) *openedCookie {
	for _, p := range u.cookies {
		if c := p.Value(); c != nil && c.id == id {
			return c
		}
	}
	return nil
}
