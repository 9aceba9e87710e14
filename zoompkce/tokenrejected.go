package zoompkce

import (
	"context"
	"crypto/subtle"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// tokenTrialPause is the least time between two trials of a user's access token.
const tokenTrialPause = 30 * time.Second

// TokenRejected is the app's word that Zoom has refused an access token of
// the visitor's before its time. It returns at once: in the background Zoom is
// asked about the token, at most once in 30 s for a user, and only Zoom's
// own refusal makes it be refreshed, so that the next request gets a new one.
// An app can be wrong, or made to say so by a visitor. A token that is not the
// newest one any more is no news.
func (m *Manager) TokenRejected(s *Session, token string) {
	u, now := s.user, time.Now()
	g := u.newest()
	if g == nil || g.dead() || !now.Before(g.Expiry) ||
		subtle.ConstantTimeCompare([]byte(g.AccessToken), []byte(token)) != 1 {
		return
	}
	last := u.tokenTried.Load()
	if age := now.UnixNano() - last; age >= 0 && age < int64(tokenTrialPause) || !u.tokenTried.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	m.run(func(ctx context.Context) {
		_, err := m.client.Me(ctx, g.token())
		if zoomapi.KindOf(err) == zoomapi.KindUnauthorized && remembered(&u.refreshUseless, time.Now()) == nil {
			_, _ = m.refreshWithin(ctx, u, g, storeTimeout)
		}
	})
}
