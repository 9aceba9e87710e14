package zoompkce

import (
	"context"
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
	if err := m.barred(u, zoomapi.CallOBF, time.Now()); err != nil {
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
