package zoompkce_test

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/memstore"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// wipe empties the store, as FLUSHALL does, or takes out what has a name.
func (w *world) wipe(name string) {
	w.Helper()
	kept := memstore.New()
	keys, _, err := w.store.List(ctx, "zoom_pkce/", "")
	if err != nil {
		w.Fatal(err)
	}
	for _, key := range keys {
		if strings.HasSuffix(key, name) {
			continue
		}
		value, _, err := w.store.Store.Load(ctx, key)
		if err != nil {
			w.Fatal(err)
		}
		if _, err := kept.Swap(ctx, key, "", value, time.Now().Add(100*time.Hour)); err != nil {
			w.Fatal(err)
		}
	}
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	w.store.Store = kept
}

// plant puts a secret where the generated one lies, as who can write to the store may.
func (w *world) plant(secret []byte) {
	w.Helper()
	_, err := w.store.Swap(ctx, zoompkce.SecretKey(zoomapi.AppID(w.zoom.URL, w.app.ClientID)), "", secret, time.Time{})
	w.must(err)
}

// A cookie that does not open is worth nothing once others' secret was looked for. Until it may
// be looked for again the browser keeps what it has.
func TestCookieThatDoesNotOpenYet(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(secrets())
		p.signIn("ada")
		garbage := &browser{map[string]string{p.SessionCookieName(): strings.Repeat("A", 200)}}
		for range 3 {
			time.Sleep(time.Second)
			for _, looked := range []bool{true, false} {
				if none := p.signedOut(garbage); none.Reason != "unopenable" || none.Clear != looked {
					w.Errorf("looked %v: %+v", looked, none)
				}
			}
		}
	})
}

// Whatever becomes of the generated secret, those who sign in stay signed in at
// every process, also one that starts later.
func TestGeneratedSecretVanishes(t *testing.T) {
	generated := secrets()
	for _, what := range []string{"", "/secret"} { // everything, or the secret alone
		name := map[string]string{"": "with everything", "/secret": "alone"}[what]
		t.Run("then a sign-in, "+name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p, q := w.process(generated), w.process(generated)
				q.works(p.signIn("ada"))
				w.wipe(what)
				b := p.signIn("ada")
				q.works(b)
				w.process(generated).works(b)
				p.reload(generated).Close()
				p.works(b)
				q.works(q.signIn("ada"))
			})
		})
		t.Run("then a process starts, then a sign-in at the old one, "+name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process(generated)
				former := p.signIn("ada")
				w.wipe(what)
				q := w.process(generated)
				bob := q.signIn("bob")
				b := newBrowser()
				l, code := p.begin(b, "bob") // under the secret that is gone
				w.must(p.finish(b, l, code))
				for _, at := range []*process{p, q, w.process(generated)} {
					at.works(b)
					at.works(bob)
				}
				if what != "" {
					p.works(former) // its record is sealed with the former secret
				}
			})
		})
	}
	t.Run("alone, then a refresh", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(generated)
			b := p.signIn("ada")
			w.wipe("/secret")
			toExpiry()
			p.works(b)
			w.process(generated).works(b)
		})
	})
	t.Run("alone, then a refresh while the store is in trouble", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(generated)
			b := p.signIn("ada")
			w.wipe("/secret")
			toExpiry()
			p.session(b)
			w.store.fail("load", 1)
			if trouble := p.storeTrouble(b); !errors.Is(trouble, errStoreDown) {
				w.Errorf("%v", trouble)
			}
			w.calls(zoomtest.CallRefresh, 0)
			time.Sleep(6 * time.Second)
			p.works(b)
			w.process(generated).works(b)
		})
	})
	t.Run("at a reload", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(generated), w.process(generated)
			p.signIn("ada")
			w.wipe("")
			p.reload(generated).Close()
			b := p.signIn("ada")
			q.works(q.signIn("bob"))
			q.works(b)
			w.process(generated).works(b)
		})
	})
	t.Run("and the store is in trouble", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(generated)
			b := newBrowser()
			l, code := p.begin(b, "ada")
			w.wipe("")
			w.store.fail("load", 1)
			w.codeUnused(p.finish(b, l, code))
			w.must(p.finish(b, l, code))
			w.process(generated).works(b)
		})
	})
	t.Run("and a message of a deauthorization comes", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(generated)
			p.signIn("ada")
			w.wipe("")
			w.end(p, time.Now())
			time.Sleep(time.Second)
			q := w.process(generated)
			q.works(q.signIn("ada")) // which can read what was written about her
		})
	})
}

// A process that has not heard of the new secret yet ends sessions under it all the same,
// however a browser gives them up.
func TestLeavingUnderASecretOfOthers(t *testing.T) {
	for name, leave := range map[string]func(*process, *browser) error{
		"signing out":   func(p *process, b *browser) error { return p.SignOut(ctx, b.header()) },
		"disconnecting": func(p *process, b *browser) error { return p.Disconnect(ctx, b.header()) },
		"signing in anew": func(p *process, b *browser) error {
			l, code := p.begin(b, "bob")
			return p.finish(&browser{maps.Clone(b.cookies)}, l, code)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process(secrets())
				p.signIn("bob")
				w.wipe("/secret")
				q := w.process(secrets())
				b := q.signIn("ada")
				w.must(leave(p, b))
				time.Sleep(time.Minute)
				q.signedOut(b)
			})
		})
	}
}

