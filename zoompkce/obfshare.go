package zoompkce

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

const (
	// A user's share of OBF calls.
	obfShare       = 30
	obfSharePeriod = time.Minute
	// obfRefusalPause is how long what Zoom refused is the answer for the same
	// user and meeting.
	obfRefusalPause = 30 * time.Second
	// maxKeptOBF is how many OBF tokens are kept for a user.
	maxKeptOBF = 8
)

// errOBFShare means that one user has asked for so many OBF tokens that others
// would have to do without.
var errOBFShare = errors.New("this user has asked for 30 OBF tokens within a minute")

// obfSlot holds a user's OBF tokens, and what the user's share of calls has
// been spent on. Signing out and in again does not renew the share.
type obfSlot struct {
	mu      sync.Mutex
	turn    chan struct{} // held by the call under way
	calls   []time.Time   // of the last period, at most obfShare
	refused []refusedOBF  // no more than the calls that were
	failure failure       // of any meeting
	tokens  []keptOBF
}

// refusedOBF is Zoom's refusal of a token for a meeting to the tokens of one
// sign-in.
type refusedOBF struct {
	failure
	meeting, signIn string
}

type keptOBF struct {
	zoomapi.OBF
	meeting  string
	lifetime time.Duration
}

// obfSlot is made for those who take OBF tokens.
func (u *user) obfSlot() *obfSlot {
	if x := u.obf.Load(); x != nil {
		return x
	}
	u.obf.CompareAndSwap(nil, &obfSlot{turn: make(chan struct{}, 1)})
	return u.obf.Load()
}

// spend takes a call off the user's share, unless it is known that it would
// be for nothing.
func (x *obfSlot) spend(meeting string, g *grant, now time.Time) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if now.Before(x.failure.until) {
		return x.failure.err
	}
	x.refused = slices.DeleteFunc(x.refused, func(r refusedOBF) bool { return !now.Before(r.until) })
	for _, r := range x.refused {
		if g != nil && r.meeting == meeting && r.signIn == g.SignIn {
			return r.err
		}
	}
	x.calls = slices.DeleteFunc(x.calls, func(at time.Time) bool { return now.Sub(at) >= obfSharePeriod })
	if len(x.calls) == obfShare {
		return &zoomapi.Error{
			Call: zoomapi.CallOBF, Kind: zoomapi.KindRateLimited, RetryAfter: x.calls[0].Add(obfSharePeriod).Sub(now), Err: errOBFShare,
		}
	}
	x.calls = append(x.calls, now)
	return nil
}

// noteRefusal remembers what Zoom answered, if it is about the meeting or if Zoom
// cannot be reached. A limit pauses the calls of all users, and a missing scope
// is noted in the grant.
func (x *obfSlot) noteRefusal(meeting string, g *grant, err error, now time.Time) {
	e, ok := errors.AsType[*zoomapi.Error](err)
	if !ok || e.Call != zoomapi.CallOBF || g == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	switch e.Kind {
	case zoomapi.KindRateLimited, zoomapi.KindMissingScope:
	case zoomapi.KindUnavailable:
		x.failure = failure{err: err, until: now.Add(zakFailurePause)}
	default:
		x.refused = append(x.refused, refusedOBF{failure{err: err, until: now.Add(obfRefusalPause)}, meeting, g.SignIn})
	}
}

// kept returns a token that the policy lets more than one request have.
func (x *obfSlot) kept(meeting string, p OBFPolicy, now time.Time) (zoomapi.OBF, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, o := range x.tokens {
		if o.meeting == meeting && o.lifetime == p.Lifetime && now.Sub(o.FetchedAt) <= p.MaxAge && now.Before(o.ExpiresAt) {
			return o.OBF, true
		}
	}
	return zoomapi.OBF{}, false
}

func (x *obfSlot) keep(added keptOBF) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.tokens = slices.DeleteFunc(x.tokens, func(o keptOBF) bool {
		return o.meeting == added.meeting && o.lifetime == added.lifetime
	})
	if len(x.tokens) == maxKeptOBF {
		x.tokens = slices.Delete(x.tokens, 0, 1)
	}
	x.tokens = append(x.tokens, added)
}

// forget drops the tokens of a user who has no grant left.
func (x *obfSlot) forget() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.tokens = nil
}
