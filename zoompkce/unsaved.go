package zoompkce

import (
	"context"
	"time"
)

// Refreshed tokens that the store did not take are the only valid ones: the
// refresh token before them is spent. They stay in the State, are used, and
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
	s := m.state
	s.mu.Lock()
	if s.unsaved[u] != nil {
		s.mu.Unlock()
		return // whoever tries already will find the new grant
	}
	next := s.successorLocked(m)
	s.unsaved[u] = next
	s.mu.Unlock()
	if next != nil {
		next.saveInBackground(u)
	}
}

func (m *Manager) saveInBackground(u *user) {
	begun := m.run(func(ctx context.Context) {
		for pause := firstSavePause; ; pause = min(2*pause, maxSavePause) {
			drained := sleep(ctx, pause) != nil
			if m.trySaving(u) && m.state.settled(u) {
				return
			}
			if drained {
				m.state.passOn(m, u)
				return
			}
		}
	})
	if !begun {
		m.state.passOn(m, u)
	}
}

func (m *Manager) trySaving(u *user) bool {
	fresh := u.unsaved.Load()
	if fresh == nil {
		return true
	}
	_, err := m.saveGrant(context.Background(), u, fresh)
	return err == nil
}

// keepUnsaved makes g the grant that is to be saved. It reports false where that of
// a later sign-in is already.
func (u *user) keepUnsaved(g *grant) bool {
	for {
		old := u.unsaved.Load()
		if old != nil && old.follows(g) {
			return false
		}
		if u.unsaved.CompareAndSwap(old, g) {
			return true
		}
	}
}

// dropUnsaved ends the saving of a grant, unless another has taken its place.
func (u *user) dropUnsaved(g *grant) {
	if kept := u.unsaved.Load(); g.same(kept) {
		u.unsaved.CompareAndSwap(kept, nil)
	}
}

// settled reports whether nothing is left to be saved: more may have come.
func (s *State) settled(u *user) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.unsaved.Load() != nil {
		return false
	}
	delete(s.unsaved, u)
	return true
}

// passOn leaves a user's unsaved grant to another manager, or to the next one
// that comes.
func (s *State) passOn(m *Manager, u *user) {
	s.mu.Lock()
	delete(s.managers, m)
	next := s.successorLocked(m)
	s.unsaved[u] = next
	s.mu.Unlock()
	if next != nil {
		next.saveInBackground(u)
	}
}
