package zoompkce

import (
	"context"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// AccessToken returns a valid access token of the visitor. One that is
// about to expire is refreshed in the background; only for one that has expired the request waits.
// It is the newest one known: what a request gets after its ZAK or OBF token is
// not a token that one of these calls has found dead.
// Errors are a [*NoSessionError] if Zoom has ended the grant, a [*StoreError],
// or a [*Error] of the call to Zoom.
func (m *Manager) AccessToken(ctx context.Context, s *Session) (string, error) {
	g, err := m.validGrant(ctx, s.user, s.user.newest())
	if err != nil {
		return "", err
	}
	return g.AccessToken, nil
}

// validGrant returns g if its access token has not expired, else the one that
// follows it.
func (m *Manager) validGrant(ctx context.Context, u *user, g *grant) (*grant, error) {
	if g == nil || g.dead() {
		return nil, errGrantDying
	}
	now := time.Now()
	if !now.Before(g.Expiry) {
		return m.refresh(ctx, u, g)
	}
	if g.due(now, m.margin) {
		m.refreshAhead(u, g, now)
	}
	return g, nil
}

// withGrant makes a call with the user's access token. Zoom may have revoked it
// before its time, so a refusal is answered by one refresh and one repeat. It
// returns the grant that was used.
func (m *Manager) withGrant(
	ctx context.Context, u *user, do func(context.Context, zoomapi.Token) error,
) (*grant, error) {
	g, err := m.validGrant(ctx, u, u.newest())
	if err != nil {
		return nil, err
	}
	err = do(ctx, g.token())
	if zoomapi.KindOf(err) != zoomapi.KindUnauthorized || remembered(&u.refreshUseless, time.Now()) != nil {
		return g, err
	}
	if g, err = m.refresh(ctx, u, g); err != nil {
		return nil, err
	}
	if err = do(ctx, g.token()); zoomapi.KindOf(err) == zoomapi.KindUnauthorized {
		remember(&u.refreshUseless, err, finalPause)
	}
	return g, err
}
