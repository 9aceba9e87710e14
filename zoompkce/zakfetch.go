package zoompkce

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
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
	current  atomic.Pointer[ZAK]
	failure  atomic.Pointer[failure]
	fetching atomic.Bool // ahead of time, in the background

	// Users whose requests take ZAKs get the next one before this one is too old.
	lastUse atomic.Int64            // Unix nanoseconds
	ahead   atomic.Pointer[Manager] // who fetches the next one

	one sync.Mutex // serialises fetches for single requests
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

// usable reports whether a ZAK is young enough.
func (z *ZAK) usable(now time.Time, maxAge time.Duration) bool {
	return z != nil && now.Sub(z.FetchedAt) <= maxAge && now.Before(z.ExpiresAt)
}

// ZAK returns a ZAK of the visitor that is not older than the policy says.
// While none can be fetched an older one is returned if it is still valid.
// Errors are those of [Manager.AccessToken].
func (m *Manager) ZAK(ctx context.Context, s *Session, p ZAKPolicy) (ZAK, error) {
	now := time.Now()
	slot := s.user.zakSlot(p.Lifetime)
	slot.lastUse.Store(now.UnixNano())
	if p.MaxAge <= 0 {
		return m.oneZAK(ctx, s, slot)
	}
	if z := slot.current.Load(); z.usable(now, p.MaxAge) {
		if slot.ahead.Load() != m && remembered(&slot.failure, now) == nil {
			m.fetchAhead(s, slot, p, z)
		}
		return *z, nil
	}
	err := remembered(&slot.failure, now)
	if err == nil {
		err = m.share(ctx, s.user, "zak"+p.Lifetime.String(), m.timeout, func(ctx context.Context) error {
			if slot.current.Load().usable(time.Now(), p.MaxAge) {
				return nil
			}
			return m.fetchZAK(ctx, s, slot, p)
		})
	}
	if z := slot.current.Load(); err == nil || z.stillValid(time.Now(), p.Lifetime) {
		return *z, nil
	}
	return ZAK{}, unavailable(CallZAK, err)
}

// stillValid reports whether a ZAK too old for the policy is better than none.
func (z *ZAK) stillValid(now time.Time, lifetime time.Duration) bool {
	if z == nil {
		return false
	}
	if lifetime == 0 {
		return now.Sub(z.FetchedAt) <= staleZAK
	}
	return now.Before(z.ExpiresAt)
}

// oneZAK fetches a ZAK for a single request, one after the other.
func (m *Manager) oneZAK(ctx context.Context, s *Session, slot *zakSlot) (ZAK, error) {
	if err := m.zakPaused(time.Now()); err != nil {
		return ZAK{}, err
	}
	slot.one.Lock()
	defer slot.one.Unlock()
	if err := ctx.Err(); err != nil {
		return ZAK{}, err
	}
	return m.callZAK(ctx, s, slot.lifetime)
}

// fetchZAK fetches a ZAK for all who wait, and arranges for the next one.
func (m *Manager) fetchZAK(ctx context.Context, s *Session, slot *zakSlot, p ZAKPolicy) error {
	z, err := m.callZAK(ctx, s, p.Lifetime)
	if err != nil {
		remember(&slot.failure, err, zakFailurePause)
		return err
	}
	slot.failure.Store(nil)
	slot.current.Store(&z)
	m.fetchAhead(s, slot, p, &z)
	return nil
}

// fetchAhead fetches the next ZAK when four fifths of its age are over, as long as
// the user's requests have taken one within the last two ages: then none of
// them has to wait, and nobody who has left costs more than two calls.
func (m *Manager) fetchAhead(s *Session, slot *zakSlot, p ZAKPolicy, z *ZAK) {
	slot.ahead.Store(m)
	left := z.FetchedAt.Add(p.MaxAge * 4 / 5).Sub(time.Now())
	time.AfterFunc(max(left, 0), func() {
		if slot.ahead.Load() != m {
			return
		}
		used := time.Unix(0, slot.lastUse.Load())
		if slot.current.Load() != z || time.Since(used) > 2*p.MaxAge || !s.user.signedIn() {
			slot.ahead.CompareAndSwap(m, nil)
			return
		}
		m.runOnce(&slot.fetching, func(ctx context.Context) {
			err := m.share(ctx, s.user, "zak"+p.Lifetime.String(), m.timeout, func(ctx context.Context) error {
				return m.fetchZAK(ctx, s, slot, p)
			})
			if err != nil {
				slot.ahead.CompareAndSwap(m, nil)
			}
		})
	})
}

