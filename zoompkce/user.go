package zoompkce

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// user is what is remembered of one user. There is one such value for each
// user at a time; it lives as long as requests come ([Memory.keep]), or a cached
// cookie or work under way needs it.
type user struct {
	key userKey

	// current is the record as last seen.
	current  atomic.Pointer[snapshot]
	adopting sync.Mutex    // held by who changes it
	tickets  atomic.Uint64 // order calls to the store and their answers
	ended    atomic.Pointer[endedHere]

	reading        atomic.Bool // ahead of time, in the background
	readFailure    atomic.Pointer[failure]
	refreshing     atomic.Bool  // likewise
	spending       atomic.Int32 // refresh tokens that are on their way to Zoom, or about to be
	refreshFailure atomic.Pointer[failure]
	seenLease      atomic.Pointer[seenLease]
	refreshUseless atomic.Pointer[failure] // a refreshed token was refused, too
	profileFailure atomic.Pointer[failure]
	seenProfile    atomic.Pointer[seenProfile] // while the record does not have it
	ending         atomic.Bool                 // see endLeft
	tokenTried     atomic.Int64                // see TokenRejected; Unix nanoseconds
	noteFailure    atomic.Pointer[failure]     // a program's use could not be kept
	paced          atomic.Int64                // when the record was read for unknown tokens, in Unix nanoseconds

	unsaved unsavedGrants

	noted atomic.Int64 // the minute since 1970 in which the Memory was last told that the user is there
	obf   atomic.Pointer[obfSlot]

	mu         sync.Mutex
	unanswered []sessionID // programs whose clients were told to try again, the latest last
	zaks       []*zakSlot
	cookies    []weak.Pointer[openedCookie] // those in memory
	redeemed   allowance                    // of tickets for frames
}

// failure is an error that is the answer for a while, so that trouble is not
// made worse by asking again for every request.
type failure struct {
	err   error
	until time.Time
	of    *grant // what was to be refreshed
	with  zoomapi.CredentialsID
	slow  bool // it took long to fail
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

// forgetKeys drops the ZAKs and OBF tokens of a user who has no grant left.
func (u *user) forgetKeys() {
	if x := u.obf.Load(); x != nil {
		x.forget()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.zaks = nil
}

// grant is the newest grant of a snapshot: the unsaved one, if it takes the
// place of the one in the record. It is nil where there is none.
func (u *user) grant(s *snapshot) *grant {
	if s == nil || s.record == nil || s.record.Grant == nil {
		return nil
	}
	return newer(u.unsaved.Load(), s.record.Grant)
}

// newest is the newest grant known.
func (u *user) newest() *grant { return u.grant(u.current.Load()) }

// signedIn reports whether the user had a live grant when last looked at.
func (u *user) signedIn() bool { return u.newest().lives() }

// id is the user's id as far as it is in memory, for events.
func (u *user) id() string {
	if s := u.current.Load(); s != nil && s.record != nil {
		return s.record.UserID
	}
	return ""
}

// unsavedGrants are the grants that Zoom has given to a user and the store has not taken
// yet, the one of the latest sign-in first. Which of several sign-ins' grants lives only
// Zoom can tell, for its answers may have crossed: each is kept until it is saved or superseded.
type unsavedGrants struct{ list atomic.Pointer[[]*grant] }

// maxUnsaved bounds how many sign-ins' grants are kept of one user.
const maxUnsaved = 4

func (x *unsavedGrants) all() []*grant {
	if list := x.list.Load(); list != nil {
		return *list
	}
	return nil
}

// Load returns the one that is taken for the newest, nil if there is none.
func (x *unsavedGrants) Load() *grant {
	if all := x.all(); len(all) > 0 {
		return all[0]
	}
	return nil
}

// keep adds a grant, unless it or one that was refreshed from it is there.
func (x *unsavedGrants) keep(g *grant) {
	x.change(func(list []*grant) []*grant {
		if slices.ContainsFunc(list, func(kept *grant) bool { return kept.SignIn == g.SignIn && !g.succeeds(kept) }) {
			return list
		}
		return slices.Insert(slices.DeleteFunc(list, g.succeeds), 0, g)
	})
}

// replace puts a grant in the place of one that holds the same tokens.
func (x *unsavedGrants) replace(g, by *grant) {
	x.change(func(list []*grant) []*grant {
		if n := slices.Index(list, g); n >= 0 {
			list[n] = by
		}
		return list
	})
}

// drop takes a grant out that is settled.
func (x *unsavedGrants) drop(g *grant) {
	x.change(func(list []*grant) []*grant { return slices.DeleteFunc(list, g.same) })
}

// change replaces the list. Where it becomes too long the earliest sign-ins are left out.
func (x *unsavedGrants) change(edit func([]*grant) []*grant) {
	for {
		old := x.list.Load()
		var list []*grant
		if old != nil {
			list = slices.Clone(*old)
		}
		edited := slices.SortedStableFunc(slices.Values(edit(list)), func(a, b *grant) int { return b.SignedInAt.Compare(a.SignedInAt) })
		list = edited[:min(len(edited), maxUnsaved)]
		if x.list.CompareAndSwap(old, &list) {
			return
		}
	}
}

// userIndex finds the one value of each user without keeping it alive.
type userIndex struct {
	mu    sync.Mutex
	m     map[userKey]weak.Pointer[user]
	ended map[userKey]*endedHere
}

func newUserIndex() userIndex {
	return userIndex{m: make(map[userKey]weak.Pointer[user]), ended: make(map[userKey]*endedHere)}
}

func (x *userIndex) get(key userKey) *user {
	x.mu.Lock()
	defer x.mu.Unlock()
	if u := x.m[key].Value(); u != nil {
		return u
	}
	u := &user{key: key}
	u.ended.Store(x.ended[key])
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
