package zoompkce

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// Session is a signed-in visitor, for the time of one request.
type Session struct {
	user    *user
	snap    *snapshot
	cookie  *sessionCookie // of other requests, too: it is never changed, but replaced
	created int64          // Unix milliseconds
	at      int64          // when the request came, likewise

	program *openedToken // nil: a browser's
}

// noCookie is the cookie of sessions that are no browser's.
var noCookie sessionCookie

func newSession(u *user, snap *snapshot, c *sessionCookie, now time.Time) *Session {
	return &Session{user: u, snap: snap, cookie: c, created: c.created, at: now.UnixMilli()}
}

// Profile is who the visitor is.
func (s *Session) Profile() zoomapi.Profile { return s.user.grant(s.snap).Profile }

// Created is when the visitor signed in, or allowed the program.
func (s *Session) Created() time.Time { return time.UnixMilli(s.created) }

// Framed tells that the session was opened for a frame, see [Manager.RedeemFrameTicket]:
// the page around the frame may place what it likes over and under it, so such a
// session must not decide anything that one press decides.
func (s *Session) Framed() bool { return s.cookie.framed }

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

// UnusableSessionError means that the visitor has a session that cannot be used
// now, though it exists: it may be of use again, and has to be ended by who signs out.
// To those who only ask whether somebody is signed in it is a [*NoSessionError].
type UnusableSessionError struct{ NoSessionError }

// Unwrap returns the [*NoSessionError].
func (e *UnusableSessionError) Unwrap() error { return &e.NoSessionError }

// ErrAmbiguous means that the session cookies of a request are those of different
// users, so that none counts.
var ErrAmbiguous = &UnusableSessionError{NoSessionError{"ambiguous", true}}

var (
	errNoCookie = &NoSessionError{}
	errUnopened = &NoSessionError{"unopenable", true}
	// errUnopenedYet leaves the cookies to the next request, which may know more.
	errUnopenedYet = &NoSessionError{"unopenable", false}
	errExpired     = &NoSessionError{"expired", true}
	errEnded       = &NoSessionError{"ended", true}

	// errGrantDying means that Zoom has ended the grant, and that a sign-in under way
	// may revive the session.
	errGrantDying = &UnusableSessionError{NoSessionError{"ended", false}}
)

// Session finds out who sent a request, from its Cookie header. Its errors are a [*NoSessionError],
// an [*UnusableSessionError], or a [*StoreError] where that cannot be found out now.
func (m *Manager) Session(ctx context.Context, cookies []string) (*Session, error) {
	var buffer [maxSameName]string
	values := cookieValues(buffer[:0], cookies, m.jar.base)
	if len(values) == 0 {
		return nil, errNoCookie
	}
	k, err := m.loadKeys(ctx)
	if err != nil {
		return nil, err
	}
	s, err := m.session(ctx, k, values)
	if errors.Is(err, errUnopened) {
		s, err = m.sessionUnderOthers(ctx, k, values)
	}
	if rejected, ok := errors.AsType[*NoSessionError](err); ok {
		m.observe(Event{Kind: EventCookieRejected, Outcome: rejected.Reason})
	}
	return s, err
}

// sessionUnderOthers looks for a session in cookies of which none opens under k.
// They are worth nothing only if they do not open under the secret that others
// may have put into the store meanwhile, either.
func (m *Manager) sessionUnderOthers(ctx context.Context, k *keys, values []string) (*Session, error) {
	if !slices.ContainsFunc(values, mayHoldSession) {
		return nil, errUnopened
	}
	other, looked, err := m.replacedKeys(ctx, k)
	switch {
	case err != nil:
		return nil, err
	case other != nil:
		return m.session(ctx, other, values)
	case looked:
		return nil, errUnopened
	}
	return nil, errUnopenedYet
}

// session decides on all cookies of the session cookie's name. A neighbour on
// a parent domain can add one of its own; which is whose cannot be told, so
// cookies of two users count as none.
func (m *Manager) session(ctx context.Context, k *keys, values []string) (*Session, error) {
	now := time.Now()
	var opened [maxSameName]*openedCookie
	n := 0
	for _, value := range values {
		c := m.openSession(k, value, now)
		if c == nil {
			continue
		}
		if n > 0 && opened[0].user != c.user {
			return nil, ErrAmbiguous
		}
		opened[n] = c
		n++
	}
	var reason error = errUnopened
	for _, c := range opened[:n] {
		if !c.alive(now, m.life) {
			reason = errExpired
			continue
		}
		snap, err := m.membership(ctx, k, c, now)
		if err == nil {
			m.memory.keep(c.user, now)
			return newSession(c.user, snap, &c.sessionCookie, now), nil
		}
		if !errors.As(err, new(*NoSessionError)) {
			return nil, err
		}
		reason = err
	}
	return nil, reason
}

// membership checks that the session is still among the user's open ones.
func (m *Manager) membership(ctx context.Context, k *keys, c *openedCookie, now time.Time) (*snapshot, error) {
	if c.user.hasEnded(c.id) {
		return nil, errEnded
	}
	snap, err := m.current(ctx, k, c.user, now)
	if err != nil {
		return nil, err
	}
	verdict := c.verdict(snap, now)
	// Another process may have opened or revived the session after the record was
	// read here, so it is read again before anybody is told. The first
	// reading may be one that had begun before, too.
	for try := 0; verdict != nil && try < 2 && c.mayBeNewerThan(snap, now); try++ {
		if snap, err = m.reread(ctx, k, c.user, true); err != nil {
			return nil, err
		}
		verdict = c.verdict(snap, now)
	}
	if verdict != nil {
		return nil, verdict
	}
	return snap, nil
}

// verdict is what a record says about the session.
func (c *openedCookie) verdict(snap *snapshot, now time.Time) error {
	g := c.user.grant(snap)
	switch {
	case g == nil || !snap.hasSession(c.id):
		return errEnded
	case !g.dead():
		return nil
	case now.Sub(g.DeadAt) <= deadGrace:
		return errGrantDying
	}
	return errEnded
}

// noMemory is how long memory's word that a session or program is over is believed: who
// keeps sending its cookie or token causes a read of the store in this time at most.
const noMemory = time.Second

// mayBeNewerThan reports whether the session may have been opened, or revived,
// after the record was read.
func (c *openedCookie) mayBeNewerThan(snap *snapshot, now time.Time) bool {
	return now.Sub(snap.readAt) > noMemory || snap.readAt.UnixNano() <= c.openedAt
}

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
// signed in, in the background.
func (m *Manager) leaveSessions(u *user, sessions []presented) {
	others := slices.DeleteFunc(sessions, func(s presented) bool { return s.user == u })
	if len(others) == 0 {
		return
	}
	m.run(func(ctx context.Context) {
		ctx = context.WithoutCancel(ctx)
		for _, s := range others {
			if last, _, _ := m.endSession(ctx, s); last != nil {
				m.revoke(ctx, last)
			}
		}
	})
}
