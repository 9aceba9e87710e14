package zoompkce_test

import (
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// A message of the past is about the past: who has come back since may stay,
// however late or often it is delivered.
func TestEndUserOfAnOldEvent(t *testing.T) {
	for name, before := range map[string]func(w *world, p *process, event time.Time){
		"a user who is not here":    func(*world, *process, time.Time) {},
		"a user with a session":     func(_ *world, p *process, _ time.Time) { p.signIn("ada") },
		"the message came before":   func(w *world, p *process, event time.Time) { w.end(p, event) },
		"an operator was there too": func(w *world, p *process, _ time.Time) { w.end(p, time.Time{}) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				event := time.Now().Add(time.Minute)
				before(w, p, event)
				time.Sleep(2 * time.Minute)
				b := newBrowser()
				l, code := p.begin(b, "ada")
				time.Sleep(10 * time.Second)
				w.end(p, event)
				w.must(p.finish(b, l, code))
				w.end(p, event)
				p.works(b)
			})
		})
	}
}

// A time that no record can hold is one of the past, too.
func TestEndUserOfAnAbsurdEvent(t *testing.T) {
	for name, event := range map[string]time.Time{
		"the least number": time.UnixMilli(math.MinInt64),
		"no such zone":     time.Unix(0, 0).In(time.FixedZone("", 100*3600)),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				w.end(p, event)
				b := p.signIn("ada")
				w.end(p, event)
				p.works(b)
			})
		})
	}
}

// What was begun before the event is over, also where there is no record yet.
func TestEndUserStopsASignInUnderWay(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := newBrowser()
		l, code := p.begin(b, "ada")
		time.Sleep(time.Second)
		gate := w.zoom.Hold(zoomtest.CallMe, zoomtest.After)
		done := async(func() error { return p.finish(b, l, code) })
		<-gate.Arrived()
		w.zoom.RevokeUser(w.app.ClientID, "ada")
		w.end(p, time.Now())
		gate.Release()
		if err := <-done; !errors.Is(err, zoompkce.ErrSignedOutMeanwhile) {
			w.Errorf("the sign-in: %v", err)
		}
	})
}

// Where the login and the end are of one process, its clock tells which was first.
func TestEndUserStopsALoginOfThisProcess(t *testing.T) {
	for name, event := range map[string]time.Time{"an operator": {}, "a message": time.Now().Add(1000 * time.Hour)} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				b := newBrowser()
				l, code := p.begin(b, "ada")
				time.Sleep(time.Second)
				w.end(p, event)
				time.Sleep(time.Minute)
				if err := p.finish(b, mustFind(p, b, l), code); !errors.Is(err, zoompkce.ErrSignedOutMeanwhile) {
					w.Errorf("the sign-in: %v", err)
				}
				p.works(p.signIn("ada"))
			})
		})
	}
	// A browser that was left behind signs out meanwhile, and that is no later end.
	t.Run("and a sign-out of what has ended", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			left, b := p.signIn("ada"), newBrowser()
			l, code := p.begin(b, "ada")
			time.Sleep(time.Second)
			w.end(p, time.Time{})
			w.must(p.SignOut(ctx, left.header()))
			if err := p.finish(b, mustFind(p, b, l), code); !errors.Is(err, zoompkce.ErrSignedOutMeanwhile) {
				w.Errorf("the sign-in: %v", err)
			}
		})
	})
}

// An end that others would not find is none: the secret that seals it is looked at first.
func TestEndUserWithoutTheSecret(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(secrets())
		b := p.signIn("ada")
		w.store.fail("load", 1)
		if ended, err := p.EndUser(ctx, "ada", time.Time{}); ended || !errors.Is(err, errStoreDown) {
			w.Errorf("%v, %v", ended, err)
		}
		p.works(b)
	})
}

