package zoompkce

import (
	"context"
	"errors"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

var (
	// ErrContextUsed means that an app context has opened a session before.
	ErrContextUsed = errors.New("zoompkce: the app context was used before")
	// ErrNoGrant means that there are no tokens of a user: nobody of that id has
	// signed in, or the user has left.
	ErrNoGrant = errors.New("zoompkce: the user has no grant here")
)

// usedContextLife is how long a used app context is remembered; one is valid for two minutes.
const usedContextLife = 10 * time.Minute

// SignInFromContext opens a session for the user an app context names, if the
// user's grant is here; otherwise the error is [ErrNoGrant]. A sign-out that ended the
// user's last session took the grant with it, or left it to back ends, so it is not
// undone this way. Like [Manager.SignIn] it takes the place of every session whose cookie
// the browser presents.
//
// A context is a bearer credential, so each opens one session at most, in whichever
// process: it is noted as used in the store before the session is opened, and
// refused with [ErrContextUsed] after that. Trouble with the store is a [*StoreError].
func (m *Manager) SignInFromContext(ctx context.Context, c zoomapi.AppContext, cookies ...string) (*SignedIn, error) {
	if c.UserID == "" { // a guest
		return nil, ErrNoGrant
	}
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
	u := m.memory.users.get(keyOf(c.UserID))
	snap, err := outlasting(ctx, func() (*snapshot, error) { return m.load(ctx, k, u) })
	if err != nil {
		return nil, m.storeError("reading a user record", err)
	}
	if g := u.grant(snap); !g.lives() || !snap.record.Left.IsZero() {
		return nil, ErrNoGrant
	}
	if err := m.useContext(ctx, c); err != nil {
		return nil, err
	}
	former := m.presented(k, cookies)
	replaced := idsOf(u, former)
	now := time.Now()
	session := sessionCookie{user: u.key, id: newSessionID(), created: now.UnixMilli()}
	snap, err = m.change(ctx, storeTimeout, u, opSignIn, func(r *record) error {
		if !r.Grant.lives() || !r.Left.IsZero() {
			return ErrNoGrant
		}
		for _, id := range replaced {
			r.endSession(id)
		}
		r.Sessions = append(r.Sessions, openSession{session.id, session.created, dayOf(now)})
		return nil
	})
	if err != nil {
		return nil, err
	}
	m.memory.users.end(u, time.Time{}, replaced...)
	m.leaveSessions(u, former)
	m.observe(Event{Kind: EventSignedIn, UserID: c.UserID})
	return m.opened(newSession(u, snap, &session, time.UnixMilli(session.created))), nil
}

// useContext notes that a context is used.
func (m *Manager) useContext(ctx context.Context, c zoomapi.AppContext) error {
	return m.useOnce(ctx, "app context", c.ID, time.Now().Add(usedContextLife), ErrContextUsed)
}

// useOnce notes in the store that something is used, until then; the second time,
// in whichever process, the error is used.
func (m *Manager) useOnce(ctx context.Context, kind, name string, until time.Time, used error) error {
	_, err := m.store.Swap(ctx, m.noteKey(kind, name), "", []byte("used"), until)
	switch {
	case errors.Is(err, ErrConflict):
		return used
	case err != nil:
		return m.storeError("noting a used "+kind, err)
	}
	return nil
}
