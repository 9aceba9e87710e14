package zoompkce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// ErrSignedOutMeanwhile means that all sessions of the user were ended after
// this login had begun: it has to be begun again.
var ErrSignedOutMeanwhile = errors.New("zoompkce: the user was signed out after this login began")

// ErrCodeUnused means that a sign-in failed before its code was sent to Zoom: the
// same callback can be tried again.
var ErrCodeUnused = errors.New("the authorization code was not used")

// SignedIn is the outcome of a sign-in.
type SignedIn struct {
	// Profile is who has signed in.
	Profile zoomapi.Profile
	// Cookie is the session, to be set.
	Cookie *http.Cookie
	// Session is the same for the request that is being answered.
	Session *Session
}

// SignIn finishes a login: it exchanges the code, asks Zoom who the user is,
// and opens a session. It takes the place of every session whose cookie the
// browser presents, usable or not. The code may be sent once only, so nothing
// here is tried twice, and the login is over, but for [ErrCodeUnused].
func (m *Manager) SignIn(ctx context.Context, l *Login, code string, cookies []string) (*SignedIn, error) {
	// What Zoom hands out once must not be lost because a visitor went away.
	ctx = context.WithoutCancel(ctx)
	group := m.work.begin()
	if group == nil {
		return nil, fmt.Errorf("%w: %w", m.storeError(opSignIn, errClosing), ErrCodeUnused)
	}
	defer group.Done()
	k, err := m.keysToLeave(ctx, cookies)
	if err == nil {
		err = m.proveWritable(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, ErrCodeUnused)
	}
	former := m.presented(k, cookies)
	if !m.memory.logins.use(l) {
		return nil, errLoginUsed
	}

	began := time.Now()
	token, err := m.client.Exchange(ctx, l.RedirectURI, code, l.verifier)
	if err != nil {
		return nil, err
	}
	fresh := newGrant(token, time.Now())
	if err := m.findOwner(ctx, fresh); err != nil {
		return nil, err
	}
	profile := fresh.Profile
	u := m.memory.users.get(keyOf(profile.ID))
	session := sessionCookie{user: u.key, id: newSessionID(), created: time.Now().UnixMilli()}

	snap, err := m.addSession(ctx, u, l, fresh, began, session, idsOf(u, former))
	switch {
	case err == nil:
	case errors.Is(err, ErrSignedOutMeanwhile):
		m.revoke(ctx, fresh)
		return nil, err
	default:
		m.keepGrant(ctx, u, fresh, err)
		if errors.As(err, new(*UnopenableError)) {
			// The operator needs to know whose it is: nobody else can tell.
			err = fmt.Errorf("user %q: %w", profile.ID, err)
		}
		return nil, err
	}
	m.leaveSessions(u, former)
	outcome := ""
	if profile.Name == "" && profile.Email == "" {
		outcome = "ids_only"
	}
	m.observe(Event{Kind: EventSignedIn, UserID: profile.ID, Outcome: outcome})
	return m.opened(newSession(u, snap, &session, time.UnixMilli(session.created))), nil
}

const opSignIn = "saving a sign-in"

// keepGrant keeps the grant of a sign-in that failed with err after the exchange, as one
// that is not saved yet: it has ended the older grant at Zoom, and all browsers of
// the user live by it. It opens no session. Whose record has no grant has nothing
// to lose; then the tokens are revoked.
func (m *Manager) keepGrant(ctx context.Context, u *user, fresh *grant, err error) {
	if callOf(err) == zoomapi.CallRefresh {
		_ = m.noteRefresh(u, fresh, err)
	}
	if fresh.Profile == (zoomapi.Profile{ID: fresh.Profile.ID}) {
		_, _ = m.storedGrant(ctx, u) // so that it is in memory, if it can be read
		if known := u.newest(); known != nil {
			fresh.Profile, fresh.ProfileAt = known.Profile, known.ProfileAt
		}
	}
	u.unsaved.keep(fresh)
	m.keepSaving(u)
}

// opened is the outcome of a sign-in whose session is in the record.
func (m *Manager) opened(s *Session) *SignedIn {
	cookie := m.issue(m.keys.Load(), s, time.Now())
	return &SignedIn{s.Profile(), cookie, s}
}

