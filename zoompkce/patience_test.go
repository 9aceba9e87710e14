package zoompkce_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// Codes that nobody has sealed wait for the next look at the secret, a few of them. The others are
// not refused: what is sealed under a secret of which this process does not know yet is among them.
func TestGarbageThatWaits(t *testing.T) {
	bubble(t, func(w *world) {
		generated := secrets()
		q := w.process(generated, withPrograms)
		q.signIn("bob")
		w.wipe("/secret")
		p := w.process(generated, withPrograms)
		b := p.signIn("ada")
		code, inTime := p.allow(b), p.allow(b)
		var waiting atomic.Int32
		var all sync.WaitGroup
		all.Go(func() { q.redeems(inTime) })
		synctest.Wait()
		for range 2000 {
			waiting.Add(1)
			all.Go(func() {
				defer waiting.Add(-1)
				_, err := q.RedeemCode(ctx, redemption(q.TokenPrefix()+"c_garbage"))
				if !errors.As(err, new(*zoompkce.StoreError)) {
					q.invalid(err, "unopenable")
				}
			})
		}
		synctest.Wait()
		if n := waiting.Load(); n == 0 || n > 300 {
			w.Errorf("%d wait", n)
		}
		if _, err := q.RedeemCode(ctx, redemption(code)); !errors.As(err, new(*zoompkce.StoreError)) {
			w.Errorf("not told to come again: %v", err)
		}
		all.Wait()
		q.redeems(code)

		// They have made room. Who leaves is not refused: nobody has looked.
		garbage := redemption(q.TokenPrefix() + "c_garbage")
		gone, leave := context.WithCancel(ctx)
		leave()
		if _, err := q.RedeemCode(gone, garbage); !errors.As(err, new(*zoompkce.StoreError)) {
			w.Errorf("refused: %v", err)
		}
		_, err := q.RedeemCode(ctx, garbage)
		q.invalid(err, "unopenable")
	})
}

// A bearer under a secret of which this process does not know yet is not refused: its client, which
// has just got it, would take that for final. Strangers' bearers wait, too, and leave room for others.
func TestBearersThatWait(t *testing.T) {
	bubble(t, func(w *world) {
		generated := secrets()
		q := w.process(generated, withPrograms)
		q.signIn("bob")
		w.wipe("/secret")
		p := w.process(generated, withPrograms)
		tokens := p.program(p.signIn("ada"))
		var all sync.WaitGroup
		all.Go(func() { w.took(time.Second, func() { q.in(tokens) }) })
		synctest.Wait()
		var waiting atomic.Int32
		for range 300 {
			waiting.Add(1)
			all.Go(func() {
				defer waiting.Add(-1)
				if reason := q.dead(issuer, q.TokenPrefix()+"a_garbage"); reason != "unopenable" {
					w.Error(reason)
				}
			})
			synctest.Wait() // one after the other comes
		}
		if n := waiting.Load(); n != 127 {
			w.Errorf("%d strangers wait beside the program, want the others refused", n)
		}
		if reason := q.out(tokens); reason != "unopenable" {
			w.Errorf("who finds no room: %s", reason)
		}
		q.refreshed(tokens)
		all.Wait()
		q.in(tokens)
	})
}

// Nothing is refused for good while the store is away, however many ask for a former secret.
func TestLooksThatFail(t *testing.T) {
	generated, own := secrets(), secrets(firstSecret)
	bubble(t, func(w *world) {
		p := w.process(generated, withPrograms)
		b := p.signIn("ada")
		tokens := p.program(b)
		p = w.process(own, withPrograms)
		w.store.fail("load", -1)
		for range 50 { // visitors with cookies of before
			go func() {
				for range 50 {
					_, _ = p.Session(ctx, []string{p.SessionCookieName() + "=" + strings.Repeat("x", 200)})
					time.Sleep(100 * time.Millisecond)
				}
			}()
		}
		time.Sleep(50 * time.Millisecond)
		loads := w.store.counted("load")
		_, err := p.RefreshSession(ctx, issuer, tokens.RefreshToken, appClient.Hash)
		if !errors.As(err, new(*zoompkce.StoreError)) {
			t.Errorf("%v, want the store's trouble", err)
		}
		time.Sleep(3 * time.Second)
		if n := w.store.counted("load") - loads; n > 5 {
			t.Errorf("%d reads", n)
		}
		w.store.heal()
		time.Sleep(10 * time.Second)
		p.refreshed(tokens)
	})
}