// Tokens and codes of programs are sealed under the secret, too, as are tickets for frames, and a client
// takes their refusal for final: so a process that has the former secret looks for the new one first.
func TestGeneratedSecretOfTokens(t *testing.T) {
	generated := secrets()
	revoked := func(p, q *process, b *browser) {
		tokens := p.program(b)
		q.must(q.RevokeProgram(ctx, issuer, tokens.RefreshToken, appClient.Hash))
		time.Sleep(time.Minute)
		p.out(tokens)
	}
	clientID := func(p, q *process, _ *browser) {
		id, err := p.SealClientID(ctx, issuer, []byte("app"))
		if err == nil {
			_, err = q.OpenClientID(ctx, issuer, id)
		}
		if err != nil {
			q.Error(err)
		}
	}
	ticket := func(p, q *process, b *browser) {
		if _, err := q.OpenFrameTicket(ctx, p.ticket(b)); err != nil {
			q.Error(err)
		}
	}
	for name, comes := range map[string]func(p, q *process, b *browser){
		"an access token":           func(p, q *process, b *browser) { q.in(p.program(b)) },
		"a refresh token":           func(p, q *process, b *browser) { q.refreshed(p.program(b)) },
		"a refresh token, too soon": func(p, q *process, b *browser) { q.refreshed(p.program(b)) },
		"a revocation":              revoked,
		"a revocation, too soon":    revoked,
		"a client id":               clientID,
		"a client id, too soon":     clientID,
		"a code":                    func(p, q *process, b *browser) { q.redeems(p.allow(b)) },
		"a code, too soon":          func(p, q *process, b *browser) { q.redeems(p.allow(b)) },
		"a ticket":                  ticket,
		"a ticket, too soon":        ticket,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				q := w.process(generated, withPrograms)
				q.works(q.signIn("bob"))
				if !strings.HasSuffix(name, "too soon") {
					time.Sleep(2 * time.Second)
				} else if reason := q.dead(issuer, q.TokenPrefix()+"a_garbage"); reason != "unopenable" { // looks for the secret
					w.Error(reason)
				}
				w.wipe("/secret")
				p := w.process(generated, withPrograms)
				comes(p, q, p.signIn("ada"))
			})
		})
	}
}

func (p *process) redeems(code string) {
	p.Helper()
	tokens, err := p.RedeemCode(ctx, redemption(code))
	if err != nil {
		p.Fatalf("redeeming: %v", err)
	}
	p.process(secrets(), withPrograms).in(tokens)
}

// What was read under the secret of others is written under it, too: they would not open anything else.
func TestSignInWhileTheSecretIsReplaced(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(secrets())
		b := newBrowser()
		l, code := p.begin(b, "ada")
		gate := w.zoom.Hold(zoomtest.CallCode, zoomtest.Before)
		done := async(func() error { return p.finish(b, l, code) })
		<-gate.Arrived()
		w.wipe("/secret")
		other := w.process(secrets())
		w.end(other, time.Now().Add(-time.Hour)) // a record of theirs
		time.Sleep(2 * time.Second)
		gate.Release()
		w.must(<-done)
		other.works(b)
	})
}

// Visitors with what nobody has sealed cause one look at the generated secret a second.
func TestGarbageAndTheGeneratedSecret(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(secrets())
		p.signIn("ada")
		garbage := []string{p.SessionCookieName() + "=" + strings.Repeat("A", 200)}
		for range 2 {
			time.Sleep(time.Second)
			before := w.store.counted("load")
			for range 10 {
				if _, err := p.Session(ctx, garbage); err == nil {
					w.Error("garbage is a session")
				}
			}
			if n := w.store.counted("load") - before; n != 1 {
				w.Errorf("%d reads", n)
			}
		}
	})
}

// A secret of which the store does not say that it has it seals nothing.
func TestGeneratedSecretThatMayBeLost(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(secrets())
		w.store.fail("swap", 1)
		req := zoompkce.LoginRequest{RedirectURI: callbackURI}
		if _, _, err := p.BeginLogin(ctx, nil, req); !errors.As(err, new(*zoompkce.StoreError)) || !errors.Is(err, errStoreDown) {
			w.Errorf("%v", err)
		}
		w.store.add(storeRule{op: "swap", times: 3, err: zoompkce.ErrConflict}) // with a secret that nobody finds
		if _, _, err := p.BeginLogin(ctx, nil, req); !errors.As(err, new(*zoompkce.StoreError)) || !errors.Is(err, zoompkce.ErrConflict) {
			w.Errorf("%v", err)
		}
		p.works(p.signIn("ada"))
	})
}

// A visitor who has gone away hears of no verdict.
func TestVisitorsWhoGoAway(t *testing.T) {
	bubble(t, func(w *world) {
		b := w.process().signIn("ada")
		w.store.hang("load")
		gone, leave := contextWithCancel()
		leave()
		if _, err := w.process().Session(gone, b.header()); !errors.As(err, new(*zoompkce.StoreError)) {
			w.Errorf("%v", err)
		}
		if _, err := w.process(secrets()).Session(gone, b.header()); !errors.As(err, new(*zoompkce.StoreError)) {
			w.Errorf("before the secret is there: %v", err)
		}
	})
}
