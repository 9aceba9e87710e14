package zoompkce

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"slices"
	"time"
	"weak"
)

// sessionCookie is what the session cookie holds.
type sessionCookie struct {
	user    userKey
	id      sessionID
	created int64 // Unix milliseconds
	issued  int64 // Unix milliseconds; the idle time counts from here
	framed  bool  // it was opened for a frame
}

// The cookie of a frame's session has a format of its own: versions that know
// nothing of frames do not take it for another one's.
const (
	sessionCookieFormat = 1
	framedCookieFormat  = 2
	sessionCookieLen    = 1 + sha256.Size + 16 + 8 + 8
)

// mayHoldSession reports whether a cookie's value is long enough for one, whoever sealed it.
func mayHoldSession(value string) bool { return len(value) > sessionCookieLen }

func (c sessionCookie) marshal() []byte {
	b := make([]byte, 0, sessionCookieLen)
	format := byte(sessionCookieFormat)
	if c.framed {
		format = framedCookieFormat
	}
	b = append(b, format)
	b = append(b, c.user[:]...)
	b = append(b, c.id[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(c.created))
	return binary.BigEndian.AppendUint64(b, uint64(c.issued))
}

func (c *sessionCookie) unmarshal(b []byte) bool {
	if len(b) != sessionCookieLen || b[0] != sessionCookieFormat && b[0] != framedCookieFormat {
		return false
	}
	c.framed = b[0] == framedCookieFormat
	b = b[1:]
	b = b[copy(c.user[:], b):]
	b = b[copy(c.id[:], b):]
	c.created = int64(binary.BigEndian.Uint64(b))
	c.issued = int64(binary.BigEndian.Uint64(b[8:]))
	return true
}

// alive checks the times inside.
func (c *sessionCookie) alive(now time.Time, life sessionLife) bool {
	ms := now.UnixMilli()
	return ms-c.created < life.max.Milliseconds() && ms-c.issued < life.idle.Milliseconds()
}

// issue returns the cookie of a session, to be set now: the idle time counts from
// here.
func (m *Manager) issue(k *keys, s *Session, now time.Time) *http.Cookie {
	s.reissue(now.UnixMilli())
	value := must(k.sealCookie(purposeSession, m.jar.base, s.cookie.marshal())) // always of one length
	return m.sessionCookie(s.cookie, value)
}

// reissue gives the session a cookie of its own, issued at another time.
func (s *Session) reissue(at int64) {
	c := *s.cookie
	c.issued = at
	s.cookie = &c
}

func (m *Manager) sessionCookie(c *sessionCookie, value string) *http.Cookie {
	left := time.UnixMilli(c.created).Add(m.life.max).Sub(time.UnixMilli(c.issued))
	return m.jar.cookie(m.jar.base, value, min(left, m.life.idle))
}

// RenewalDue reports whether the idle time of the session has to be extended, which a
// request that shows the visitor's presence does: when a tenth of it has passed, or an
// hour of a long one.
func (m *Manager) RenewalDue(s *Session) bool {
	return s.program == nil && s.at-s.cookie.issued >= min(m.life.idle/10, time.Hour).Milliseconds()
}

// Renew returns a new cookie for the session where [Manager.RenewalDue]. Otherwise nil.
func (m *Manager) Renew(ctx context.Context, s *Session) (*http.Cookie, error) {
	if !m.RenewalDue(s) {
		return nil, nil
	}
	k, err := m.loadKeys(ctx)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	m.noteSeen(s, now)
	return m.renew(k, s, now), nil
}

// renewedLife is how long all requests that come with an old cookie are given
// the same new one; of short idle times a tenth, so that the new one lasts.
const renewedLife = time.Minute

// renewedCookie is the last cookie a session was given.
type renewedCookie struct {
	name, value string
	set         [sha256.Size]byte // the secrets it was sealed under
	issued      int64
}

func (r *renewedCookie) lasts(now time.Time, idle time.Duration) bool {
	if r == nil {
		return false
	}
	age := now.UnixMilli() - r.issued
	return age >= 0 && age < min(renewedLife, idle/10).Milliseconds()
}

func (m *Manager) renew(k *keys, s *Session, now time.Time) *http.Cookie {
	s.user.mu.Lock()
	defer s.user.mu.Unlock()
	opened := s.user.opened(s.cookie.id)
	if opened == nil {
		return m.issue(k, s, now)
	}
	if r := opened.renewed; r.lasts(now, m.life.idle) && r.set == k.set && r.name == m.jar.base {
		s.reissue(r.issued)
		return m.sessionCookie(s.cookie, r.value)
	}
	c := m.issue(k, s, now)
	opened.renewed = &renewedCookie{c.Name, c.Value, k.set, s.cookie.issued}
	return c
}

// ExpiresAt is when the session ends if it is not used any more. For a program it
// is when its token does.
func (m *Manager) ExpiresAt(s *Session) time.Time {
	if s.program != nil {
		return s.program.issuedAt().Add(m.life.programs.token)
	}
	idle := time.UnixMilli(s.cookie.issued).Add(m.life.idle)
	if end := s.Created().Add(m.life.max); end.Before(idle) {
		return end
	}
	return idle
}

// noteSeen keeps the day a session was last seen on in the record, at most
// once a day.
func (m *Manager) noteSeen(s *Session, now time.Time) {
	id := s.cookie.id // now: Renew gives the session another cookie meanwhile
	if open := s.snap.record.session(id); open == nil || open.Seen >= dayOf(now) {
		return
	}
	m.run(func(ctx context.Context) {
		_, _ = m.change(ctx, storeTimeout, s.user, "noting a session's day", func(r *record) error {
			open := r.session(id)
			if open == nil || open.Seen >= dayOf(now) {
				return errUnchanged
			}
			open.Seen = dayOf(now)
			return nil
		})
	})
}

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
	if c, ok := m.memory.opened.GetIfPresent(hash); ok && c.set == k.set {
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
	c.user = m.memory.users.get(c.sessionCookie.user)
	if c.alive(now, m.life) {
		m.memory.remember(c)
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
func (s *Memory) remember(c *openedCookie) {
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
