package zoompkce

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
	"weak"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// ZAKPolicy says what ZAK a request needs.
type ZAKPolicy struct {
	// MaxAge is how old it may be; 0 fetches one for the request alone.
	MaxAge time.Duration
	// Lifetime is how long it is to be valid. 0: the 5 minutes of Zoom's default.
	Lifetime time.Duration
}

const (
	// staleZAK is how old a ZAK of the default lifetime, 5 minutes, may be
	// where no newer one can be had.
	staleZAK = 4 * time.Minute
	// zakFailurePause is how long a failed fetch is the answer for others.
	zakFailurePause = time.Second
)

// zakSlot holds the ZAK of a user of one lifetime.
type zakSlot struct {
	lifetime time.Duration
	current  atomic.Pointer[zoomapi.ZAK]
	failure  atomic.Pointer[failure] // of the last fetch
	fetching atomic.Bool             // in the background

	lastUse atomic.Int64  // Unix nanoseconds
	ahead   atomic.Bool   // a timer will fetch the next one
	turn    chan struct{} // see turnOf
}

func (u *user) zakSlot(lifetime time.Duration) *zakSlot {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, slot := range u.zaks {
		if slot.lifetime == lifetime {
			return slot
		}
	}
	slot := &zakSlot{lifetime: lifetime}
	u.zaks = append(u.zaks, slot)
	return slot
}

// unused is for how long no request has wanted a ZAK.
func (slot *zakSlot) unused() time.Duration {
	return time.Duration(time.Now().UnixNano() - slot.lastUse.Load())
}

// turnOf is held by the request that fetches a ZAK for itself. It is made for
// policies that want that.
func (u *user) turnOf(slot *zakSlot) chan struct{} {
	u.mu.Lock()
	defer u.mu.Unlock()
	if slot.turn == nil {
		slot.turn = make(chan struct{}, 1)
	}
	return slot.turn
}

// fresh reports whether a ZAK is young enough.
func fresh(z *zoomapi.ZAK, now time.Time, maxAge time.Duration) bool {
	return z != nil && now.Sub(z.FetchedAt) <= maxAge && now.Before(z.ExpiresAt)
}

// usable reports whether a ZAK, though too old for the policy, is better than none.
func usable(z *zoomapi.ZAK, now time.Time, lifetime time.Duration) bool {
	if z == nil {
		return false
	}
	if lifetime == 0 {
		return now.Sub(z.FetchedAt) <= staleZAK
	}
	return now.Before(z.ExpiresAt)
}

// ZAK returns a ZAK of the visitor that is not older than the policy says.
// While none can be fetched an older one is returned if it is still valid.
// Errors are those of [Manager.AccessToken].
func (m *Manager) ZAK(ctx context.Context, s *Session, p ZAKPolicy) (zoomapi.ZAK, error) {
	now := time.Now()
	slot := s.user.zakSlot(p.Lifetime)
	slot.lastUse.Store(now.UnixNano())
	if p.MaxAge <= 0 {
		return m.oneZAK(ctx, s.user, slot)
	}
	z := slot.current.Load()
	if fresh(z, now, p.MaxAge) {
		if !slot.ahead.Load() {
			m.fetchAhead(s.user, slot, p)
		}
		return *z, nil
	}
	if usable(z, now, p.Lifetime) && m.zoomHangs(slot, now) {
		// Not every request has to find that out for itself.
		m.fetchInBackground(s.user, slot, p)
		return *z, nil
	}
	z, err := m.fetchZAK(ctx, s.user, slot, p)
	if err != nil {
		return slot.older(err)
	}
	return *z, nil
}

// older returns the ZAK there is in place of one that could not be fetched,
// but not to a visitor who is signed out or away.
func (slot *zakSlot) older(err error) (zoomapi.ZAK, error) {
	left := errors.As(err, new(*NoSessionError)) || errors.Is(err, context.Canceled)
	if z := slot.current.Load(); !left && usable(z, time.Now(), slot.lifetime) {
		return *z, nil
	}
	return zoomapi.ZAK{}, unavailable(zoomapi.CallZAK, err)
}

// zoomHangs reports whether the last fetch took long to fail, a moment ago or
// before the one under way.
func (m *Manager) zoomHangs(slot *zakSlot, now time.Time) bool {
	f := slot.failure.Load()
	return f != nil && f.slow && (slot.fetching.Load() || now.Sub(f.until) < m.timeout)
}

