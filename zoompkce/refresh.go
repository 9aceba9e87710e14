package zoompkce

import (
	"context"
	"errors"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// How long a failed refresh is the answer for all who want one. invalid_grant
// and invalid_client are final; everything else may be over soon.
const (
	finalPause  = 30 * time.Second
	failedPause = 5 * time.Second
)

// refreshAhead refreshes in the background what is still valid.
func (m *Manager) refreshAhead(u *user, from *grant, now time.Time) {
	if m.refreshFailed(u, from, now) == nil {
		m.runOnce(&u.refreshing, func(ctx context.Context) {
			_, _ = m.refreshWithin(ctx, u, from, storeTimeout)
		})
	}
}

// refresh returns the grant that follows from, which is not valid any more.
func (m *Manager) refresh(ctx context.Context, u *user, from *grant) (*grant, error) {
	return m.refreshWithin(ctx, u, from, storePatience)
}

// refreshWithin replaces the tokens of from by newer ones, once for all who want
// that: Zoom takes a refresh token a single time and answers the second one who
// presents it with invalid_grant. patience is how long the store may take before
// the refresh token is spent.
func (m *Manager) refreshWithin(
	ctx context.Context, u *user, from *grant, patience time.Duration,
) (*grant, error) {
	// The call to Zoom may take one timeout, watching what its refusal means another one.
	wait := 2*m.timeout + 2*storePatience
	g, err := share(ctx, m, refreshOf(u, from), wait, func(ctx context.Context) (*grant, error) {
		// Somebody may have come here after the work was done.
		if g := u.newest(); !from.same(g) {
			return alive(g)
		}
		return m.tryRefresh(ctx, u, from, patience)
	})
	return g, unavailable(zoomapi.CallRefresh, err)
}

// tryRefresh is a refresh, unless one of the same grant has failed a moment ago.
func (m *Manager) tryRefresh(
	ctx context.Context, u *user, from *grant, patience time.Duration,
) (*grant, error) {
	if err := m.refreshFailed(u, from, time.Now()); err != nil {
		return nil, err
	}
	g, err := m.refreshOnce(ctx, u, from, patience)
	return g, m.noteRefresh(u, from, err)
}

// noteRefresh remembers for a while how the refresh of a grant has failed.
func (m *Manager) noteRefresh(u *user, of *grant, err error) error {
	pause := failedPause
	switch zoomapi.KindOf(err) {
	case zoomapi.KindInvalidGrant:
		err, pause = errGrantDying, finalPause
	case zoomapi.KindInvalidClient:
		pause = finalPause
	}
	if err != nil {
		u.refreshFailure.Store(&failure{
			err: err, until: time.Now().Add(pause), of: of, with: m.client.CredentialsID(),
		})
	}
	return err
}

// refreshOf names the one refresh of a grant that may be under way.
func refreshOf(u *user, g *grant) string { return "refresh" + string(u.key[:]) + g.id() }

func alive(g *grant) (*grant, error) {
	if !g.lives() {
		return nil, errGrantDying
	}
	return g, nil
}

// refreshFailed is the error of a refresh of the same grant, with the same
// credentials of the app, that failed a moment ago.
func (m *Manager) refreshFailed(u *user, from *grant, now time.Time) error {
	if f := u.refreshFailure.Load(); f != nil && now.Before(f.until) && f.of.same(from) && f.with == m.client.CredentialsID() {
		return f.err
	}
	return nil
}

// refreshOnce does the work of a refresh: take the lease, spend the refresh
// token, save what came.
func (m *Manager) refreshOnce(
	ctx context.Context, u *user, from *grant, patience time.Duration,
) (*grant, error) {
	base, leased, err := m.takeLease(ctx, u, from, patience)
	if errors.As(err, new(*StoreError)) {
		m.observe(Event{Kind: EventRefresh, UserID: from.Profile.ID, Outcome: "store", Err: err})
	}
	if !leased {
		return base, err
	}
	fresh, err := m.spend(ctx, u, base)
	if err != nil {
		return m.refreshRefused(ctx, u, base, err)
	}
	g, err := m.saveGrant(ctx, u, fresh)
	if err != nil {
		m.observe(Event{Kind: EventRefresh, UserID: fresh.Profile.ID, Outcome: "unsaved", Err: err})
		m.keepSaving(u)
		return fresh, nil
	}
	return alive(g)
}

// spend presents the refresh token of a grant. From then on it is spent, and the
// grant that comes is all there is, whether it can be saved or not.
func (m *Manager) spend(ctx context.Context, u *user, base *grant) (*grant, error) {
	defer u.spending.Add(-1)
	token, err := m.client.Refresh(ctx, base.RefreshToken)
	m.noteClient(err)
	if err != nil {
		return nil, err
	}
	fresh := base.refreshed(token, time.Now())
	u.unsaved.keep(fresh)
	return fresh, nil
}

// noteClient remembers that Zoom refuses the app itself, whoever its user is.
func (m *Manager) noteClient(err error) {
	switch {
	case err == nil:
		m.memory.refused.Store(nil)
	case zoomapi.KindOf(err) == zoomapi.KindInvalidClient:
		m.memory.refused.Store(&failure{err: err, until: time.Now().Add(finalPause), with: m.client.CredentialsID()})
	}
}

// mayAsk is why Zoom is not to be asked about an unsaved grant now, nil if it may be. While
// it refuses the app one asks for all of them, and again when that one's answer is old.
func (m *Manager) mayAsk(u *user, g *grant) error {
	now := time.Now()
	f := m.memory.refused.Load()
	if f == nil || f.with != m.client.CredentialsID() {
		return m.refreshFailed(u, g, now)
	}
	next := *f
	next.until = now.Add(finalPause)
	if now.Before(f.until) || !m.memory.refused.CompareAndSwap(f, &next) {
		return f.err
	}
	return nil
}

func (m *Manager) refreshRefused(ctx context.Context, u *user, base *grant, err error) (*grant, error) {
	outcome, g := "failed", (*grant)(nil)
	if zoomapi.KindOf(err) == zoomapi.KindInvalidGrant {
		outcome = "invalid_grant"
		g, err = m.believeInvalidGrant(ctx, u, base, err)
	}
	if err == nil {
		outcome = "superseded"
	}
	m.dropLease(ctx, u)
	m.observe(Event{Kind: EventRefresh, UserID: base.Profile.ID, Outcome: outcome, Err: err})
	return g, err
}

// revive refreshes the grant of a sign-in whose access token Zoom does not take.
// A later sign-in may have ended the grant, or Zoom has revoked the access token alone,
// before its time: the refresh token, which nobody else has yet, tells. It reports
// false where the grant has ended.
func (m *Manager) revive(ctx context.Context, fresh *grant) (alive bool, err error) {
	// Cut off, it would be spent with nobody to hear what came for it.
	token, err := m.client.Refresh(context.WithoutCancel(ctx), fresh.RefreshToken)
	switch {
	case zoomapi.KindOf(err) == zoomapi.KindInvalidGrant:
		return false, nil
	case err != nil:
		return false, err
	}
	*fresh = *fresh.refreshed(token, time.Now())
	return true, nil
}

// reviveUnsaved is revive of a grant that is not saved yet. Others may be refreshing
// it, and after the store went back even other processes, so it takes the lease.
func (m *Manager) reviveUnsaved(u *user, g *grant) {
	_, _ = share(context.Background(), m, refreshOf(u, g), 2*m.timeout+storeTimeout, func(ctx context.Context) (*grant, error) {
		return m.tryRefresh(ctx, u, g, storeTimeout)
	})
}
