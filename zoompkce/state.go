package zoompkce

import (
	"crypto/sha256"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"
)

// State is what a process remembers of one app: opened cookies, users, calls
// under way, tokens not saved yet. It outlives the [Manager]s that use it, so that a
// change of configuration forgets nothing, and holds nothing of theirs: no
// store, no secret, no setting. All of it can be found again in the store,
// but for unsaved tokens and ZAKs.
type State struct {
	opened  *otter.Cache[cookieHash, *openedCookie]
	users   userIndex
	flights singleflight.Group

	// zakPause is until when, in Unix nanoseconds, Zoom wants no ZAK calls.
	zakPause atomic.Int64

	unsavedMu    sync.Mutex
	unsaved      map[*user]*saving // whose newest tokens are not in the store
	unsavedUsers atomic.Int64
}

// cookieHash identifies a session cookie, by name and value.
type cookieHash [sha256.Size]byte

// openedCookie is a session cookie that was found authentic. Whether it is
// still worth something is decided on every use.
type openedCookie struct {
	sessionCookie
	user     *user
	set      [sha256.Size]byte // the secrets it was opened under
	openedAt time.Time
	seen     atomic.Bool // the session was in the record once
}

const (
	defaultCacheSize = 10_000
	unusedLife       = 10 * time.Minute
)

// NewState returns an empty state. Close it when the last Manager is closed.
func NewState() *State {
	return &State{
		opened: otter.Must(&otter.Options[cookieHash, *openedCookie]{
			MaximumSize:      defaultCacheSize,
			ExpiryCalculator: otter.ExpiryAccessing[cookieHash, *openedCookie](unusedLife),
		}),
		users:   userIndex{m: make(map[userKey]weak.Pointer[user])},
		unsaved: make(map[*user]*saving),
	}
}

// SetCacheSize changes how many signed-in browsers are remembered.
func (s *State) SetCacheSize(n int) { s.opened.SetMaximum(uint64(n)) }

// Users is how many users are in memory.
func (s *State) Users() int { return s.users.len() }

// UnsavedUsers is how many users have tokens that are not in the store yet.
func (s *State) UnsavedUsers() int { return int(s.unsavedUsers.Load()) }

// ZAKPausedUntil is until when Zoom wants no ZAK calls, zero if it does not mind.
func (s *State) ZAKPausedUntil() time.Time {
	if until := time.Unix(0, s.zakPause.Load()); until.After(time.Now()) {
		return until
	}
	return time.Time{}
}

// Close forgets everything.
func (s *State) Close() {
	s.opened.InvalidateAll()
	s.opened.StopAllGoroutines()
}

// user is what is remembered of one user. There is one such value for each
// user at a time; it lives as long as a cached cookie or work under way needs it.
type user struct {
	key userKey

	// current is the record as last seen.
	current atomic.Pointer[snapshot]
	tickets atomic.Uint64

	reading        atomic.Bool // ahead of time, in the background
	readFailure    atomic.Pointer[failure]
	refreshing     atomic.Bool // likewise
	refreshFailure atomic.Pointer[failure]

	// unsaved is a grant Zoom has given and the store has not taken yet.
	unsaved atomic.Pointer[grant]

	mu   sync.Mutex
	zaks []*zakSlot
	obfs []cachedOBF
}

// failure is an error that is the answer for a while, so that trouble is not
// made worse by asking again for every request.
type failure struct {
	err   error
	until time.Time
	of    *grant // what was to be refreshed
}

func remembered(p *atomic.Pointer[failure], now time.Time) error {
	if f := p.Load(); f != nil && now.Before(f.until) {
		return f.err
	}
	return nil
}

func remember(p *atomic.Pointer[failure], err error, d time.Duration) {
	p.Store(&failure{err: err, until: time.Now().Add(d)})
}

// snapshot is a record at one moment; record is nil where there was none.
type snapshot struct {
	record  *record
	version string
	key     keyID
	readAt  time.Time
	ticket  uint64
}

// adopt makes s the current snapshot, unless what is known is newer: a read
// that began before a change was made may end after it.
func (u *user) adopt(s *snapshot) {
	for {
		old := u.current.Load()
		if old != nil && old.ticket >= s.ticket {
			return
		}
		if u.current.CompareAndSwap(old, s) {
			if s.record == nil || s.record.Grant == nil {
				u.forgetKeys()
			}
			return
		}
	}
}

// forgetKeys drops the ZAKs and OBF tokens of a user who has no grant left.
func (u *user) forgetKeys() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.zaks, u.obfs = nil, nil
}

// grant is the newest grant known: the unsaved one, if it follows the one in
// the record.
func (u *user) grant(s *snapshot) *grant {
	if s == nil || s.record == nil || s.record.Grant == nil {
		return nil
	}
	if unsaved := u.unsaved.Load(); unsaved != nil && unsaved.succeeds(s.record.Grant) {
		return unsaved
	}
	return s.record.Grant
}

// userIndex finds the one value of each user without keeping it alive.
type userIndex struct {
	mu sync.Mutex
	m  map[userKey]weak.Pointer[user]
}

func (x *userIndex) get(key userKey) *user {
	x.mu.Lock()
	defer x.mu.Unlock()
	if u := x.m[key].Value(); u != nil {
		return u
	}
	u := &user{key: key}
	pointer := weak.Make(u)
	x.m[key] = pointer
	runtime.AddCleanup(u, func(key userKey) { x.forget(key, pointer) }, key)
	return u
}

func (x *userIndex) forget(key userKey, pointer weak.Pointer[user]) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.m[key] == pointer {
		delete(x.m, key)
	}
}

func (x *userIndex) len() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.m)
}
