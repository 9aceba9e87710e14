package zoompkce_test

import (
	"net/http"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// unsaved has a sign-in of ada fail when the store is to take what Zoom has given.
func (p *process) unsaved(broken func()) {
	p.Helper()
	b := newBrowser()
	l, code := p.begin(b, "ada")
	gate := p.zoom.Hold(zoomtest.CallCode, zoomtest.After)
	done := async(func() error { return p.finish(b, l, code) })
	<-gate.Arrived()
	broken()
	gate.Release()
	if err := <-done; err == nil {
		p.Fatal("signed in")
	}
}

// While Zoom cannot say which of two sign-ins was the later, neither takes the other's place, and no
// refresh token is spent.
func TestZoomCannotSayWhichIsTheLater(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		q.signIn("ada")
		p.unsaved(func() { w.store.fail("swap", 1) })
		b := q.signIn("ada")
		token := q.works(b)
		w.zoom.Fail(zoomtest.CallMe, -1, zoomtest.Status(503, ""))
		for range 5 {
			time.Sleep(11 * time.Second)
			if q.works(b) != token {
				w.Error("the later tokens are gone")
			}
		}
		if n := p.state.UnsavedUsers(); n != 1 {
			w.Errorf("%d users have unsaved tokens", n)
		}
		w.calls(zoomtest.CallRefresh, 0)
		w.zoom.Restore(zoomtest.CallMe)
		time.Sleep(time.Minute)
		if p.works(b) != token || q.works(b) != token {
			w.Error("not the tokens of the later sign-in")
		}
		if n := p.state.UnsavedUsers(); n != 0 {
			w.Errorf("%d users have unsaved tokens", n)
		}
		if got := p.outcomes(zoompkce.EventRefresh); len(got) == 0 || got[len(got)-1] != "superseded" {
			w.Errorf("told of %q", got)
		}
	})
}

// What Zoom has said of two sign-ins is known from then on, whatever clocks say, also when the store
// goes back to the earlier one.
func TestSavedSignInAfterAnotherClock(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		b := q.signIn("ada")
		q.ahead(2 * time.Minute)
		restore := w.snapshotOf(w.store.only(t))
		p.unsaved(func() { w.store.fail("load", -1) })
		w.store.heal()
		time.Sleep(20 * time.Second)
		token := p.works(b)
		if q.works(b) != token {
			w.Error("two grants")
		}
		restore()
		for range 3 {
			time.Sleep(11 * time.Second)
			if p.works(b) != token {
				w.Error("another grant")
			}
		}
		if q.works(b) != token {
			w.Error("two grants")
		}
	})
}

// Nor is it forgotten while the store takes nothing.
func TestUnsavedSignInThatZoomHasJudged(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		b := q.signIn("ada")
		q.ahead(2 * time.Minute)
		p.unsaved(func() { w.store.fail("load", -1) })
		w.store.heal()
		w.store.fail("swap", -1)
		time.Sleep(20 * time.Second)
		p.works(b)
	})
}

// A refresh that a sign-in has overtaken says so, and asks Zoom nothing with tokens that have ended.
func TestRefreshThatASignInHasOvertaken(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		old := p.signIn("ada")
		toExpiry()
		var token string
		w.must(p.overtaken(old, func() { token = q.works(q.signIn("ada")) }))
		synctest.Wait()
		if p.works(old) != token {
			w.Error("two grants")
		}
		if got := p.outcomes(zoompkce.EventRefresh); !slices.Equal(got, []string{"superseded"}) {
			w.Errorf("told of %q", got)
		}
	})
}

// Tokens that come when the user has left are revoked, once.
func TestRefreshThatASignOutHasOvertaken(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		b := p.signIn("ada")
		toExpiry()
		revoked := 0
		_ = p.overtaken(b, func() {
			w.must(q.SignOut(ctx, b.header()))
			revoked = w.zoom.Count(zoomtest.CallRevoke)
		})
		synctest.Wait()
		w.calls(zoomtest.CallRevoke, revoked+1)
		if n := w.live(); n != 0 {
			w.Errorf("%d tokens live on", n)
		}
		if got := p.outcomes(zoompkce.EventRefresh); !slices.Equal(got, []string{"superseded"}) {
			w.Errorf("told of %q", got)
		}
	})
}

// What the store took, though it answered with an error, is not written again.
func TestSavedTokensAreNotSavedAgain(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		toExpiry()
		p.breakSave(b, func() { w.store.failAfter("swap", 1) })
		swaps := w.store.counted("swap")
		time.Sleep(20 * time.Second)
		if n := w.store.counted("swap") - swaps; n != 0 {
			w.Errorf("%d writes", n)
		}
		if n := p.state.UnsavedUsers(); n != 0 {
			w.Errorf("%d users have unsaved tokens", n)
		}
	})
}

