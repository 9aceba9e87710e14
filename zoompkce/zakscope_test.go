package zoompkce_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// A token that Zoom has revoked before its time: one refresh, one repeat.
func TestZAKUnauthorized(t *testing.T) {
	t.Run("heals", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			p.works(b)
			w.zoom.RevokeAccessTokens(w.app.ClientID, "ada")
			p.hasZAK(b, minute)
			w.calls(zoomtest.CallZAK, 2)
			w.calls(zoomtest.CallRefresh, 1)
			p.works(b)
			w.zoom.RevokeAccessTokens(w.app.ClientID, "ada")
			time.Sleep(2 * time.Minute)
			p.hasZAK(b, minute)
			w.calls(zoomtest.CallRefresh, 2)
		})
	})
	t.Run("does not heal", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			w.zoom.Fail(zoomtest.CallZAK, -1, zoomtest.Status(401, `{"code":124,"message":"Invalid access token."}`))
			for range 120 {
				if _, err := p.zak(b, minute); zoomapi.KindOf(err) != zoomapi.KindUnauthorized {
					w.Fatal(err)
				}
				time.Sleep(500 * time.Millisecond)
			}
			if n := w.zoom.Count(zoomtest.CallRefresh); n > 3 {
				w.Errorf("%d refreshes in a minute, which did not help", n)
			}
		})
	})
	t.Run("does not heal, and then there are other tokens", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			w.zoom.Fail(zoomtest.CallZAK, 2, zoomtest.Status(401, `{"code":124,"message":"Invalid access token."}`))
			if _, err := p.zak(p.signIn("ada"), minute); zoomapi.KindOf(err) != zoomapi.KindUnauthorized {
				w.Fatal(err)
			}
			time.Sleep(6 * time.Second)
			b := p.signIn("ada")
			w.zoom.RevokeAccessTokens(w.app.ClientID, "ada")
			p.hasZAK(b, minute)
		})
	})
	t.Run("and the grant is dead", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			p.works(b)
			w.zoom.RevokeUser(w.app.ClientID, "ada")
			if _, err := p.zak(b, minute); err == nil {
				w.Fatal("a ZAK of a dead grant")
			}
			time.Sleep(11 * time.Second)
			p.signedOut(b)
			p.works(p.signIn("ada"))
			p.hasZAK(b, minute)
		})
	})
	t.Run("and the grant is dead, and the user comes back at once", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			w.zoom.RevokeUser(w.app.ClientID, "ada")
			if _, err := p.zak(b, zoompkce.ZAKPolicy{}); !errors.As(err, new(*zoompkce.NoSessionError)) {
				w.Errorf("a ZAK of a dead grant: %v", err)
			}
			p.hasZAK(p.signIn("ada"), minute)
		})
	})
	t.Run("for many users' requests at once", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			w.zoom.RevokeAccessTokens(w.app.ClientID, "ada")
			s := p.session(b)
			var wait sync.WaitGroup
			for n := range 25 {
				wait.Go(func() {
					if _, err := p.OBF(ctx, s, fmt.Sprint(100000000+n), zoompkce.OBFPolicy{}); err != nil {
						w.Error(err)
					}
				})
				wait.Go(func() {
					if _, err := p.ZAK(ctx, s, zoompkce.ZAKPolicy{}); err != nil {
						w.Error(err)
					}
				})
			}
			wait.Wait()
			w.calls(zoomtest.CallRefresh, 1)
		})
	})
}

func TestMissingScope(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		w.zoom.SetScopes(w.app.ClientID, "user:read:user")
		p.signIn("ada")
		b := p.signIn("ada") // for another reason
		if p.NeedsAuthorization(p.session(b)) {
			w.Error("nothing is missing yet")
		}
		lacks := func() {
			t.Helper()
			_, err := p.zak(b, minute)
			e, ok := errors.AsType[*zoomapi.Error](err)
			if !ok || e.Kind != zoomapi.KindMissingScope || len(e.Scopes) != 1 || e.Scopes[0] != "user:read:zak" {
				w.Fatalf("%v", err)
			}
		}
		lacks()
		for range 10 {
			time.Sleep(10 * time.Second)
			lacks()
		}
		w.calls(zoomtest.CallZAK, 1)
		if got := p.outcomes(zoompkce.EventZAK); len(got) != 1 || got[0] != "missing_scope" {
			w.Errorf("told of %q", got)
		}
		if !p.NeedsAuthorization(p.session(b)) || !q.NeedsAuthorization(q.session(b)) {
			w.Error("a fresh authorization is not asked for")
		}
		toExpiry() // a refresh does not bring it
		p.works(b)
		lacks()

		again := p.signIn("ada")
		if p.NeedsAuthorization(p.session(again)) {
			w.Error("asked for though not known to be missing")
		}
		time.Sleep(time.Second)
		lacks()
		if p.NeedsAuthorization(p.session(again)) || p.NeedsAuthorization(p.session(b)) {
			w.Error("asked for a second time")
		}

		w.zoom.SetScopes(w.app.ClientID, zoomtest.DefaultScopes()...)
		p.signIn("ada")
		p.hasZAK(b, minute)
	})
}

