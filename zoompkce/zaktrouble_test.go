package zoompkce_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestOlderZAKWhileFetchingFails(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		first := p.hasZAK(b, minute)
		w.zoom.Fail(zoomtest.CallZAK, -1, zoomtest.Hang())
		time.Sleep(70 * time.Second)
		w.took(10*time.Second, func() { // one request finds out
			if z, err := p.zak(b, minute); err != nil || z.Token != first.Token {
				w.Errorf("%v", err)
			}
		})
		for time.Since(first.FetchedAt) < 4*time.Minute {
			w.took(0, func() {
				if z, err := p.zak(b, minute); err != nil || z.Token != first.Token {
					w.Errorf("after %v: %v", time.Since(first.FetchedAt), err)
				}
			})
			time.Sleep(time.Second)
		}
		time.Sleep(time.Second)
		w.took(10*time.Second, func() {
			if _, err := p.zak(b, minute); zoomapi.KindOf(err) != zoomapi.KindUnavailable {
				w.Errorf("a ZAK of more than four minutes: %v", err)
			}
		})
		w.zoom.Restore(zoomtest.CallAny)
		time.Sleep(2 * time.Second)
		p.hasZAK(b, minute)
	})
}

// Once Zoom answers at all, every request tries.
func TestZAKRecoversAtOnce(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		p.hasZAK(b, minute)
		w.zoom.Fail(zoomtest.CallZAK, -1, zoomtest.Status(500, ""))
		time.Sleep(90 * time.Second)
		if _, err := p.zak(b, minute); err != nil {
			w.Error(err)
		}
		if got := p.outcomes(zoompkce.EventZAK); !slices.Equal(got, []string{"ok", "failed", "failed"}) {
			w.Errorf("told of %q", got)
		}
		w.zoom.Restore(zoomtest.CallAny)
		time.Sleep(time.Second)
		p.hasZAK(b, minute)
	})
}

// Until then one finds out for all, once in a second.
func TestZAKFailureIsTheAnswerForAWhile(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		w.zoom.Fail(zoomtest.CallZAK, -1, zoomtest.Status(500, ""))
		for range 100 {
			if _, err := p.zak(b, minute); zoomapi.KindOf(err) != zoomapi.KindUnavailable {
				w.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := len(p.outcomes(zoompkce.EventZAK)); n > 10 {
			w.Errorf("%d fetches in ten seconds", n)
		}
	})
}

// A ZAK with a lifetime of its own serves until its end while no newer one can be had.
func TestZAKOfALifetimeWhileFetchingFails(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		policy := zoompkce.ZAKPolicy{MaxAge: 30 * time.Minute, Lifetime: 2 * time.Hour}
		first := p.hasZAK(b, policy)
		w.zoom.Fail(zoomtest.CallZAKToken, -1, zoomtest.Status(500, ""))
		for time.Until(first.ExpiresAt) > time.Minute {
			time.Sleep(time.Minute)
			if z, err := p.zak(b, policy); err != nil || z.Token != first.Token {
				w.Errorf("after %v: %v", time.Since(first.FetchedAt), err)
			}
		}
		time.Sleep(time.Minute)
		if _, err := p.zak(b, policy); zoomapi.KindOf(err) != zoomapi.KindUnavailable {
			w.Errorf("a ZAK that is over: %v", err)
		}
	})
}

// Once Zoom has answered again nobody gets an older ZAK than they may have.
func TestNoOlderZAKOnceZoomHasAnswered(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		p.hasZAK(b, minute)
		w.zoom.Fail(zoomtest.CallZAK, -1, zoomtest.Hang())
		time.Sleep(70 * time.Second)
		_, err := p.zak(b, minute) // which finds out
		w.must(err)
		w.zoom.Restore(zoomtest.CallAny)
		time.Sleep(time.Second)
		p.hasZAK(b, zoompkce.ZAKPolicy{})
		time.Sleep(2 * time.Second)
		p.hasZAK(b, zoompkce.ZAKPolicy{MaxAge: time.Second})
	})
}

// Nor does who is signed out get one, or who does not wait for it.
func TestNoOlderZAKForThoseWhoHaveLeft(t *testing.T) {
	second := zoompkce.ZAKPolicy{MaxAge: time.Second}
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		b := p.signIn("ada")
		p.hasZAK(b, second)
		s := p.session(b)
		time.Sleep(10 * time.Second)
		leaving, leave := context.WithCancel(ctx)
		gate := w.zoom.Hold(zoomtest.CallZAK, zoomtest.After)
		gone := async(func() error { _, err := p.ZAK(leaving, s, second); return err })
		<-gate.Arrived()
		leave()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			w.Errorf("who does not wait: %v", err)
		}
		gate.Release()
		time.Sleep(10 * time.Second)
		w.must(q.SignOut(ctx, b.header()))
		if _, err := p.ZAK(ctx, s, second); !errors.As(err, new(*zoompkce.NoSessionError)) {
			w.Errorf("who is signed out: %v", err)
		}
		if got := p.outcomes(zoompkce.EventZAK); got[len(got)-1] != "failed" {
			w.Errorf("told of %q", got)
		}
	})
}

