package zoompkce_test

import (
	"slices"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// One user's limit for OBF tokens is no reason to keep ZAKs from everybody for
// a day, and the other way about.
func TestPausesAreApart(t *testing.T) {
	for name, test := range map[string]struct {
		limited zoomtest.Call
		event   zoompkce.EventKind
		until   func(*zoompkce.Memory) time.Time
	}{
		"OBF": {zoomtest.CallOBF, zoompkce.EventOBF, (*zoompkce.Memory).OBFPausedUntil},
		"ZAK": {zoomtest.CallZAK, zoompkce.EventZAK, (*zoompkce.Memory).ZAKPausedUntil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				ada, bob := p.signIn("ada"), p.signIn("bob")
				w.zoom.Fail(test.limited, 1, zoomtest.RateLimited("36000", true))
				get := func(b *browser, call zoomtest.Call) error {
					if call == zoomtest.CallZAK {
						_, err := p.zak(b, zoompkce.ZAKPolicy{})
						return err
					}
					_, err := p.obf(b, meeting, zoompkce.OBFPolicy{})
					return err
				}
				other := map[zoomtest.Call]zoomtest.Call{zoomtest.CallZAK: zoomtest.CallOBF, zoomtest.CallOBF: zoomtest.CallZAK}[test.limited]
				if get(ada, test.limited) == nil {
					w.Fatal("not limited")
				}
				if got := p.outcomes(test.event); !slices.Equal(got, []string{"rate_limited"}) {
					w.Errorf("told of %q", got)
				}
				p.reload().Close() // which forgets nothing
				time.Sleep(2 * time.Second)
				if get(bob, test.limited) == nil {
					w.Error("Zoom's limit is for all users")
				}
				w.calls(test.limited, 1)
				w.must(get(ada, other))
				w.must(get(bob, other))
				if left := time.Until(test.until(p.state)); left < 9*time.Hour || left > 10*time.Hour {
					w.Errorf("paused for %v", left)
				}
				p.state.LiftPauses()
				if !test.until(p.state).IsZero() {
					w.Error("still paused")
				}
				w.must(get(ada, test.limited))
				w.must(get(bob, test.limited))
			})
		})
	}
}
