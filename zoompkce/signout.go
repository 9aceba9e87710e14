package zoompkce

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// revokeTimeout bounds how long a visitor who signs out waits for Zoom.
const revokeTimeout = 5 * time.Second

// SignOut ends every session whose cookie came with a request and opens, whether or
// not it could be used just now. With a user's last session a grant that is not kept goes too,
// and its token is revoked at Zoom if Zoom can be reached. A failed read or write
// is a [*StoreError]: some of the sessions may be open still.
func (m *Manager) SignOut(ctx context.Context, cookies []string) error {
	k, err := m.keysToLeave(ctx, cookies)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	var revoking sync.WaitGroup
	defer revoking.Wait()
	for _, s := range m.presented(k, cookies) {
		last, ended, e := m.endSession(ctx, s)
		if ended {
			m.observe(Event{Kind: EventSignedOut, UserID: s.user.id()})
		}
		if last != nil {
			revoking.Go(func() { m.revoke(ctx, last) })
		}
		err = errors.Join(err, e)
	}
	return err
}

// endSession takes a session out of the record, and reports whether it was in it.
// If nobody is left and the grant is not kept, the record becomes a tombstone, with
// the codes that were waiting, and the grant that was in it is returned.
func (m *Manager) endSession(ctx context.Context, s presented) (last *grant, ended bool, err error) {
	var at time.Time
	var codes []sessionID
	_, err = m.change(ctx, storeTimeout, s.user, "ending a session", func(r *record) error {
		last, ended, at, codes = nil, r.session(s.id) != nil, time.Time{}, nil
		if !ended {
			return errUnchanged
		}
		r.endSession(s.id)
		last, at, codes = r.leave(time.Now(), m.recordLife())
		return nil
	})
	if err != nil && !errors.Is(err, errUnchanged) {
		return nil, false, err
	}
	m.memory.users.end(s.user, at, append(codes, s.id)...)
	if last != nil {
		last = newer(s.user.unsaved.Load(), last)
	}
	return last, ended, nil
}

// newer is the unsaved grant if it follows the saved one.
func newer(unsaved, saved *grant) *grant {
	if unsaved != nil && unsaved.follows(saved) {
		return unsaved
	}
	return saved
}

// revoke tells Zoom that a grant is not needed any more. It may fail: then the
// token lives until it expires, and nobody has it.
func (m *Manager) revoke(ctx context.Context, g *grant) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTimeout)
	defer cancel()
	token, err := m.revocable(ctx, g)
	if err == nil && token != "" {
		err = m.client.Revoke(ctx, token)
	}
	if err != nil {
		m.observe(Event{Kind: EventRevokeFailed, UserID: g.Profile.ID, Err: err})
	}
}

// revocable returns an access token of the grant that lives, "" if Zoom has ended
// the grant. Zoom revokes by access tokens only, as far as is known, and an expired one
// ends nothing: the refresh token would live on for weeks.
func (m *Manager) revocable(ctx context.Context, g *grant) (string, error) {
	if time.Now().Before(g.Expiry) {
		return g.AccessToken, nil
	}
	if g.dead() {
		return "", nil
	}
	fresh, err := m.client.Refresh(ctx, g.RefreshToken)
	switch {
	case zoomapi.KindOf(err) == zoomapi.KindInvalidGrant:
		return "", nil
	case err != nil:
		return "", err
	}
	return fresh.AccessToken, nil
}