// Tokens that were saved a moment ago may be of the later sign-in: Zoom is asked.
func TestSignInAfterARefreshElsewhere(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		b := p.signIn("ada")
		toExpiry()
		p.works(b)
		synctest.Wait()
		w.zoom.ResetCounts()
		q.works(q.signIn("ada"))
		w.calls(zoomtest.CallMe, 2)
	})
}

// One asks for all while Zoom refuses the app, also where its answers take a while.
func TestOneAsksForAllOfARefusedApp(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		inner := w.transport
		for i := range 20 {
			id := "user" + strconv.Itoa(i)
			w.zoom.AddUser(zoomtest.User{ID: id})
			p.signIn(id)
			b := newBrowser()
			l, code := q.begin(b, id)
			w.store.fail("swap", 1)
			if q.finish(b, l, code) == nil {
				w.Fatal("signed in")
			}
			w.zoom.RevokeAccessTokens(w.app.ClientID, id)
		}
		w.zoom.Fail(zoomtest.CallRefresh, -1, zoomtest.Status(400, `{"error":"invalid_client"}`))
		time.Sleep(time.Minute)
		w.through(func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return inner.RoundTrip(r)
		})
		w.zoom.ResetCounts()
		time.Sleep(10 * time.Minute)
		if n := w.zoom.Count(zoomtest.CallAny); n == 0 || n > 2*21 {
			w.Errorf("%d calls in ten minutes", n)
		}
	})
}

// Nothing is written of a user who leaves while Zoom is asked for the profile.
func TestProfileOfWhoHasLeft(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		toExpiry()
		gate := w.zoom.Hold(zoomtest.CallMe, zoomtest.After)
		p.works(b)
		<-gate.Arrived()
		w.must(p.SignOut(ctx, b.header()))
		swaps := w.store.counted("swap")
		gate.Release()
		synctest.Wait()
		if n := w.store.counted("swap") - swaps; n != 0 {
			w.Errorf("%d writes", n)
		}
	})
}

// alone is a process whose own way to the store can be broken.
func (w *world) alone() (*process, *testStore) {
	way := &testStore{Store: w.store, count: map[string]int{}}
	return w.process(func(c *zoompkce.ManagerConfig) { c.Store = way }), way
}

// Tokens that could not be saved until they are over take no place: not of a later sign-in's that live, nor
// does trouble spend their refresh token. Those of the sign-in that is surely the later are saved even then.
func TestUnsavedTokensThatAreOver(t *testing.T) {
	t.Run("the other sign-in's live", func(t *testing.T) {
		bubble(t, func(w *world) {
			q := w.process()
			p, way := w.alone()
			p.unsaved(func() { way.fail("load", -1) })
			time.Sleep(time.Second)
			b := q.signIn("ada")
			time.Sleep(2 * time.Hour)
			token := q.works(b)
			w.zoom.ResetCounts()
			way.heal()
			time.Sleep(time.Minute)
			if p.works(b) != token || q.works(b) != token {
				w.Error("other tokens")
			}
			w.calls(zoomtest.CallRefresh, 0)
		})
	})
	t.Run("and Zoom is in trouble", func(t *testing.T) {
		bubble(t, func(w *world) {
			q := w.process()
			p, way := w.alone()
			p.unsaved(func() { way.fail("load", -1) })
			time.Sleep(time.Second)
			b := q.signIn("ada")
			time.Sleep(2 * time.Hour)
			w.zoom.ResetCounts()
			w.zoom.Fail(zoomtest.CallMe, -1, zoomtest.Status(503, ""))
			way.heal()
			time.Sleep(time.Minute)
			w.calls(zoomtest.CallRefresh, 0)
			w.zoom.Restore(zoomtest.CallMe)
			time.Sleep(time.Minute)
			if p.works(b) != q.works(b) {
				w.Error("two grants")
			}
		})
	})
	t.Run("and surely the later", func(t *testing.T) {
		bubble(t, func(w *world) {
			q := w.process()
			p, way := w.alone()
			b := q.signIn("ada")
			time.Sleep(10 * time.Minute)
			p.unsaved(func() { way.fail("load", -1) })
			time.Sleep(2 * time.Hour)
			way.heal()
			time.Sleep(time.Minute)
			if p.works(b) != q.works(b) {
				w.Error("two grants")
			}
		})
	})
}

// What an earlier sign-in was found to lack is not held against one that was saved late.
func TestUnsavedSignInLacksNothing(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		w.zoom.SetScopes(w.app.ClientID, "user:read:user")
		b := p.signIn("ada")
		if _, err := p.zak(b, minute); zoomapi.KindOf(err) != zoomapi.KindMissingScope {
			w.Fatal(err)
		}
		w.zoom.SetScopes(w.app.ClientID, zoomtest.DefaultScopes()...)
		p.unsaved(func() { w.store.fail("swap", 1) })
		time.Sleep(time.Minute)
		p.hasZAK(b, minute)
		w.process().hasZAK(b, minute)
	})
}
