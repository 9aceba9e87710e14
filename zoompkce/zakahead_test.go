package zoompkce_test

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// slowZoom answers ZAK calls after a while.
func slowZoom(w *world, d time.Duration) {
	inner := w.zoom.Client().Transport
	w.through(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/zak") {
			time.Sleep(d)
		}
		return inner.RoundTrip(r)
	})
}

func TestActiveUserNeverWaitsForAZAK(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, pause := range map[string]func(n int) time.Duration{
		"every second":               func(int) time.Duration { return time.Second },
		"every 13 seconds":           func(int) time.Duration { return 13 * time.Second },
		"every 59 seconds":           func(int) time.Duration { return 59 * time.Second },
		"every 60 seconds":           func(int) time.Duration { return time.Minute },
		"every 61 seconds":           func(int) time.Duration { return 61 * time.Second },
		"every 100 seconds":          func(int) time.Duration { return 100 * time.Second },
		"two minutes apart":          func(int) time.Duration { return 2 * time.Minute },
		"a burst, then a pause":      func(n int) time.Duration { return []time.Duration{0, 0, 0, 0, 0, 0, 0, 90 * time.Second}[n%8] },
		"all at once, then a minute": func(n int) time.Duration { return []time.Duration{0, 0, 0, time.Minute}[n%4] },
		"at random":                  func(int) time.Duration { return time.Duration(random.Int64N(int64(100 * time.Second))) },
		"at random, denser":          func(int) time.Duration { return time.Duration(random.Int64N(int64(10 * time.Second))) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				slowZoom(w, 2*time.Second)
				p := w.process()
				b := p.signIn("ada")
				p.hasZAK(b, minute)
				end := time.Now().Add(10 * time.Minute)
				for n := 0; time.Now().Before(end); n++ {
					w.took(0, func() { p.hasZAK(b, minute) })
					time.Sleep(pause(n))
				}
				calls := w.zoom.Count(zoomtest.CallZAK)
				if calls > 15 {
					w.Errorf("%d calls in ten minutes", calls)
				}
				time.Sleep(time.Hour)
				if after := w.zoom.Count(zoomtest.CallZAK); after > 15 || after > calls+2 {
					w.Errorf("%d calls for a user who had left, %d before", after-calls, calls)
				}
			})
		})
	}
}

func TestZAKAheadContinues(t *testing.T) {
	for name, between := range map[string]func(p *process){
		"across a reload":                       func(p *process) { p.reload().Close() },
		"across two reloads":                    func(p *process) { p.reload().Close(); p.reload().Close() },
		"where two handlers share one State":    func(p *process) { p.reload() },
		"with a manager that has only drained":  func(p *process) { p.reload().Drain() },
		"and the old one answers a request yet": func(p *process) { p.reload().Drain() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				b := p.signIn("ada")
				p.hasZAK(b, minute)
				old := p.Manager
				between(p)
				defer old.Close()
				slowZoom(w, 2*time.Second)
				for range 5 {
					time.Sleep(90 * time.Second)
					w.took(0, func() { p.hasZAK(b, minute) })
				}
			})
		})
	}
}

// Handlers of one app may want ZAKs of different ages; nobody gets an older one.
func TestTwoPolicies(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		short := zoompkce.ZAKPolicy{MaxAge: 10 * time.Second}
		for range 300 {
			p.hasZAK(b, minute)
			p.hasZAK(b, short)
			time.Sleep(time.Second)
		}
		if n := w.zoom.Count(zoomtest.CallZAK); n > 45 {
			w.Errorf("%d calls in five minutes", n)
		}
	})
}

// Nor does anybody wait because another handler takes one that is far older.
func TestPoliciesFarApart(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		inner := w.transport
		w.through(func(r *http.Request) (*http.Response, error) {
			time.Sleep(2 * time.Second)
			return inner.RoundTrip(r)
		})
		p.hasZAK(b, zoompkce.ZAKPolicy{MaxAge: time.Hour, Lifetime: 2 * time.Hour})
		for range 10 {
			w.took(0, func() { p.hasZAK(b, zoompkce.ZAKPolicy{MaxAge: time.Minute, Lifetime: 2 * time.Hour}) })
			time.Sleep(40 * time.Second)
		}
	})
}

// A ZAK is fetched ahead of its end where that comes before its age is over.
func TestZAKIsFetchedAheadOfItsEnd(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		policy := zoompkce.ZAKPolicy{MaxAge: 24 * time.Hour}
		first := p.hasZAK(b, policy)
		time.Sleep(time.Until(first.ExpiresAt) - time.Minute)
		p.hasZAK(b, policy)
		time.Sleep(57 * time.Second)
		w.calls(zoomtest.CallZAK, 2)
	})
}