// What is found missing while another process refreshes the tokens is not lost by that.
func TestMissingScopeWhileTokensAreRefreshed(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		w.zoom.SetScopes(w.app.ClientID, "user:read:user")
		b := p.signIn("ada")
		s := q.session(b)
		time.Sleep(56 * time.Minute)
		gate := w.zoom.Hold(zoomtest.CallRefresh, zoomtest.Before)
		p.works(b) // refreshes ahead
		<-gate.Arrived()
		if _, err := q.ZAK(ctx, s, zoompkce.ZAKPolicy{}); zoomapi.KindOf(err) != zoomapi.KindMissingScope {
			w.Fatal(err)
		}
		gate.Release()
		time.Sleep(time.Second)
		status, err := w.process().UserStatus(ctx, "ada")
		if w.must(err); status.RefreshedTimes != 1 || len(status.MissingScopes) != 1 {
			w.Errorf("refreshed %d times, %q are missing", status.RefreshedTimes, status.MissingScopes)
		}
	})
}

// What Zoom says of tokens that are not the user's any more is held against nobody.
func TestMissingScopeOfFormerTokens(t *testing.T) {
	for name, meanwhile := range map[string]func(p *process, b *browser) error{
		"who has left":            func(p *process, b *browser) error { return p.SignOut(ctx, b.header()) },
		"who has signed in again": func(p *process, _ *browser) error { return p.finishAnother("ada") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p, q := w.process(), w.process()
				w.zoom.SetScopes(w.app.ClientID, "user:read:user")
				b := p.signIn("ada")
				s := p.session(b)
				gate := w.zoom.Hold(zoomtest.CallZAK, zoomtest.After)
				done := async(func() error { _, err := p.ZAK(ctx, s, zoompkce.ZAKPolicy{}); return err })
				<-gate.Arrived()
				w.zoom.SetScopes(w.app.ClientID, zoomtest.DefaultScopes()...)
				w.must(meanwhile(q, b))
				swaps := w.store.counted("swap")
				gate.Release()
				if err := <-done; zoomapi.KindOf(err) != zoomapi.KindMissingScope {
					w.Errorf("%v", err)
				}
				if n := w.store.counted("swap") - swaps; n != 0 {
					w.Errorf("%d writes", n)
				}
				p.hasZAK(p.signIn("ada"), minute)
			})
		})
	}
}

// What is found missing is written once, though the visitor does not wait for it, and counts
// when it is written.
func TestMissingScopeIsNoted(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		w.zoom.SetScopes(w.app.ClientID, "user:read:user")
		b := p.signIn("ada")
		s, elsewhere := p.session(b), q.session(b)
		leaving, leave := context.WithCancel(ctx)
		gate := w.store.hold("load", false)
		done := async(func() error { _, err := p.ZAK(leaving, s, zoompkce.ZAKPolicy{}); return err })
		<-gate.arrived
		leave()
		close(gate.release)
		<-done
		if !w.process().NeedsAuthorization(w.process().session(b)) {
			w.Error("not noted")
		}
		swaps := w.store.counted("swap")
		if _, err := q.ZAK(ctx, elsewhere, zoompkce.ZAKPolicy{}); zoomapi.KindOf(err) != zoomapi.KindMissingScope {
			w.Errorf("%v", err)
		}
		if n := w.store.counted("swap") - swaps; n != 0 {
			w.Errorf("%d writes of what is noted", n)
		}
		w.store.fail("swap", -1)
		for range 2 {
			if _, err := p.obf(b, meeting, zoompkce.OBFPolicy{}); zoomapi.KindOf(err) != zoomapi.KindMissingScope {
				w.Errorf("%v", err)
			}
			time.Sleep(time.Minute)
		}
		w.calls(zoomtest.CallOBF, 2)
	})
}

// Zoom need not say which scope is missing.
func TestMissingScopeWithoutAName(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		w.zoom.Fail(zoomtest.CallZAK, 1, zoomtest.Status(400, `{"code":4711,"message":"Invalid access token."}`))
		for range 3 {
			if _, err := p.zak(b, minute); zoomapi.KindOf(err) != zoomapi.KindMissingScope {
				w.Fatal(err)
			}
			time.Sleep(10 * time.Second)
		}
		w.calls(zoomtest.CallZAK, 1)
		if !p.NeedsAuthorization(p.session(b)) {
			w.Error("a fresh authorization is not asked for")
		}
	})
}
