package zoompkce_test

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
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