func TestBadZAKAnswers(t *testing.T) {
	for name, h := range map[string]http.Handler{
		"empty":       zoomtest.Status(200, `{"token":""}`),
		"absent":      zoomtest.Status(200, `{}`),
		"line break":  zoomtest.Status(200, `{"token":"a\r\nX-Evil: 1"}`),
		"100 KB":      zoomtest.Status(200, `{"token":"`+strings.Repeat("a", 100<<10)+`"}`),
		"number":      zoomtest.Status(200, `{"token":1}`),
		"HTML":        zoomtest.HTML(),
		"huge":        zoomtest.Huge(2 << 20),
		"truncated":   zoomtest.Truncated(`{"token":"abcdefgh"}`),
		"reset":       zoomtest.ResetConn(),
		"hanging":     zoomtest.Hang(),
		"dripping":    zoomtest.Drip(time.Second, `{"token":"abcdefghijklmnopqrstuvwxyz"}`),
		"500":         zoomtest.Status(500, ""),
		"unknown 400": zoomtest.Status(400, `{"code":1001,"message":"User not exist."}`),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				b := p.signIn("ada")
				w.zoom.Fail(zoomtest.CallZAK, -1, h)
				w.took(10*time.Second, func() {
					z, err := p.zak(b, minute)
					if err == nil || z.Token != "" || errors.As(err, new(*zoompkce.NoSessionError)) {
						w.Errorf("%v", err)
					}
				})
				p.works(b)
				w.zoom.Restore(zoomtest.CallAny)
				time.Sleep(time.Second)
				p.hasZAK(b, minute)
				w.calls(zoomtest.CallRefresh, 0)
			})
		})
	}
}

func TestZAKPauseForAllUsers(t *testing.T) {
	for name, retryAfter := range map[string]func(time.Time) string{
		"seconds":   func(time.Time) string { return "90" },
		"HTTP date": func(now time.Time) string { return now.UTC().Add(90 * time.Second).Format(http.TimeFormat) },
		"ISO date":  func(now time.Time) string { return now.UTC().Add(90 * time.Second).Format(time.RFC3339) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				ada, bob := p.signIn("ada"), p.signIn("bob")
				p.hasZAK(bob, minute)
				w.zoom.ResetCounts()
				w.zoom.Fail(zoomtest.CallZAK, 1, zoomtest.RateLimited(retryAfter(time.Now()), name == "ISO date"))
				for range 89 {
					_, err := p.zak(ada, minute)
					e, ok := errors.AsType[*zoomapi.Error](err)
					if !ok || e.Kind != zoomapi.KindRateLimited || e.RetryAfter <= 0 || e.RetryAfter > 90*time.Second || e.Call != zoomapi.CallZAK {
						w.Fatalf("%v", err)
					}
					if _, err := p.zak(bob, minute); err != nil {
						w.Fatalf("an older ZAK of another user: %v", err)
					}
					time.Sleep(time.Second)
				}
				w.calls(zoomtest.CallZAK, 1)
				time.Sleep(2 * time.Second)
				p.hasZAK(ada, minute)
				p.hasZAK(bob, minute)
			})
		})
	}
	t.Run("no Retry-After, and 0", func(t *testing.T) {
		for _, retryAfter := range []string{"", "0", "-5"} {
			bubble(t, func(w *world) {
				p := w.process()
				b := p.signIn("ada")
				w.zoom.Fail(zoomtest.CallZAK, -1, zoomtest.RateLimited(retryAfter, false))
				for range 100 {
					_, _ = p.zak(b, minute)
					time.Sleep(100 * time.Millisecond)
				}
				if n := w.zoom.Count(zoomtest.CallZAK); n > 11 {
					w.Errorf("%q: %d calls in ten seconds", retryAfter, n)
				}
			})
		}
	})
	t.Run("a daily limit", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			w.zoom.RateLimit(0, 3)
			for range 60 {
				_, _ = p.zak(b, zoompkce.ZAKPolicy{})
				time.Sleep(time.Minute)
			}
			w.calls(zoomtest.CallZAK, 4)
			time.Sleep(24 * time.Hour)
		})
	})
}

// Who waits for the call of another shares its failure.
func TestFailureIsSharedByThoseWhoWait(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		slowZoom(w, time.Second)
		w.zoom.Fail(zoomtest.CallZAK, 1, zoomtest.Status(503, ""))
		ask := func() error {
			_, err := p.zak(b, zoompkce.ZAKPolicy{})
			return err
		}
		one, two := async(ask), async(ask)
		if first, second := <-one, <-two; first == nil || second == nil {
			w.Errorf("%v, %v", first, second)
		}
		w.calls(zoomtest.CallZAK, 1)
	})
}

// Events tell of whom they are.
func TestUserOfAnEvent(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		_, err := p.zak(b, zoompkce.ZAKPolicy{})
		w.must(err)
		_, err = p.obf(b, meeting, zoompkce.OBFPolicy{})
		w.must(err)
		w.must(p.SignOut(ctx, b.header()))
		seen := map[zoompkce.EventKind]bool{}
		for _, e := range p.told() {
			seen[e.Kind] = true
			if e.UserID != "ada" {
				w.Errorf("%v of %q", e.Kind, e.UserID)
			}
		}
		for _, kind := range []zoompkce.EventKind{zoompkce.EventSignedIn, zoompkce.EventZAK, zoompkce.EventOBF, zoompkce.EventSignedOut} {
			if !seen[kind] {
				w.Errorf("no event of kind %v", kind)
			}
		}
	})
}
