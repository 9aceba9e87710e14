package zoompkce

import (
	"context"
	"errors"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// Refreshed tokens that the store did not take are the only valid ones: the
// refresh token before them is spent. They stay in the Memory, are used, and
// are offered to the store until it takes them or a later sign-in makes them
// worthless.

const (
	firstSavePause = 200 * time.Millisecond
	maxSavePause   = 15 * time.Second
	saveTimeout    = 2 * time.Second
)

// keepSaving sees to it that somebody tries to save the user's unsaved grant
// until that is done.
func (m *Manager) keepSaving(u *user) {
	s := m.memory
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unsaved[u] == nil { // whoever tries already will find the new grant
		s.saveLocked(m, u)
	}
}

// saveLocked leaves a user's unsaved grant to m or to who is there in its place, else to
// the next manager that comes.
func (s *Memory) saveLocked(m *Manager, u *user) {
	next := s.successorLocked(m)
	s.unsaved[u] = next
	if next != nil {
		next.saveInBackground(u)
	}
}

func (m *Manager) saveInBackground(u *user) {
	m.run(func(ctx context.Context) {
		for pause := firstSavePause; ; pause = min(2*pause, maxSavePause) {
			drained := sleep(ctx, pause) != nil
			m.guarded(func() { m.trySaving(u) }) // a store that panics once may take them yet
			if m.memory.settled(u) {
				return
			}
			if drained {
				m.memory.passOn(m, u)
				return
			}
		}
	})
}

// trySaving may fail: what is not saved then is unsaved still. Where one sign-in's grant is
// settled the next one's is tried.
func (m *Manager) trySaving(u *user) {
	for range maxUnsaved {
		fresh := u.unsaved.Load()
		if fresh == nil {
			return
		}
		if _, err := m.saveGrant(context.Background(), u, fresh); errors.Is(err, errRefused) {
			m.reviveUnsaved(u, fresh)
		}
		if fresh.same(u.unsaved.Load()) {
			return
		}
	}
}

// settled reports whether nothing is left to be saved: more may have come.
func (s *Memory) settled(u *user) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.unsaved.Load() != nil {
		return false
	}
	delete(s.unsaved, u)
	return true
}

// passOn leaves a user's unsaved grant to those who are there after m.
func (s *Memory) passOn(m *Manager, u *user) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saveLocked(m, u)
}

var (
	// errGone means that the record has no grant: the user has left.
	errGone = errors.New("the user was signed out")
	// errSuperseded means that the record has no use for a grant any more.
	errSuperseded = errors.New("the grant was replaced by a later sign-in")
	// errAsk means that only Zoom can tell which of two grants is the newer one.
	errAsk = errors.New("which grant is the newer one has to be asked")
	// errRefused means that Zoom takes neither grant's access token, and times are close:
	// only the refresh token can tell whether the grant has ended.
	errRefused = errors.New("the access token is refused")
)

// closeTimes is how far two times may be apart and still say nothing about which
// was first: clocks of servers differ, and one clock is put right at times.
const closeTimes = 5 * time.Minute

// clockSkew is how far apart the clocks of servers may be.
const clockSkew = time.Minute

// saveGrant puts tokens into the record, gives the lease back, and makes them
// the saved ones. It returns the grant that is in the record then, and fails only
// if the store does, or Zoom where it has to be asked. A record without a grant
// belongs to a user who has left: then the tokens are revoked.
func (m *Manager) saveGrant(ctx context.Context, u *user, fresh *grant) (*grant, error) {
	snap, err := m.replaceGrant(ctx, u, fresh)
	outcome := "ok"
	switch {
	case errors.Is(err, errGone):
		outcome = "superseded"
		if !m.run(func(ctx context.Context) { m.revoke(ctx, fresh) }) {
			m.revoke(ctx, fresh)
		}
	case errors.Is(err, errSuperseded):
		outcome = "superseded" // and what superseded it has ended the lease
	case err == nil:
		m.run(func(ctx context.Context) {
			if p, err := m.client.Me(ctx, fresh.token()); err == nil {
				_ = m.keepProfile(u, p)
			}
		})
	case !errors.Is(err, errUnchanged):
		return nil, err
	}
	u.unsaved.drop(fresh)
	m.observe(Event{Kind: EventRefresh, UserID: fresh.Profile.ID, Outcome: outcome})
	return snap.record.grantOrNil(), nil
}

// replaceGrant puts fresh in the place of the record's grant. Where that is of
// another sign-in and the times do not tell which was first, Zoom does: the later
// of two sign-ins revokes the tokens of the earlier one.
func (m *Manager) replaceGrant(ctx context.Context, u *user, fresh *grant) (*snapshot, error) {
	asked := ""
	for range maxAsks { // more than two follow only if Zoom takes what a later sign-in has ended
		var stored *grant
		snap, err := m.change(ctx, saveTimeout, u, "saving refreshed tokens", func(r *record) error {
			stored = r.Grant
			switch {
			case stored == nil:
				return errGone
			case stored.same(fresh):
				return errUnchanged // the store took it, though it answered with an error
			case stored.SignIn != fresh.SignIn && stored.SignIn != asked:
				return errAsk
			case stored.SignIn == fresh.SignIn && !fresh.succeeds(stored):
				return errSuperseded
			}
			r.saveGrant(fresh, time.Now())
			m.giveBack(u, r)
			return nil
		})
		if !errors.Is(err, errAsk) {
			return snap, err
		}
		if err := m.mayAsk(u, fresh); err != nil {
			return nil, err
		}
		superseded, err := m.superseded(ctx, fresh, stored)
		switch m.noteClient(err); {
		case err != nil:
			return nil, err
		case superseded:
			return snap, errSuperseded
		}
		asked = stored.SignIn
		later := fresh.clone()
		later.putAfter(stored)
		u.unsaved.replace(fresh, later)
		fresh = later
	}
	return nil, errAsk
}

// superseded reports whether another sign-in took the place of the one that
// brought g.
func (m *Manager) superseded(ctx context.Context, g, other *grant) (bool, error) {
	apart, now := other.SignedInAt.Sub(g.SignedInAt), time.Now()
	switch {
	case apart > closeTimes:
		return true, nil
	case now.Before(g.Expiry):
		taken, err := m.takes(ctx, g)
		// What counts from the answer may be over at Zoom as long before as that took.
		switch over := time.Until(g.Expiry) <= m.timeout; {
		case taken || err != nil:
			return false, err
		case !over:
			return false, errRefused
		}
	case apart < -closeTimes:
		return false, nil
	}
	// Our token says nothing. That of the other may.
	taken, err := m.takes(ctx, other)
	if err == nil && !taken {
		err = errRefused
	}
	return taken, err
}

// takes asks Zoom whether it takes the access token of a grant.
func (m *Manager) takes(ctx context.Context, g *grant) (bool, error) {
	_, err := m.client.Me(ctx, g.token())
	if zoomapi.KindOf(err) == zoomapi.KindUnauthorized {
		return false, nil
	}
	return err == nil, err
}

// saveGrant replaces the grant. What the record knows of a user stays, as long
// as it is the same sign-in's.
func (r *record) saveGrant(fresh *grant, now time.Time) {
	saved := fresh.clone()
	if old := r.Grant; old.SignIn == fresh.SignIn {
		saved.Profile, saved.ProfileAt = old.Profile, old.ProfileAt
		saved.Lacks, saved.Asked = old.Lacks, old.Asked
	}
	saved.SavedAt = now
	r.Grant = saved
}
