package zoompkce

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// OBFPolicy says what on-behalf-of token a request needs.
type OBFPolicy struct {
	// MaxAge is how old it may be. 0: it is fetched for this request and given to
	// nobody else, because Zoom calls such tokens single-use
	// (developers.zoom.us/blog/transition-to-obf-token-meetingsdk-apps).
	MaxAge time.Duration
	// Lifetime is how long it is to be valid. 0: the 2 hours of Zoom's default.
	Lifetime time.Duration
}

// OBF returns an on-behalf-of token of the visitor for a meeting, whose number
// is a result of [zoomapi.MeetingNumber]. Visitors choose the meeting and so the number
// of calls to Zoom, whose limits are shared by all: who has used up a share of
// their own gets a [zoomapi.KindRateLimited]. Errors are those of
// [Manager.AccessToken].
func (m *Manager) OBF(ctx context.Context, s *Session, meeting string, p OBFPolicy) (o zoomapi.OBF, err error) {
	if p.MaxAge > 0 {
		o, err = m.sharedOBF(ctx, s.user, meeting, p)
	} else {
		o, err = m.oneOBF(ctx, s.user, meeting, p.Lifetime)
	}
	if err != nil {
		return zoomapi.OBF{}, unavailable(zoomapi.CallOBF, err)
	}
	return o, nil
}

// oneOBF fetches a token for a single request.
func (m *Manager) oneOBF(ctx context.Context, u *user, meeting string, lifetime time.Duration) (zoomapi.OBF, error) {
	group := m.work.begin()
	if group == nil {
		return zoomapi.OBF{}, errClosing
	}
	defer group.Done()
	return m.callOBF(ctx, u, meeting, lifetime)
}

// sharedOBF fetches a token for all who want one at the same time, and keeps it
// for those who take one of its age.
func (m *Manager) sharedOBF(ctx context.Context, u *user, meeting string, p OBFPolicy) (zoomapi.OBF, error) {
	x := u.obfSlot()
	if o, ok := x.kept(meeting, p, time.Now()); ok {
		return o, nil
	}
	key := "obf" + string(u.key[:]) + p.Lifetime.String() + "/" + p.MaxAge.String() + "/" + meeting
	return share(ctx, m, key, m.timeout, func(ctx context.Context) (zoomapi.OBF, error) {
		if o, ok := x.kept(meeting, p, time.Now()); ok {
			return o, nil
		}
		o, err := m.callOBF(ctx, u, meeting, p.Lifetime)
		if err == nil {
			x.keep(keptOBF{o, meeting, p.Lifetime})
		}
		return o, err
	})
}

// callOBF asks Zoom, one call at a time for a user.
func (m *Manager) callOBF(ctx context.Context, u *user, meeting string, lifetime time.Duration) (o zoomapi.OBF, err error) {
	x := u.obfSlot()
	leave, err := m.takeTurn(ctx, x.turn)
	if err != nil {
		return o, err
	}
	defer leave()
	if err := m.barred(u, zoomapi.CallOBF); err != nil {
		return o, err
	}
	if err := x.spend(meeting, u.newest(), time.Now()); err != nil {
		return o, err
	}
	o, err = fetchKey(ctx, m, u, zoomapi.CallOBF, EventOBF, func(ctx context.Context, t zoomapi.Token) (zoomapi.OBF, error) {
		return m.client.OBF(ctx, t, meeting, lifetime)
	})
	if ctx.Err() == nil { // else it is no word of Zoom's
		x.noteRefusal(meeting, u.newest(), err, time.Now())
	}
	return o, err
}

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
	calls   allowance     // obfShare in obfSharePeriod
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
	if wait := x.calls.take(obfShare, obfSharePeriod, now); wait > 0 {
		return &zoomapi.Error{Call: zoomapi.CallOBF, Kind: zoomapi.KindRateLimited, RetryAfter: wait, Err: errOBFShare}
	}
	return nil
}

// noteRefusal remembers what Zoom answered, if it is about the meeting or if Zoom
// cannot be reached. A limit pauses the calls of all users.
func (x *obfSlot) noteRefusal(meeting string, g *grant, err error, now time.Time) {
	e, ok := errors.AsType[*zoomapi.Error](err)
	if !ok || e.Call != zoomapi.CallOBF || g == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	switch e.Kind {
	case zoomapi.KindRateLimited:
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
