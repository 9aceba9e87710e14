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

// saving is who tries to save a user's grant, and the lease it was got under.
type saving struct {
	manager *Manager
	owner   string
}

// keepSaving tries to save the user's unsaved grant until that is done.
func (m *Manager) keepSaving(u *user, owner string) {
	m.state.unsavedMu.Lock()
	m.state.unsaved[u] = &saving{m, owner}
	m.state.unsavedUsers.Store(int64(len(m.state.unsaved)))
	m.state.unsavedMu.Unlock()
	m.run(func(ctx context.Context) {
		for pause := firstSavePause; ; pause = min(2*pause, maxSavePause) {
			closing := sleep(ctx, pause) != nil
			fresh := u.unsaved.Load()
			if fresh == nil || m.trySaving(u, fresh, owner) {
				m.state.saved(u)
				return
			}
			if closing {
				return // the next manager goes on
			}
		}
	})
}

func (m *Manager) trySaving(u *user, fresh *grant, owner string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), saveTimeout)
	defer cancel()
	return m.saveGrant(ctx, u, fresh, owner) == nil
}

func (s *State) saved(u *user) {
	s.unsavedMu.Lock()
	defer s.unsavedMu.Unlock()
	delete(s.unsaved, u)
	s.unsavedUsers.Store(int64(len(s.unsaved)))
}

// resumeSaving takes over what managers that are gone could not save.
func (m *Manager) resumeSaving() {
	if m.background.Err() != nil {
		return
	}
	left := make(map[*user]string)
	m.state.unsavedMu.Lock()
	for u, s := range m.state.unsaved {
		if s.manager.background.Err() != nil {
			left[u] = s.owner
			s.manager = m
		}
	}
	m.state.unsavedMu.Unlock()
	for u, owner := range left {
		m.keepSaving(u, owner)
	}
}
