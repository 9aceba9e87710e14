package zoompkce_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// What one process gives, the others take at once; what is dead makes them read
// once a second.
func TestTokensInOtherProcesses(t *testing.T) {
	t.Run("a new program", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(withPrograms), w.process(withPrograms)
			b := p.signIn("ada")
			q.works(b)
			time.Sleep(time.Second)
			tokens := p.program(b)
			w.took(0, func() { q.in(tokens) })
			loads := w.store.counted("load")
			for range 100 {
				q.in(tokens)
				synctest.Wait()
			}
			if n := w.store.counted("load") - loads; n > 2 { // the use is noted
				w.Errorf("read %d times", n)
			}
		})
	})
	t.Run("a new generation", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(withPrograms), w.process(withPrograms)
			tokens := p.program(p.signIn("ada"))
			for range 20 {
				q.in(tokens)
				time.Sleep(time.Second)
				tokens = p.refreshed(tokens)
				if program, _ := q.in(tokens).Program(); !program.Refreshed.Equal(time.Now()) {
					w.Errorf("refreshed at %v", program.Refreshed)
				}
			}
			if n := len(q.outcomes(zoompkce.EventTokenRejected)); n > 0 {
				w.Errorf("%d refused", n)
			}
		})
	})
	t.Run("in trouble with the store, and with a client that leaves", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(withPrograms), w.process(withPrograms)
			b := p.signIn("ada")
			q.works(b)
			tokens := p.program(b)
			gone, leave := contextWithCancel()
			leave()
			w.store.fail("load", 1)
			for _, from := range []context.Context{ctx, gone} {
				if _, err := q.ProgramSession(from, issuer, tokens.AccessToken); !errors.As(err, new(*zoompkce.StoreError)) {
					w.Errorf("%v", err)
				}
				time.Sleep(time.Second)
			}
			tokens = p.program(b)
			w.store.add(storeRule{op: "load", times: 3, err: &net.OpError{Op: "dial", Err: errStoreDown}})
			q.in(tokens)
		})
	})
	t.Run("one given while the record is read for another", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(withPrograms), w.process(withPrograms)
			b := p.signIn("ada")
			q.works(b)
			first := p.program(b)
			held := w.store.hold("load", true)
			var came sync.WaitGroup
			came.Go(func() { q.in(first) })
			<-held.arrived
			second := p.program(b)
			came.Go(func() { q.in(second) })
			synctest.Wait()
			close(held.release)
			came.Wait()
		})
	})
	t.Run("one given by a sign-in that has revived the grant", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(withPrograms), w.process(withPrograms)
			b := p.signIn("ada")
			toExpiry()
			w.zoom.RevokeUser(w.app.ClientID, "ada")
			q.signedOut(b)
			q.in(p.program(p.signIn("ada")))
		})
	})
	t.Run("an ended one, at a process that has not seen it end", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(withPrograms), w.process(withPrograms)
			b := p.signIn("ada")
			stays, tokens := p.program(b), p.program(b)
			w.must(p.RevokeProgram(ctx, issuer, tokens.RefreshToken, appClient.Hash))
			w.store.add(storeRule{op: "load", times: -1, delay: 10 * time.Millisecond})
			q.in(stays)
			q.out(tokens)
			w.took(1010*time.Millisecond, func() { q.out(tokens) }) // one more look, for which it waits
		})
	})
	t.Run("used here after it was used elsewhere", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(withPrograms), w.process(withPrograms)
			b := p.signIn("ada")
			first := p.program(b)
			q.works(b) // reads the record
			p.in(first)
			synctest.Wait() // it is noted
			swaps := w.store.counted("swap")
			q.in(first)
			synctest.Wait()
			if n := w.store.counted("swap") - swaps; n > 0 {
				w.Errorf("written %d times with nothing to be noted", n)
			}
			second := q.refreshed(first)
			q.in(second)
			synctest.Wait()
			time.Sleep(time.Minute)
			_, err := q.refreshProgram(first)
			q.invalid(err, "replayed")
		})
	})
	t.Run("one that ends while its use is noted", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(withPrograms), w.process(withPrograms)
			b := p.signIn("ada")
			tokens := p.program(b)
			q.works(b)
			held := w.store.hold("load", false)
			q.in(tokens)
			<-held.arrived
			w.must(p.RevokeProgram(ctx, issuer, tokens.RefreshToken, appClient.Hash))
			synctest.Wait()
			swaps := w.store.counted("swap")
			close(held.release)
			synctest.Wait()
			if n := w.store.counted("swap") - swaps; n > 0 {
				w.Errorf("written %d times with nothing to be noted", n)
			}
		})
	})
	t.Run("one that the store has forgotten", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(withPrograms), w.process(withPrograms)
			b := p.signIn("ada")
			first := p.program(b)
			goBack := w.snapshotOf(w.store.only(t))
			time.Sleep(time.Minute)
			second := p.refreshed(first)
			refreshed := time.Now()
			goBack()
			q.in(second)
			synctest.Wait()
			list, err := q.Programs(ctx, q.session(b))
			if err != nil || len(list) != 1 || !list[0].Refreshed.Equal(refreshed) {
				w.Errorf("%+v, %v", list, err)
			}
			time.Sleep(time.Minute)
			_, err = q.refreshProgram(first)
			q.invalid(err, "replayed")
		})
	})
	t.Run("an ended one", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(withPrograms), w.process(withPrograms)
			b := p.signIn("ada")
			tokens := p.program(b)
			q.in(tokens)
			synctest.Wait()
			if err := p.RevokeProgram(ctx, issuer, tokens.RefreshToken, appClient.Hash); err != nil {
				w.Fatal(err)
			}
			time.Sleep(10 * time.Second)
			if reason := q.out(tokens); reason != "ended" {
				w.Errorf("after the sync interval: %s", reason)
			}
			loads, began := w.store.counted("load"), time.Now()
			for time.Since(began) < 20*time.Second {
				q.out(tokens)
				time.Sleep(10 * time.Millisecond)
			}
			if n := w.store.counted("load") - loads; n > 24 {
				w.Errorf("read %d times in 20 s", n)
			}
			time.Sleep(time.Minute)
			q.out(tokens)
			time.Sleep(time.Second)
			w.took(0, func() { q.out(tokens) }) // memory knows for sure
		})
	})
}

