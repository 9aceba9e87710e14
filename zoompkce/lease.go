package zoompkce

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// While another process holds the lease, or may be about to save what it has got, its outcome
// is looked for at these intervals.
const (
	minLeasePoll = 20 * time.Millisecond
	maxLeasePoll = 250 * time.Millisecond
)

// takeLease waits for its turn to spend the refresh token of from, which [Manager.spend] has
// to follow. It returns the grant that holds it; if another process has done the work meanwhile, it
// returns what that one got, and false. Writing the lease also proves that
// the store can be written before the token is spent.
func (m *Manager) takeLease(
	ctx context.Context, u *user, from *grant, patience time.Duration,
) (base *grant, leased bool, err error) {
	// What will be sealed has to be opened by others, too.
	if _, err := m.storedKeys(ctx); err != nil {
		return nil, false, err
	}
	errWait := errors.New("another process is refreshing")
	for began, pause := time.Now(), minLeasePoll; ; pause = min(2*pause, maxLeasePoll) {
		counted := false
		snap, err := m.change(ctx, patience, u, "taking the refresh lease", func(r *record) error {
			switch {
			case r.Grant == nil || r.Grant.dead() && !from.same(u.unsaved.Load()):
				return errGrantDying
			case !u.toRefresh(from, r.Grant):
				return errUnchanged
			case r.Lease != nil && r.Lease.Owner != m.memory.owner && !m.leaseOver(u, r.Lease, time.Now()):
				return errWait
			}
			r.Lease = &lease{Owner: m.memory.owner, Deadline: time.Now().Add(3 * m.timeout)}
			if !counted {
				counted = true
				u.spending.Add(1) // before anybody can meet the lease
			}
			return nil
		})
		if err == nil && !m.memory.leases(u.current.Load().record) {
			err = errWait // tokens were saved before the answer came, which gave it back
		}
		if err != nil && counted {
			u.spending.Add(-1)
		}
		switch {
		case err == nil:
			return from, true, nil
		case errors.Is(err, errUnchanged):
			return newer(u.unsaved.Load(), snap.record.Grant), false, nil
		case !errors.Is(err, errWait):
			return nil, false, err
		case time.Since(began) > m.timeout:
			return nil, false, &zoomapi.Error{Call: zoomapi.CallRefresh, Kind: zoomapi.KindUnavailable, Err: errWait}
		}
		time.Sleep(pause)
	}
}

// toRefresh reports whether from is what is to be refreshed: the newest grant, or
// one that is not saved yet and cannot be told to be it.
func (u *user) toRefresh(from, stored *grant) bool {
	unsaved := u.unsaved.Load()
	return !stored.succeeds(from) &&
		(from.same(unsaved) || from.succeeds(stored) || from.same(newer(unsaved, stored)))
}

// seenLease is a lease of another process and when it was first seen here.
type seenLease struct {
	lease
	at time.Time
}

// leaseOver reports whether the lease of another process is no obstacle any more.
// Its deadline is by that one's clock, and clocks of servers differ by more than a
// lease lasts. So it has to have been seen here for about as long as a call to Zoom
// that spends the token may take, or to be so old that no clock says otherwise.
func (m *Manager) leaseOver(u *user, l *lease, now time.Time) bool {
	seen := u.seenLease.Load()
	if seen == nil || seen.Owner != l.Owner || !seen.Deadline.Equal(l.Deadline) {
		seen = &seenLease{*l, now}
		u.seenLease.Store(seen)
	}
	past := now.Sub(l.Deadline)
	// A little less than the call, so that who has waited as long gets it.
	return past >= clockSkew || past >= 0 && now.Sub(seen.at) >= m.timeout*9/10
}

// leases reports whether the lease in a record is this process's.
func (s *Memory) leases(r *record) bool {
	return r != nil && r.Lease != nil && r.Lease.Owner == s.owner
}

// giveBack takes this process's lease out of a record. While the record has a token that is
// spent the lease stays: saving the one that follows gives it back. It stays, too, for another
// refresh here: of two sign-ins' grants one may be refused while the other is at Zoom.
func (m *Manager) giveBack(u *user, r *record) (given bool) {
	given = m.memory.leases(r) && u.spending.Load() == 0 &&
		!slices.ContainsFunc(u.unsaved.all(), func(g *grant) bool { return g.succeeds(r.Grant) })
	if given {
		r.Lease = nil
	}
	return given
}

// dropLease lets others refresh before the lease runs out. Its failure costs
// only time.
func (m *Manager) dropLease(ctx context.Context, u *user) {
	_, _ = m.change(ctx, saveTimeout, u, "giving the refresh lease back", func(r *record) error {
		if !m.giveBack(u, r) {
			return errUnchanged
		}
		return nil
	})
}

// believeInvalidGrant decides what Zoom's word that a refresh token is no
// longer valid means. Most often somebody else was faster, a sign-in or a process
// whose lease had run out, and its tokens are about to be saved: so the
// record is watched first, and what appears there is the answer. Only then
// the grant counts as dead.
func (m *Manager) believeInvalidGrant(
	ctx context.Context, u *user, base *grant, refused error,
) (*grant, error) {
	replaced := func(g *grant) bool { return g == nil || !g.same(base) && !base.succeeds(g) }
	for began, pause := time.Now(), minLeasePoll; time.Since(began) < m.timeout; pause = min(2*pause, maxLeasePoll) {
		if g, err := m.storedGrant(ctx, u); err == nil && replaced(g) {
			u.unsaved.drop(base)
			return alive(newer(u.unsaved.Load(), g))
		}
		// A manager that is drained leaves the decision to its successor.
		if err := sleep(m.background, pause); err != nil {
			return nil, &zoomapi.Error{Call: zoomapi.CallRefresh, Kind: zoomapi.KindUnavailable, Err: errDrained}
		}
	}
	snap, err := m.change(ctx, storeTimeout, u, "ending a grant", func(r *record) error {
		if replaced(r.Grant) {
			return errUnchanged
		}
		r.Grant.DeadAt = time.Now()
		m.giveBack(u, r)
		return nil
	})
	if err != nil && !errors.Is(err, errUnchanged) {
		return nil, err
	}
	u.unsaved.drop(base)
	if err != nil {
		return alive(newer(u.unsaved.Load(), snap.record.grantOrNil()))
	}
	return nil, refused
}

// errDrained leaves a decision to the manager that comes after this one.
var errDrained = errors.New("the server is being reconfigured")

func (m *Manager) storedGrant(ctx context.Context, u *user) (*grant, error) {
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	snap, err := m.load(ctx, m.keys.Load(), u)
	if err != nil {
		return nil, err
	}
	return snap.record.grantOrNil(), nil
}
