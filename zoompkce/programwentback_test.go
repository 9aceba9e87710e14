package zoompkce_test

import (
	"testing"
	"testing/synctest"
	"time"
)

// The moment itself counts as after it: programs are told in whole seconds.
func TestProgramOfTheMomentTheStoreWentBackTo(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		b := p.signIn("ada")
		restore := w.snapshotOf(w.store.only(t))
		tokens := p.program(b)
		time.Sleep(56 * time.Minute)
		p.works(b) // refreshes ahead
		synctest.Wait()
		restore()
		time.Sleep(10 * time.Second)
		p.in(tokens)
		time.Sleep(time.Minute)
		w.process(withPrograms).in(tokens)
	})
}

// That a program's new tokens have come is not forgotten with the store: who has the token
// before them is not its client.
func TestUsedTokensOfAStoreThatWentBack(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(withPrograms), w.process(withPrograms)
		b := p.signIn("ada")
		former := p.program(b)
		fresh := p.refreshed(former)
		restore := w.snapshotOf(w.store.only(t))
		p.in(fresh)
		time.Sleep(56 * time.Minute)
		p.works(b) // refreshes ahead
		synctest.Wait()
		restore()
		time.Sleep(time.Minute)
		p.works(b)
		time.Sleep(time.Second)
		_, err := q.refreshProgram(former)
		q.invalid(err, "replayed")
	})
}

// What the process knows comes back, together with the grant that was lost.
func TestProgramsOfAStoreThatWentBack(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		b := p.signIn("ada")
		first := p.program(b)
		ended, spent := p.program(b), p.program(b)
		p.in(ended)
		synctest.Wait()
		key := w.store.only(t)
		old, _, err := w.store.Load(ctx, key)
		if err != nil {
			w.Fatal(err)
		}
		toExpiry()
		p.works(b) // with tokens the old record does not have
		second := p.program(b)
		fresh := p.refreshed(first)
		p.in(p.refreshed(spent))
		if err := p.RevokeProgram(ctx, issuer, ended.RefreshToken, appClient.Hash); err != nil {
			w.Fatal(err)
		}
		synctest.Wait()
		_, version, err := w.store.Load(ctx, key)
		if err != nil {
			w.Fatal(err)
		}
		if _, err := w.store.Swap(ctx, key, version, old, time.Now().Add(time.Hour)); err != nil {
			w.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		p.in(second)
		time.Sleep(time.Minute)
		q := w.process(withPrograms)
		q.in(second)
		q.in(fresh)
		_, err = q.refreshProgram(ended)
		q.invalid(err, "ended")
		_, err = q.refreshProgram(spent)
		q.invalid(err, "replayed")
	})
}
