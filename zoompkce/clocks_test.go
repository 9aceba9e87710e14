package zoompkce_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// ahead makes ada's record what a server would have written whose clock is ahead:
// a bubble has one clock.
func (p *process) ahead(d time.Duration) {
	p.Helper()
	if err := zoompkce.MoveTimes(ctx, p.Manager, "ada", d); err != nil {
		p.Fatal(err)
	}
}

func TestSignInAfterASignOutByAnotherClock(t *testing.T) {
	for _, ahead := range []time.Duration{0, 20 * time.Second, time.Minute, 4 * time.Minute} {
		t.Run(ahead.String(), func(t *testing.T) {
			bubble(t, func(w *world) {
				p, q := w.process(), w.process()
				b := p.signIn("ada")
				w.must(p.SignOut(ctx, b.header()))
				p.ahead(ahead)
				q.works(q.signIn("ada"))
			})
		})
	}
}

// Zoom's word decides where clocks cannot, and without it nobody is let in.
func TestZoomDecidesWhereClocksCannot(t *testing.T) {
	t.Run("it does not answer", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			w.must(p.SignOut(ctx, p.signIn("ada").header()))
			p.ahead(time.Minute)
			fresh := newBrowser()
			l, code := p.begin(fresh, "ada")
			asked := 0
			inner := w.transport
			w.through(func(r *http.Request) (*http.Response, error) {
				if r.URL.Path == "/v2/users/me" {
					if asked++; asked > 1 {
						return nil, errors.New("no route to host")
					}
				}
				return inner.RoundTrip(r)
			})
			if err := p.finish(fresh, l, code); zoomapi.KindOf(err) != zoomapi.KindUnavailable {
				w.Errorf("%v", err)
			}
			w.through(inner.RoundTrip)
			time.Sleep(time.Minute)
			if n := w.live(); n != 0 {
				w.Errorf("%d tokens live on", n)
			}
		})
	})
	t.Run("the grant that another server's clock calls older", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(), w.process()
			gate := w.zoom.Hold(zoomtest.CallMe, zoomtest.After)
			one := newBrowser()
			l, code := p.begin(one, "ada")
			done := async(func() error { return p.finish(one, l, code) })
			<-gate.Arrived()
			token := q.works(q.signIn("ada"))
			q.ahead(-time.Minute)
			gate.Release()
			w.must(<-done)
			if p.works(one) != token {
				w.Error("the tokens that Zoom has revoked are kept")
			}
		})
	})
	t.Run("the end of all sessions that another server's clock calls older", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(), w.process()
			gate := w.zoom.Hold(zoomtest.CallMe, zoomtest.After)
			one := newBrowser()
			l, code := p.begin(one, "ada")
			done := async(func() error { return p.finish(one, l, code) })
			<-gate.Arrived()
			w.must(q.SignOut(ctx, q.signIn("ada").header()))
			q.ahead(-time.Minute)
			gate.Release()
			if err := <-done; !errors.Is(err, zoompkce.ErrSignedOutMeanwhile) {
				w.Errorf("a grant that Zoom has ended opens a session: %v", err)
			}
		})
	})
	t.Run("a deauthorization that our clock calls older than the sign-in", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			time.Sleep(time.Second)
			event := time.Now().Add(-time.Minute)
			if ended, err := p.EndUser(ctx, "ada", event); ended || err != nil {
				w.Errorf("ended though Zoom takes the token: %v, %v", ended, err)
			}
			p.works(b)
			w.zoom.RevokeUser(w.app.ClientID, "ada")
			if ended, err := p.EndUser(ctx, "ada", event); !ended || err != nil {
				w.Errorf("%v, %v", ended, err)
			}
			p.signedOut(b)
			p.works(p.signIn("ada"))
		})
	})
}

// Zoom is asked whose a sign-in is, and nothing else where that it is the later one is known without.
func TestNoQuestionWhereClocksSuffice(t *testing.T) {
	for name, before := range map[string]func(w *world, p, q *process){
		"nobody was there": func(*world, *process, *process) {},
		"the user was ended long ago": func(w *world, _, q *process) {
			w.must(q.SignOut(ctx, q.signIn("ada").header()))
			time.Sleep(6 * time.Minute)
		},
		"the user was ended by this clock": func(w *world, p, _ *process) {
			w.must(p.SignOut(ctx, p.signIn("ada").header()))
			time.Sleep(time.Second)
		},
		"the grant is an old one": func(_ *world, _, q *process) {
			q.signIn("ada")
			time.Sleep(6 * time.Minute)
		},
		"the grant was known here": func(_ *world, p, q *process) {
			p.session(q.signIn("ada"))
			time.Sleep(time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p, q := w.process(), w.process()
				before(w, p, q)
				synctest.Wait()
				w.zoom.ResetCounts()
				p.works(p.signIn("ada"))
				w.calls(zoomtest.CallMe, 1)
			})
		})
	}
	t.Run("the grant was known here, and is read again", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(syncEvery(time.Second)), w.process()
			b := q.signIn("ada")
			p.session(b)
			time.Sleep(time.Second)
			w.zoom.ResetCounts()
			gate := w.zoom.Hold(zoomtest.CallCode, zoomtest.Before)
			fresh := newBrowser()
			l, code := p.begin(fresh, "ada")
			done := async(func() error { return p.finish(fresh, l, code) })
			<-gate.Arrived()
			time.Sleep(2 * time.Second)
			p.session(b)
			gate.Release()
			w.must(<-done)
			w.calls(zoomtest.CallMe, 1)
		})
	})
}

