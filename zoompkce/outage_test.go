package zoompkce_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// away makes the store one that cannot be reached for a while.
func (w *world) away(d time.Duration) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	w.store.add(storeRule{op: "any", times: -1, err: refused})
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
