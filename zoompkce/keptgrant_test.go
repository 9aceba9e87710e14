package zoompkce_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func keep(d time.Duration) func(*zoompkce.ManagerConfig) {
	return func(c *zoompkce.ManagerConfig) { c.KeepGrants = d }
}

// format is the version of ada's record.
func (w *world) format() byte {
	w.Helper()
	value, _, err := w.store.Store.Load(ctx, w.store.only(w.T))
	if err != nil {
		w.Fatal(err)
	}
	return value[0]
}

func TestKeptAfterSignOut(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(keep(24*time.Hour)), w.process(keep(24*time.Hour))
		b, c := p.signIn("ada"), p.signIn("ada")
		w.must(p.SignOut(ctx, b.header()))
		if got := w.format(); got != 1 {
			t.Errorf("with a session the format is %d, want the former", got)
		}
		w.must(p.SignOut(ctx, c.header()))
		if got := w.format(); got != 2 {
			t.Errorf("of a kept grant the format is %d, which older versions take for their own", got)
		}
		p.signedOut(b)
		p.signedOut(c)
		w.calls(zoomtest.CallRevoke, 0)
		time.Sleep(time.Hour)
		p.has("ada")
		q.has("ada")
		w.calls(zoomtest.CallRefresh, 1)
		time.Sleep(23*time.Hour - time.Second)
		q.has("ada")
		w.calls(zoomtest.CallRevoke, 0)
		time.Sleep(time.Second)
		p.hasNot("ada")
		synctest.Wait()
		w.calls(zoomtest.CallRevoke, 1)
		q.hasNot("ada")
		time.Sleep(time.Minute)
		w.calls(zoomtest.CallRevoke, 1)
	})
}

// A process that has not seen the grant before ends it as well.
func TestKeptGrantOfAnotherProcess(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(keep(10 * time.Hour))
		w.must(p.SignOut(ctx, p.signIn("ada").header()))
		time.Sleep(10*time.Hour + time.Minute)
		w.process(keep(10 * time.Hour)).hasNot("ada")
		synctest.Wait()
		w.calls(zoomtest.CallRevoke, 1)
	})
}

func TestKeptAfterTheIdleEnd(t *testing.T) {
	idle := func(c *zoompkce.ManagerConfig) { c.IdleTimeout = time.Hour }
	for name, between := range map[string]func(p *process){
		"and nobody looked": func(*process) { time.Sleep(10*time.Hour - time.Second) },
		"and refreshed meanwhile": func(p *process) {
			time.Sleep(5 * time.Hour)
			p.has("ada")
			time.Sleep(5*time.Hour - time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process(keep(10*time.Hour), idle)
				p.signIn("ada")
				time.Sleep(25 * time.Hour) // seen until midnight, and an hour
				between(p)
				p.has("ada")
				time.Sleep(time.Second)
				p.hasNot("ada")
				synctest.Wait()
				w.calls(zoomtest.CallRevoke, 1)
				if status, err := p.UserStatus(ctx, "ada"); err != nil || status.EndedAt.IsZero() {
					w.Errorf("the tokens stay in the store: %+v, %v", status, err)
				}
			})
		})
	}
}

// Nor is a grant kept for longer that nobody has asked for since.
func TestKeptGrantThatNobodyAskedFor(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(keep(10*time.Hour), func(c *zoompkce.ManagerConfig) { c.IdleTimeout = time.Hour })
		p.signIn("ada")
		time.Sleep(36 * time.Hour)
		p.hasNot("ada")
		synctest.Wait()
		w.calls(zoomtest.CallRevoke, 1)
	})
}

// A grant that Zoom has ended waits, with its sessions, for a sign-in that may revive them.
func TestDeadGrantOfOpenSessions(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(keep(10 * time.Hour))
		b := p.signIn("ada")
		w.zoom.RevokeUser(w.app.ClientID, "ada")
		toExpiry()
		p.signedOut(b)
		swaps := w.store.counted("swap")
		p.hasNot("ada")
		synctest.Wait()
		if n := w.store.counted("swap") - swaps; n != 0 {
			w.Errorf("%d writes", n)
		}
		p.signIn("ada")
		p.works(b)
	})
}

func TestKeptAfterTheLastProgram(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms, keep(10*time.Hour))
		b := p.signIn("ada")
		tokens := p.program(b)
		w.must(p.SignOut(ctx, b.header()))
		time.Sleep(20 * time.Hour)
		p.in(p.refreshed(tokens))
		w.must(p.RevokeProgram(ctx, issuer, tokens.RefreshToken, appClient.Hash))
		w.calls(zoomtest.CallRevoke, 0)
		time.Sleep(10*time.Hour - time.Second)
		p.has("ada")
		time.Sleep(time.Second)
		p.hasNot("ada")
	})
}

