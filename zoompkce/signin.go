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
	k, err := m.storedKeys(ctx)
	if err == nil {
		err = m.proveWritable(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, ErrCodeUnused)
	}
	former := m.presented(k, cookies)
	if !m.state.logins.use(l) {
		return nil, errLoginUsed
	}

	began := time.Now()
	token, err := m.client.Exchange(ctx, l.RedirectURI, code, l.verifier)
	if err != nil {
		return nil, err
	}
	exchanged := time.Now()
	profile, err := m.owner(ctx, token, exchanged)
	if err != nil {
		return nil, err
	}
	fresh := newGrant(token, profile, exchanged)
	u := m.state.users.get(keyOf(profile.ID))
	session := sessionCookie{user: u.key, id: newSessionID(), created: time.Now().UnixMilli()}

	snap, err := m.addSession(ctx, u, l, fresh, began, session, idsOf(u, former))
	switch {
	case err == nil:
	case errors.Is(err, ErrSignedOutMeanwhile):
		m.revoke(ctx, fresh)
		return nil, err
	case errors.As(err, new(*UnopenableError)):
		// The operator needs to know whose it is: nobody else can tell.
		return nil, fmt.Errorf("user %q: %w", profile.ID, err)
	default:
		m.keepGrant(ctx, u, fresh)
		return nil, err
	}
	if len(former) > 0 {
		m.run(func(ctx context.Context) { m.leaveSessions(ctx, u, former) })
	}
	outcome := ""
	if profile.Name == "" && profile.Email == "" {
		outcome = "ids_only"
	}
	m.observe(Event{Kind: EventSignedIn, UserID: profile.ID, Outcome: outcome})
	return m.opened(ctx, &Session{user: u, snap: snap, cookie: session, at: session.created})
}

const opSignIn = "saving a sign-in"

// mePause is how long Zoom is left alone before it is asked a second time.
const mePause = 500 * time.Millisecond

// owner asks Zoom who the user of a new token is, a second time if it does not
// say, and no longer than one call may take. If it still does not, the token itself
// names whose grant it is: that user's older one has ended with the exchange.
func (m *Manager) owner(ctx context.Context, token *zoomapi.Token, exchanged time.Time) (zoomapi.Profile, error) {
	asking, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	profile, err := m.client.Me(asking, *token)
	if err == nil || zoomapi.KindOf(err) == zoomapi.KindUnauthorized {
		return profile, err
	}
	if sleep(asking, mePause) == nil {
		if profile, err = m.client.Me(asking, *token); err == nil {
			return profile, nil
		}
	}
	if id := token.UserID(); id != "" && zoomapi.KindOf(err) != zoomapi.KindUnauthorized {
		m.keepGrant(ctx, m.state.users.get(keyOf(id)), newGrant(token, zoomapi.Profile{ID: id}, exchanged))
	}
	return zoomapi.Profile{}, err
}

// keepGrant keeps the grant of a sign-in that failed after the exchange, as one
// that is not saved yet: it has ended the older grant at Zoom, and all browsers of
// the user live by it. It opens no session. Whose record has no grant has nothing
// to lose; then the tokens are revoked.
func (m *Manager) keepGrant(ctx context.Context, u *user, fresh *grant) {
	if fresh.Profile == (zoomapi.Profile{ID: fresh.Profile.ID}) {
		_, _ = m.storedGrant(ctx, u) // so that it is in memory, if it can be read
		if known := u.newest(); known != nil {
			fresh.Profile, fresh.ProfileAt = known.Profile, known.ProfileAt
		}
	}
	if u.keepUnsaved(fresh) {
		m.keepSaving(u)
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
