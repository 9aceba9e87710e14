package zoompkce_test

import (
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// snapshotOf returns a function that puts the store's record back to what it is now.
func (w *world) snapshotOf(key string) (restore func()) {
	w.Helper()
	old, _, err := w.store.Store.Load(ctx, key)
	if err != nil {
		w.Fatal(err)
	}
	return func() {
		w.Helper()
		_, version, err := w.store.Store.Load(ctx, key)
		if err != nil {
			w.Fatal(err)
		}
		if _, err := w.store.Store.Swap(ctx, key, version, old, time.Now().Add(24*time.Hour)); err != nil {
			w.Fatal(err)
		}
	}
}

// A failover or a backup brings an earlier state back; this process knows better.
func TestStoreGoesBack(t *testing.T) {
	t.Run("before a refresh", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			restore := w.snapshotOf(w.store.only(t))
			time.Sleep(56 * time.Minute)
			p.works(b) // refreshes ahead
			synctest.Wait()
			token := p.works(b)
			restore()
			time.Sleep(30 * time.Second)
			if p.works(b) != token {
				w.Error("the newer token is forgotten")
			}
			if got := p.outcomes(zoompkce.EventRefresh); !slices.Equal(got, []string{"ok", "unsaved"}) {
				w.Errorf("told of %q", got)
			}
			time.Sleep(time.Minute)
			if q := w.process(); q.works(b) != token {
				w.Error("the newer token is not saved again")
			}
			w.calls(zoomtest.CallRefresh, 1)
		})
	})
	t.Run("before a sign-in", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			a := p.signIn("ada")
			restore := w.snapshotOf(w.store.only(t))
			time.Sleep(time.Second)
			b := p.signIn("ada")
			token := p.works(b)
			restore()
			time.Sleep(time.Minute)
			if p.works(b) != token {
				w.Error("the newer session is forgotten")
			}
			if p.works(a) != token {
				w.Error("the newer token is forgotten")
			}
			time.Sleep(time.Second)
			q := w.process()
			if q.works(a) != token || q.works(b) != token {
				w.Error("the newer token is not saved again")
			}
		})
	})
	t.Run("before a sign-in, and can only be read", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			p.signIn("ada")
			restore := w.snapshotOf(w.store.only(t))
			time.Sleep(time.Second)
			b := p.signIn("ada")
			restore()
			w.store.fail("swap", -1)
			for range 10 {
				time.Sleep(11 * time.Second)
				p.works(b)
			}
		})
	})
	t.Run("before a refresh, after another session had begun", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b, key := p.signIn("ada"), w.store.only(t)
			time.Sleep(time.Second)
			_, err := p.SignInFromContext(ctx, zoomapi.AppContext{UserID: "ada", ID: "context"})
			w.must(err)
			restore := w.snapshotOf(key)
			time.Sleep(56 * time.Minute)
			p.works(b) // refreshes ahead
			synctest.Wait()
			restore()
			time.Sleep(30 * time.Second)
			p.works(b)
			time.Sleep(time.Second)
			status, err := w.process().UserStatus(ctx, "ada")
			if w.must(err); len(status.Sessions) != 2 || status.RefreshedTimes != 1 {
				w.Errorf("%d sessions, refreshed %d times", len(status.Sessions), status.RefreshedTimes)
			}
		})
	})
	t.Run("before two sign-outs", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			a, b, c := p.signIn("ada"), p.signIn("ada"), p.signIn("ada")
			p.works(a)
			restore := w.snapshotOf(w.store.only(t))
			w.must(p.SignOut(ctx, b.header()))
			w.must(p.SignOut(ctx, c.header()))
			w.must(p.SignOut(ctx, p.signIn("bob").header()))
			restore()
			time.Sleep(time.Minute)
			p.signedOut(b)
			p.signedOut(c)
			p.works(a)
			zoompkce.Forget(p.state)
			p.signedOut(b)
			p.signedOut(c)
			w.must(p.finishAnother("ada")) // which writes the record
			q := w.process()
			q.signedOut(b)
			q.signedOut(c)
		})
	})
	t.Run("before the user with a code was ended", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(withPrograms), w.process(withPrograms)
			code := p.allow(p.signIn("ada"))
			restore := w.snapshotOf(w.store.only(t))
			w.end(p, time.Time{})
			restore()
			w.must(p.finishAnother("ada")) // which writes the record
			_, err := q.RedeemCode(ctx, redemption(code))
			q.invalid(err, "expired")
		})
	})
	t.Run("before the user was ended", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			a := p.signIn("ada")
			restore := w.snapshotOf(w.store.only(t))
			if _, err := p.EndUser(ctx, "ada", time.Time{}); err != nil {
				w.Fatal(err)
			}
			restore()
			time.Sleep(time.Minute)
			p.signedOut(a)
		})
	})
	t.Run("before a message ended the user", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(withPrograms)
			a := p.signIn("ada")
			tokens, code := p.program(a), p.allow(a)
			restore := w.snapshotOf(w.store.only(t))
			time.Sleep(time.Second)
			event := time.Now()
			time.Sleep(time.Second)
			w.end(p, event)
			restore()
			time.Sleep(11 * time.Second)
			p.signedOut(a)
			if reason := p.out(tokens); reason != "ended" {
				w.Errorf("the program's token is %s", reason)
			}
			_, err := p.RedeemCode(ctx, redemption(code))
			p.invalid(err, "expired")
		})
	})
	t.Run("before a frame's session took the place of another", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			window, former := p.signIn("ada"), p.signIn("ada")
			restore := w.snapshotOf(w.store.only(t))
			frame := copyOf(former)
			p.mustRedeem(frame, p.ticket(window))
			restore()
			time.Sleep(time.Minute)
			p.signedOut(former)
			p.works(window)
		})
	})
}

