package zoompkce_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// Two refreshes by processes that know of each other only through the record.
func TestLease(t *testing.T) {
	t.Run("the second waits and takes what the first got", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(), w.process()
			b := p.signIn("ada")
			q.works(b)
			toExpiry()
			gate := w.zoom.Hold(zoomtest.CallRefresh, zoomtest.Before)
			first := p.refreshing(b)
			<-gate.Arrived()
			second := q.refreshing(b)
			swaps := w.store.counted("swap")
			time.Sleep(5 * time.Second)
			if n := w.store.counted("swap") - swaps; n != 0 {
				w.Errorf("%d writes while waiting", n)
			}
			gate.Release()
			w.must(<-first)
			w.must(<-second)
			w.calls(zoomtest.CallRefresh, 1)
		})
	})
	t.Run("nobody waits longer than a call may take", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(), w.process()
			b := p.signIn("ada")
			toExpiry()
			gate := w.zoom.Hold(zoomtest.CallRefresh, zoomtest.Before)
			go func() { _, _ = p.token(b) }()
			<-gate.Arrived()
			w.store.fail("swap", -1) // p cannot give the lease back, as if it had been killed
			time.Sleep(time.Second)
			w.took(11*time.Second, func() {
				if _, err := q.token(b); zoomapi.KindOf(err) != zoomapi.KindUnavailable {
					w.Errorf("waiting for the lease ended in %v", err)
				}
			})
			w.store.heal()
			w.calls(zoomtest.CallRefresh, 1)

			// The deadline is over: the lease is free. The held call of p is lost.
			time.Sleep(30 * time.Second)
			q.works(b)
			w.calls(zoomtest.CallRefresh, 2)
		})
	})
	t.Run("is given back with the tokens, and when Zoom has refused", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(), w.process()
			b := p.signIn("ada")
			toExpiry()
			p.works(b)
			w.zoom.RevokeAccessTokens(w.app.ClientID, "ada")
			w.took(time.Second, func() { q.hasZAK(b, minute) })
			w.calls(zoomtest.CallRefresh, 2)
			toExpiry()
			w.zoom.Fail(zoomtest.CallRefresh, 1, zoomtest.Status(500, ""))
			if _, err := p.token(b); err == nil {
				w.Error("the refresh did not fail")
			}
			w.took(time.Second, func() { q.works(b) })
		})
	})
	t.Run("is not given back by the refresh of a grant that a sign-in has ended, while another is at Zoom", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(), w.process()
			b := p.signIn("ada")
			toExpiry()
			older := w.zoom.Hold(zoomtest.CallRefresh, zoomtest.Before)
			first := p.refreshing(b)
			<-older.Arrived()
			p.signIn("ada")
			w.zoom.RevokeAccessTokens(w.app.ClientID, "ada")
			newer := w.zoom.Hold(zoomtest.CallRefresh, zoomtest.Before)
			second := async(func() error { _, err := p.zak(b, minute); return err })
			<-newer.Arrived()
			older.Release()
			w.must(<-first)
			third := async(func() error { _, err := q.zak(b, minute); return err })
			time.Sleep(time.Second)
			newer.Release()
			w.must(<-second)
			w.must(<-third)
			w.calls(zoomtest.CallRefresh, 2)
		})
	})
	t.Run("is not taken for a grant that another process finds ended", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(), w.process()
			b := p.signIn("ada")
			w.zoom.RevokeUser(w.app.ClientID, "ada")
			toExpiry()
			first := p.refreshing(b)
			time.Sleep(time.Second)
			q.signedOut(b)
			<-first
			w.calls(zoomtest.CallRefresh, 1)
		})
	})
	t.Run("a lease this process left behind is no obstacle", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			toExpiry()
			w.store.failAfter("swap", 1) // the lease is stored, and the store says no
			p.storeTrouble(b)
			w.calls(zoomtest.CallRefresh, 0)
			time.Sleep(6 * time.Second)
			p.works(b)
			w.zoom.RevokeAccessTokens(w.app.ClientID, "ada")
			w.took(time.Second, func() { w.process().hasZAK(b, minute) }) // nor to others, when it has been used
		})
	})
	t.Run("is worth nothing when a sign-in comes before the store's answer", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(), w.process()
			b := p.signIn("ada")
			toExpiry()
			swap := w.store.hold("swap", true)
			refreshed := p.refreshing(b)
			<-swap.arrived
			other := q.signIn("ada")
			p.works(other)
			close(swap.release)
			w.must(<-refreshed)
			w.calls(zoomtest.CallRefresh, 0)
			q.works(b)
		})
	})
	t.Run("of a process that is gone ends with a sign-in", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(), w.process()
			b := p.signIn("ada")
			toExpiry()
			gate := w.zoom.Hold(zoomtest.CallRefresh, zoomtest.Before)
			go func() { _, _ = p.token(b) }()
			<-gate.Arrived()
			fresh := q.signIn("ada")
			w.zoom.RevokeAccessTokens(w.app.ClientID, "ada")
			w.took(time.Second, func() { q.hasZAK(fresh, minute) })
			gate.Release()
		})
	})
}

