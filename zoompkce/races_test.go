package zoompkce_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// async runs f and returns a channel for its outcome.
func async(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

// refreshing begins a refresh for an expired token.
func (p *process) refreshing(b *browser) <-chan error {
	p.Helper()
	m := p.Manager // which a reload may replace meanwhile
	return async(func() error {
		_, err := tokenFrom(m, b)
		return err
	})
}

// overtaken has something happen while Zoom's answer to a refresh is on its way, and returns
// what becomes of that.
func (p *process) overtaken(b *browser, by func()) error {
	p.Helper()
	gate := p.zoom.Hold(zoomtest.CallRefresh, zoomtest.After)
	done := p.refreshing(b)
	<-gate.Arrived()
	by()
	gate.Release()
	return <-done
}

// A sign-in and a refresh of the same user, in every order. Zoom lets the later
// authorization revoke what the earlier one has; a refresh of revoked tokens is
// invalid_grant.
func TestSignInRacesRefresh(t *testing.T) {
	type run struct {
		*world
		p, q       *process // who refreshes, and who signs in
		old, fresh *browser
		login      *zoompkce.Login
		code       string
	}
	signIn := func(r *run) <-chan error { return async(func() error { return r.q.finish(r.fresh, r.login, r.code) }) }
	for name, order := range map[string]func(r *run){
		"refreshed, then signed in": func(r *run) {
			r.must(<-r.p.refreshing(r.old))
			r.must(<-signIn(r))
		},
		"signed in, then refreshed": func(r *run) {
			r.must(<-signIn(r))
			r.must(<-r.p.refreshing(r.old))
		},
		"Zoom: refresh, sign-in; saved: sign-in, refresh": func(r *run) {
			gate := r.zoom.Hold(zoomtest.CallRefresh, zoomtest.After)
			refreshed := r.p.refreshing(r.old)
			<-gate.Arrived()
			r.must(<-signIn(r))
			gate.Release()
			r.must(<-refreshed)
		},
		"Zoom: refresh, sign-in; saved: refresh, sign-in": func(r *run) {
			gate := r.zoom.Hold(zoomtest.CallCode, zoomtest.Before)
			signedIn := signIn(r)
			<-gate.Arrived()
			r.must(<-r.p.refreshing(r.old))
			gate.Release()
			r.must(<-signedIn)
		},
		"Zoom: sign-in, refresh; saved while it is watched": func(r *run) {
			gate := r.zoom.Hold(zoomtest.CallCode, zoomtest.After)
			signedIn := signIn(r)
			<-gate.Arrived()
			refreshed := r.p.refreshing(r.old)
			time.Sleep(5 * time.Second) // refused long ago
			gate.Release()
			r.must(<-signedIn)
			r.must(<-refreshed)
		},
		"Zoom: sign-in, refresh; saved after the grant was marked": func(r *run) {
			gate := r.zoom.Hold(zoomtest.CallMe, zoomtest.Before)
			signedIn := signIn(r)
			<-gate.Arrived()
			refreshed := r.p.refreshing(r.old)
			time.Sleep(9900 * time.Millisecond)
			swap := r.store.hold("swap", false)
			gate.Release()
			<-swap.arrived
			if err := <-refreshed; !errors.As(err, new(*zoompkce.NoSessionError)) {
				r.Errorf("the refused refresh ended in %v", err)
			}
			if none := r.p.signedOut(r.old); none.Clear {
				r.Error("the cookies of sessions that may revive are cleared")
			}
			close(swap.release)
			r.must(<-signedIn)
		},
		"the sign-in is held before its swap": func(r *run) {
			gate := r.store.hold("swap", false)
			signedIn := signIn(r)
			<-gate.arrived
			refreshed := r.p.refreshing(r.old)
			time.Sleep(time.Second)
			close(gate.release)
			r.must(<-signedIn)
			r.must(<-refreshed)
		},
		"the refresh is held before it takes the lease": func(r *run) {
			gate := r.store.hold("swap", false)
			refreshed := r.p.refreshing(r.old)
			<-gate.arrived
			r.must(<-signIn(r))
			close(gate.release)
			r.must(<-refreshed)
		},
		"the refresh is held before it is saved": func(r *run) {
			zoom := r.zoom.Hold(zoomtest.CallRefresh, zoomtest.After)
			refreshed := r.p.refreshing(r.old)
			<-zoom.Arrived()
			gate := r.store.hold("swap", false)
			zoom.Release()
			<-gate.arrived
			r.must(<-signIn(r))
			close(gate.release)
			r.must(<-refreshed)
		},
	} {
		for _, where := range []string{"one process", "two processes"} {
			t.Run(name+", "+where, func(t *testing.T) {
				bubble(t, func(w *world) {
					r := &run{world: w, p: w.process(), fresh: newBrowser()}
					r.q = r.p
					if where == "two processes" {
						r.q = w.process()
					}
					r.old = r.p.signIn("ada")
					toExpiry()
					r.login, r.code = r.q.begin(r.fresh, "ada")
					order(r)
					time.Sleep(11 * time.Second) // the others hear of it
					if r.p.works(r.old) != r.q.works(r.fresh) {
						w.Error("two grants")
					}
					// And the grant that was kept can be refreshed.
					toExpiry()
					r.p.works(r.old)
					r.q.works(r.fresh)
				})
			})
		}
	}
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Error(err)
	}
}