func (p *process) finishAnother(user string) error {
	b := newBrowser()
	l, code := p.begin(b, user)
	return p.finish(b, l, code)
}

// The store goes back between two readings, and the answer to the later one comes when that to the
// earlier is known: it may be of any age, and gives nobody the older grant.
func TestReadingOvertakenByTheOneBefore(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		p.signIn("ada")
		goBack := w.snapshotOf(w.store.only(t))
		time.Sleep(time.Second)
		b := p.signIn("ada")
		s := p.session(b)
		toExpiry()

		before := w.store.hold("load", true)
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			_, _ = p.Session(ctx, b.header())
		}()
		<-before.arrived
		goBack()
		after := w.store.hold("load", true)
		refreshed := make(chan struct{})
		go func() {
			defer close(refreshed)
			token, err := p.AccessToken(ctx, s)
			if _, _, ok := w.zoom.ValidateAccessToken(token); !ok {
				w.Errorf("a token that Zoom does not take, %v", err)
			}
		}()
		<-after.arrived
		close(before.release)
		<-asked
		close(after.release)
		<-refreshed
		p.works(b)
	})
}

// A record that began anew when the tombstone had expired has low numbers: they do not tell that the
// store went back, and another clock does not either.
func TestRecordThatBeganAnew(t *testing.T) {
	bubble(t, func(w *world) {
		p, q, r := w.process(), w.process(), w.process()
		var b *browser
		for range 10 {
			b = p.signIn("ada")
		}
		s := p.session(b)
		if _, err := p.EndUser(ctx, "ada", time.Time{}); err != nil {
			w.Fatal(err)
		}
		time.Sleep(11 * time.Minute)
		p.works(q.signIn("ada"))
		b = r.signIn("ada")
		r.ahead(-time.Minute)
		time.Sleep(time.Minute)
		p.works(b)
		if got := p.outcomes(zoompkce.EventRefresh); slices.Contains(got, "unsaved") {
			w.Errorf("outcomes %q", got)
		}
		runtime.KeepAlive(s) // so that the process remembers the user
	})
}

// Nor does an equal number: another process may have written it.
func TestRecordOfTheSameNumber(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		p.signIn("ada")
		restore := w.snapshotOf(w.store.only(t))
		p.signIn("ada")
		s := p.session(p.signIn("ada"))
		restore()
		b := q.signIn("ada")
		q.ahead(-time.Minute)
		time.Sleep(11 * time.Second)
		p.works(b)
		if got := p.outcomes(zoompkce.EventRefresh); slices.Contains(got, "unsaved") {
			w.Errorf("outcomes %q", got)
		}
		runtime.KeepAlive(s)
	})
}

// A store that has lost a write makes no thief of the program.
func TestStoreThatWentBack(t *testing.T) {
	for name, proof := range map[string]func(p *process, fresh *zoompkce.ProgramTokens){
		"the refresh token comes": func(p *process, fresh *zoompkce.ProgramTokens) {},
		"the access token comes":  func(p *process, fresh *zoompkce.ProgramTokens) { p.in(fresh) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process(withPrograms)
				tokens := p.program(p.signIn("ada"))
				p.in(tokens)
				synctest.Wait()
				key := w.store.only(t)
				old, _, err := w.store.Load(ctx, key)
				if err != nil {
					w.Fatal(err)
				}
				fresh := p.refreshed(p.refreshed(tokens))
				_, version, err := w.store.Load(ctx, key)
				if err != nil {
					w.Fatal(err)
				}
				if _, err := w.store.Swap(ctx, key, version, old, time.Now().Add(time.Hour)); err != nil {
					w.Fatal(err)
				}
				q := w.process(withPrograms)
				proof(q, fresh)
				synctest.Wait()
				last := q.refreshed(fresh)
				q.in(last)
				_, err = q.refreshProgram(tokens) // long ago, and the record knows it again
				q.invalid(err, "replayed")
			})
		})
	}
}
