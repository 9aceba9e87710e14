package zoompkce_test

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/memstore"
)

// away makes the store one that cannot be reached for a while.
func (w *world) away(d time.Duration) { w.refuses("any", d) }

// refuses is that of one operation.
func (w *world) refuses(op string, d time.Duration) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	w.store.add(storeRule{op: op, times: -1, err: refused})
	time.AfterFunc(d, w.store.heal)
}

// A failover or a restart of the store is waited out by those who depend on it.
func TestShortOutage(t *testing.T) {
	for name, test := range map[string]func(w *world, p *process, b *browser){
		"a user who is not in memory": func(w *world, _ *process, b *browser) {
			q := w.process()
			w.away(1500 * time.Millisecond)
			w.took(2*time.Second, func() { q.works(b) })
		},
		"an expired token": func(w *world, p *process, b *browser) {
			toExpiry()
			w.away(1500 * time.Millisecond)
			w.took(2*time.Second, func() { p.works(b) })
		},
		"a sign-in": func(w *world, p *process, _ *browser) {
			fresh := newBrowser()
			l, code := p.begin(fresh, "bob")
			w.away(1500 * time.Millisecond)
			w.took(2*time.Second, func() { w.must(p.finish(fresh, l, code)) })
			p.works(fresh)
		},
		"a sign-out": func(w *world, p *process, b *browser) {
			w.away(1500 * time.Millisecond)
			w.took(2*time.Second, func() { w.must(p.SignOut(ctx, b.header())) })
			p.signedOut(b)
		},
		"a sign-out whose record was read": func(w *world, p *process, b *browser) {
			w.refuses("swap", 1500*time.Millisecond)
			w.took(2*time.Second, func() { w.must(p.SignOut(ctx, b.header())) })
			p.signedOut(b)
		},
		"the generated secret": func(w *world, _ *process, _ *browser) {
			q := w.process(secrets())
			w.away(1500 * time.Millisecond)
			w.took(2*time.Second, func() { q.begin(newBrowser(), "bob") })
			w.away(1500 * time.Millisecond)
			w.took(2*time.Second, func() { q.signIn("bob") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				b := p.signIn("ada")
				p.works(b)
				test(w, p, b)
			})
		})
	}
}

// A change that never reached the store is tried again. One that may have been done is not: it
// would meet itself.
func TestChangeThatMayHaveBeenDone(t *testing.T) {
	for op, again := range map[string]bool{"dial": true, "read": false} {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			w.store.add(storeRule{op: "swap", times: 1, err: &net.OpError{Op: op, Net: "tcp", Err: errStoreDown}})
			if err := p.SignOut(ctx, b.header()); again != (err == nil) {
				w.Errorf("%s: %v", op, err)
			}
		})
	}
}

// Whether the store can be written is found out with one write, as long as nobody touches what was
// written before; with three calls else.
func TestProofsOfTheStore(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		for name, test := range map[string]struct {
			before        func()
			trials, loads int
			err           error
		}{
			"the first":         {func() {}, 1, 0, nil},
			"expired":           {func() { time.Sleep(time.Hour) }, 2, 1, nil},
			"lost answer":       {func() { w.store.failAfter("trial", 1); _ = p.ProveWritable(ctx) }, 3, 1, nil},
			"full":              {func() { w.store.fail("trial", 1) }, 1, 0, errStoreDown},
			"unread":            {func() { time.Sleep(time.Hour); w.store.fail("load", 1) }, 1, 1, errStoreDown},
			"of all, the first": {func() { w.store.Store = memstore.New() }, 2, 1, nil},
		} {
			w.must(p.ProveWritable(ctx))
			w.must(p.ProveWritable(ctx))
			trials, loads := w.store.counted("trial"), w.store.counted("load")
			test.before()
			if err := p.ProveWritable(ctx); !errors.Is(err, test.err) {
				w.Errorf("%s: %v", name, err)
			}
			trials, loads = w.store.counted("trial")-trials, w.store.counted("load")-loads
			if trials != test.trials || loads != test.loads {
				w.Errorf("%s: %d writes, %d reads", name, trials, loads)
			}
		}
	})
}

// A store that refuses is not asked by every request, and one that has answered is trusted at once.
func TestOutageIsFoundOutOnce(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process(syncEvery(time.Second))
		b := p.signIn("ada")
		w.store.fail("load", -1)
		loads := w.store.counted("load")
		for range 100 {
			q.storeTrouble(b)
		}
		if n := w.store.counted("load") - loads; n != 1 {
			w.Errorf("%d loads", n)
		}
		w.store.heal()
		toExpiry()

		gate := w.store.hold("load", true)
		q.storeTrouble(b) // waits for two seconds
		close(gate.release)
		synctest.Wait()
		q.works(b)
	})
}

// Who is in memory with a token that lives waits for nothing, and nobody waits for long.
func TestLongOutage(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		b := p.signIn("ada")
		p.works(b)
		time.Sleep(11 * time.Second)
		w.away(time.Hour)
		for range 100 {
			w.took(0, func() { p.works(b) })
			time.Sleep(time.Second)
		}
		w.took(2*time.Second, func() { q.storeTrouble(b) })
		fresh := newBrowser()
		l, code := p.begin(fresh, "bob")
		w.took(2*time.Second, func() { w.codeUnused(p.finish(fresh, l, code)) })
		w.took(2*time.Second, func() {
			if err := p.SignOut(ctx, b.header()); !errors.As(err, new(*zoompkce.StoreError)) {
				w.Errorf("%v", err)
			}
		})
	})
}
