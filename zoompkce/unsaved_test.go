package zoompkce_test

import (
	"errors"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// breakSave has the store fail between Zoom's answer to a refresh and the save.
func (p *process) breakSave(b *browser, broken func()) {
	p.Helper()
	p.took(3*time.Second, func() {
		if err := p.overtaken(b, broken); err != nil {
			p.Errorf("the refresh that could not be saved: %v", err)
		}
	})
}

// Zoom's word that tokens have ended, which no store has taken, ends them there, too.
func TestUnsavedGrantThatZoomHasEnded(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		toExpiry()
		p.breakSave(b, func() { w.store.fail("swap", -1) })
		toExpiry()
		w.zoom.RevokeUser(w.app.ClientID, "ada")
		for tried := w.store.counted("swap"); w.store.counted("swap") == tried; {
			time.Sleep(100 * time.Millisecond) // until the next try to save them is 15 s ahead
		}
		w.store.heal()
		p.signedOut(b)
		w.calls(zoomtest.CallRefresh, 2)
		time.Sleep(time.Minute)
		if status, err := w.process().UserStatus(ctx, "ada"); err != nil || !status.Dead || p.state.UnsavedUsers() != 0 {
			w.Errorf("%+v, %v; tokens of %d users are not saved", status, err, p.state.UnsavedUsers())
		}
	})
}

func TestUnsavedGrant(t *testing.T) {
	for name, broken := range map[string]func(*testStore){
		"load fails":                func(s *testStore) { s.fail("load", -1) },
		"swap fails":                func(s *testStore) { s.fail("swap", -1) },
		"swap hangs":                func(s *testStore) { s.hang("swap") },
		"load hangs":                func(s *testStore) { s.hang("load") },
		"swap works but says no":    func(s *testStore) { s.pass("load", 1); s.failAfter("swap", 1); s.fail("load", 3) },
		"swap conflicts and fails":  func(s *testStore) { s.add(storeRule{op: "swap", times: 200, err: zoompkce.ErrConflict}) },
		"everything fails, briefly": func(s *testStore) { s.fail("any", 2) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				b := p.signIn("ada")
				toExpiry()
				p.breakSave(b, func() { broken(w.store) })
				token := p.works(b)
				time.Sleep(5 * time.Minute)
				if p.works(b) != token {
					w.Error("the unsaved token is not used any more")
				}
				w.store.heal()
				time.Sleep(20 * time.Second)
				if q := w.process(); q.works(b) != token {
					w.Error("not saved")
				}
				w.calls(zoomtest.CallRefresh, 1)
				if got := p.outcomes(zoompkce.EventRefresh); !slices.Equal(got, []string{"unsaved", "ok"}) {
					w.Errorf("outcomes %q", got)
				}
				// The lease was given back with it.
				toExpiry()
				w.took(time.Second, func() { w.process().works(b) })
			})
		})
	}
}

// The unsaved refresh token is the one to be spent next.
func TestUnsavedGrantIsRefreshed(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		toExpiry()
		p.breakSave(b, func() { w.store.fail("swap", -1) })
		time.Sleep(2 * time.Second)
		toExpiry()
		p.storeTrouble(b) // no lease, no refresh
		w.calls(zoomtest.CallRefresh, 1)
		w.store.heal()
		time.Sleep(6 * time.Second)
		p.works(b)
		time.Sleep(time.Minute)
		w.process().works(b)
	})
}

