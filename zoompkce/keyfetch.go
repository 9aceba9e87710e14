package zoompkce

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// barred is why Zoom is not to be asked now: it wants to be left alone, or has
// found that the grant lacks a scope.
func (m *Manager) barred(u *user, call zoomapi.Call) error {
	if err := m.memory.pauses.err(call); err != nil {
		return err
	}
	if g := u.newest(); g != nil {
		return g.lacks(call)
	}
	return nil
}

// fetchKey asks Zoom for a ZAK or an OBF token of the user.
func fetchKey[T any](
	ctx context.Context, m *Manager, u *user, call zoomapi.Call, kind EventKind,
	do func(context.Context, zoomapi.Token) (T, error),
) (key T, err error) {
	g, err := m.withGrant(ctx, u, func(ctx context.Context, t zoomapi.Token) (err error) {
		key, err = do(ctx, t)
		return err
	})
	outcome := "ok"
	switch e, _ := errors.AsType[*zoomapi.Error](err); {
	case err == nil:
	case e == nil || g == nil: // without a grant there was no call
		outcome = "failed"
	case e.Kind == zoomapi.KindRateLimited:
		outcome = "rate_limited"
		m.memory.pauses.extend(call, e.RetryAfter)
	case e.Kind == zoomapi.KindMissingScope:
		outcome = "missing_scope"
		m.noteMissingScope(ctx, u, g, call, e)
	default:
		outcome = "failed"
	}
	m.observe(Event{Kind: kind, UserID: u.id(), Outcome: outcome, Err: err})
	return key, err
}

// noteMissingScope marks the grant: it will not get the scope by asking again,
// only by another sign-in.
func (m *Manager) noteMissingScope(ctx context.Context, u *user, g *grant, call zoomapi.Call, e *zoomapi.Error) {
	scope := ""
	if len(e.Scopes) > 0 {
		scope = e.Scopes[0]
	}
	ctx = context.WithoutCancel(ctx)
	_, _ = m.change(ctx, storePatience, u, "noting a missing scope", func(r *record) error {
		if r.Grant == nil || r.Grant.SignIn != g.SignIn {
			return errUnchanged
		}
		if _, noted := r.Grant.Lacks[call]; noted {
			return errUnchanged
		}
		if r.Grant.Lacks == nil {
			r.Grant.Lacks = make(map[zoomapi.Call]string)
		}
		r.Grant.Lacks[call] = scope
		return nil
	})
}

// lacks is the error of a call that needs a scope Zoom has found missing.
func (g *grant) lacks(call zoomapi.Call) error {
	scope, lacks := g.Lacks[call]
	if !lacks {
		return nil
	}
	e := &zoomapi.Error{Call: call, Kind: zoomapi.KindMissingScope}
	if scope != "" {
		e.Scopes = []string{scope}
	}
	return e
}

// NeedsAuthorization reports whether the visitor's grant lacks a scope that a
// fresh authorization may bring: after the app's scopes were changed, tokens keep
// what they had. It is asked for once; if that did not help it is for the
// operator.
func (m *Manager) NeedsAuthorization(s *Session) bool {
	g := s.user.newest()
	return g != nil && len(g.Lacks) > 0 && !g.Asked
}

// minPause is the least time that Zoom is left alone after it has answered that
// there were too many calls.
const minPause = time.Second

// pauses are until when Zoom wants no calls of a kind, for all users of the app:
// its limits count for whole accounts. Each kind has its own, so that OBF
// tokens, whose number visitors can drive, cannot stop ZAKs.
type pauses struct {
	mu   sync.Mutex
	ends map[zoomapi.Call]time.Time
}

// extend makes the pause of a kind of call last for at least d from now.
func (p *pauses) extend(call zoomapi.Call, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ends[call] = later(p.ends[call], time.Now().Add(max(d, minPause)))
}

// err is the answer to a call during its pause.
func (p *pauses) err(call zoomapi.Call) error {
	until := p.until(call)
	if until.IsZero() {
		return nil
	}
	return &zoomapi.Error{Call: call, Kind: zoomapi.KindRateLimited, RetryAfter: time.Until(until)}
}

// until is when the pause of a kind of call ends, zero where there is none.
func (p *pauses) until(call zoomapi.Call) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := p.ends[call]; until.After(time.Now()) {
		return until
	}
	return time.Time{}
}

// ZAKPausedUntil is until when Zoom wants no ZAK calls, zero if it does not mind.
func (s *Memory) ZAKPausedUntil() time.Time { return s.pauses.until(zoomapi.CallZAK) }

// OBFPausedUntil is until when Zoom wants no OBF calls, zero if it does not mind.
func (s *Memory) OBFPausedUntil() time.Time { return s.pauses.until(zoomapi.CallOBF) }

// LiftPauses lets ZAKs and OBF tokens be fetched again before Zoom's time is
// over, for an operator who knows that the limit was raised. The shares of
// single users stay as they are.
func (s *Memory) LiftPauses() {
	s.pauses.mu.Lock()
	defer s.pauses.mu.Unlock()
	clear(s.pauses.ends)
}
