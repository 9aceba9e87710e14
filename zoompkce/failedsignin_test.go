package zoompkce_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func (w *world) codeUnused(err error) {
	w.Helper()
	if !errors.Is(err, zoompkce.ErrCodeUnused) || !errors.As(err, new(*zoompkce.StoreError)) {
		w.Errorf("the code was used: %v", err)
	}
}

// A store that can be read and not written fails a sign-in before its code is
// spent: nobody's session is harmed.
func TestSignInProvesThatTheStoreCanBeWritten(t *testing.T) {
	for name, broken := range map[string]func(*testStore){
		"refuses": func(s *testStore) { s.fail("trial", -1); s.fail("swap", -1) },
		"hangs":   func(s *testStore) { s.hang("trial"); s.hang("swap") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				b := p.signIn("ada")
				token := p.works(b)
				fresh := newBrowser()
				l, code := p.begin(fresh, "ada")
				w.zoom.ResetCounts()
				broken(w.store)
				w.took(2*time.Second, func() { w.codeUnused(p.finish(fresh, l, code)) })
				w.calls(zoomtest.CallCode, 0)
				if p.works(b) != token {
					w.Error("another token")
				}
				w.store.heal()
				time.Sleep(time.Second)
				w.must(p.finish(fresh, l, code))
				p.works(fresh)
			})
		})
	}
	t.Run("its trial is lost, expires, is answered wrongly", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			p.signIn("ada")
			w.store.failAfter("trial", 1)
			fresh := newBrowser()
			l, code := p.begin(fresh, "ada")
			w.codeUnused(p.finish(fresh, l, code))
			w.must(p.finish(fresh, l, code))
			time.Sleep(time.Hour)
			p.works(p.signIn("ada"))
			w.wipe("")
			p.works(p.signIn("ada"))
		})
	})
}

// provingStore proves in a way of its own that it can be written, or leaves that to Swap.
type provingStore struct {
	*testStore
	err error
}

func (s provingStore) Prove(context.Context, string, []byte, time.Time) error { return s.err }

func TestStoreProvesItselfThatItCanBeWritten(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		trials int
		fails  bool
	}{
		"it can":                       {nil, 0, false},
		"it cannot":                    {errStoreDown, 0, true},
		"only a swap can tell that":    {errors.ErrUnsupported, 1, false},
		"only a swap, as another says": {fmt.Errorf("proving: %w", errors.ErrUnsupported), 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process(func(c *zoompkce.ManagerConfig) { c.Store = provingStore{w.store, test.err} })
				if err := p.ProveWritable(ctx); (err != nil) != test.fails {
					w.Errorf("%v", err)
				}
				if n := w.store.counted("trial"); n != test.trials {
					w.Errorf("%d trials", n)
				}
			})
		})
	}
}

// What Zoom has given ended what the user had: it is kept whatever fails after it.
func TestSignInFailsAfterTheExchange(t *testing.T) {
	for name, fail := range map[string]func(w *world){
		"the store cannot be written": func(w *world) { w.store.fail("swap", -1) },
		"the store cannot be read":    func(w *world) { w.store.fail("load", -1) },
		"Zoom does not say who it is": func(w *world) { w.zoom.Fail(zoomtest.CallMe, 2, zoomtest.Status(503, "")) },
		"Zoom talks nonsense":         func(w *world) { w.zoom.Fail(zoomtest.CallMe, 2, zoomtest.Status(200, "<html>")) },
	} {
		for _, where := range []string{"one process", "two processes", "one that does not know the user"} {
			t.Run(name+", "+where, func(t *testing.T) {
				bubble(t, func(w *world) {
					p := w.process()
					q := p
					if where != "one process" {
						q = w.process()
					}
					b := p.signIn("ada")
					p.works(b)
					if where == "two processes" {
						q.works(b)
					}
					before := p.session(b).Profile()
					time.Sleep(time.Second)
					fresh := newBrowser()
					l, code := q.begin(fresh, "ada")
					gate := w.zoom.Hold(zoomtest.CallCode, zoomtest.After)
					done := async(func() error { return q.finish(fresh, l, code) })
					<-gate.Arrived()
					fail(w)
					gate.Release()
					if err := <-done; err == nil {
						w.Fatal("signed in")
					}
					w.store.heal()
					if s, err := q.Session(ctx, b.header()); err == nil && s.Profile() != before {
						w.Errorf("the profile becomes %+v", s.Profile())
					}
					time.Sleep(20 * time.Second)
					p.works(b)
					q.works(b)
					if got := q.session(b).Profile(); got != before {
						w.Errorf("the profile is %+v", got)
					}
					w.process().works(b)
					q.signedOut(fresh)
					if n := w.live(); n != 1 {
						w.Errorf("%d tokens live", n)
					}
					if n := q.state.UnsavedUsers(); n != 0 {
						w.Errorf("%d users have unsaved tokens", n)
					}
					toExpiry()
					p.works(b)
				})
			})
		}
	}
}