// A user who is back each time that Zoom has been asked is no reason to ask for ever.
func TestEndUserWhoIsAlwaysBack(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		event := time.Now()
		q.signIn("ada")
		arm := func() *gate {
			w.store.pass("swap", 1)           // the lease of the refresh that Zoom refuses
			return w.store.hold("swap", true) // and that its grant is dead
		}
		w.zoom.RevokeUser(w.app.ClientID, "ada")
		marked := arm()
		done := async(func() error {
			_, err := p.EndUser(ctx, "ada", event)
			return err
		})
		var err error
		rounds := 0
		for over := false; !over && rounds < 20; {
			select {
			case <-marked.arrived:
				q.signIn("ada")
				w.zoom.RevokeUser(w.app.ClientID, "ada")
				release := marked.release
				marked = arm()
				close(release)
				rounds++
			case err = <-done:
				over = true
			}
		}
		if !errors.As(err, new(*zoompkce.StoreError)) || rounds != 10 {
			w.Errorf("after %d rounds: %v", rounds, err)
		}
	})
}

// Who leaves everything is told whether that was done.
func TestDisconnectAndItsNews(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		w.store.fail("swap", 1)
		if err := p.Disconnect(ctx, b.header()); !errors.Is(err, errStoreDown) {
			w.Errorf("%v", err)
		}
		p.works(b)
		w.must(p.Disconnect(ctx, b.header()))
		if told := p.outcomes(zoompkce.EventSignedOut); len(told) != 1 {
			w.Errorf("told of %d users", len(told))
		}
		p.signedOut(b)
	})
}

// What is no program's id ends none, however much it begins like one, and is not looked up.
func TestEndProgramOfNoProgram(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		b := p.signIn("ada")
		tokens, s := p.program(b), p.session(b)
		program, _ := p.in(tokens).Program()
		loads := w.store.counted("load")
		for _, id := range []string{"", program.ID + "AAAA", program.ID + "!", program.ID[:20]} {
			w.must(p.EndProgram(ctx, s, id))
		}
		if n := w.store.counted("load") - loads; n != 0 {
			w.Errorf("%d looks", n)
		}
		p.in(tokens)
	})
}

// Who has asked for an end need not wait for it.
func TestEndUserOfAnOperatorWhoLeaves(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		gone, leave := contextWithCancel()
		leave()
		w.store.add(storeRule{op: "load", times: 1, delay: time.Millisecond})
		if ended, err := p.EndUser(gone, "ada", time.Time{}); !ended || err != nil {
			w.Errorf("%v, %v", ended, err)
		}
		p.signedOut(b)
	})
}

func (w *world) end(p *process, event time.Time) {
	if _, err := p.EndUser(ctx, "ada", event); err != nil {
		w.Error(err)
	}
}

// An operator's end takes a kept grant with it, and tells Zoom; a message from Zoom
// tells Zoom nothing.
func TestEndUserEndsTheGrant(t *testing.T) {
	for name, test := range map[string]struct {
		before  func(w *world, p *process, b *browser)
		message bool
	}{
		"of a session": {before: func(*world, *process, *browser) {}},
		"a kept one":   {before: func(w *world, p *process, b *browser) { w.must(p.SignOut(ctx, b.header())) }},
		"one that is not saved yet": {before: func(w *world, p *process, b *browser) {
			toExpiry()
			p.breakSave(b, func() { w.store.fail("swap", 1) })
		}},
		"by a message": {message: true, before: func(w *world, _ *process, _ *browser) {
			w.zoom.RevokeUser(w.app.ClientID, "ada")
			time.Sleep(time.Minute)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process(keep(24 * time.Hour))
				b := p.signIn("ada")
				test.before(w, p, b)
				event, revoked := time.Time{}, 1
				if test.message {
					event, revoked = time.Now(), 0
				}
				if ended, err := p.EndUser(ctx, "ada", event); !ended || err != nil {
					w.Errorf("%v, %v", ended, err)
				}
				synctest.Wait()
				if w.live() != 0 || len(p.outcomes(zoompkce.EventUserEnded)) != 1 {
					w.Errorf("%d tokens live on, told of %d users", w.live(), len(p.outcomes(zoompkce.EventUserEnded)))
				}
				w.calls(zoomtest.CallRevoke, revoked)
				p.signedOut(b)
			})
		})
	}
}

