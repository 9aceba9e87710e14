package zoompkce

import (
	"crypto/sha256"
	"slices"
	"sync/atomic"
	"time"
	"weak"
)

// cookieHash identifies a session cookie, by name and value.
type cookieHash [sha256.Size]byte

// openedCookie is a session cookie that was found authentic. Whether it is
// still worth something is decided on every use.
type openedCookie struct {
	sessionCookie
	*knownSession
	user *user
	set  [sha256.Size]byte // the secrets it was opened under
}

// knownSession is what is remembered of a session, whichever of its cookies
// comes.
type knownSession struct {
	session  sessionID
	openedAt time.Time   // its first cookie, here
	seen     atomic.Bool // it was in the record once

	// Guarded by the user's lock.
	remembered cookieHash // the cookie that is in memory
	renewed    *renewedCookie
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
	c := &openedCookie{set: k.set}
	if !c.unmarshal(plain) {
		return nil
	}
	c.user = m.state.users.get(c.sessionCookie.user)
	c.knownSession = &knownSession{session: c.id, openedAt: now}
	if c.alive(now, m.life) {
		m.state.remember(hash, c)
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
func (s *State) remember(hash cookieHash, c *openedCookie) {
	u := c.user
	u.mu.Lock()
	defer u.mu.Unlock()
	if known := u.known(c.id); known != nil {
		c.knownSession = known
	} else {
		u.sessions = append(u.sessions, weak.Make(c.knownSession))
	}
	if c.remembered != hash {
		s.opened.Invalidate(c.remembered)
	}
	c.remembered = hash
	s.opened.Set(hash, c)
}

// known finds a session one of whose cookies is in memory. The user's lock is
// held.
func (u *user) known(id sessionID) (found *knownSession) {
	u.sessions = slices.DeleteFunc(u.sessions, func(p weak.Pointer[knownSession]) bool {
		known := p.Value()
		if known != nil && known.session == id {
			found = known
		}
		return known == nil
	})
	return found
}
