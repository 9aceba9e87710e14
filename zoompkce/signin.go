package zoompkce

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// ErrSignedOutMeanwhile means that all sessions of the user were ended after
// this login had begun: it has to be begun again.
var ErrSignedOutMeanwhile = errors.New("zoompkce: the user was signed out after this login began")

// SignedIn is the outcome of a sign-in.
type SignedIn struct {
	// Profile is who has signed in.
	Profile Profile
	// Cookie is the session, to be set.
	Cookie *http.Cookie
	// Session is the same for the request that is being answered.
	Session *Session
}

// SignIn finishes a login: it exchanges the code, asks Zoom who the user is,
// and opens a session. previous is the session the same browser has
// presented, if any: it is replaced. The code may be sent once only, so nothing
// here is tried twice.
func (m *Manager) SignIn(ctx context.Context, l *Login, code string, previous *Session) (*SignedIn, error) {
	return m.signIn(ctx, l, l.RedirectURI, code, previous)
}

func (m *Manager) signIn(ctx context.Context, l *Login, redirectURI, code string, previous *Session) (*SignedIn, error) {
	// What Zoom hands out once must not be lost because a visitor went away.
	ctx = context.WithoutCancel(ctx)
	if !m.work.begin() {
		return nil, m.storeError("signing in", errClosing)
	}
	defer m.work.done()

	began := time.Now()
	token, err := m.client.Exchange(ctx, redirectURI, code, l.verifier)
	if err != nil {
		return nil, err
	}
	profile, err := m.client.Me(ctx, *token)
	if err != nil {
		return nil, err
	}
	fresh := newGrant(token, profile, time.Now())
	u := m.state.users.get(keyOf(profile.ID))
	session := sessionCookie{user: u.key, id: newSessionID(), created: time.Now().UnixMilli()}

	snap, err := m.addSession(ctx, u, l, fresh, began, session, previous)
	if errors.Is(err, ErrSignedOutMeanwhile) {
		m.revoke(ctx, fresh)
	}
	if err != nil {
		return nil, err
	}
	if previous != nil && previous.user != u {
		m.run(func(ctx context.Context) { _, _ = m.endSession(ctx, previous) })
	}
	m.observe(Event{Kind: EventSignedIn, UserID: profile.ID})
	return m.opened(ctx, &Session{u, snap, session})
}

// addSession puts the session and the new grant into the user record.
func (m *Manager) addSession(ctx context.Context, u *user, l *Login, fresh *grant, began time.Time, session sessionCookie, previous *Session) (*snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	const unknown, ours, theirs = 0, 1, 2
	newer := unknown
	errAsk := errors.New("which grant is the newer one has to be asked")
	for {
		snap, err := m.change(ctx, u, "saving a sign-in", func(r *record) error {
			if r.tombstone() && !l.Started.After(r.Ended) {
				return ErrSignedOutMeanwhile
			}
			keep := false
			if g := r.Grant; g != nil && !g.dead() && g.SavedAt.After(began) {
				if newer == unknown {
					return errAsk
				}
				keep = newer == theirs
			}
			r.addSession(fresh, keep, session, previous, u, time.Now())
			return nil
		})
		if !errors.Is(err, errAsk) {
			if err == nil {
				u.refreshFailure.Store(nil)
			}
			return snap, err
		}
		// A grant was saved while this one was on its way. The later of two
		// sign-ins revokes the tokens of the earlier one, so Zoom knows which it was.
		newer = ours
		if _, err := m.client.Me(ctx, fresh.token()); KindOf(err) == KindUnauthorized {
			newer = theirs
		}
	}
}

func (r *record) addSession(fresh *grant, keep bool, session sessionCookie, previous *Session, u *user, now time.Time) {
	old := r.Grant
	if old != nil && old.dead() && now.Sub(old.DeadAt) > deadGrace {
		r.Sessions = nil
	}
	r.UserID, r.Ended = fresh.Profile.ID, time.Time{}
	if !keep {
		fresh.Asked = old != nil && len(old.Lacks) > 0
		fresh.SavedAt = now
		r.Grant = fresh.clone()
	}
	if previous != nil && previous.user == u {
		r.endSession(previous.cookie.id)
	}
	r.Sessions = append(r.Sessions, openSession{session.id, session.created, dayOf(now)})
}

// opened is the outcome of a sign-in whose session is in the record.
func (m *Manager) opened(ctx context.Context, s *Session) (*SignedIn, error) {
	k, err := m.loadKeys(ctx)
	if err != nil {
		return nil, err
	}
	cookie, err := m.issue(k, s.cookie, time.Now())
	if err != nil {
		return nil, err
	}
	return &SignedIn{s.Profile(), cookie, s}, nil
}
