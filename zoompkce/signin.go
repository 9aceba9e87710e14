package zoompkce

import (
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
// and opens a session. previous is the session the same browser has
// presented, if any: it is replaced. The code may be sent once only, so nothing
// here is tried twice, and the login is over, but for [ErrCodeUnused].
func (m *Manager) SignIn(ctx context.Context, l *Login, code string, previous *Session) (*SignedIn, error) {
	// What Zoom hands out once must not be lost because a visitor went away.
	ctx = context.WithoutCancel(ctx)
	group := m.work.begin()
	if group == nil {
		return nil, fmt.Errorf("%w: %w", m.storeError(opSignIn, errClosing), ErrCodeUnused)
	}
	defer group.Done()
	if err := m.probeStore(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", err, ErrCodeUnused)
	}

	began := time.Now()
	token, err := m.client.Exchange(ctx, l.RedirectURI, code, l.verifier)
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
	if errors.As(err, new(*UnopenableError)) {
		// The operator needs to know whose it is: nobody else can tell.
		err = fmt.Errorf("user %q: %w", profile.ID, err)
	}
	if err != nil {
		return nil, err
	}
	if previous != nil && previous.user != u {
		m.run(func(ctx context.Context) { m.leaveSession(ctx, previous) })
	}
	outcome := ""
	if profile.Name == "" && profile.Email == "" {
		outcome = "ids_only"
	}
	m.observe(Event{Kind: EventSignedIn, UserID: profile.ID, Outcome: outcome})
	return m.opened(ctx, &Session{user: u, snap: snap, cookie: session, at: session.created})
}

const opSignIn = "saving a sign-in"

// probeStore finds out whether the store answers before the code is spent: the
// exchange makes Zoom revoke the tokens the user has had so far.
func (m *Manager) probeStore(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	if _, _, err := m.store.Load(ctx, SecretKey(m.client.AppID())); err != nil && !errors.Is(err, ErrNotFound) {
		return m.storeError(opSignIn, err)
	}
	return nil
}

// addSession puts the session and the new grant into the user record.
func (m *Manager) addSession(
	ctx context.Context, u *user, l *Login, fresh *grant, began time.Time, session sessionCookie, previous *Session,
) (*snapshot, error) {
	var asked *grant // the grant in the record that fresh was compared with
	keep := false
	errAsk := errors.New("which grant is the newer one has to be asked")
	for range maxSwaps {
		var stored *grant
		snap, err := m.change(ctx, storeTimeout, u, opSignIn, func(r *record) error {
			if r.tombstone() && !l.Started.After(r.Ended) {
				return ErrSignedOutMeanwhile
			}
			stored = r.Grant
			raced := stored != nil && !stored.dead() && !stored.SavedAt.Before(began)
			if raced && (asked == nil || asked.SignIn != stored.SignIn) {
				return errAsk
			}
			if previous != nil && previous.user == u {
				r.endSession(previous.cookie.id)
			}
			r.addSession(fresh, raced && keep, session, time.Now())
			return nil
		})
		if !errors.Is(err, errAsk) {
			if err == nil {
				u.refreshFailure.Store(nil)
				u.refreshUseless.Store(nil)
			}
			return snap, err
		}
		// A grant was saved while this one was on its way. The later of two
		// sign-ins revokes the tokens of the earlier one, so Zoom knows which it was.
		_, err = m.client.Me(ctx, fresh.token())
		asked, keep = stored, zoomapi.KindOf(err) == zoomapi.KindUnauthorized
	}
	return nil, m.storeError(opSignIn, errors.New("the user signs in elsewhere all the time"))
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
		r.Grant.Asked = old != nil && len(old.Lacks) > 0
		r.Grant.SavedAt = now
	}
	r.Sessions = append(r.Sessions, openSession{session.id, session.created, dayOf(now)})
}

// leaveSession ends the session of another user that the browser had before.
func (m *Manager) leaveSession(ctx context.Context, s *Session) {
	ctx = context.WithoutCancel(ctx)
	if last, err := m.endSession(ctx, s); err == nil && last != nil {
		m.revoke(ctx, last)
	}
}

// opened is the outcome of a sign-in whose session is in the record.
func (m *Manager) opened(ctx context.Context, s *Session) (*SignedIn, error) {
	k, err := m.loadKeys(ctx)
	if err != nil {
		return nil, err
	}
	cookie, err := m.issue(k, s, time.Now())
	if err != nil {
		return nil, err
	}
	return &SignedIn{s.Profile(), cookie, s}, nil
}