// An older message does not take back what a later end has stopped, and a later end
// counts although there was one before.
func TestEndsOfAUserInAnyOrder(t *testing.T) {
	for name, end := range map[string]func(w *world, q *process, began time.Time){
		"an older message afterwards": func(w *world, q *process, began time.Time) {
			w.end(q, time.Time{})
			w.end(q, began.Add(-30*time.Second))
		},
		"an older message before": func(w *world, q *process, began time.Time) {
			w.end(q, began.Add(-30*time.Second))
			w.end(q, time.Time{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p, q := w.process(), w.process()
				p.signIn("ada")
				time.Sleep(time.Minute)
				began, b := time.Now(), newBrowser()
				l := p.beginAt(b, zoompkce.LoginRequest{})
				time.Sleep(6 * time.Minute)
				end(w, q, began)
				if err := p.finish(b, l, p.consent(l, "ada")); !errors.Is(err, zoompkce.ErrSignedOutMeanwhile) {
					w.Errorf("the sign-in: %v", err)
				}
			})
		})
	}
}

// Zoom is asked about a sign-in that may be older than a message only where its answer tells.
func TestEndUserAsksZoomWhereItTells(t *testing.T) {
	for name, test := range map[string]struct {
		since, after time.Duration // the message came so long before the sign-in, and is told so long after it
		asks         int
	}{
		"long before":               {since: 6 * time.Minute, asks: 0},
		"shortly before":            {since: time.Minute, asks: 1},
		"not long enough before":    {since: 5 * time.Minute, asks: 1},
		"with a token that is over": {since: time.Minute, after: time.Hour - 30*time.Second, asks: 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				b := p.signIn("ada")
				event := time.Now().Add(-test.since)
				time.Sleep(test.after)
				w.zoom.ResetCounts()
				if ended, err := p.EndUser(ctx, "ada", event); ended || err != nil {
					w.Errorf("%v, %v", ended, err)
				}
				w.calls(zoomtest.CallMe, test.asks)
				w.zoom.Fail(zoomtest.CallMe, 1, zoomtest.Status(500, ""))
				if _, err := p.EndUser(ctx, "ada", event); (err != nil) != (test.asks > 0) {
					w.Errorf("with Zoom in trouble: %v", err)
				}
				p.works(b) // and may refresh ahead
			})
		})
	}
}

// A message may be about a grant whose access token Zoom does not take: whether the user has removed the
// app, or the token is only over before its time, the refresh token tells.
func TestEndUserWithARefusedToken(t *testing.T) {
	for name, test := range map[string]struct {
		revoke func(w *world)
		ends   bool
	}{
		"alone":             {func(w *world) { w.zoom.RevokeAccessTokens(w.app.ClientID, "ada") }, false},
		"and its successor": {func(w *world) { w.zoom.RevokeUser(w.app.ClientID, "ada") }, true},
	} {
		for _, where := range []string{"here", "elsewhere"} {
			t.Run(name+", signed in "+where, func(t *testing.T) {
				bubble(t, func(w *world) {
					p, q := w.process(), w.process()
					event := time.Now().Add(-time.Minute)
					b := p.signIn("ada")
					if where == "elsewhere" {
						p, q = q, p
					}
					test.revoke(w)
					w.zoom.Fail(zoomtest.CallRefresh, 1, zoomtest.Status(503, ""))
					if ended, err := p.EndUser(ctx, "ada", event); ended || err == nil {
						w.Errorf("with Zoom in trouble: %v, %v", ended, err)
					}
					time.Sleep(6 * time.Second) // which is remembered for 5
					if ended, err := p.EndUser(ctx, "ada", event); ended != test.ends || err != nil {
						w.Errorf("%v, %v", ended, err)
					}
					if test.ends {
						p.signedOut(b)
						time.Sleep(20 * time.Second)
						q.signedOut(b)
						return
					}
					p.served(b)
					q.served(b)
				})
			})
		}
	}
}
