package zoompkce

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"time"
)

// sessionCookie is what the session cookie holds.
type sessionCookie struct {
	user    userKey
	id      sessionID
	created int64 // Unix milliseconds
	issued  int64 // Unix milliseconds; the idle time counts from here
}

const (
	sessionCookieFormat = 1
	sessionCookieLen    = 1 + sha256.Size + 16 + 8 + 8
)

func (c sessionCookie) marshal() []byte {
	b := make([]byte, 0, sessionCookieLen)
	b = append(b, sessionCookieFormat)
	b = append(b, c.user[:]...)
	b = append(b, c.id[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(c.created))
	return binary.BigEndian.AppendUint64(b, uint64(c.issued))
}

func (c *sessionCookie) unmarshal(b []byte) bool {
	if len(b) != sessionCookieLen || b[0] != sessionCookieFormat {
		return false
	}
	b = b[1:]
	b = b[copy(c.user[:], b):]
	b = b[copy(c.id[:], b):]
	c.created = int64(binary.BigEndian.Uint64(b))
	c.issued = int64(binary.BigEndian.Uint64(b[8:]))
	return true
}

// alive checks the times inside.
func (c *sessionCookie) alive(now time.Time, life sessionLife) bool {
	return now.Sub(time.UnixMilli(c.created)) < life.max && now.Sub(time.UnixMilli(c.issued)) < life.idle
}

// Session is a signed-in visitor, for the time of one request.
type Session struct {
	user   *user
	snap   *snapshot
	cookie sessionCookie
}

// Profile is who the visitor is.
func (s *Session) Profile() Profile { return s.user.grant(s.snap).Profile }

// Created is when the visitor signed in.
func (s *Session) Created() time.Time { return time.UnixMilli(s.cookie.created) }

// NoSessionError means that the visitor is signed out.
type NoSessionError struct {
	// Reason is the outcome of [EventCookieRejected], or "" if there was no cookie.
	Reason string
	// Clear tells that the cookies the browser has are worth nothing any more.
	Clear bool
}

func (e *NoSessionError) Error() string {
	if e.Reason == "" {
		return "no session cookie"
	}
	return "session cookie " + e.Reason
}

var (
	errNoCookie   = &NoSessionError{}
	errUnopened   = &NoSessionError{"unopenable", true}
	errExpired    = &NoSessionError{"expired", true}
	errEnded      = &NoSessionError{"ended", true}
	errAmbiguous  = &NoSessionError{"ambiguous", true}
	errGrantDying = &NoSessionError{"ended", false}
)

// Session finds out who sent a request, from its Cookie header. Its errors are a [*NoSessionError],
// or a [*StoreError] where that cannot be found out now.
func (m *Manager) Session(ctx context.Context, cookies []string) (*Session, error) {
	values := cookieValues(cookies, m.jar.base)
	if len(values) == 0 {
		return nil, errNoCookie
	}
	k, err := m.loadKeys(ctx)
	if err != nil {
		return nil, err
	}
	if m.state.unsavedUsers.Load() > 0 {
		m.resumeSaving()
	}
	s, err := m.session(ctx, k, values)
	if rejected, ok := err.(*NoSessionError); ok {
		m.observe(Event{Kind: EventCookieRejected, Outcome: rejected.Reason})
	}
	return s, err
}

// session decides on all cookies of the session cookie's name. A neighbour on
// a parent domain can add one of its own; which is whose cannot be told, so
// cookies of two users count as none.
func (m *Manager) session(ctx context.Context, k *keys, values []string) (*Session, error) {
	now := time.Now()
	var candidates []*openedCookie
	var one [1]*openedCookie
	candidates = one[:0]
	reason := errUnopened
	for _, value := range values {
		c := m.openSession(k, value, now)
		switch {
		case c == nil:
		case len(candidates) > 0 && candidates[0].user != c.user:
			return nil, errAmbiguous
		default:
			candidates = append(candidates, c)
		}
	}
	for _, c := range candidates {
		if !c.alive(now, m.life) {
			reason = errExpired
			continue
		}
		snap, err := m.membership(ctx, k, c, now)
		if err == nil {
			return &Session{c.user, snap, c.sessionCookie}, nil
		}
		rejected, ok := err.(*NoSessionError)
		if !ok {
			return nil, err
		}
		reason = rejected
	}
	return nil, reason
}

// openSession opens a session cookie, from memory if it was opened before
// under the same secrets: one that was withdrawn is worth nothing at once.
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
	m.state.opened.Set(hash, c)
	return c
}

