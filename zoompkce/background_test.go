package zoompkce_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// A request that a closed manager still serves keeps nobody from reading ahead.
func TestClosedManagerReadsNothingAhead(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		p.works(b)
		old := p.reload()
		old.Close()
		time.Sleep(6 * time.Second)
		loads := w.store.counted("load")
		if _, err := old.Session(ctx, b.header()); err != nil {
			w.Error(err)
		}
		if n := w.store.counted("load") - loads; n != 0 {
			w.Errorf("%d loads by a closed manager", n)
		}
		for want := 1; want <= 2; want++ {
			p.works(b)
			synctest.Wait()
			if n := w.store.counted("load") - loads; n != want {
				w.Errorf("%d loads, want %d", n, want)
			}
			time.Sleep(6 * time.Second)
		}
	})
}

// A store that panics while tokens are saved loses none: it is tried again.
func TestPanicWhileTokensAreSaved(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		toExpiry()
		p.breakSave(b, func() {
			w.store.fail("swap", 1)
			w.store.add(storeRule{op: "swap", times: 1, panics: true})
		})
		token := p.works(b)
		time.Sleep(20 * time.Second)
		if w.process().works(b) != token {
			w.Error("not saved")
		}
		panics := slices.DeleteFunc(p.told(), func(e zoompkce.Event) bool { return e.Kind != zoompkce.EventPanic })
		if len(panics) != 1 || !strings.Contains(panics[0].Err.Error(), "the store has a bug") {
			w.Errorf("told of %v", panics)
		}
	})
}

// However many managers there are, one tries to save, and ever more seldom.
func TestOneSavesAtATime(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		toExpiry()
		p.breakSave(b, func() { w.store.fail("swap", -1) })
		p.Close()
		p.reload()
		defer p.reload().Close()
		time.Sleep(2 * time.Minute)
		swaps := w.store.counted("swap")
		time.Sleep(time.Minute)
		if n := w.store.counted("swap") - swaps; n < 3 || n > 5 {
			w.Errorf("%d tries in a minute", n)
		}
	})
}

// A process that ends revokes the tokens it could not save if their user has left.
func TestClosingRevokesWhatNobodyNeeds(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		b := p.signIn("ada")
		q.session(b)
		toExpiry()
		p.breakSave(b, func() { w.store.fail("swap", -1) })
		w.store.heal()
		w.must(q.SignOut(ctx, b.header()))
		p.Close()
		if n := w.live(); n != 0 {
			w.Errorf("%d tokens live on", n)
		}
	})
}

// The store took tokens, though it answered with an error, and another process has refreshed them
// since: those are no loss.
func TestUnsavedTokensThatOthersHaveRefreshed(t *testing.T) {
	bubble(t, func(w *world) {
		q := w.process()
		p, way := w.alone()
		b := p.signIn("ada")
		toExpiry()
		p.breakSave(b, func() {
			way.pass("load", 1)
			way.failAfter("swap", 1)
			way.fail("load", -1)
		})
		toExpiry()
		token := q.works(b)
		synctest.Wait()
		swaps := w.store.counted("swap")
		way.heal()
		time.Sleep(20 * time.Second)
		if n := w.store.counted("swap") - swaps; n != 0 {
			w.Errorf("%d writes", n)
		}
		if p.works(b) != token {
			w.Error("other tokens")
		}
		w.calls(zoomtest.CallRefresh, 2)
		if got := p.outcomes(zoompkce.EventRefresh); got[len(got)-1] != "superseded" {
			w.Errorf("told of %q", got)
		}
	})
}

// A refresh that a sign-in has overtaken gives its lease back: nobody waits for it.
func TestOvertakenRefreshGivesTheLeaseBack(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		old := p.signIn("ada")
		toExpiry()
		var b *browser
		w.must(p.overtaken(old, func() { b = q.signIn("ada") }))
		synctest.Wait()
		w.zoom.RevokeAccessTokens(w.app.ClientID, "ada")
		w.took(time.Second, func() { q.hasZAK(b, minute) })
	})
}

// Tokens that are saved leave the profile as others have found it meanwhile.
func TestSavingTokensKeepsTheNewerProfile(t *testing.T) {
	bubble(t, func(w *world) {
		idle := func(c *zoompkce.ManagerConfig) { c.IdleTimeout = 100 * time.Hour }
		p, q := w.process(idle), w.process(idle)
		b := p.signIn("ada")
		time.Sleep(24 * time.Hour)
		w.zoom.Fail(zoomtest.CallMe, 1, zoomtest.Status(503, ""))
		q.works(b)
		time.Sleep(56 * time.Minute)
		gate := w.zoom.Hold(zoomtest.CallRefresh, zoomtest.After)
		p.works(b) // refreshes ahead
		<-gate.Arrived()
		w.zoom.AddUser(zoomtest.User{ID: "ada", AccountID: "elsewhere"})
		_, err := q.CurrentProfile(ctx, q.session(b))
		w.must(err)
		w.zoom.Fail(zoomtest.CallMe, -1, zoomtest.Status(503, ""))
		gate.Release()
		synctest.Wait()
		if got := w.process(idle).session(b).Profile(); got.AccountID != "elsewhere" {
			w.Errorf("the profile is %+v", got)
		}
		w.calls(zoomtest.CallRefresh, 2)
	})
}

