package zoompkce

import (
	"context"
	"maps"
	"time"
)

// Refreshed tokens that the store did not take are the only valid ones: the
// refresh token before them is spent. They stay in the State, are used, and
// are offered to the store until it takes them or a later sign-in makes them
// worthless.

const (
	firstSavePause = 200 * time.Millisecond
	maxSavePause   = 15 * time.Second
	lastSaveTry    = 2 * time.Second
)

// keepSaving tries to save the user's unsaved grant until that is done.
func (m *Manager) keepSaving(u *user, owner string) {
	s := m.state
	s.unsavedMu.Lock()
	s.unsaved[u] = owner
	s.unsavedMu.Unlock()
	m.run(func(ctx context.Context) {
		for pause := firstSavePause; ; pause = min(2*pause, maxSavePause) {
			closing := sleep(ctx, pause) != nil
			fresh := u.unsaved.Load()
			if fresh == nil || m.trySaving(u, fresh, owner) {
				break
			}
			if closing {
				return // the next manager goes on
			}
		}
		s.unsavedMu.Lock()
		delete(s.unsaved, u)
		s.unsavedMu.Unlock()
	})
}

func (m *Manager) trySaving(u *user, fresh *grant, owner string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), lastSaveTry)
	defer cancel()
	return m.saveGrant(ctx, u, fresh, owner) == nil
}

// resumeSaving takes over what earlier managers could not save.
func (m *Manager) resumeSaving() {
	m.resume.Do(func() {
		m.state.unsavedMu.Lock()
		left := maps.Clone(m.state.unsaved)
		m.state.unsavedMu.Unlock()
		for u, owner := range left {
			m.keepSaving(u, owner)
		}
	})
}
