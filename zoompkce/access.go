package zoompkce

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
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
	if !g.lives() {
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
	if !g.lives() || !now.Before(g.Expiry) ||
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

// Deeplink returns the address that opens the app in the visitor's Zoom client;
// see [zoomapi.Client.Deeplink]. Errors are those of [Manager.AccessToken].
func (m *Manager) Deeplink(ctx context.Context, s *Session) (address string, err error) {
	_, err = m.withGrant(ctx, s.user, func(ctx context.Context, t zoomapi.Token) (err error) {
		address, err = m.client.Deeplink(ctx, t)
		return err
	})
	return address, err
}

// ProfileLifetime is how old a profile may be that decides who is let in.
const ProfileLifetime = 24 * time.Hour

// profilePause is how long a failed look-up of a profile is remembered.
const profilePause = 5 * time.Second

// CurrentProfile is the visitor's profile, not older than [ProfileLifetime]: an
// address or account somebody had long ago must not let them in. Errors are
// those of [Manager.AccessToken].
func (m *Manager) CurrentProfile(ctx context.Context, s *Session) (zoomapi.Profile, error) {
	u := s.user
	if p, ok := u.recentProfile(u.grant(s.snap)); ok {
		return p, nil
	}
	p, err := share(ctx, m, "profile"+string(u.key[:]), m.timeout, func(ctx context.Context) (p zoomapi.Profile, err error) {
		if p, ok := u.recentProfile(u.newest()); ok {
			return p, nil
		}
		if err := remembered(&u.profileFailure, time.Now()); err != nil {
			return p, err
		}
		_, err = m.withGrant(ctx, u, func(ctx context.Context, t zoomapi.Token) (err error) {
			p, err = m.client.Me(ctx, t)
			return err
		})
		if err == nil {
			err = m.keepProfile(u, p)
		}
		// What a refresh failed with is remembered there.
		if callOf(err) == zoomapi.CallMe {
			remember(&u.profileFailure, err, profilePause)
		}
		return p, err
	})
	if err != nil {
		return zoomapi.Profile{}, unavailable(zoomapi.CallMe, err)
	}
	return p, nil
}

// seenProfile is what Zoom said about a user.
type seenProfile struct {
	zoomapi.Profile
	at time.Time
}

// recentProfile is the newer of the grant's profile and the one that the record does not have
// yet, and whether it may decide who is let in.
func (u *user) recentProfile(g *grant) (zoomapi.Profile, bool) {
	var known seenProfile
	if g != nil {
		known = seenProfile{g.Profile, g.ProfileAt}
	}
	if seen := u.seenProfile.Load(); seen != nil && seen.at.After(known.at) {
		known = *seen
	}
	return known.Profile, time.Since(known.at) < ProfileLifetime
}

// keepProfile keeps what Zoom says about the user in memory until the record has it. A
// record that cannot be written does not make it less true, and nobody waits for that.
func (m *Manager) keepProfile(u *user, p zoomapi.Profile) error {
	if keyOf(p.ID) != u.key {
		return &zoomapi.Error{Call: zoomapi.CallMe, Kind: zoomapi.KindNonsense, Err: errors.New("the token's owner has changed")}
	}
	seen := &seenProfile{p, time.Now()}
	u.seenProfile.Store(seen)
	m.run(func(ctx context.Context) {
		_, err := m.change(ctx, storeTimeout, u, "saving a profile", func(r *record) error {
			if !r.Grant.lives() {
				return errUnchanged
			}
			r.Grant.Profile, r.Grant.ProfileAt = seen.Profile, seen.at
			return nil
		})
		if !errors.As(err, new(*StoreError)) {
			u.seenProfile.CompareAndSwap(seen, nil)
		}
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
	// A refresh that failed may have spent its token: it is not tried again at once.
	if callOf(err) == zoomapi.CallMe && !ended && sleep(asking, mePause) == nil {
		ended, err = m.askOwner(asking, fresh)
	}
	if id := fresh.token().UserID(); err != nil && id != "" && !ended {
		fresh.Profile = zoomapi.Profile{ID: id}
		m.keepGrant(ctx, m.memory.users.get(keyOf(id)), fresh, err)
	}
	return err
}

// callOf names the call to Zoom that failed, "" if it was none.
func callOf(err error) zoomapi.Call {
	if e, ok := errors.AsType[*zoomapi.Error](err); ok {
		return e.Call
	}
	return ""
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
