package zoompkce

import (
	"context"
	"crypto/rand"
	"errors"
	"time"
)

// How long a failed refresh is the answer for all who want one. invalid_grant
// is final; everything else may be over soon.
const (
	finalPause  = 30 * time.Second
	failedPause = 5 * time.Second
)

// refreshAhead refreshes in the background what is still valid.
func (m *Manager) refreshAhead(u *user, from *grant, now time.Time) {
	if refreshFailed(u, from, now) == nil {
		m.runOnce(&u.refreshing, func(ctx context.Context) { _ = m.refresh(ctx, u, from) })
	}
}

// refresh replaces the tokens of from by newer ones, once for all who want
// that: Zoom takes a refresh token a single time and answers the second one who
// presents it with invalid_grant.
func (m *Manager) refresh(ctx context.Context, u *user, from *grant) error {
	if err := refreshFailed(u, from, time.Now()); err != nil {
		return err
	}
	// Two timeouts: one for the call, one for watching what its refusal means.
	err := m.share(ctx, u, "refresh", 2*m.timeout+time.Second, func(ctx context.Context) error {
		// Somebody may have come here after the work was done.
		if g := u.grant(u.current.Load()); g != nil && !g.same(from) {
			return nil
		}
		if err := refreshFailed(u, from, time.Now()); err != nil {
			return err
		}
		err, pause := m.refreshOnce(ctx, u, from), failedPause
		switch KindOf(err) {
		case KindInvalidGrant:
			err, pause = errGrantDying, finalPause
		case KindInvalidClient:
			pause = finalPause
		}
		u.refreshFailure.Store(nil)
		if err != nil {
			u.refreshFailure.Store(&failure{err, time.Now().Add(pause), from})
		}
		return err
	})
	return unavailable(CallRefresh, err)
}

// refreshFailed is the error of a refresh of the same grant that failed a
// moment ago.
func refreshFailed(u *user, from *grant, now time.Time) error {
	if f := u.refreshFailure.Load(); f != nil && now.Before(f.until) && f.of.same(from) {
		return f.err
	}
	return nil
}

// refreshOnce does the work of a refresh: take the lease, spend the refresh
// token, save what came.
func (m *Manager) refreshOnce(ctx context.Context, u *user, from *grant) error {
	owner := rand.Text()
	base, err := m.takeLease(ctx, u, from, owner)
	if err != nil || base == nil {
		return err
	}
	token, err := m.client.Refresh(ctx, base.RefreshToken)
	if err != nil {
		return m.refreshRefused(ctx, u, base, owner, err)
	}
	fresh := base.clone()
	fresh.setToken(token)
	fresh.Serial++
	// From here on the old token is spent and this one is all there is, whether
	// it can be saved or not.
	u.unsaved.Store(fresh)
	if err := m.saveGrant(ctx, u, fresh, owner); err != nil {
		m.observe(Event{Kind: EventRefresh, UserID: fresh.Profile.ID, Outcome: "unsaved", Err: err})
		m.keepSaving(u, owner)
		return nil
	}
	m.run(func(ctx context.Context) { _ = m.updateProfile(ctx, u, fresh) })
	return nil
}