// addSession puts the session and the new grant into the user record. Where the
// times do not tell whether the record is newer than this sign-in, Zoom does: the
// later of two sign-ins revokes the tokens of the earlier one, and a user's end those of all.
func (m *Manager) addSession(
	ctx context.Context, u *user, l *Login, fresh *grant, began time.Time, session sessionCookie, replaced []sessionID,
) (*snapshot, error) {
	known := u.current.Load()
	if known != nil && known.since.Before(began) {
		fresh.putAfter(known.record.grantOrNil())
	}
	asked, refused := "", false
	for range maxSwaps {
		doubt := ""
		snap, err := m.change(ctx, storeTimeout, u, opSignIn, func(r *record) error {
			var err error
			if doubt, err = m.mayFollow(r, u, l, began, known); err != nil {
				return err
			}
			if doubt != "" && doubt != asked {
				return errAsk
			}
			if r.tombstone() && doubt != "" && refused {
				return ErrSignedOutMeanwhile
			}
			for _, id := range replaced {
				r.endSession(id)
			}
			keep := doubt != "" && refused
			if !keep {
				fresh.putAfter(r.Grant)
			}
			r.addSession(fresh, keep, session, time.Now())
			return nil
		})
		if err == nil {
			m.memory.users.end(u, time.Time{}, replaced...)
			u.refreshUseless.Store(nil)
		}
		if !errors.Is(err, errAsk) {
			return snap, err
		}
		taken, err := m.takes(ctx, fresh)
		if err == nil && !taken {
			taken, err = m.revive(ctx, fresh)
		}
		if err != nil {
			return nil, err // without Zoom's word a dead grant could take the place of the living one
		}
		if asked, refused = doubt, !taken; taken {
			fresh.putAfter(snap.record.grantOrNil())
		}
	}
	return nil, m.storeError(opSignIn, errors.New("the user signs in elsewhere all the time"))
}

// afterEnd compares when a login began with when all sessions of the user were ended: negative
// for before, positive for after, 0 where the two are no further apart than clocks differ and not of one clock.
func (m *Manager) afterEnd(l *Login, u *user, ended time.Time) int {
	apart := time.Duration(l.Started.UnixMilli()-ended.UnixMilli()) * time.Millisecond
	if apart.Abs() <= closeTimes && (l.owner != m.ownerMark() || !u.endedByThisClock(ended)) {
		return 0
	}
	return cmp.Compare(apart, 0)
}

// mayFollow names what of the record may be newer than a sign-in, "" if nothing is:
// the end of all sessions after the login began, or a grant saved after the exchange began.
// A grant that was known here before needs no clock to be the older one. It fails with
// [ErrSignedOutMeanwhile] where that end is surely the later.
func (m *Manager) mayFollow(r *record, u *user, l *Login, began time.Time, known *snapshot) (string, error) {
	if r.tombstone() {
		switch order := m.afterEnd(l, u, r.Ended); {
		case order < 0:
			return "", ErrSignedOutMeanwhile
		case order > 0:
			return "", nil
		}
		return r.Ended.String(), nil
	}
	g := r.Grant
	switch {
	case g == nil || g.dead() || g.SavedAt.Before(began.Add(-closeTimes)):
		return "", nil
	case known != nil && known.since.Before(began) && g.same(known.record.grantOrNil()):
		return "", nil
	}
	return g.SignIn, nil
}

// addSession opens a session, of the record's own grant if that is to be kept.
func (r *record) addSession(fresh *grant, keep bool, session sessionCookie, now time.Time) {
	old := r.Grant
	if old != nil && old.dead() && now.Sub(old.DeadAt) > deadGrace {
		r.Sessions, r.Programs, r.Pending = nil, nil, nil
	}
	r.UserID, r.Ended = fresh.Profile.ID, time.Time{}
	if !keep {
		r.Grant = fresh.clone()
		r.Lease = nil // it is for a refresh token that this sign-in has ended
		r.Grant.Asked = old != nil && len(old.Lacks) > 0
		r.Grant.SavedAt = now
	}
	r.Sessions = append(r.Sessions, openSession{session.id, session.created, dayOf(now)})
}