// However many fail after the exchange, somebody saves what the last of them has brought, and
// nobody does any longer than that.
func TestSeveralSignInsFailAfterTheExchange(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		for range 3 {
			fresh := newBrowser()
			l, code := p.begin(fresh, "ada")
			gate := w.zoom.Hold(zoomtest.CallCode, zoomtest.After)
			done := async(func() error { return p.finish(fresh, l, code) })
			<-gate.Arrived()
			w.store.fail("swap", -1)
			gate.Release()
			if err := <-done; err == nil {
				w.Fatal("signed in")
			}
			p.works(b)
			if n := p.state.UnsavedUsers(); n != 1 {
				w.Errorf("%d users have unsaved tokens", n)
			}
			w.store.heal()
		}
		time.Sleep(time.Minute)
		w.process().works(b)
		p.Close()
		if n := p.state.UnsavedUsers(); n != 0 {
			w.Errorf("%d users have unsaved tokens", n)
		}
	})
}

// Zoom's answers to two sign-ins of a user may cross: which of them has ended the other's grant
// only Zoom can tell, so where neither could be saved both are kept until it has.
func TestTwoSignInsFailWhoseAnswersCross(t *testing.T) {
	crossed := func(t *testing.T, then func(w *world, p *process, b *browser)) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			p.works(b)
			one, two := newBrowser(), newBrowser()
			earlier, code := p.begin(one, "ada")
			later, laterCode := p.begin(two, "ada")
			answer := w.zoom.Hold(zoomtest.CallCode, zoomtest.After)
			done := async(func() error { return p.finish(one, earlier, code) })
			<-answer.Arrived()
			w.store.fail("swap", -1)
			if err := p.finish(two, later, laterCode); err == nil {
				w.Fatal("signed in")
			}
			w.zoom.Fail(zoomtest.CallMe, -1, zoomtest.Status(503, ""))
			time.Sleep(time.Second)
			answer.Release()
			if err := <-done; err == nil {
				w.Fatal("signed in")
			}
			w.zoom.Restore(zoomtest.CallMe)
			w.store.heal()
			then(w, p, b)
			if n := p.state.UnsavedUsers(); n != 0 {
				w.Errorf("%d users have unsaved tokens", n)
			}
		})
	}
	t.Run("the one that lives is saved", func(t *testing.T) {
		crossed(t, func(w *world, p *process, b *browser) {
			time.Sleep(20 * time.Second)
			p.works(b)
			w.process().works(b)
			if n := w.live(); n != 1 {
				w.Errorf("%d tokens live", n)
			}
			toExpiry()
			p.works(b)
		})
	})
	for name, leave := range map[string]func(*process, *browser) error{
		"signs out": func(p *process, b *browser) error { return p.SignOut(ctx, b.header()) },
		"is ended": func(p *process, _ *browser) error {
			_, err := p.EndUser(ctx, "ada", time.Time{})
			return err
		},
	} {
		t.Run("none when the user "+name+" before", func(t *testing.T) {
			crossed(t, func(w *world, p *process, b *browser) {
				w.must(leave(p, b))
				time.Sleep(time.Minute)
				if n := w.live(); n != 0 {
					w.Errorf("%d tokens live", n)
				}
				p.signedOut(b)
			})
		})
	}
}

