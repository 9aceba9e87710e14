package zoompkce_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

func secrets(list ...[]byte) func(*zoompkce.ManagerConfig) {
	return func(c *zoompkce.ManagerConfig) { c.Secrets = list }
}

// A secret is replaced in two rollouts: added last everywhere, then moved first.
func TestRotationSignsNobodyOut(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(secrets(firstSecret)), w.process(secrets(firstSecret))
		before := p.signIn("ada")
		early := newBrowser()
		login, code := p.begin(early, "bob")
		check := func(when string, browsers ...*browser) {
			for _, b := range browsers {
				for _, at := range []*process{p, q} {
					if _, err := at.token(b); err != nil {
						w.Errorf("%s: %v", when, err)
					}
				}
			}
		}
		p.reload(secrets(firstSecret, secondSecret)).Close()
		check("one process knows the new secret", before)
		q.reload(secrets(firstSecret, secondSecret)).Close()
		during := q.signIn("ada")
		check("both know it", before, during)
		p.reload(secrets(secondSecret, firstSecret)).Close()
		after := p.signIn("ada")
		check("one seals with it", before, during, after)
		q.reload(secrets(secondSecret, firstSecret)).Close()
		w.must(p.finish(early, mustFind(p, early, login), code))
		check("both seal with it", before, during, after, early)
		time.Sleep(time.Hour)
		check("a refresh later", before, during, after, early)
		for _, b := range []*browser{before, during, after, early} {
			c, err := p.Renew(ctx, p.session(b))
			if err != nil || c == nil {
				w.Fatal(c, err)
			}
			b.set(c)
		}
		p.reload(secrets(secondSecret)).Close()
		q.reload(secrets(secondSecret)).Close()
		check("the old one is withdrawn", before, during, after, early)
	})
}

// A sign-in where the record does not open fails, and has ended the grant that all others live by: its
// own is kept until the secret comes.
func TestSignInWithoutTheSecretOfTheRecord(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(secrets(firstSecret)), w.process(secrets(secondSecret))
		b, fresh := p.signIn("ada"), newBrowser()
		l, code := q.begin(fresh, "ada")
		if err := q.finish(fresh, l, code); !errors.As(err, new(*zoompkce.UnopenableError)) || !strings.Contains(err.Error(), `user "ada"`) {
			w.Fatal(err)
		}
		q.reload(secrets(firstSecret, secondSecret)).Close()
		time.Sleep(20 * time.Second)
		p.works(b)
	})
}

// mustFind finds a login again, as a callback does.
func mustFind(p *process, b *browser, l *zoompkce.Login) *zoompkce.Login {
	p.Helper()
	_, state := l.InClientChallenge()
	found, err := p.PendingLogin(ctx, b.header(), zoompkce.BrowserFlow, state)
	if err != nil {
		p.Fatal(err)
	}
	return found
}

// What is sealed with a withdrawn secret is worth nothing at once, in memory or not.
func TestWithdrawnSecret(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(secrets(firstSecret, secondSecret))
		b := p.signIn("ada")
		p.works(b)
		p.reload(secrets(secondSecret)).Close()
		if none := p.signedOut(b); none.Reason != "unopenable" || !none.Clear {
			w.Errorf("%+v", none)
		}
		// The record is of no use either; a request does not touch it.
		fresh := newBrowser()
		l, code := p.begin(fresh, "ada")
		if err := p.finish(fresh, l, code); !errors.As(err, new(*zoompkce.UnopenableError)) {
			w.Errorf("a sign-in onto a record that cannot be opened: %v", err)
		}
		p.reload(secrets(firstSecret)).Close()
		p.session(b)
	})
	t.Run("the cookie opens, the cached record does not", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(secrets(secondSecret, firstSecret))
			b := p.signIn("ada")
			old := w.process(secrets(firstSecret, secondSecret))
			time.Sleep(time.Hour)
			old.works(b) // refreshes, and seals the record with the first secret
			time.Sleep(11 * time.Second)
			p.works(b)
			p.reload(secrets(secondSecret)).Close()
			if !errors.As(p.storeTrouble(b), new(*zoompkce.UnopenableError)) {
				w.Error("not called unopenable")
			}
		})
	})
}

