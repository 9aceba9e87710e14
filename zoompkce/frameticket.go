package zoompkce

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
	"time"
)

// FrameTicketLifetime is how long a ticket for a frame may be redeemed.
const FrameTicketLifetime = 60 * time.Second

var (
	// ErrTicketRefused means that a session is a frame's itself, in which a press may
	// be a stolen one, or a program's, which has no window.
	ErrTicketRefused = errors.New("zoompkce: the session of a frame or of a program gets no ticket")
	// ErrNoTicket means that a value is no ticket of this app.
	ErrNoTicket = errors.New("zoompkce: this is no ticket for a frame")
	// ErrTicketOver means that a ticket has expired or was redeemed before.
	ErrTicketOver = errors.New("zoompkce: the ticket for a frame has expired or was used before")
	// ErrTooManyFrames means that the user has redeemed too many tickets within a minute.
	ErrTooManyFrames = errors.New("zoompkce: this user has redeemed 30 tickets for frames within a minute")
)

// FrameTicket is a ticket that was opened. Browsers keep the cookies of a frame
// apart from those of the same site in a window of its own (Partitioned), so a
// window that is signed in gets a ticket, and the frame redeems it.
type FrameTicket struct {
	session *Session
	frame   sessionID // of the session to be
	expires time.Time
}

// Session is the session that the ticket was issued to. Whether its user may be here
// is for the caller to decide, before the ticket is redeemed.
func (t *FrameTicket) Session() *Session { return t.session }

// purposeTicket keeps tickets apart from everything else that is sealed.
const purposeTicket = "frame ticket"

// ticketLen is the length of what is sealed: the session, the id of the one to be,
// and the time of expiry in Unix milliseconds.
const ticketLen = sessionCookieLen + 16 + 8

// maxTicket bounds what is tried to be opened.
const maxTicket = 512

// FrameTicket issues a ticket with which a frame gets a session of the same user,
// once, within [FrameTicketLifetime], and only while s is open. A session that gets none
// is refused with [ErrTicketRefused].
func (m *Manager) FrameTicket(ctx context.Context, s *Session) (string, error) {
	if s.Framed() || s.program != nil {
		return "", ErrTicketRefused
	}
	k, err := m.loadKeys(ctx)
	if err != nil {
		return "", err
	}
	frame := newSessionID()
	plain := append(s.cookie.marshal(), frame[:]...)
	plain = binary.BigEndian.AppendUint64(plain, uint64(time.Now().Add(FrameTicketLifetime).UnixMilli()))
	return base64.RawURLEncoding.EncodeToString(k.sealRecord(recordFormat, purposeTicket, "", plain)), nil
}

// OpenFrameTicket opens a ticket, and checks that it has not expired and that its
// session is open. Its errors are [ErrNoTicket], [ErrTicketOver], a [*NoSessionError] or
// a [*StoreError].
func (m *Manager) OpenFrameTicket(ctx context.Context, ticket string) (*FrameTicket, error) {
	k, err := m.loadKeys(ctx)
	if err != nil {
		return nil, err
	}
	if len(ticket) > maxTicket {
		return nil, ErrNoTicket
	}
	sealed, err := base64.RawURLEncoding.DecodeString(ticket)
	if err != nil {
		return nil, ErrNoTicket
	}
	plain, err := underOthers(ctx, m, k, ErrNoTicket, maxPatient, func(k *keys) ([]byte, error) {
		plain, _, err := k.openRecord(purposeTicket, "", sealed)
		if err != nil {
			err = ErrNoTicket // a visitor's, and no record that an operator should hear of
		}
		return plain, err
	})
	if err != nil {
		return nil, err
	}
	now := time.Now()
	c := &openedCookie{openedAt: now.UnixNano()}
	if len(plain) != ticketLen || !c.unmarshal(plain[:sessionCookieLen]) {
		return nil, ErrNoTicket
	}
	rest := plain[sessionCookieLen:]
	t := &FrameTicket{frame: sessionID(rest), expires: time.UnixMilli(int64(binary.BigEndian.Uint64(rest[len(sessionID{}):])))}
	if now.After(t.expires) {
		return nil, ErrTicketOver
	}
	if !c.alive(now, m.life) {
		return nil, errExpired
	}
	c.user = m.memory.users.get(c.sessionCookie.user)
	snap, err := m.membership(ctx, m.keys.Load(), c, now)
	if err != nil {
		return nil, err
	}
	t.session = newSession(c.user, snap, &c.sessionCookie, now)
	return t, nil
}

// A user's share of tickets: each leaves a note in the store, of which nobody may have
// any number.
const (
	frameShare       = 30
	frameSharePeriod = time.Minute
)

func (u *user) mayRedeem(now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.redeemed.take(frameShare, frameSharePeriod, now) == 0
}

// usedTicketLife is for how long after its expiry a ticket is remembered as used:
// the clocks of servers differ.
const usedTicketLife = 10 * time.Minute

// RedeemFrameTicket opens the session that a ticket is for, see [Session.Framed]. It
// takes the place of every session whose cookie the frame presents, and lasts no longer
// than the one the ticket was issued to might. A browser that keeps the frame's cookies
// with the others presents that very session, and goes on with it.
//
// A ticket is a bearer credential, so it is noted as used in the store before the
// session is opened. A second time, in whichever process and whatever has become of
// the session meanwhile, the error is [ErrTicketOver]; else the errors are [ErrTooManyFrames]
// and those of OpenFrameTicket.
func (m *Manager) RedeemFrameTicket(ctx context.Context, t *FrameTicket, cookies []string) (*SignedIn, error) {
	k, err := m.keysToLeave(ctx, cookies)
	if err != nil {
		return nil, err
	}
	group := m.work.begin()
	if group == nil {
		return nil, m.storeError(opSignIn, errClosing)
	}
	defer group.Done()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	u, issuedTo := t.session.user, t.session.cookie
	former := m.presented(k, cookies)
	replaced := idsOf(u, former)
	if slices.Contains(replaced, issuedTo.id) {
		return m.opened(t.session), nil
	}
	if !u.mayRedeem(time.Now()) {
		return nil, ErrTooManyFrames
	}
	name := base64.RawURLEncoding.EncodeToString(t.frame[:])
	if err := m.useOnce(ctx, purposeTicket, name, t.expires.Add(usedTicketLife), ErrTicketOver); err != nil {
		return nil, err
	}
	frame := sessionCookie{user: u.key, id: t.frame, created: issuedTo.created, framed: true}
	snap, err := m.change(ctx, storeTimeout, u, opSignIn, func(r *record) error {
		if r.session(issuedTo.id) == nil || !r.Grant.lives() {
			return errEnded
		}
		for _, id := range replaced {
			r.endSession(id)
		}
		r.Sessions = append(r.Sessions, openSession{frame.id, frame.created, dayOf(time.Now())})
		return nil
	})
	if err != nil {
		return nil, err
	}
	m.memory.users.end(u, time.Time{}, replaced...)
	m.leaveSessions(u, former)
	m.observe(Event{Kind: EventSignedIn, UserID: u.id()})
	return m.opened(newSession(u, snap, &frame, time.Now())), nil
}