// signedIn reports whether the user had a live grant when last looked at.
func (u *user) signedIn() bool {
	g := u.grant(u.current.Load())
	return g != nil && !g.dead()
}

// callZAK asks Zoom for a ZAK.
func (m *Manager) callZAK(ctx context.Context, s *Session, lifetime time.Duration) (z ZAK, err error) {
	if err := m.zakPaused(time.Now()); err != nil {
		return z, err
	}
	err = m.withGrant(ctx, s, CallZAK, EventZAK, func(ctx context.Context, t Token) (err error) {
		z, err = m.client.ZAK(ctx, t, lifetime)
		return err
	})
	return z, err
}

// withGrant makes a call with the visitor's access token. Zoom may have revoked it
// before its time, so a refusal is answered by one refresh and one repeat.
func (m *Manager) withGrant(ctx context.Context, s *Session, call Call, kind EventKind, do func(context.Context, Token) error) error {
	u := s.user
	snap := u.current.Load()
	g, err := m.validGrant(ctx, u, snap)
	if err != nil {
		return err
	}
	if scope, lacks := g.Lacks[call]; lacks {
		return &Error{Call: call, Kind: KindMissingScope, Scopes: []string{scope}}
	}
	if err = do(ctx, g.token()); KindOf(err) == KindUnauthorized {
		if refused := m.refresh(ctx, u, g); refused != nil {
			m.observeFetch(kind, u, refused)
			return refused
		}
		if g = u.grant(u.current.Load()); g == nil || g.dead() {
			return errGrantDying
		}
		err = do(ctx, g.token())
	}
	if e, ok := errors.AsType[*Error](err); ok {
		switch e.Kind {
		case KindRateLimited:
			m.pauseZAK(e.RetryAfter)
		case KindMissingScope:
			m.noteMissingScope(ctx, u, g, call, e)
		}
	}
	m.observeFetch(kind, u, err)
	return err
}

func (m *Manager) observeFetch(kind EventKind, u *user, err error) {
	outcome := "ok"
	switch KindOf(err) {
	case KindRateLimited:
		outcome = "rate_limited"
	case KindMissingScope:
		outcome = "missing_scope"
	default:
		if err != nil {
			outcome = "failed"
		}
	}
	userID := ""
	if g := u.grant(u.current.Load()); g != nil {
		userID = g.Profile.ID
	}
	m.observe(Event{Kind: kind, UserID: userID, Outcome: outcome, Err: err})
}

// Zoom's limits count for the whole account, so one answer 429 stops the calls
// for all users of the app.
func (m *Manager) pauseZAK(d time.Duration) {
	until := time.Now().Add(d).UnixNano()
	for {
		old := m.state.zakPause.Load()
		if old >= until || m.state.zakPause.CompareAndSwap(old, until) {
			return
		}
	}
}

func (m *Manager) zakPaused(now time.Time) error {
	left := time.Duration(m.state.zakPause.Load() - now.UnixNano())
	if left <= 0 {
		return nil
	}
	return &Error{Call: CallZAK, Kind: KindRateLimited, RetryAfter: left}
}

// noteMissingScope marks the grant: it will not get the scope by asking again,
// only by another sign-in.
func (m *Manager) noteMissingScope(ctx context.Context, u *user, g *grant, call Call, e *Error) {
	scope := ""
	if len(e.Scopes) > 0 {
		scope = e.Scopes[0]
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	_, _ = m.change(ctx, u, "noting a missing scope", func(r *record) error {
		if r.Grant == nil || r.Grant.SignIn != g.SignIn {
			return errUnchanged
		}
		if _, noted := r.Grant.Lacks[call]; noted {
			return errUnchanged
		}
		if r.Grant.Lacks == nil {
			r.Grant.Lacks = make(map[Call]string)
		}
		r.Grant.Lacks[call] = scope
		return nil
	})
}

// NeedsAuthorization reports whether the visitor's grant lacks a scope that a
// fresh authorization may bring: after the app's scopes were changed, tokens keep
// what they had. It is asked for once; if that did not help it is for the
// operator.
func (m *Manager) NeedsAuthorization(s *Session) bool {
	g := s.user.grant(s.user.current.Load())
	return g != nil && len(g.Lacks) > 0 && !g.Asked
}
