package zoompkce

import (
	"context"
	"errors"
	"time"
)

// ProfileLifetime is how old a profile may be that decides who is let in.
const ProfileLifetime = 24 * time.Hour

// AccessToken returns a valid access token of the visitor. One that is
// about to expire is refreshed in the background; only for one that has expired the request waits.
// Errors are a [*NoSessionError] if Zoom has ended the grant, a [*StoreError],
// or a [*Error] of the call to Zoom.
func (m *Manager) AccessToken(ctx context.Context, s *Session) (string, error) {
	g, err := m.validGrant(ctx, s.user, s.snap)
	if err != nil {
		return "", err
	}
	return g.AccessToken, nil
}

// validGrant returns a grant whose access token has not expired.
func (m *Manager) validGrant(ctx context.Context, u *user, snap *snapshot) (*grant, error) {
	g := u.grant(snap)
	if g == nil || g.dead() {
		return nil, errGrantDying
	}
	now := time.Now()
	if left := g.Expiry.Sub(now); left > m.margin {
		return g, nil
	} else if left > 0 {
		m.refreshAhead(u, g, now)
		return g, nil
	}
	if err := m.refresh(ctx, u, g); err != nil {
		return nil, err
	}
	if g = u.grant(u.current.Load()); g == nil || g.dead() {
		return nil, errGrantDying
	}
	if !time.Now().Before(g.Expiry) {
		return nil, &Error{Call: CallRefresh, Kind: KindUnavailable, Err: errors.New("the token that came had expired already")}
	}
	return g, nil
}

// CurrentProfile is the visitor's profile, not older than [ProfileLifetime]: an
// address or account somebody had long ago must not let them in.
func (m *Manager) CurrentProfile(ctx context.Context, s *Session) (Profile, error) {
	if g := s.user.grant(s.snap); time.Since(g.ProfileAt) < ProfileLifetime {
		return g.Profile, nil
	}
	g, err := m.validGrant(ctx, s.user, s.snap)
	if err != nil {
		return Profile{}, err
	}
	if time.Since(g.ProfileAt) < ProfileLifetime {
		return g.Profile, nil
	}
	err = m.share(ctx, s.user, "profile", m.timeout, func(ctx context.Context) error {
		return m.updateProfile(ctx, s.user, g)
	})
	if err != nil {
		return Profile{}, unavailable(CallMe, err)
	}
	return s.user.grant(s.user.current.Load()).Profile, nil
}

// updateProfile asks Zoom who the user is now, and keeps that in the record.
func (m *Manager) updateProfile(ctx context.Context, u *user, g *grant) error {
	profile, err := m.client.Me(ctx, g.token())
	if err != nil {
		return err
	}
	if keyOf(profile.ID) != u.key {
		return &Error{Call: CallMe, Kind: KindNonsense, Err: errors.New("the token's owner has changed")}
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	_, err = m.change(ctx, u, "saving a profile", func(r *record) error {
		if r.Grant == nil || r.Grant.dead() {
			return errUnchanged
		}
		r.Grant.Profile, r.Grant.ProfileAt = profile, time.Now()
		return nil
	})
	return err
}

// unavailable turns the end of a wait into the error of the call waited for.
func unavailable(call Call, err error) error {
	if errors.Is(err, errPatience) || errors.Is(err, errClosing) {
		return &Error{Call: call, Kind: KindUnavailable, Err: err}
	}
	return err
}