// A sign-in that the store does not take is the later one for those who live by it here, though
// another server's clock calls the earlier one later.
func TestUnsavedSignInAfterAnotherClock(t *testing.T) {
	for name, test := range map[string]struct {
		before func(w *world, p, q *process, b *browser)
		asks   int // calls to Zoom until the store fails
		fail   string
	}{
		"known here": {func(_ *world, p, _ *process, b *browser) { p.session(b) }, 1, "load"},
		"asked for":  {func(*world, *process, *process, *browser) {}, 2, "load"},
		"dead": {func(w *world, _, q *process, b *browser) {
			w.zoom.RevokeUser(w.app.ClientID, "ada")
			if _, err := q.ZAK(ctx, q.session(b), zoompkce.ZAKPolicy{}); err == nil {
				w.Fatal("the grant lives")
			}
		}, 1, "swap"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p, q := w.process(), w.process()
				b := q.signIn("ada")
				q.ahead(time.Minute)
				time.Sleep(11 * time.Second)
				test.before(w, p, q, b)
				time.Sleep(time.Second)
				fresh := newBrowser()
				l, code := p.begin(fresh, "ada")
				var gates []*zoomtest.Gate
				for range test.asks {
					gates = append(gates, w.zoom.Hold(zoomtest.CallMe, zoomtest.After))
				}
				done := async(func() error { return p.finish(fresh, l, code) })
				for i, gate := range gates {
					<-gate.Arrived()
					if i == test.asks-1 {
						w.store.fail(test.fail, -1)
					}
					gate.Release()
				}
				if err := <-done; !errors.As(err, new(*zoompkce.StoreError)) {
					w.Fatalf("%v", err)
				}
				p.works(b)
				w.store.heal()
				time.Sleep(time.Minute)
				if p.works(b) != q.works(b) {
					w.Error("two grants")
				}
			})
		})
	}
}

// Somebody may sign in elsewhere each time that Zoom is asked: it is asked about a hundred times, and no more.
func TestSignInsElsewhereAllTheTime(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		q.signIn("ada")
		fresh := newBrowser()
		l, code := p.begin(fresh, "ada")
		inner, elsewhere, asked := w.transport, false, 0
		w.through(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/v2/users/me" && !elsewhere {
				if asked++; asked > 1 {
					elsewhere = true
					q.signIn("ada")
					elsewhere = false
				}
			}
			return inner.RoundTrip(r)
		})
		if err := p.finish(fresh, l, code); !errors.As(err, new(*zoompkce.StoreError)) {
			w.Errorf("%v", err)
		}
		w.through(inner.RoundTrip)
		if asked < 90 || asked > 110 {
			w.Errorf("asked %d times", asked)
		}
	})
}

// A browser may keep a cookie of the same name beside the session's, as after a change
// of same_site: unpartitioned and worth nothing. It tells nothing about tabs, or nobody
// could sign in as somebody else.
func TestAnotherCookieIsNoFasterTab(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		old := b.header()[0]
		l, code := p.begin(b, "ada")
		w.must(p.finish(b, l, code))
		for _, header := range []string{old + "; " + b.header()[0], b.header()[0] + "; " + old} {
			both := []string{header}
			login, _, err := p.BeginLogin(ctx, both, zoompkce.LoginRequest{RedirectURI: callbackURI, ReturnURL: "/"})
			if err != nil {
				w.Fatal(err)
			}
			session, err := p.Session(ctx, both)
			if err != nil {
				w.Fatal(err)
			}
			if p.Overtaken(login, session) {
				w.Error("the session was there when the login began")
			}
		}
		first, code := p.begin(b, "ada")
		second, _ := p.begin(b, "ada")
		w.must(p.finish(b, first, code))
		if !p.Overtaken(second, p.session(b)) {
			w.Error("the session was opened after the login had begun")
		}
	})
}

// Whether another tab was faster is no question of time.
func TestAnotherTabWasFaster(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		b := newBrowser()
		first, code := p.begin(b, "ada")
		second, _ := p.begin(b, "ada")
		if p.Overtaken(first, nil) {
			w.Error("overtaken by nobody")
		}
		w.must(p.finish(b, first, code))
		if !q.Overtaken(mustFind(q, b, second), q.session(b)) {
			w.Error("the session was opened after the second login had begun")
		}
		third, _ := p.begin(b, "ada")
		if q.Overtaken(mustFind(q, b, third), q.session(b)) {
			w.Error("the session was there when the third login began")
		}
		b.set(p.DropLogin(third))
		time.Sleep(3 * time.Hour)
		renewed, err := p.Renew(context.Background(), p.session(b))
		if err != nil || renewed == nil {
			w.Fatal(renewed, err)
		}
		fourth, _ := p.begin(b, "ada")
		b.set(renewed)
		if q.Overtaken(mustFind(q, b, fourth), q.session(b)) {
			w.Error("the session was only renewed")
		}
	})
}
