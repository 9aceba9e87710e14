package zoompkce

import (
	"context"
	"errors"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// ProfileLifetime is how old a profile may be that decides who is let in.
const ProfileLifetime = 24 * time.Hour

// profilePause is how long a failed look-up of a profile is remembered.
const profilePause = 5 * time.Second

// CurrentProfile is the visitor's profile, not older than [ProfileLifetime]: an
// address or account somebody had long ago must not let them in. Errors are
// those of [Manager.AccessToken].
func (m *Manager) CurrentProfile(ctx context.Context, s *Session) (zoomapi.Profile, error) {
	u := s.user
	if g := u.grant(s.snap); time.Since(g.ProfileAt) < ProfileLifetime {
		return g.Profile, nil
	}
	p, err := share(ctx, m, "profile"+string(u.key[:]), m.timeout, func(ctx context.Context) (p zoomapi.Profile, err error) {
		if g := u.newest(); g != nil && time.Since(g.ProfileAt) < ProfileLifetime {
			return g.Profile, nil
		}
		if err := remembered(&u.profileFailure, time.Now()); err != nil {
			return p, err
		}
		_, err = m.withGrant(ctx, u, func(ctx context.Context, t zoomapi.Token) (err error) {
			p, err = m.client.Me(ctx, t)
			return err
		})
		if err == nil {
			err = m.keepProfile(ctx, u, p)
		}
		// What a refresh failed with is remembered there.
		if e, ok := errors.AsType[*zoomapi.Error](err); ok && e.Call == zoomapi.CallMe {
			remember(&u.profileFailure, err, profilePause)
		}
		return p, err
	})
	if err != nil {
		return zoomapi.Profile{}, unavailable(zoomapi.CallMe, err)
	}
	return p, nil
}

// keepProfile puts what Zoom says about the user into the record. A record that
// cannot be written does not make it less true.
func (m *Manager) keepProfile(ctx context.Context, u *user, p zoomapi.Profile) error {
	if keyOf(p.ID) != u.key {
		return &zoomapi.Error{Call: zoomapi.CallMe, Kind: zoomapi.KindNonsense, Err: errors.New("the token's owner has changed")}
	}
	_, _ = m.change(ctx, storeTimeout, u, "saving a profile", func(r *record) error {
		if r.Grant == nil || r.Grant.dead() {
			return errUnchanged
		}
		r.Grant.Profile, r.Grant.ProfileAt = p, time.Now()
		return nil
	})
	return nil
}
