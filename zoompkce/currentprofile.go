package zoompkce

import (
	"cmp"
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

// mePause is how long Zoom is left alone before it is asked a second time.
const mePause = 500 * time.Millisecond

// findOwner asks Zoom who the user of a new grant is, a second time if it does not
// say, and no longer than one call may take. If it still does not, the token itself
// names whose grant it is: that user's older one has ended with the exchange.
func (m *Manager) findOwner(ctx context.Context, fresh *grant) error {
	asking, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	ended, err := m.askOwner(asking, fresh)
	if err == nil || ended {
		return err
	}
	if sleep(asking, mePause) == nil {
		if ended, err = m.askOwner(asking, fresh); err == nil {
			return nil
		}
	}
	if id := fresh.token().UserID(); id != "" && !ended {
		fresh.Profile = zoomapi.Profile{ID: id}
		m.keepGrant(ctx, m.state.users.get(keyOf(id)), fresh)
	}
	return err
}

// askOwner asks once. ended tells that the grant has ended meanwhile.
func (m *Manager) askOwner(ctx context.Context, fresh *grant) (ended bool, err error) {
	profile, err := m.client.Me(ctx, fresh.token())
	if zoomapi.KindOf(err) == zoomapi.KindUnauthorized {
		alive, failed := m.revive(ctx, fresh)
		if !alive {
			return failed == nil, cmp.Or(failed, err)
		}
		profile, err = m.client.Me(ctx, fresh.token())
	}
	if err == nil {
		fresh.Profile, fresh.ProfileAt = profile, time.Now()
	}
	return false, err
}
