package zoompkce

import (
	"time"
	"weak"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

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
	// A user whom nothing is heard of for longer is not in memory any more.
	if left > unusedLife || !slot.ahead.CompareAndSwap(false, true) {
		return
	}
	state, begun, remote := m.state, weak.Make(m), weak.Make(u)
	time.AfterFunc(left, func() {
		slot.ahead.Store(false)
		u, used := remote.Value(), time.Unix(0, slot.lastUse.Load())
		if u == nil || time.Since(used) > 2*p.MaxAge || !u.signedIn() {
			return
		}
		if m := state.successor(begun.Value()); m != nil {
			m.fetchAhead(u, slot, p)
		}
	})
}
