package zoompkce_test

import (
	"errors"
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
	t.Run("the store is away at first", func(t *testing.T) {
		bubble(t, func(w *world) {
			b := w.process(generated).signIn("ada")
			p := w.process(own)
			w.store.fail("load", 1)
			p.storeTrouble(b)
			time.Sleep(2 * time.Second)
			p.works(b)
		})
	})
	t.Run("what is put into the store later opens nothing", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(own)
			stranger := w.process(secrets(secondSecret)).signIn("ada")
			p.signedOut(stranger)
			if _, err := w.store.Swap(ctx, zoompkce.SecretKey(zoomapi.AppID(w.zoom.URL, w.app.ClientID)), "", secondSecret[:zoompkce.MinSecretLen], time.Time{}); err != nil {
				t.Fatal(err)
			}
			planted := w.process(secrets(secondSecret[:zoompkce.MinSecretLen])).signIn("bob")
			time.Sleep(time.Hour)
			p.signedOut(planted)
		})
	})
	t.Run("what is no secret opens nothing, and does no harm", func(t *testing.T) {
		bubble(t, func(w *world) {
			if _, err := w.store.Swap(ctx, zoompkce.SecretKey(zoomapi.AppID(w.zoom.URL, w.app.ClientID)), "", []byte("short"), time.Time{}); err != nil {
				t.Fatal(err)
			}
			p := w.process(own)
			p.signedOut(w.process(secrets(secondSecret)).signIn("ada"))
			p.works(p.signIn("bob"))
		})
	})
	t.Run("visitors with what nobody has sealed cause one read", func(t *testing.T) {
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
			if n := w.store.counted("load"); n != 1 {
				w.Errorf("%d loads", n)
			}
		})
	})
}