func TestSecretsAreChecked(t *testing.T) {
	w := newWorld(t)
	client, err := zoomapi.NewClient(zoomapi.Config{ClientID: "id"})
	if err != nil {
		t.Fatal(err)
	}
	for name, list := range map[string][][]byte{
		"31 bytes":          {bytes.Repeat([]byte("x"), 31)},
		"second is short":   {firstSecret, []byte("short")},
		"one that is empty": {nil},
	} {
		_, err := zoompkce.NewManager(zoompkce.ManagerConfig{Client: client, Store: w.store, Secrets: list})
		if err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "xxx") || strings.Contains(err.Error(), "short") {
			t.Errorf("%s: the error tells the secret: %v", name, err)
		}
	}
	nobodys := zoompkce.ManagerConfig{Client: client, Store: w.store, Programs: &zoompkce.ProgramConfig{}}
	if _, err := zoompkce.NewManager(nobodys); err == nil {
		t.Error("programs of which nobody says whose count are let in")
	}
	second := [][]byte{firstSecret, []byte("short")}
	if _, err := zoompkce.NewManager(zoompkce.ManagerConfig{Client: client, Store: w.store, Secrets: second}); err == nil ||
		!strings.Contains(err.Error(), "secret 2 has 5 bytes, it needs 32") {
		t.Errorf("of the second one: %v", err)
	}
	if _, err := zoompkce.NewManager(zoompkce.ManagerConfig{Client: client}); err == nil {
		t.Error("a manager without a store")
	}
}

func TestGeneratedSecret(t *testing.T) {
	t.Run("many at once get one", func(t *testing.T) {
		bubble(t, func(w *world) {
			var mu sync.Mutex
			got := make(map[string]int)
			w.store.add(storeRule{op: "load", times: 50, delay: time.Second})
			var wait sync.WaitGroup
			for range 100 {
				wait.Go(func() {
					secret, err := zoompkce.GeneratedSecret(ctx, w.store, "0123abcd")
					if err != nil {
						w.Error(err)
					}
					mu.Lock()
					got[string(secret)]++
					mu.Unlock()
				})
			}
			wait.Wait()
			if len(got) != 1 {
				w.Errorf("%d secrets", len(got))
			}
			other, err := zoompkce.GeneratedSecret(ctx, w.store, "another")
			if err != nil || got[string(other)] > 0 {
				w.Errorf("the secret of another app: %v", err)
			}
			for secret := range got {
				if len(secret) < zoompkce.MinSecretLen {
					w.Errorf("%d bytes", len(secret))
				}
			}
		})
	})
	t.Run("processes share it, across reloads", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(secrets()), w.process(secrets())
			b := p.signIn("ada")
			q.works(b)
			p.reload(secrets()).Close()
			p.works(b)
		})
	})
	t.Run("is read once for many requests", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(secrets())
			w.store.add(storeRule{op: "load", times: 1, delay: time.Second})
			var wait sync.WaitGroup
			for range 100 {
				wait.Go(func() {
					if _, _, err := p.BeginLogin(ctx, nil, zoompkce.LoginRequest{RedirectURI: callbackURI}); err != nil {
						w.Error(err)
					}
				})
			}
			wait.Wait()
			if n := w.store.counted("load"); n != 1 {
				w.Errorf("%d loads", n)
			}
		})
	})
	t.Run("trouble is not taken for absence", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(secrets())
			b := p.signIn("ada")
			q := w.process(secrets())
			w.store.fail("load", 1)
			q.storeTrouble(b)
			if n := w.store.counted("swap"); n != 2 { // the secret, the record
				w.Errorf("%d swaps", n)
			}
			q.works(b)
		})
	})
	t.Run("waiting for it is bounded", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(secrets())
			w.store.hang("any")
			w.took(2*time.Second, func() {
				_, _, err := p.BeginLogin(ctx, nil, zoompkce.LoginRequest{RedirectURI: callbackURI})
				if !errors.As(err, new(*zoompkce.StoreError)) {
					w.Errorf("%v", err)
				}
			})
			leaving, leave := context.WithCancel(ctx)
			leave()
			if _, err := p.Session(leaving, []string{p.SessionCookieName() + "=x"}); !errors.As(err, new(*zoompkce.StoreError)) {
				w.Errorf("%v", err)
			}
			time.Sleep(time.Hour)
		})
	})
	t.Run("something else in its place", func(t *testing.T) {
		store := newTestStore()
		if _, err := store.Swap(ctx, "zoom_pkce/0123abcd/secret", "", []byte("short"), time.Time{}); err != nil {
			t.Fatal(err)
		}
		if _, err := zoompkce.GeneratedSecret(ctx, store, "0123abcd"); err == nil {
			t.Error("taken for a secret")
		}
	})
}