// Two sign-ins of one user. The later exchange has the tokens that live.
func TestSignInsRaceEachOther(t *testing.T) {
	for name, order := range map[string]func(w *world, first, second func() error){
		"saved in the order of the exchanges": func(w *world, first, second func() error) {
			gate := w.zoom.Hold(zoomtest.CallMe, zoomtest.Before)
			a := async(first)
			<-gate.Arrived()
			gate2 := w.zoom.Hold(zoomtest.CallMe, zoomtest.After)
			b := async(second)
			<-gate2.Arrived()
			gate.Release() // too late: Zoom refuses the first token by now
			if err := <-a; zoomapi.KindOf(err) != zoomapi.KindUnauthorized {
				w.Errorf("a sign-in with a revoked token: %v", err)
			}
			gate2.Release()
			w.must(<-b)
			w.must(first())
		},
		"the first asks who it is, then the second is faster": func(w *world, first, second func() error) {
			gate := w.zoom.Hold(zoomtest.CallMe, zoomtest.After)
			a := async(first)
			<-gate.Arrived()
			w.must(second())
			gate.Release()
			w.must(<-a)
		},
		"the first is held before its swap": func(w *world, first, second func() error) {
			gate := w.store.hold("swap", false)
			a := async(first)
			<-gate.arrived
			w.must(second())
			close(gate.release)
			w.must(<-a)
		},
		"the first is held after its swap": func(w *world, first, second func() error) {
			gate := w.store.hold("swap", true)
			a := async(first)
			<-gate.arrived
			w.must(second())
			close(gate.release)
			w.must(<-a)
		},
		"both at once": func(w *world, first, second func() error) {
			a, b := async(first), async(second)
			errA, errB := <-a, <-b
			for _, err := range []error{errA, errB} {
				if err != nil && zoomapi.KindOf(err) != zoomapi.KindUnauthorized {
					w.Error(err)
				}
			}
			if errA != nil && errB != nil {
				w.Error("nobody could sign in")
			}
			if errA != nil {
				w.must(first())
			}
			if errB != nil {
				w.must(second())
			}
		},
	} {
		for _, where := range []string{"one process", "two processes"} {
			t.Run(name+", "+where, func(t *testing.T) {
				bubble(t, func(w *world) {
					p := w.process()
					q := p
					if where == "two processes" {
						q = w.process()
					}
					one, two := newBrowser(), newBrowser()
					attempt := func(p *process, b *browser) func() error {
						l, code := p.begin(b, "ada")
						used := false
						return func() error {
							if used {
								l, code = p.begin(b, "ada")
							}
							used = true
							return p.finish(b, l, code)
						}
					}
					order(w, attempt(p, one), attempt(q, two))
					time.Sleep(11 * time.Second)
					if p.works(one) != q.works(two) {
						w.Error("two grants")
					}
					// Who was replaced is told so by a refresh token that is refused.
					status, err := p.UserStatus(ctx, "ada")
					if w.must(err); status.RefreshedTimes != 0 {
						w.Errorf("the living tokens were refreshed %d times", status.RefreshedTimes)
					}
					if n := w.zoom.Count(zoomtest.CallRefresh); n > 1 {
						w.Errorf("%d refresh calls", n)
					}
				})
			})
		}
	}
}