func TestUnsavedGrantIsSuperseded(t *testing.T) {
	t.Run("by a sign-in", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(), w.process()
			b := p.signIn("ada")
			toExpiry()
			p.breakSave(b, func() { w.store.fail("swap", -1) })
			w.store.heal()
			other := q.signIn("ada")
			time.Sleep(time.Minute)
			if p.works(b) != q.works(other) {
				w.Error("two grants")
			}
			if n := w.live(); n != 1 {
				w.Errorf("%d tokens live", n)
			}
		})
	})
	t.Run("by a sign-in that another clock calls older, when neither access token can tell any more", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(), w.process()
			fresh := newBrowser()
			l, code := p.begin(fresh, "ada")
			gate := w.zoom.Hold(zoomtest.CallMe, zoomtest.After)
			done := async(func() error { return p.finish(fresh, l, code) })
			<-gate.Arrived()
			b := q.signIn("ada")
			q.ahead(-time.Minute)
			w.store.fail("load", -1)
			gate.Release()
			if err := <-done; err == nil {
				w.Fatal("signed in")
			}
			time.Sleep(2 * time.Hour)
			w.store.heal()
			time.Sleep(time.Minute)
			q.works(b)
			if n := p.state.UnsavedUsers(); n != 0 {
				w.Errorf("%d users have unsaved tokens", n)
			}
		})
	})
	t.Run("by a sign-out", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(), w.process()
			b := p.signIn("ada")
			q.session(b)
			toExpiry()
			p.breakSave(b, func() { w.store.fail("swap", -1) })
			w.store.heal()
			if err := q.SignOut(ctx, b.header()); err != nil {
				w.Fatal(err)
			}
			time.Sleep(time.Minute)
			p.signedOut(b)
			if n := w.live(); n != 0 {
				w.Errorf("%d tokens live on", n)
			}
		})
	})
}

// A reload loses nothing that only this process knows.
func TestReloadTakesOverUnsavedGrants(t *testing.T) {
	for name, reload := range map[string]func(p *process){
		"new before old ends": func(p *process) { p.reload().Close() },
		"drained, then closed": func(p *process) {
			old := p.reload()
			old.Drain()
			old.Close()
		},
		"old ends first": func(p *process) {
			p.Close()
			p.reload()
		},
		"twice": func(p *process) {
			p.reload().Close()
			p.reload().Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				b := p.signIn("ada")
				toExpiry()
				p.breakSave(b, func() { w.store.fail("swap", -1) })
				token := p.works(b)
				reload(p)
				if p.works(b) != token {
					w.Error("the unsaved token was forgotten")
				}
				w.store.heal()
				time.Sleep(time.Minute)
				if w.process().works(b) != token {
					w.Error("nobody saved it")
				}
				w.calls(zoomtest.CallRefresh, 1)
			})
		})
	}
}

// The last try of a process that ends.
func TestClosingSavesWhatItCan(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		toExpiry()
		p.breakSave(b, func() { w.store.fail("swap", -1) })
		token := p.works(b)
		time.Sleep(100 * time.Millisecond)
		w.store.heal()
		w.took(2*time.Second, p.Close)
		if w.process().works(b) != token {
			w.Error("not saved at the end")
		}
	})
}

// Managers can be drained while requests still come, and wait only for what
// had begun before.
func TestDrain(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		toExpiry()
		gate := w.zoom.Hold(zoomtest.CallRefresh, zoomtest.After)
		refreshed := p.refreshing(b)
		<-gate.Arrived()
		other := p.signIn("bob")
		drained := make(chan struct{})
		go func() {
			p.Drain()
			close(drained)
		}()
		synctest.Wait()
		select {
		case <-drained:
			w.Fatal("a refresh was left behind")
		default:
		}
		// Something new goes on; it does not hold up the drain.
		zak := w.zoom.Hold(zoomtest.CallZAK, zoomtest.After)
		asked := async(func() error {
			_, err := p.ZAK(ctx, p.session(other), zoompkce.ZAKPolicy{MaxAge: time.Minute})
			return err
		})
		<-zak.Arrived()
		gate.Release()
		<-drained
		w.must(<-refreshed)
		zak.Release()
		w.must(<-asked)
		p.works(b)

		p.Close()
		if _, err := p.SignIn(ctx, &zoompkce.Login{}, "code", nil); !errors.As(err, new(*zoompkce.StoreError)) {
			w.Errorf("signing in after Close: %v", err)
		}
	})
}