// Two sign-ins fail in another order than Zoom has taken them: the tokens of the later are used.
func TestTwoSignInsWhoseFailuresCross(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		p.works(b)
		one, two := newBrowser(), newBrowser()
		earlier, code := p.begin(one, "ada")
		later, laterCode := p.begin(two, "ada")
		g := &gate{make(chan struct{}), make(chan struct{})}
		w.store.add(storeRule{op: "swap", times: 1, gate: g, err: errStoreDown})
		done := async(func() error { return p.finish(one, earlier, code) })
		<-g.arrived
		w.store.fail("swap", -1)
		time.Sleep(time.Second)
		if p.finish(two, later, laterCode) == nil {
			w.Error("signed in")
		}
		close(g.release)
		if <-done == nil {
			w.Error("signed in")
		}
		p.works(b)
	})
}

// Of ever more sign-ins that fail the latest are kept.
func TestManySignInsFailAfterTheExchange(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		p.works(b)
		w.store.fail("swap", -1)
		for range 20 {
			time.Sleep(time.Second)
			if p.finishAnother("ada") == nil {
				w.Fatal("signed in")
			}
		}
		p.works(b)
		w.store.heal()
		w.zoom.ResetCounts()
		time.Sleep(time.Minute)
		w.process().works(b)
		if n := p.state.UnsavedUsers(); n != 0 {
			w.Errorf("%d users have unsaved tokens", n)
		}
		if n := w.zoom.Count(zoomtest.CallAny); n > 20 {
			w.Errorf("%d calls to Zoom", n)
		}
	})
}

// The store goes back, and two readings find that at the same time: the second takes nothing
// from what the first brought back.
func TestStoreGoesBackBetweenTwoReadings(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		p.signIn("ada")
		former := p.signIn("ada").header()
		w.must(p.SignOut(ctx, former))
		restore := w.snapshotOf(w.store.only(t))
		time.Sleep(time.Second)
		b := p.signIn("ada")
		token := p.works(b)
		restore()
		time.Sleep(11 * time.Second)
		first := w.store.hold("load", true)
		read := async(func() error { _, err := p.token(b); return err })
		<-first.arrived
		second := w.store.hold("load", true)
		left := async(func() error { return p.SignOut(ctx, former) })
		<-second.arrived
		close(first.release)
		w.must(<-read)
		close(second.release)
		w.must(<-left)
		if p.works(b) != token {
			w.Error("another grant")
		}
	})
}

// A record that is gone has no user: a request that came before gets nothing, and the event says of nobody.
func TestZAKOfAUserWhoseRecordIsGone(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		s := p.session(b)
		w.wipe("")
		time.Sleep(11 * time.Second)
		p.signedOut(b)
		if _, err := p.ZAK(ctx, s, zoompkce.ZAKPolicy{}); zoomapi.KindOf(err) != zoomapi.KindUnknown || err == nil {
			w.Errorf("%v", err)
		}
		told := p.told()
		if last := told[len(told)-1]; last.Kind != zoompkce.EventZAK || last.UserID != "" || last.Outcome != "failed" {
			w.Errorf("told of %+v", last)
		}
	})
}

// The manager that comes after one with unsaved tokens may not have read the generated secret yet.
func TestUnsavedTokensAfterAReloadWithAGeneratedSecret(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(secrets())
		b := p.signIn("ada")
		toExpiry()
		p.breakSave(b, func() { w.store.fail("swap", -1) })
		token := p.works(b)
		p.reload(secrets()).Close()
		w.store.heal()
		w.store.fail("load", 1) // of the secret
		time.Sleep(20 * time.Second)
		if w.process(secrets()).works(b) != token {
			w.Error("not saved")
		}
		if panics := p.outcomes(zoompkce.EventPanic); len(panics) != 0 {
			w.Errorf("%d panics", len(panics))
		}
	})
}

// What comes for an unsaved refresh token is kept, too, however often saving fails.
func TestUnsavedGrantIsRefreshedTwice(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		for range 3 {
			toExpiry()
			w.store.heal()
			p.breakSave(b, func() { w.store.fail("swap", -1) })
			p.works(b)
		}
		token := p.works(b)
		w.store.heal()
		time.Sleep(time.Minute)
		if w.process().works(b) != token {
			w.Error("not saved")
		}
		w.calls(zoomtest.CallRefresh, 3)
	})
}
