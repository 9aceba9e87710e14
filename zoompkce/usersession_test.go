package zoompkce_test

import (
	"errors"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// access is what a server of the app gets for a user.
func (p *process) access(user string) (zoompkce.Access, error) {
	s, err := p.UserSession(ctx, user)
	if err != nil {
		return zoompkce.Access{}, err
	}
	return p.Access(ctx, s)
}

// has checks that a server of the app gets a token of the user that Zoom takes.
func (p *process) has(user string) zoompkce.Access {
	p.Helper()
	got, err := p.access(user)
	if err != nil {
		p.Fatalf("the access token of %s: %v", user, err)
	}
	if _, owner, ok := p.zoom.ValidateAccessToken(got.Token); !ok || owner != user {
		p.Fatalf("Zoom takes the token of %s for one of %q, %t", user, owner, ok)
	}
	if got.APIURL != p.zoom.URL || !got.ExpiresAt.After(time.Now()) {
		p.Errorf("ends at %v, counts at %q", got.ExpiresAt, got.APIURL)
	}
	return got
}

func (p *process) hasNot(user string) {
	p.Helper()
	if _, err := p.access(user); !errors.Is(err, zoompkce.ErrNoGrant) {
		p.Errorf("the access token of %s: %v, want none", user, err)
	}
}

func TestUserSession(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		p.hasNot("ada")
		q.hasNot("ada")
		if n := w.store.counted("load"); n != 2 {
			w.Errorf("%d reads for two processes", n)
		}
		b := p.signIn("ada")
		p.has("ada")
		q.has("ada") // that there was nobody is no answer a moment later
		for _, user := range []string{"bob", "", "Ada", "ada ", "ada\x00"} {
			p.hasNot(user)
		}
		toExpiry()
		if p.has("ada").Token != q.has("ada").Token {
			t.Error("two processes have two tokens")
		}
		w.calls(zoomtest.CallRefresh, 1)
		if session, err := p.UserSession(ctx, "ada"); err != nil || session.Profile().Email != "ada@example.com" {
			t.Errorf("%v", err)
		}
		w.must(p.SignOut(ctx, b.header()))
		p.hasNot("ada")
		time.Sleep(11 * time.Second)
		q.hasNot("ada")
	})
}

// A session that is over by its times holds no grant, whether or not somebody
// has looked since.
func TestUserSessionAfterTheLastSession(t *testing.T) {
	for name, cfg := range map[string]func(*zoompkce.ManagerConfig){
		"idle":    func(c *zoompkce.ManagerConfig) { c.IdleTimeout = time.Hour },
		"too old": func(c *zoompkce.ManagerConfig) { c.MaxLifetime = 25 * time.Hour },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process(cfg)
				p.signIn("ada")
				time.Sleep(24*time.Hour + 59*time.Minute)
				p.has("ada")
				time.Sleep(time.Minute)
				p.hasNot("ada")
			})
		})
	}
}

func TestUserSessionOfAProgram(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		b := p.signIn("ada")
		tokens := p.program(b)
		w.must(p.SignOut(ctx, b.header()))
		p.has("ada")
		w.must(p.RevokeProgram(ctx, issuer, tokens.RefreshToken, appClient.Hash))
		p.hasNot("ada")
	})
}

// What many servers ask at the same time is one call to Zoom in each process, and
// one refresh in all.
func TestManyServersAsk(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		p.signIn("ada")
		toExpiry()
		w.zoom.ResetCounts()
		var all sync.WaitGroup
		for i := range 1000 {
			at := []*process{p, q}[i%2]
			all.Go(func() {
				s, err := at.UserSession(ctx, "ada")
				if err == nil {
					_, err = at.ZAK(ctx, s, zoompkce.ZAKPolicy{MaxAge: time.Minute})
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		w.calls(zoomtest.CallRefresh, 1)
		w.calls(zoomtest.CallZAK, 2)
	})
}

// Whoever has the secret, or an app's server that has gone mad, takes no memory
// with user ids that it makes up.
func TestUnknownUsersTakeNoMemory(t *testing.T) {
	w := newWorld(t)
	p := w.process()
	for i := range 10_000 {
		p.hasNot("made up " + strconv.Itoa(i))
	}
	zoompkce.CollectUsers(p.state, 0)
	if n := p.state.Users(); n > 0 {
		t.Errorf("%d users in memory", n)
	}
	p.signIn("ada")
	q := w.process()
	q.has("ada")
	runtime.GC()
	if n := q.state.Users(); n != 1 {
		t.Errorf("of a user who is there %d are in memory", n)
	}
}

func TestUserSessionInStoreTrouble(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		p.signIn("ada")
		p.has("ada")
		w.store.fail("load", -1)
		time.Sleep(time.Minute)
		p.has("ada") // whose record is in memory
		for _, user := range []string{"ada", "bob"} {
			if _, err := q.access(user); !errors.As(err, new(*zoompkce.StoreError)) {
				t.Errorf("%s: %v, want a StoreError", user, err)
			}
		}
		w.store.heal()
		time.Sleep(time.Minute)
		q.has("ada")
		q.hasNot("bob")
		synctest.Wait()
	})
}

// Who has just come back is waited for through a failover of the store.
func TestUserSessionOfWhoHasComeBack(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		b := p.signIn("ada")
		s := p.session(b)
		w.must(p.SignOut(ctx, b.header()))
		p.hasNot("ada")
		q.signIn("ada")
		w.away(1500 * time.Millisecond)
		w.took(2*time.Second, func() { p.has("ada") })
		runtime.KeepAlive(s)
	})
}

// A store that goes back to an earlier state brings no grant back that was ended
// here, and takes none away that is kept.
func TestUserSessionWhenTheStoreWentBack(t *testing.T) {
	for name, tt := range map[string]struct {
		keep time.Duration
		end  func(p *process, b *browser) error
		has  bool
	}{
		"after the last sign-out": {0, func(p *process, b *browser) error { return p.SignOut(ctx, b.header()) }, false},
		"after disconnecting":     {time.Hour, func(p *process, b *browser) error { return p.Disconnect(ctx, b.header()) }, false},
		"after one that is no longer kept for": {time.Hour, func(p *process, b *browser) error {
			err := p.SignOut(ctx, b.header())
			time.Sleep(time.Hour)
			p.hasNot("ada")
			synctest.Wait()
			return err
		}, false},
		"after one that is kept for": {time.Hour, func(p *process, b *browser) error { return p.SignOut(ctx, b.header()) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process(keep(tt.keep))
				b := p.signIn("ada")
				restore := w.snapshotOf(w.store.only(t))
				w.must(tt.end(p, b))
				restore()
				time.Sleep(time.Minute)
				if _, err := p.UserSession(ctx, "ada"); (err == nil) != tt.has {
					t.Errorf("%v", err)
				}
			})
		})
	}
}