// takeLease waits for its turn to spend the refresh token and returns the
// grant that holds it, or nil if another process has done the work meanwhile.
// Writing the lease also proves that the store can be written before the token is spent.
func (m *Manager) takeLease(ctx context.Context, u *user, from *grant, owner string) (base *grant, err error) {
	errWait := errors.New("another process is refreshing")
	for began, pause := time.Now(), 20*time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
		base = nil
		_, err := m.change(ctx, u, "taking the refresh lease", func(r *record) error {
			switch {
			case r.Grant == nil || r.Grant.dead():
				return errGrantDying
			case !r.Grant.same(from) && !from.succeeds(r.Grant):
				return errUnchanged
			case r.Lease != nil && time.Now().Before(r.Lease.Deadline):
				return errWait
			}
			base = r.Grant
			if from.succeeds(r.Grant) {
				base = from // not saved yet, and the newer one
			}
			r.Lease = &lease{Owner: owner, Deadline: time.Now().Add(3 * m.timeout)}
			return nil
		})
		switch {
		case err == nil:
			return base, nil
		case errors.Is(err, errUnchanged):
			return nil, nil
		case !errors.Is(err, errWait):
			return nil, err
		case time.Since(began) > m.timeout:
			return nil, &Error{Call: CallRefresh, Kind: KindUnavailable, Err: errWait}
		}
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// errSuperseded means that the record has no use for a grant any more.
var errSuperseded = errors.New("the grant was replaced by a later sign-in")

// saveGrant puts refreshed tokens into the record, gives the lease back, and
// makes them the saved ones. It fails only if the store does. A record without a
// grant belongs to a user who has left: then the tokens are revoked.
func (m *Manager) saveGrant(ctx context.Context, u *user, fresh *grant, owner string) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	_, err := m.change(ctx, u, "saving refreshed tokens", func(r *record) error {
		if r.Lease != nil && r.Lease.Owner == owner {
			r.Lease = nil
		}
		switch {
		case r.Grant == nil:
			return errGrantDying
		case r.Grant.same(fresh):
			return errUnchanged // the store took it, though it answered with an error
		case !fresh.succeeds(r.Grant):
			return errSuperseded
		}
		saved := fresh.clone()
		saved.Profile, saved.ProfileAt = r.Grant.Profile, r.Grant.ProfileAt
		saved.Lacks, saved.Asked = r.Grant.Lacks, r.Grant.Asked
		saved.SavedAt = time.Now()
		r.Grant = saved
		return nil
	})
	outcome := "ok"
	switch {
	case errors.Is(err, errUnchanged):
	case errors.Is(err, errGrantDying):
		outcome = "superseded"
		m.revoke(ctx, fresh)
	case errors.Is(err, errSuperseded):
		outcome = "superseded"
		m.dropLease(ctx, u, owner)
	case err != nil:
		return err
	}
	u.unsaved.CompareAndSwap(fresh, nil)
	m.observe(Event{Kind: EventRefresh, UserID: fresh.Profile.ID, Outcome: outcome})
	return nil
}

func (m *Manager) refreshRefused(ctx context.Context, u *user, base *grant, owner string, err error) error {
	outcome := "failed"
	if KindOf(err) == KindInvalidGrant {
		outcome = "invalid_grant"
		err = m.believeInvalidGrant(ctx, u, base, owner, err)
	}
	m.dropLease(ctx, u, owner)
	if err == nil {
		outcome = "superseded"
	}
	m.observe(Event{Kind: EventRefresh, UserID: base.Profile.ID, Outcome: outcome, Err: err})
	return err
}

// believeInvalidGrant decides what Zoom's word that a refresh token is no
// longer valid means. Most often somebody else was faster, a sign-in or a process
// whose lease had run out, and its tokens are about to be saved: so the
// record is watched first. Only then the grant counts as dead.
func (m *Manager) believeInvalidGrant(ctx context.Context, u *user, base *grant, owner string, refused error) error {
	replaced := func(r *record) bool {
		return r == nil || r.Grant == nil || !r.Grant.same(base) && !base.succeeds(r.Grant)
	}
	k, err := m.loadKeys(ctx)
	if err != nil {
		return err
	}
	for began := time.Now(); time.Since(began) < m.timeout; {
		if snap, err := m.load(ctx, k, u); err == nil && replaced(snap.record) {
			if snap.record == nil || snap.record.Grant == nil {
				return refused
			}
			return nil
		}
		// A manager that is closed leaves the decision to its successor.
		if err := sleep(m.background, min(100*time.Millisecond, m.timeout/10)); err != nil {
			return &Error{Call: CallRefresh, Kind: KindUnavailable, Err: errClosing}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	_, err = m.change(ctx, u, "ending a grant", func(r *record) error {
		if replaced(r) {
			return errUnchanged
		}
		r.Grant.DeadAt = time.Now()
		r.Lease = nil
		return nil
	})
	switch {
	case errors.Is(err, errUnchanged):
		return nil
	case err != nil:
		return err
	}
	u.unsaved.CompareAndSwap(base, nil)
	return refused
}

// dropLease lets others refresh before the lease runs out. Its failure costs
// only time.
func (m *Manager) dropLease(ctx context.Context, u *user, owner string) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	_, _ = m.change(ctx, u, "giving the refresh lease back", func(r *record) error {
		if r.Lease == nil || r.Lease.Owner != owner {
			return errUnchanged
		}
		r.Lease = nil
		return nil
	})
}
