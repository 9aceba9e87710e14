package zoompkce_test

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// Whoever moves from the generated secret to one of their own signs nobody out: the
// generated one opens what it has sealed, and seals nothing any more.
func TestMovingToAnOwnSecret(t *testing.T) {
	generated, own := secrets(), secrets(firstSecret)
	t.Run("at a reload, and on a machine that knows nothing", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(generated)
			b, idle := p.signIn("ada"), p.signIn("bob")
			p.reload(own).Close()
			p.works(b)
			fresh := w.process(own)
			fresh.works(b)
			fresh.works(idle)
			toExpiry()
			fresh.works(b) // which seals the record anew
			c, err := fresh.Renew(ctx, fresh.session(b))
			if err != nil || c == nil {
				t.Fatal(c, err)
			}
			b.set(c)
			w.wipe("/secret")
			alone := w.process(own)
			alone.works(b)
			if none := alone.signedOut(idle); !none.Clear {
				w.Errorf("%+v", none)
			}
		})
	})
	t.Run("beside users who came and went since", func(t *testing.T) {
		bubble(t, func(w *world) {
			b := w.process(generated).signIn("ada")
			p := w.process(own)
			p.signIn("bob")
			if _, err := p.EndUser(ctx, "carol", time.Time{}); err != nil {
				w.Fatal(err)
			}
			p.works(b)
		})
	})
	t.Run("a sign-in anew", func(t *testing.T) {
		bubble(t, func(w *world) {
			w.process(generated).signIn("ada")
			p := w.process(own)
			b := p.signIn("ada") // onto a record that the generated one has sealed
			w.wipe("/secret")
			w.process(own).works(b)
		})
	})
	t.Run("programs", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(generated, withPrograms)
			client, err := p.SealClientID(ctx, issuer, []byte("a client"))
			w.must(err)
			b := p.signIn("ada")
			tokens, other := p.program(b), p.program(b)
			w.process(own, withPrograms).in(tokens)
			w.process(own, withPrograms).refreshed(tokens)
			if got, err := w.process(own, withPrograms).OpenClientID(ctx, issuer, client); string(got) != "a client" || err != nil {
				w.Errorf("%q, %v", got, err)
			}
			w.must(w.process(own, withPrograms).RevokeProgram(ctx, issuer, other.RefreshToken, appClient.Hash))
		})
	})
	for name, leave := range map[string]func(*process, *browser) error{
		"signing out":   func(p *process, b *browser) error { return p.SignOut(ctx, b.header()) },
		"disconnecting": func(p *process, b *browser) error { return p.Disconnect(ctx, b.header()) },
		"signing in anew": func(p *process, b *browser) error {
			l, code := p.begin(b, "bob")
			return p.finish(&browser{maps.Clone(b.cookies)}, l, code)
		},
		"signing a frame in": func(p *process, b *browser) error {
			return p.redeem(&browser{maps.Clone(b.cookies)}, p.ticket(p.signIn("bob")))
		},
	} {
		t.Run(name+" before anything else", func(t *testing.T) {
			bubble(t, func(w *world) {
				b := w.process(generated).signIn("ada")
				p := w.process(own)
				w.must(leave(p, b))
				time.Sleep(time.Minute)
				p.signedOut(b)
			})
		})
	}
	for name, leave := range map[string]func(*process, *browser) error{
		"signing out":   func(p *process, b *browser) error { return p.SignOut(ctx, b.header()) },
		"disconnecting": func(p *process, b *browser) error { return p.Disconnect(ctx, b.header()) },
	} {
		t.Run(name+" before anything else, the store being away", func(t *testing.T) {
			bubble(t, func(w *world) {
				b := w.process(generated).signIn("ada")
				p := w.process(own)
				w.store.fail("load", 1)
				if err := leave(p, b); !errors.As(err, new(*zoompkce.StoreError)) {
					w.Errorf("in trouble: %v", err)
				}
				w.must(leave(p, b))
				p.signedOut(b)
			})
		})
	}
	for name, trouble := range map[string]func(*world){
		"its secret":             func(w *world) { w.store.fail("load", 1) },
		"its note":               func(w *world) { w.store.pass("load", 1); w.store.fail("load", 1) },
		"the list of records":    func(w *world) { w.store.fail("list", 1) },
		"what is noted about it": func(w *world) { w.store.fail("swap", 1) },
	} {
		t.Run("the store is away at first: "+name, func(t *testing.T) {
			bubble(t, func(w *world) {
				b := w.process(generated).signIn("ada")
				p := w.process(own)
				trouble(w)
				p.storeTrouble(b)
				time.Sleep(2 * time.Second)
				p.works(b)
				bob := p.signIn("bob") // under the own one, whatever has failed
				w.wipe("/secret")
				w.process(own).works(bob)
			})
		})
	}
	t.Run("who waits for another look is served by that of somebody else", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(generated, withPrograms)
			b := p.signIn("ada")
			tokens := p.program(b)
			p = w.process(own, withPrograms)
			w.store.fail("load", 1)
			p.storeTrouble(b)
			time.Sleep(500 * time.Millisecond)
			refreshed := async(func() error { _, err := p.refreshProgram(tokens); return err })
			time.Sleep(500 * time.Millisecond)
			p.works(b)
			w.must(<-refreshed)
		})
	})
	for name, look := range map[string]func(p *process, b *browser){
		"":                   func(p *process, b *browser) { p.signedOut(b) },
		", after a sign-out": func(p *process, b *browser) { p.must(p.SignOut(ctx, b.header())) },
	} {
		t.Run("what is put into the store later opens nothing"+name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process(own)
				look(p, w.process(secrets(secondSecret)).signIn("ada"))
				w.plant(secondSecret[:zoompkce.MinSecretLen])
				planted := w.process(secrets(secondSecret[:zoompkce.MinSecretLen])).signIn("bob")
				time.Sleep(time.Hour)
				p.signedOut(planted)
			})
		})
	}
	t.Run("nor at the next start, where the own one was in use before", func(t *testing.T) {
		bubble(t, func(w *world) {
			w.process(own).signIn("ada")
			time.Sleep(time.Hour)
			w.plant(secondSecret[:zoompkce.MinSecretLen])
			planted := w.process(secrets(secondSecret[:zoompkce.MinSecretLen])).signIn("bob")
			w.process(own).signedOut(planted)
		})
	})
	t.Run("nor among thousands of records that somebody has added", func(t *testing.T) {
		bubble(t, func(w *world) {
			w.process(own).signIn("ada")
			time.Sleep(time.Hour)
			w.plant(secondSecret[:zoompkce.MinSecretLen])
			planted := w.process(secrets(secondSecret[:zoompkce.MinSecretLen])).signIn("bob")
			w.plantJunk(5000)
			p := w.process(own)
			w.must(p.AdoptFormerSecret(ctx))
			p.signedOut(planted)
		})
	})
	t.Run("nor among more records than are looked at", func(t *testing.T) {
		bubble(t, func(w *world) {
			former := w.process(generated).signIn("ada")
			w.plantJunk(100_000)
			p := w.process(own)
			w.must(p.AdoptFormerSecret(ctx))
			p.signedOut(former)
		})
	})
	t.Run("nor the former itself, put back after a start without it", func(t *testing.T) {
		bubble(t, func(w *world) {
			w.process(generated).signIn("ada")
			leaked, _, err := w.store.Load(ctx, zoompkce.SecretKey(zoomapi.AppID(w.zoom.URL, w.app.ClientID)))
			w.must(err)
			w.must(w.process(own).AdoptFormerSecret(ctx))
			w.process(own).signIn("ada")
			time.Sleep(time.Hour)
			w.wipe("/secret")
			p := w.process(own)
			w.store.fail("swap", 1)
			if err := p.AdoptFormerSecret(ctx); err == nil {
				w.Error("a start that could not end the note says nothing")
			}
			w.must(p.AdoptFormerSecret(ctx))
			time.Sleep(time.Hour)
			w.plant(leaked)
			planted := w.process(secrets(leaked)).signIn("bob")
			p = w.process(own)
			w.must(p.AdoptFormerSecret(ctx))
			p.signedOut(planted)
		})
	})
	t.Run("nor where it cannot be found out whether that was in use", func(t *testing.T) {
		bubble(t, func(w *world) {
			w.process(own).signIn("ada")
			time.Sleep(time.Hour)
			w.plant(secondSecret[:zoompkce.MinSecretLen])
			planted := w.process(secrets(secondSecret[:zoompkce.MinSecretLen])).signIn("bob")
			p := w.process(own)
			w.store.fail("list", 1)
			if err := p.AdoptFormerSecret(ctx); err == nil {
				w.Error("found out nevertheless")
			}
			time.Sleep(2 * time.Second)
			p.signedOut(planted)
		})
	})
	t.Run("one that takes the place of the former opens nothing", func(t *testing.T) {
		bubble(t, func(w *world) {
			former := w.process(generated).signIn("ada")
			w.process(own).works(former)
			time.Sleep(time.Hour)
			w.wipe("/secret")
			w.plant(secondSecret[:zoompkce.MinSecretLen])
			planted := w.process(secrets(secondSecret[:zoompkce.MinSecretLen])).signIn("bob")
			w.process(own).signedOut(planted)
		})
	})
	t.Run("at further starts, also with a further secret", func(t *testing.T) {
		bubble(t, func(w *world) {
			b := w.process(generated).signIn("ada")
			p := w.process(own)
			w.must(p.AdoptFormerSecret(ctx))
			p.signIn("bob")
			sealer := p.survey().Secrets[0]
			time.Sleep(10 * time.Hour)
			for _, list := range []func(*zoompkce.ManagerConfig){own, secrets(firstSecret, secondSecret), secrets(secondSecret, firstSecret), secrets(secondSecret)} {
				p, q := w.process(list), w.process(list)
				p.survey()
				swaps := w.store.counted("swap")
				w.store.fail("swap", 1)
				failed := p.AdoptFormerSecret(ctx)
				written := w.store.counted("swap") - swaps
				if anew := p.survey().Secrets[0] != sealer; anew != (failed != nil) || anew != (written > 0) {
					w.Errorf("%d writes of the note, %v", written, failed)
				}
				sealer = p.survey().Secrets[0]
				w.store.heal()
				held := w.store.hold("swap", false) // two start at once
				first := async(func() error { return p.AdoptFormerSecret(ctx) })
				synctest.Wait()
				w.must(q.AdoptFormerSecret(ctx))
				w.store.heal()
				close(held.release)
				w.must(<-first)
				p.works(b)
				toExpiry() // so that the next one seals the record anew
			}
		})
	})
	t.Run("who comes while the start looks for it waits", func(t *testing.T) {
		bubble(t, func(w *world) {
			b := w.process(generated).signIn("ada")
			p := w.process(own)
			w.store.add(storeRule{op: "load", times: 3, delay: 200 * time.Millisecond})
			go p.AdoptFormerSecret(ctx)
			time.Sleep(300 * time.Millisecond)
			p.works(b)
		})
	})
	t.Run("many users in a store that takes its time", func(t *testing.T) {
		bubble(t, func(w *world) {
			b := w.process(generated).signIn("ada")
			keys, _, err := w.store.List(ctx, "", "")
			w.must(err)
			for _, key := range keys {
				sealed, _, err := w.store.Load(ctx, key)
				if w.must(err); sealed[0] >= ' ' || strings.HasSuffix(key, "/secret") {
					continue // no record of a user
				}
				for i := range 1500 { // as good as others that only the generated one opens
					_, err := w.store.Swap(ctx, fmt.Sprintf("%s%04x", key[:len(key)-4], i), "", sealed, time.Time{})
					if err != nil && !errors.Is(err, zoompkce.ErrConflict) {
						t.Fatal(err)
					}
				}
			}
			p := w.process(own)
			w.store.add(storeRule{op: "load", times: -1, delay: 30 * time.Millisecond})
			go p.AdoptFormerSecret(ctx)
			loads := w.store.counted("load")
			time.Sleep(75 * time.Millisecond)
			if n := w.store.counted("load") - loads; n > 40 {
				t.Errorf("%d reads at a time", n)
			}
			time.Sleep(time.Minute)
			p.works(b)
		})
	})
	t.Run("looking alone adopts nothing", func(t *testing.T) {
		bubble(t, func(w *world) {
			w.process(generated).signIn("ada")
			swaps := w.store.counted("swap")
			if s := w.process(own).survey(); s.Former == "" || w.store.counted("swap") != swaps {
				t.Errorf("%+v, %d writes", s, w.store.counted("swap")-swaps)
			}
		})
	})
	for name, look := range map[string]func(*process) error{
		"a start": func(p *process) error { return p.AdoptFormerSecret(ctx) },
		"a sign-out": func(p *process) error {
			return p.SignOut(ctx, []string{p.SessionCookieName() + "=" + strings.Repeat("x", 200)})
		},
	} {
		t.Run("one in use is no former one: "+name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.process(generated).signIn("ada")
				p := w.process(generated)
				w.must(look(p))
				b := p.signIn("bob")
				w.must(look(p))
				w.wipe("/secret")
				p.works(p.signIn("ada")) // puts it back
				w.process(generated).works(b)
			})
		})
	}
	t.Run("what is no secret opens nothing, and does no harm", func(t *testing.T) {
		bubble(t, func(w *world) {
			w.plant([]byte("short"))
			p := w.process(own)
			p.signedOut(w.process(secrets(secondSecret)).signIn("ada"))
			p.works(p.signIn("bob"))
		})
	})
	t.Run("visitors with what nobody has sealed cause one look", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(own)
			for range 100 {
				_, err := p.Session(ctx, []string{p.SessionCookieName() + "=" + strings.Repeat("x", 200)})
				if none, ok := errors.AsType[*zoompkce.NoSessionError](err); !ok || !none.Clear {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
			}
			synctest.Wait()
			if n := w.store.counted("load"); n != 2 { // at the secret, and at the note of a former one
				w.Errorf("%d loads", n)
			}
		})
	})
}

// plantJunk puts so many records of nobody beside the others.
func (w *world) plantJunk(records int) {
	for i := range records {
		name := fmt.Sprintf("%02x%030x", i%256, i)
		key := "zoom_pkce/" + zoomapi.AppID(w.zoom.URL, w.app.ClientID) + "/" + name[:2] + "/" + name
		_, err := w.store.Swap(ctx, key, "", []byte("no record"), time.Time{})
		w.must(err)
	}
}