// A single failure of users/me fails nothing.
func TestUsersMeIsAskedTwice(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		w.zoom.Fail(zoomtest.CallMe, 1, zoomtest.Status(503, ""))
		p.works(p.signIn("ada"))
		w.calls(zoomtest.CallMe, 2)
	})
}

// Tokens whose owner neither Zoom nor the store names are that user's all the same: the
// token itself names it.
func TestOwnerOfAFailedSignIn(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		p.signIn("ada")
		l, code := q.begin(newBrowser(), "ada")
		w.zoom.Fail(zoomtest.CallMe, -1, zoomtest.Status(503, ""))
		w.store.fail("load", -1)
		if err := q.finish(newBrowser(), l, code); zoomapi.KindOf(err) != zoomapi.KindUnavailable {
			w.Errorf("%v", err)
		}
		w.zoom.Restore(zoomtest.CallMe)
		w.store.heal()
		time.Sleep(time.Minute)
		if n := w.live(); n != 1 {
			w.Errorf("%d tokens live", n)
		}
		q.mu.Lock()
		defer q.mu.Unlock()
		if last := q.events[len(q.events)-1]; last.Kind != zoompkce.EventRefresh || last.UserID != "ada" {
			w.Errorf("told of %+v", last)
		}
	})
}

// Tokens of a user who was not here before are kept by nobody.
func TestFailedFirstSignInLeavesNothing(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := newBrowser()
		l, code := p.begin(b, "ada")
		w.zoom.Fail(zoomtest.CallMe, 2, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(503) }))
		if err := p.finish(b, l, code); zoomapi.KindOf(err) != zoomapi.KindUnavailable {
			w.Errorf("%v", err)
		}
		time.Sleep(time.Minute)
		if n := w.live(); n != 0 {
			w.Errorf("%d tokens live on", n)
		}
		if n := p.state.UnsavedUsers(); n != 0 {
			w.Errorf("%d users have unsaved tokens", n)
		}
		p.works(p.signIn("ada"))
	})
}

// Who has a browser made can send a login's cookie again and again: Zoom is asked once for
// each. What is remembered for that has a bound: of very many the oldest is forgotten.
func TestUsedLoginsAreBounded(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		begun := func() *zoompkce.Login {
			l, _, err := p.BeginLogin(ctx, nil, zoompkce.LoginRequest{RedirectURI: callbackURI, ReturnURL: "/"})
			w.must(err)
			return l
		}
		asked := func(l *zoompkce.Login) bool {
			w.zoom.ResetCounts()
			if _, err := p.SignIn(ctx, l, "no code", nil); zoomapi.KindOf(err) != zoomapi.KindInvalidGrant {
				w.Fatalf("%v", err)
			}
			time.Sleep(time.Microsecond)
			return w.zoom.Count(zoomtest.CallCode) == 1
		}
		first, second := begun(), begun()
		for i := range 10_000 {
			l := begun()
			switch i {
			case 0:
				l = first
			case 1:
				l = second
			}
			if !asked(l) {
				w.Fatal("refused at first")
			}
		}
		if asked(first) || asked(second) {
			w.Error("Zoom is asked again")
		}
		last := begun()
		if !asked(last) || asked(second) || asked(last) {
			w.Error("another than the oldest is forgotten")
		}
		if !asked(first) {
			w.Error("more are remembered than there may be")
		}
		if !asked(second) { // which first has pushed out
			w.Error("the next oldest is remembered")
		}
		time.Sleep(2*zoompkce.LoginLifetime + time.Second)
		if !asked(begun()) || !asked(last) {
			w.Error("what is over is remembered")
		}
	})
}