// A sign-out ends the grant whatever a refresh does meanwhile, and nothing it
// brings lives on.
func TestSignOutRacesRefresh(t *testing.T) {
	for name, order := range map[string]func(w *world, refresh func() <-chan error, signOut func()){
		"before Zoom has refreshed": func(w *world, refresh func() <-chan error, signOut func()) {
			gate := w.zoom.Hold(zoomtest.CallRefresh, zoomtest.Before)
			done := refresh()
			<-gate.Arrived()
			signOut()
			gate.Release()
			<-done
		},
		"after Zoom has refreshed": func(w *world, refresh func() <-chan error, signOut func()) {
			gate := w.zoom.Hold(zoomtest.CallRefresh, zoomtest.After)
			done := refresh()
			<-gate.Arrived()
			signOut()
			gate.Release()
			<-done
		},
		"before the lease is taken": func(w *world, refresh func() <-chan error, signOut func()) {
			gate := w.store.hold("swap", false)
			done := refresh()
			<-gate.arrived
			signOut()
			close(gate.release)
			<-done
		},
		"before it is saved": func(w *world, refresh func() <-chan error, signOut func()) {
			zoom := w.zoom.Hold(zoomtest.CallRefresh, zoomtest.After)
			done := refresh()
			<-zoom.Arrived()
			gate := w.store.hold("swap", false)
			zoom.Release()
			<-gate.arrived
			signOut()
			close(gate.release)
			<-done
		},
		"after it is saved": func(w *world, refresh func() <-chan error, signOut func()) {
			w.must(<-refresh())
			signOut()
		},
	} {
		for _, how := range []string{"sign-out", "ended by an operator", "deauthorized"} {
			t.Run(name+", "+how, func(t *testing.T) {
				bubble(t, func(w *world) {
					p, q := w.process(), w.process()
					b := p.signIn("ada")
					q.session(b)
					toExpiry()
					order(w, func() <-chan error { return p.refreshing(b) }, func() {
						var err error
						switch how {
						case "sign-out":
							err = q.SignOut(ctx, b.header())
						case "ended by an operator":
							_, err = q.EndUser(ctx, "ada", time.Time{})
						default:
							w.zoom.RevokeUser(w.app.ClientID, "ada")
							_, err = q.EndUser(ctx, "ada", time.Now())
						}
						w.must(err)
					})
					time.Sleep(11 * time.Second)
					p.signedOut(b)
					q.signedOut(b)
					if live := w.live(); live != 0 {
						w.Errorf("%d tokens live on at Zoom", live)
					}
				})
			})
		}
	}
}

// A sign-in that had begun before the sessions were ended is one of those that
// were meant; a later one is not.
func TestSignInMeetsTombstone(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		b := p.signIn("ada")
		early := newBrowser()
		login, _ := p.begin(early, "ada")
		time.Sleep(6 * time.Minute) // no clocks are that far apart
		if ended, err := q.EndUser(ctx, "ada", time.Time{}); !ended || err != nil {
			w.Fatal(ended, err)
		}
		time.Sleep(time.Second)
		if err := p.finish(early, login, p.consent(login, "ada")); !errors.Is(err, zoompkce.ErrSignedOutMeanwhile) {
			w.Errorf("the early sign-in: %v", err)
		}
		if live := w.live(); live != 0 {
			w.Errorf("%d tokens live on at Zoom", live)
		}
		p.signedOut(b)
		p.works(p.signIn("ada"))
		p.signedOut(b)
		if ended, err := q.EndUser(ctx, "nobody", time.Time{}); ended || err != nil {
			w.Errorf("nobody was ended: %v, %v", ended, err)
		}
	})
}

// A record that was on its way when the process changed it is older, however
// late it arrives.
func TestLateReadDoesNotUndoAChange(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		p.session(b)
		time.Sleep(6 * time.Second)
		gate := w.store.hold("load", true)
		p.works(b) // reads ahead
		<-gate.arrived
		w.must(p.SignOut(ctx, b.header()))
		p.signedOut(b)
		close(gate.release)
		synctest.Wait()
		p.signedOut(b)
	})
}
