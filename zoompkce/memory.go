package zoompkce

import (
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// Memory is what a process remembers of one app: opened cookies, users, calls
// under way, tokens not saved yet. It outlives the [Manager]s that use it, so that a
// change of configuration forgets nothing. Of theirs it holds nothing once they
// are drained: no store, no secret, no setting. All of it can be found again in
// the store, but for unsaved tokens, ZAKs and OBF tokens.
type Memory struct {
	opened  *otter.Cache[cookieHash, *openedCookie]
	active  *otter.Cache[*user, struct{}] // see keep
	tokens  *otter.Cache[cookieHash, *openedToken]
	users   userIndex
	flights singleflight.Group
	logins  usedLogins

	// owner signs refresh leases: one that an earlier call of this process may
	// have left behind is no obstacle to the next.
	owner string

	pauses  pauses
	refused atomic.Pointer[failure] // Zoom's last word that it does not take the app itself

	mu       sync.Mutex
	managers map[*Manager]struct{} // that are not drained
	unsaved  map[*user]*Manager    // who tries to save a user's newest tokens; nil: nobody
}

const (
	defaultCacheSize = 10_000
	unusedLife       = 10 * time.Minute
)

// sweeps is the clock of a cache: what has expired is not found any more, and leaves the memory
// once a minute. By itself a cache would wake up every second, for nothing.
type sweeps struct{ began time.Time }

// NowNano is the monotonic time, so that a clock that is put right ends nothing.
func (c sweeps) NowNano() int64 { return c.began.UnixNano() + int64(time.Since(c.began)) }

// Tick tells when to sweep, whatever the cache asks for.
func (c sweeps) Tick(time.Duration) <-chan time.Time { return time.Tick(time.Minute) }

// NewMemory returns an empty one. Close it when the last Manager is closed.
func NewMemory() *Memory {
	clock := sweeps{time.Now()}
	return &Memory{
		opened:   newCache[cookieHash, *openedCookie](clock),
		active:   newCache[*user, struct{}](clock),
		tokens:   newCache[cookieHash, *openedToken](clock),
		users:    newUserIndex(),
		logins:   usedLogins{used: make(map[[sha256.Size]byte]time.Time)},
		owner:    rand.Text(),
		pauses:   pauses{ends: make(map[zoomapi.Call]time.Time)},
		managers: make(map[*Manager]struct{}),
		unsaved:  make(map[*user]*Manager),
	}
}

func newCache[K comparable, V any](clock sweeps) *otter.Cache[K, V] {
	return otter.Must(&otter.Options[K, V]{
		MaximumSize:      defaultCacheSize,
		ExpiryCalculator: otter.ExpiryAccessing[K, V](unusedLife),
		Clock:            clock,
	})
}

// SetCacheSize changes how many users are remembered, and how many of their
// browsers and programs.
func (s *Memory) SetCacheSize(n int) {
	s.opened.SetMaximum(uint64(n))
	s.tokens.SetMaximum(uint64(n))
	s.active.SetMaximum(uint64(n))
}

// Users is how many users are in memory.
func (s *Memory) Users() int { return s.users.len() }

// UnsavedUsers is how many users have tokens that are not in the store yet.
func (s *Memory) UnsavedUsers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.unsaved)
}

// Close ends its sweeping. Nobody may use it any more.
func (s *Memory) Close() {
	s.opened.StopAllGoroutines()
	s.tokens.StopAllGoroutines()
	s.active.StopAllGoroutines()
}

// keep keeps a user in memory who has just been let in. What is known of a user,
// ZAKs among it, does not depend on cookies: whoever fills the memory with cookies
// makes others' be opened anew, and nothing more.
func (s *Memory) keep(u *user, now time.Time) {
	minute := now.Unix() / 60
	if u.noted.Load() == minute { // every request comes here: a look into the cache costs more
		return
	}
	u.noted.Store(minute)
	if _, there := s.active.GetIfPresent(u); !there {
		s.active.Set(u, struct{}{})
	}
}

// enter makes m one of those who work on the memory. It saves the tokens that
// managers that are gone could not save.
func (s *Memory) enter(m *Manager) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.managers[m] = struct{}{}
	for u, by := range s.unsaved {
		if by == nil {
			s.saveLocked(m, u)
		}
	}
}

// leave is the end of m's background work.
func (s *Memory) leave(m *Manager) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.managers, m)
}

// successor returns who does the background work of m: m itself as long as it
// is not drained, then another one, nil if there is none.
func (s *Memory) successor(m *Manager) *Manager {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.successorLocked(m)
}

func (s *Memory) successorLocked(m *Manager) *Manager {
	if _, in := s.managers[m]; in {
		return m
	}
	for other := range s.managers {
		return other
	}
	return nil
}
