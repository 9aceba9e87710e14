package zoompkce

import (
	"context"
	"slices"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// maxOBF is how many OBF tokens are kept for a user.
const maxOBF = 8

type cachedOBF struct {
	zoomapi.OBF
	meeting  string
	lifetime time.Duration
}

// OBF returns an on-behalf-of token of the visitor for a meeting, whose number
// is a result of [MeetingNumber]. It has more than half of its life left. A
// lifetime of 0 is Zoom's default of 2 hours. Errors are those of [Manager.AccessToken].
func (m *Manager) OBF(ctx context.Context, s *Session, meeting string, lifetime time.Duration) (zoomapi.OBF, error) {
	u := s.user
	if o, ok := u.obf(meeting, lifetime, time.Now()); ok {
		return o, nil
	}
	key := "obf" + string(u.key[:]) + lifetime.String() + "/" + meeting
	o, err := share(ctx, m, key, m.timeout, func(ctx context.Context) (zoomapi.OBF, error) {
		if o, ok := u.obf(meeting, lifetime, time.Now()); ok {
			return o, nil
		}
		if err := remembered(&u.obfFailure, time.Now()); err != nil {
			return zoomapi.OBF{}, err
		}
		o, err := fetchKey(ctx, m, u, zoomapi.CallOBF, EventOBF, func(ctx context.Context, t zoomapi.Token) (zoomapi.OBF, error) {
			return m.client.OBF(ctx, t, meeting, lifetime)
		})
		if err == nil {
			u.keepOBF(cachedOBF{o, meeting, lifetime})
		} else if zoomapi.KindOf(err) == zoomapi.KindUnavailable {
			// Other refusals may be about this meeting only.
			remember(&u.obfFailure, err, zakFailurePause)
		}
		return o, err
	})
	if err != nil {
		return zoomapi.OBF{}, unavailable(zoomapi.CallOBF, err)
	}
	return o, nil
}

func (u *user) obf(meeting string, lifetime time.Duration, now time.Time) (zoomapi.OBF, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, o := range u.obfs {
		young := now.Sub(o.FetchedAt) < o.ExpiresAt.Sub(o.FetchedAt)/2
		if young && o.meeting == meeting && o.lifetime == lifetime {
			return o.OBF, true
		}
	}
	return zoomapi.OBF{}, false
}

func (u *user) keepOBF(added cachedOBF) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.obfs = slices.DeleteFunc(u.obfs, func(o cachedOBF) bool {
		return o.meeting == added.meeting && o.lifetime == added.lifetime
	})
	if len(u.obfs) == maxOBF {
		u.obfs = slices.Delete(u.obfs, 0, 1)
	}
	u.obfs = append(u.obfs, added)
}
