package zoompkce

import (
	"crypto/sha256"
	"sync/atomic"
	"time"
)

// cookieHash identifies a session cookie, by name and value.
type cookieHash [sha256.Size]byte

// openedCookie is a session cookie that was found authentic. Whether it is
// still worth something is decided on every use.
type openedCookie struct {
	sessionCookie
	user     *user
	set      [sha256.Size]byte // the secrets it was opened under
	openedAt time.Time
	seen     atomic.Bool // the session was in the record once
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
	c := &openedCookie{set: k.set, openedAt: now}
	if !c.unmarshal(plain) {
		return nil
	}
	c.user = m.state.users.get(c.sessionCookie.user)
	if c.alive(now, m.life) {
		m.state.opened.Set(hash, c)
	}
	return c
}

func (m *Manager) hashCookie(value string) cookieHash {
	var buffer [512]byte
	return sha256.Sum256(append(append(append(buffer[:0], m.jar.base...), 0), value...))
}
