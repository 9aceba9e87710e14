package zoompkce_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestStoreTrouble(t *testing.T) {
	for name, broken := range map[string]func(*testStore){
		"down": func(s *testStore) { s.fail("any", -1) },
		"hang": func(s *testStore) { s.hang("any") },
		"slow": func(s *testStore) { s.add(storeRule{op: "any", times: -1, delay: 5 * time.Second, err: errStoreDown}) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				b, bob := p.signIn("ada"), p.signIn("bob")
				p.works(b)
				broken(w.store)
				// Users in memory go on until their access token ends.
				for range 59 * 4 {
					w.took(2*time.Second, func() { p.works(b) })
					time.Sleep(10 * time.Second)
				}
				time.Sleep(time.Hour - 59*4*10*time.Second)
				w.took(2*time.Second, func() { p.storeTrouble(b) })
				w.took(2*time.Second, func() { p.storeTrouble(bob) })
				w.calls(zoomtest.CallRefresh, 0)

				// New logins do not spend their code.
				fresh := newBrowser()
				l, code := p.begin(fresh, "bob")
				w.zoom.ResetCounts()
				w.took(2*time.Second, func() {
					if err := p.finish(fresh, l, code); !errors.As(err, new(*zoompkce.StoreError)) {
						w.Errorf("%v", err)
					}
				})
				w.calls(zoomtest.CallCode, 0)
				if ended, err := p.EndUser(ctx, "ada", time.Time{}); ended || err == nil {
					w.Error("ended without a store")
				}

				w.store.heal()
				time.Sleep(30 * time.Second)
				p.works(b)
				p.works(bob)
				w.must(p.finish(fresh, l, code))
			})
		})
	}
}

// Within the sync interval the record is not read before a refresh.
func TestExpiredTokenAndHangingStore(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		time.Sleep(time.Hour - 5*time.Second)
		w.zoom.Fail(zoomtest.CallRefresh, 1, zoomtest.Status(500, ""))
		p.works(b)
		synctest.Wait()
		w.store.hang("any")
		time.Sleep(5 * time.Second)
		w.took(2*time.Second, func() {
			if _, err := p.token(b); err == nil {
				w.Error("a refresh without a store")
			}
		})
		if got := p.outcomes(zoompkce.EventRefresh); len(got) != 2 || got[1] != "store" {
			w.Errorf("refreshes ended with %q", got)
		}
	})
}

func TestStoreRecoversAtOnce(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		b := p.signIn("ada")
		w.store.fail("load", 1)
		q.storeTrouble(b)
		time.Sleep(200 * time.Millisecond)
		q.works(b)
	})
}

// A record that somebody damages, swaps or cannot be opened is trouble, and
// stays what it is.
func TestUnopenableRecord(t *testing.T) {
	for name, damage := range map[string]func(sealed, other []byte) []byte{
		"damaged":      func(sealed, _ []byte) []byte { sealed[len(sealed)-1] ^= 1; return sealed },
		"empty":        func([]byte, []byte) []byte { return nil },
		"of a newer":   func(sealed, _ []byte) []byte { sealed[0]++; return sealed },
		"another's":    func(_, other []byte) []byte { return other },
		"truncated":    func(sealed, _ []byte) []byte { return sealed[:20] },
		"other secret": func(sealed, _ []byte) []byte { sealed[3] ^= 1; return sealed },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				b := p.signIn("ada")
				mine := w.store.only(t)
				bob := p.signIn("bob")
				other, _, _ := w.store.Load(ctx, w.store.other(t, mine))
				value, version, _ := w.store.Load(ctx, mine)
				damaged := damage(append([]byte(nil), value...), other)
				version, err := w.store.Swap(ctx, mine, version, damaged, time.Time{})
				if err != nil {
					w.Fatal(err)
				}
				time.Sleep(11 * time.Second)
				if !errors.As(p.storeTrouble(b), new(*zoompkce.UnopenableError)) {
					w.Error("not called unopenable")
				}
				fresh := newBrowser()
				l, code := p.begin(fresh, "ada")
				if err := p.finish(fresh, l, code); !errors.As(err, new(*zoompkce.UnopenableError)) {
					w.Errorf("a sign-in: %v", err)
				}
				if _, err := p.EndUser(ctx, "ada", time.Now()); err == nil {
					w.Error("a message from outside has replaced it")
				}
				if _, now, _ := w.store.Load(ctx, mine); now != version {
					w.Error("the record was overwritten")
				}
				p.works(bob)

				if ended, err := p.EndUser(ctx, "ada", time.Time{}); !ended || err != nil {
					w.Errorf("the way out: %v, %v", ended, err)
				}
				time.Sleep(time.Second)
				p.signedOut(b)
				p.works(p.signIn("ada"))
			})
		})
	}
}
