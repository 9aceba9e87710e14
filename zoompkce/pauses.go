package zoompkce

import (
	"sync/atomic"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// minPause is the least time that Zoom is left alone after it has answered that
// there were too many calls.
const minPause = time.Second

// pauses are until when, in Unix nanoseconds, Zoom wants no calls of a kind, for
// all users of the app: its limits count for whole accounts. Each kind has
// its own, so that OBF tokens, whose number visitors can drive, cannot stop ZAKs.
type pauses struct{ zak, obf atomic.Int64 }

func (p *pauses) of(call zoomapi.Call) *atomic.Int64 {
	if call == zoomapi.CallOBF {
		return &p.obf
	}
	return &p.zak
}

// extend makes the pause of a kind of call last for at least d from now.
func (p *pauses) extend(call zoomapi.Call, d time.Duration) {
	pause, until := p.of(call), time.Now().Add(max(d, minPause)).UnixNano()
	for {
		old := pause.Load()
		if old >= until || pause.CompareAndSwap(old, until) {
			return
		}
	}
}

// err is the answer to a call during its pause.
func (p *pauses) err(call zoomapi.Call, now time.Time) error {
	left := time.Duration(p.of(call).Load() - now.UnixNano())
	if left <= 0 {
		return nil
	}
	return &zoomapi.Error{Call: call, Kind: zoomapi.KindRateLimited, RetryAfter: left}
}

func (p *pauses) until(call zoomapi.Call) time.Time {
	if until := time.Unix(0, p.of(call).Load()); until.After(time.Now()) {
		return until
	}
	return time.Time{}
}

// ZAKPausedUntil is until when Zoom wants no ZAK calls, zero if it does not mind.
func (s *State) ZAKPausedUntil() time.Time { return s.pauses.until(zoomapi.CallZAK) }

// OBFPausedUntil is until when Zoom wants no OBF calls, zero if it does not mind.
func (s *State) OBFPausedUntil() time.Time { return s.pauses.until(zoomapi.CallOBF) }

// LiftPauses lets ZAKs and OBF tokens be fetched again before Zoom's time is
// over, for an operator who knows that the limit was raised. The shares of
// single users stay as they are.
func (s *State) LiftPauses() {
	s.pauses.zak.Store(0)
	s.pauses.obf.Store(0)
}