func (m *Manager) hashCookie(value string) cookieHash {
	var buffer [512]byte
	return sha256.Sum256(append(append(append(buffer[:0], m.jar.base...), 0), value...))
}

// membership checks that the session is still among the user's open ones.
func (m *Manager) membership(ctx context.Context, k *keys, c *openedCookie, now time.Time) (*snapshot, error) {
	snap, err := m.current(ctx, k, c.user, now)
	if err != nil {
		return nil, err
	}
	if !snap.hasSession(c.id) && !c.seen.Load() && snap.readAt.Before(c.openedAt) {
		// A session opened by another process after the record was read here.
		if snap, err = m.reread(ctx, k, c.user); err != nil {
			return nil, err
		}
	}
	if !snap.hasSession(c.id) {
		return nil, errEnded
	}
	c.seen.Store(true)
	if g := c.user.grant(snap); g == nil {
		return nil, errEnded
	} else if g.dead() {
		if now.Sub(g.DeadAt) > deadGrace {
			return nil, errEnded
		}
		return nil, errGrantDying
	}
	return snap, nil
}

func (s *snapshot) hasSession(id sessionID) bool {
	return s.record != nil && s.record.session(id) != nil
}

// issue returns the cookie of a session, to be set now.
func (m *Manager) issue(k *keys, c sessionCookie, now time.Time) (*http.Cookie, error) {
	c.issued = now.UnixMilli()
	value, err := k.sealCookie(purposeSession, m.jar.base, c.marshal())
	if err != nil {
		return nil, err
	}
	left := time.UnixMilli(c.created).Add(m.life.max).Sub(now)
	return m.jar.cookie(m.jar.base, value, min(left, m.life.idle)), nil
}

// Renew returns a new cookie for the session where its idle time has to be extended:
// when a tenth of it has passed, or an hour of a long one. Otherwise nil.
func (m *Manager) Renew(ctx context.Context, s *Session) (*http.Cookie, error) {
	now := time.Now()
	if now.Sub(time.UnixMilli(s.cookie.issued)) < min(m.life.idle/10, time.Hour) {
		return nil, nil
	}
	k, err := m.loadKeys(ctx)
	if err != nil {
		return nil, err
	}
	m.noteSeen(s, now)
	return m.issue(k, s.cookie, now)
}

// ExpiresAt is when the session ends if it is not used any more.
func (m *Manager) ExpiresAt(s *Session) time.Time {
	idle := time.UnixMilli(s.cookie.issued).Add(m.life.idle)
	if end := s.Created().Add(m.life.max); end.Before(idle) {
		return end
	}
	return idle
}

// noteSeen keeps the day a session was last seen on in the record, at most
// once a day.
func (m *Manager) noteSeen(s *Session, now time.Time) {
	if open := s.snap.record.session(s.cookie.id); open == nil || open.Seen >= dayOf(now) {
		return
	}
	m.run(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, storeTimeout)
		defer cancel()
		_, _ = m.change(ctx, s.user, "noting a session's day", func(r *record) error {
			open := r.session(s.cookie.id)
			if open == nil || open.Seen >= dayOf(now) {
				return errUnchanged
			}
			open.Seen = dayOf(now)
			return nil
		})
	})
}