func TestLivesOfPrograms(t *testing.T) {
	t.Run("idle", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(programs(func(c *zoompkce.ProgramConfig) { c.IdleTimeout = 3 * time.Hour }))
			b := p.signIn("ada")
			tokens := p.program(b)
			for range 5 {
				time.Sleep(3*time.Hour - time.Second)
				tokens = p.refreshed(tokens)
				p.in(tokens)
			}
			time.Sleep(3 * time.Hour)
			_, err := p.refreshProgram(tokens)
			p.invalid(err, "ended")
		})
	})
	t.Run("idle between the two halves of a refresh", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(programs(func(c *zoompkce.ProgramConfig) { c.IdleTimeout = 3 * time.Hour }))
			b := p.signIn("ada")
			tokens := p.program(b)
			s, err := p.RefreshSession(ctx, issuer, tokens.RefreshToken, appClient.Hash)
			w.must(err)
			time.Sleep(3 * time.Hour)
			_, err = p.RefreshProgram(ctx, s, zoompkce.Resource{})
			p.invalid(err, "ended")
			w.must(p.EndProgram(ctx, p.session(b), "AAAAAAAAAAAAAAAAAAAAAA"))
			if ended := p.outcomes(zoompkce.EventProgramEnded); len(ended) > 0 {
				w.Errorf("told of %v", ended)
			}
		})
	})
	t.Run("as the user sees them", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(withPrograms)
			b := p.signIn("ada")
			allowed := time.Now()
			tokens := p.program(b)
			time.Sleep(24*time.Hour - 30*time.Minute) // midnight is near
			tokens = p.refreshed(tokens)
			refreshed := time.Now()
			for range 3 {
				p.in(tokens)
				synctest.Wait()
				time.Sleep(20 * time.Minute)
			}
			b = p.signIn("ada")
			list, err := p.Programs(ctx, p.session(b))
			if err != nil || len(list) != 1 || !list[0].Allowed.Equal(allowed) ||
				!list[0].Refreshed.Equal(refreshed) || !list[0].Used.Equal(allowed.Add(24*time.Hour)) {
				w.Errorf("%+v, %v", list, err)
			}
			s := p.session(b)
			toExpiry()
			w.store.fail("load", -1)
			if _, err := p.Programs(ctx, s); !errors.As(err, new(*zoompkce.StoreError)) {
				w.Errorf("in trouble: %v", err)
			}
			w.store.heal()
			w.wipe("")
			time.Sleep(time.Minute)
			if list, err := p.Programs(ctx, s); len(list) != 0 || err != nil {
				w.Errorf("of a store that was wiped: %+v, %v", list, err)
			}
		})
	})
	t.Run("as a whole", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(programs(func(c *zoompkce.ProgramConfig) { c.MaxLifetime = 5 * time.Hour }))
			tokens := p.program(p.signIn("ada"))
			for range 4 {
				time.Sleep(time.Hour)
				tokens = p.refreshed(tokens)
			}
			time.Sleep(time.Hour - time.Second)
			p.in(tokens)
			time.Sleep(time.Second)
			if reason := p.out(tokens); reason != "expired" {
				w.Errorf("dead: %s", reason)
			}
			_, err := p.refreshProgram(tokens)
			p.invalid(err, "ended")
		})
	})
	t.Run("beyond the sessions of browsers, and for managers that let none in", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(withPrograms)
			b := p.signIn("ada")
			tokens := p.program(b)
			p.SignOut(ctx, b.header())
			for range 3 {
				time.Sleep(30 * time.Hour)
				p.reload().Close()
				p.SignOut(ctx, p.signIn("ada").header())
				p.reload(withPrograms).Close()
				tokens = p.refreshed(tokens)
				p.in(tokens)
			}
		})
	})
}