// invalid_grant alone is no reason to sign anybody out.
func TestInvalidGrant(t *testing.T) {
	t.Run("is final when nothing newer appears", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(), w.process()
			b := p.signIn("ada")
			toExpiry()
			w.zoom.RevokeUser(w.app.ClientID, "ada")
			w.took(11*time.Second, func() {
				if p.signedOut(b).Clear {
					w.Error("cookies cleared though a sign-in may be under way")
				}
			})
			w.took(0, func() { p.signedOut(b) })
			w.calls(zoomtest.CallRefresh, 1)
			if n := w.store.counted("swap"); n != 3 { // a sign-in, a lease, and the end, which gives it back
				w.Errorf("%d writes", n)
			}
			if q.signedOut(b).Clear {
				w.Error("another process clears the cookies")
			}
			time.Sleep(61 * time.Second)
			if !p.signedOut(b).Clear || !q.signedOut(b).Clear {
				w.Error("the sessions did not end after the grace time")
			}
			w.calls(zoomtest.CallRefresh, 1)
			if got := p.outcomes(zoompkce.EventRefresh); !slices.Equal(got, []string{"invalid_grant"}) {
				w.Errorf("outcomes %q", got)
			}
			p.works(p.signIn("ada"))
			if !p.signedOut(b).Clear {
				w.Error("a session that had ended is back")
			}
		})
	})
	t.Run("a sign-in within the grace time revives the sessions", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			toExpiry()
			w.zoom.RevokeUser(w.app.ClientID, "ada")
			p.signedOut(b)
			time.Sleep(50 * time.Second)
			other := p.signIn("ada")
			if p.works(b) != p.works(other) {
				w.Error("two grants")
			}
		})
	})
	for _, code := range []string{"4711", "4735", "4737", "4738", "4740", "4741"} {
		t.Run("as code "+code, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				b := p.signIn("ada")
				toExpiry()
				w.zoom.Fail(zoomtest.CallRefresh, -1, zoomtest.Status(400, `{"code":`+code+`,"message":"no"}`))
				p.signedOut(b)
			})
		})
	}
	t.Run("a slow refusal is waited for", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			toExpiry()
			w.zoom.RevokeUser(w.app.ClientID, "ada")
			inner := w.zoom.Client().Transport
			w.through(func(r *http.Request) (*http.Response, error) {
				time.Sleep(9 * time.Second)
				return inner.RoundTrip(r)
			})
			w.took(20*time.Second, func() { p.signedOut(b) })
		})
	})
	watched := func(t *testing.T, meanwhile func(w *world, q *process), ends func(w *world, p *process, b *browser, err error)) {
		t.Helper()
		bubble(t, func(w *world) {
			p, q := w.process(), w.process()
			b := p.signIn("ada")
			toExpiry()
			w.zoom.RevokeUser(w.app.ClientID, "ada")
			p.session(b)
			done := p.refreshing(b)
			time.Sleep(9900 * time.Millisecond) // one look is left
			meanwhile(w, q)
			err := <-done
			synctest.Wait()
			ends(w, p, b, err)
		})
	}
	t.Run("counts as overtaken up to the last look", func(t *testing.T) {
		watched(t, func(w *world, q *process) {
			last := w.store.hold("load", false)
			<-last.arrived
			q.signIn("ada")
			close(last.release)
		}, func(w *world, p *process, b *browser, err error) {
			w.must(err)
			p.works(b)
			if n := w.store.counted("swap"); n != 3 { // two sign-ins, and a lease
				w.Errorf("%d writes", n)
			}
			if got := p.outcomes(zoompkce.EventRefresh); !slices.Equal(got, []string{"superseded"}) {
				w.Errorf("told of %q", got)
			}
		})
	})
	t.Run("is no verdict while the store is in trouble", func(t *testing.T) {
		watched(t, func(w *world, q *process) { w.store.fail("any", -1) }, func(w *world, p *process, b *browser, err error) {
			if !errors.As(err, new(*zoompkce.StoreError)) {
				w.Errorf("%v", err)
			}
			w.store.heal()
			time.Sleep(30 * time.Second)
			p.signedOut(b)
		})
	})
	t.Run("nor is a look that fails", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(), w.process()
			b := p.signIn("ada")
			toExpiry()
			w.zoom.RevokeUser(w.app.ClientID, "ada")
			done := p.refreshing(b)
			time.Sleep(time.Second)
			w.store.fail("load", 3)
			time.Sleep(2 * time.Second)
			q.signIn("ada")
			w.must(<-done)
			p.works(b)
		})
	})
	t.Run("a manager that is drained leaves it to the next", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			toExpiry()
			w.zoom.RevokeUser(w.app.ClientID, "ada")
			done := p.refreshing(b)
			time.Sleep(time.Second)
			old := p.reload()
			w.took(time.Second, old.Close)
			if err := <-done; zoomapi.KindOf(err) != zoomapi.KindUnavailable {
				w.Errorf("the request that waited: %v", err)
			}
			time.Sleep(6 * time.Second)
			p.signedOut(b)
		})
	})
}