// fetchZAK fetches a ZAK for all who need one, and arranges for the next one.
func (m *Manager) fetchZAK(ctx context.Context, u *user, slot *zakSlot, p ZAKPolicy) (*zoomapi.ZAK, error) {
	// Handlers of one app may differ in how old a ZAK they take.
	key := "zak" + string(u.key[:]) + p.Lifetime.String() + "/" + p.MaxAge.String()
	return share(ctx, m, key, m.timeout, func(ctx context.Context) (*zoomapi.ZAK, error) {
		now := time.Now()
		if z := slot.current.Load(); fresh(z, now, p.MaxAge) && !aging(z, now, p.MaxAge) {
			return z, nil
		}
		if err := remembered(&slot.failure, now); err != nil {
			return nil, err
		}
		z, err := m.callZAK(ctx, u, slot)
		if err != nil {
			return nil, err
		}
		if !slot.ahead.Load() {
			m.fetchAhead(u, slot, p)
		}
		return z, nil
	})
}

func (m *Manager) fetchInBackground(u *user, slot *zakSlot, p ZAKPolicy) {
	if remembered(&slot.failure, time.Now()) == nil {
		m.runOnce(&slot.fetching, func(ctx context.Context) { _, _ = m.fetchZAK(ctx, u, slot, p) })
	}
}

// oneZAK fetches a ZAK for a single request, one after the other.
func (m *Manager) oneZAK(ctx context.Context, u *user, slot *zakSlot) (zoomapi.ZAK, error) {
	group := m.work.begin()
	if group == nil {
		return zoomapi.ZAK{}, unavailable(zoomapi.CallZAK, errClosing)
	}
	defer group.Done()
	z, err := m.waitForTurn(ctx, u, slot)
	if err != nil {
		return slot.older(err)
	}
	return *z, nil
}

func (m *Manager) waitForTurn(ctx context.Context, u *user, slot *zakSlot) (*zoomapi.ZAK, error) {
	leave, err := m.takeTurn(ctx, u.turnOf(slot))
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := remembered(&slot.failure, time.Now()); err != nil {
		return nil, err
	}
	return m.callZAK(ctx, u, slot)
}

// callZAK asks Zoom, and keeps what it answers. What the session, the store or
// the visitor is to blame for is no word of Zoom's, and a missing scope is noted
// in the grant.
func (m *Manager) callZAK(ctx context.Context, u *user, slot *zakSlot) (*zoomapi.ZAK, error) {
	began := time.Now()
	if err := m.barred(u, zoomapi.CallZAK); err != nil {
		return nil, err
	}
	z, err := fetchKey(ctx, m, u, zoomapi.CallZAK, EventZAK, func(ctx context.Context, t zoomapi.Token) (zoomapi.ZAK, error) {
		return m.client.ZAK(ctx, t, slot.lifetime)
	})
	if err != nil {
		if kind := zoomapi.KindOf(err); kind != zoomapi.KindUnknown && kind != zoomapi.KindMissingScope && ctx.Err() == nil {
			now := time.Now()
			slow := now.Sub(began) > zakFailurePause
			slot.failure.Store(&failure{err: err, until: now.Add(zakFailurePause), slow: slow})
		}
		return nil, err
	}
	slot.failure.Store(nil)
	slot.current.Store(&z)
	return &z, nil
}

// aheadMargin is how long before a ZAK is too old the next one is fetched; of
// short ages it is a fifth.
const aheadMargin = 6 * time.Second

// renewAt is when the ZAK that follows z is to be fetched.
func renewAt(z *zoomapi.ZAK, maxAge time.Duration) time.Time {
	maxAge = min(maxAge, z.ExpiresAt.Sub(z.FetchedAt))
	return z.FetchedAt.Add(maxAge - min(aheadMargin, maxAge/5))
}

// aging reports whether the next one is to be fetched by now.
func aging(z *zoomapi.ZAK, now time.Time, maxAge time.Duration) bool {
	return !now.Before(renewAt(z, maxAge))
}

// fetchAhead fetches the next ZAK shortly before this one is too old, as long as
// the user's requests have taken one within the last two ages: then none of
// them has to wait, and nobody who has left costs more than two calls. The
// timer keeps neither the user in memory nor the manager at work.
func (m *Manager) fetchAhead(u *user, slot *zakSlot, p ZAKPolicy) {
	z := slot.current.Load()
	if z == nil {
		return
	}
	left := time.Until(renewAt(z, p.MaxAge))
	if left <= 0 {
		m.fetchInBackground(u, slot, p)
		return
	}
	// What is far away must not keep a handler from it that wants younger ones.
	if left > unusedLife || !slot.ahead.CompareAndSwap(false, true) {
		return
	}
	state, begun, remote := m.memory, weak.Make(m), weak.Make(u)
	time.AfterFunc(left, func() {
		u := remote.Value()
		if u == nil {
			return
		}
		slot := u.zakSlot(p.Lifetime)
		slot.ahead.Store(false)
		if slot.unused() > 2*p.MaxAge || !u.signedIn() {
			return
		}
		if m := state.successor(begun.Value()); m != nil {
			m.fetchAhead(u, slot, p)
		}
	})
}