// One manager that is closing does not answer for another one of its State.
func TestClosedManagerDoesNotSpeakForOthers(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		s := p.session(b)
		ticket, err := p.OpenFrameTicket(ctx, p.ticket(b))
		w.must(err)
		l, code := p.begin(newBrowser(), "ada")
		old := p.reload()
		old.Close()
		for name, signIn := range map[string]func() (*zoompkce.SignedIn, error){
			"a sign-in": func() (*zoompkce.SignedIn, error) { return old.SignIn(ctx, l, code, nil) },
			"a ticket":  func() (*zoompkce.SignedIn, error) { return old.RedeemFrameTicket(ctx, ticket, nil) },
			"a context": func() (*zoompkce.SignedIn, error) {
				return old.SignInFromContext(ctx, zoomapi.AppContext{UserID: "ada", ID: "context"})
			},
		} {
			if _, err := signIn(); !errors.As(err, new(*zoompkce.StoreError)) {
				w.Errorf("%s at a closed manager: %v", name, err)
			}
		}
		if _, err := old.ZAK(ctx, s, zoompkce.ZAKPolicy{}); zoomapi.KindOf(err) != zoomapi.KindUnavailable {
			w.Errorf("a ZAK of a closed manager: %v", err)
		}
		toExpiry()
		if _, err := old.AccessToken(ctx, s); zoomapi.KindOf(err) != zoomapi.KindUnavailable {
			w.Errorf("a closed manager: %v", err)
		}
		p.works(b)
	})
}

// What panics in shared work is an error of those who share it.
func TestPanicsAreErrors(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		toExpiry()
		w.store.add(storeRule{op: "swap", times: 1, panics: true})
		if _, err := p.token(b); err == nil {
			w.Error("a panic was success")
		}
		time.Sleep(6 * time.Second)
		p.works(b)

		time.Sleep(6 * time.Second)
		w.store.add(storeRule{op: "load", times: 1, panics: true})
		p.works(b) // reads ahead
		synctest.Wait()
		time.Sleep(10 * time.Second)
		p.works(b)
	})
}

// Two sign-ins cross, and the one that Zoom took for the earlier has the later time here. When nobody has
// used them until their access tokens are over, the refresh token tells which of them has ended.
func TestUnsavedGrantWhenAllTokensAreOver(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		old, lost := p.signIn("ada"), newBrowser()
		gate := w.zoom.Hold(zoomtest.CallCode, zoomtest.After)
		l, code := q.begin(lost, "ada")
		done := async(func() error { return q.finish(lost, l, code) })
		<-gate.Arrived()
		b := p.signIn("ada")
		time.Sleep(time.Second)
		w.store.fail("any", -1)
		w.zoom.Fail(zoomtest.CallMe, 2, zoomtest.Status(503, ""))
		gate.Release()
		if err := <-done; err == nil {
			w.Error("signed in")
		}
		toExpiry()
		w.store.heal()
		time.Sleep(time.Minute)
		if n := q.state.UnsavedUsers(); n != 0 {
			w.Errorf("tokens of %d users are not saved", n)
		}
		for _, at := range []*process{p, q} {
			at.works(b)
			at.works(old)
		}
	})
}

// While Zoom refuses the app itself one asks for all whose unsaved tokens only Zoom can judge, now and
// then. Once the app is taken again nothing is lost.
func TestUnsavedGrantsOfARefusedApp(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		var old []*browser
		for i := range 20 {
			id := "user" + strconv.Itoa(i)
			w.zoom.AddUser(zoomtest.User{ID: id, AccountID: "acc"})
			old = append(old, p.signIn(id))
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
		w.zoom.ResetCounts()
		time.Sleep(10 * time.Minute)
		if n := w.zoom.Count(zoomtest.CallAny); n == 0 || n > 2*21 {
			w.Errorf("%d calls in ten minutes", n)
		}
		w.zoom.Restore(zoomtest.CallRefresh)
		time.Sleep(2 * time.Minute)
		if n := q.state.UnsavedUsers(); n != 0 {
			w.Errorf("tokens of %d users are not saved", n)
		}
		for _, b := range old {
			p.served(b)
		}
	})
}