// A code that nobody has come for holds no grant longer.
func TestKeptAfterACode(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms, keep(10*time.Hour))
		b := p.signIn("ada")
		p.allow(b)
		w.must(p.SignOut(ctx, b.header()))
		time.Sleep(5 * time.Hour)
		p.has("ada")
		time.Sleep(5*time.Hour - time.Nanosecond)
		p.has("ada")
		time.Sleep(time.Nanosecond)
		p.hasNot("ada")
	})
}

// Who comes back has the sessions that count again, not what was kept before.
func TestKeptNoLongerThanTheLastSession(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(keep(10 * time.Hour))
		b := p.signIn("ada")
		w.must(p.SignOut(ctx, b.header()))
		time.Sleep(9 * time.Hour)
		b = p.signIn("ada")
		if got := w.format(); got != 1 {
			t.Errorf("format %d with a session again", got)
		}
		time.Sleep(9 * time.Hour)
		p.has("ada")
		w.must(p.SignOut(ctx, b.header()))
		time.Sleep(9 * time.Hour)
		p.has("ada")
		time.Sleep(time.Hour)
		p.hasNot("ada")
	})
}

// A directive without back ends, of an app that another directive keeps grants of.
func TestKeptByOneManagerOfTheApp(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(keep(10 * time.Hour))
		b := p.signIn("ada")
		other := w.manager(t, p)
		defer other.Close()
		w.must(other.SignOut(ctx, b.header()))
		p.has("ada")
	})
}

func TestDeadGrantIsNotKept(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(keep(10 * time.Hour))
		b := p.signIn("ada")
		w.must(p.SignOut(ctx, b.header()))
		w.zoom.RevokeUser(w.app.ClientID, "ada")
		toExpiry()
		if _, err := p.access("ada"); !errors.As(err, new(*zoompkce.NoSessionError)) {
			t.Errorf("with a refresh token that Zoom refuses: %v", err)
		}
		p.hasNot("ada")
	})
}

// Neither a cookie nor Zoom's client takes a kept grant for a session.
func TestKeptGrantSignsNobodyIn(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(keep(10 * time.Hour))
		b := p.signIn("ada")
		former := b.header()
		w.must(p.SignOut(ctx, former))
		if _, err := p.Session(ctx, former); !errors.As(err, new(*zoompkce.NoSessionError)) {
			t.Errorf("the cookie: %v", err)
		}
		_, err := p.SignInFromContext(ctx, zoomapi.AppContext{UserID: "ada", ID: "context"})
		if !errors.Is(err, zoompkce.ErrNoGrant) {
			t.Errorf("the app context: %v", err)
		}
	})
}

// What ends everything ends the kept grant, too.
func TestKeptGrantEnds(t *testing.T) {
	for name, end := range map[string]func(p *process) error{
		"by an operator": func(p *process) error {
			_, err := p.EndUser(ctx, "ada", time.Time{})
			return err
		},
		"by Zoom's message": func(p *process) error {
			_, err := p.EndUser(ctx, "ada", time.Now())
			return err
		},
		"by a new sign-in's disconnecting": func(p *process) error {
			return p.Disconnect(ctx, p.signIn("ada").header())
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process(keep(10 * time.Hour))
				w.must(p.SignOut(ctx, p.signIn("ada").header()))
				time.Sleep(time.Hour)
				p.has("ada")
				w.must(end(p))
				p.hasNot("ada")
			})
		})
	}
}

func TestDisconnect(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(withPrograms, keep(10*time.Hour)), w.process(withPrograms, keep(10*time.Hour))
		b, c, bob := p.signIn("ada"), q.signIn("ada"), p.signIn("bob")
		ended := p.signIn("ada")
		former := ended.header()
		w.must(p.SignOut(ctx, former))
		tokens := p.program(b)
		p.in(tokens)

		w.must(p.Disconnect(ctx, former))
		w.must(p.Disconnect(ctx, nil))
		p.works(b) // the cookie of a session that has ended has no say

		w.must(p.Disconnect(ctx, b.header()))
		w.calls(zoomtest.CallRevoke, 1)
		p.signedOut(b)
		p.signedOut(c)
		if got := p.out(tokens); got != "ended" {
			t.Errorf("the program's token is %s", got)
		}
		p.hasNot("ada")
		p.works(bob)
		time.Sleep(11 * time.Second)
		q.signedOut(c)
		q.hasNot("ada")
		p.works(p.signIn("ada"))
	})
}
