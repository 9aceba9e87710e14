package zoompkce_test

import (
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// Zoom may refuse an access token before its time. That is not its word that a later
// sign-in has replaced the grant: the refresh token beside it may be the only one
// that the user has.

// crossing are two sign-ins of ada. Zoom has taken the second one for the later,
// and the first one is about to be saved.
type crossing struct {
	*world
	p, q   *process
	old    *browser // signed in before
	first  *browser
	second *browser

	saveFirst func()
}

func cross(w *world, second func(c *crossing)) {
	c := &crossing{world: w, p: w.process(), q: w.process(), first: newBrowser(), second: newBrowser()}
	c.old = c.p.signIn("ada")
	c.q.works(c.old)
	gate := w.zoom.Hold(zoomtest.CallMe, zoomtest.After)
	l, code := c.p.begin(c.first, "ada")
	done := async(func() error { return c.p.finish(c.first, l, code) })
	<-gate.Arrived()
	c.saveFirst = func() {
		gate.Release()
		w.must(<-done)
	}
	second(c)
	time.Sleep(time.Minute) // so that what is dying is dead
	for _, b := range []*browser{c.old, c.first, c.second} {
		c.p.served(b)
		c.q.served(b)
	}
	if n := c.p.state.UnsavedUsers() + c.q.state.UnsavedUsers(); n != 0 {
		w.Errorf("tokens of %d users are not saved", n)
	}
}

// served checks that requests of the browser get what they need, if only after a refresh.
func (p *process) served(b *browser) {
	p.Helper()
	if _, err := p.ZAK(ctx, p.session(b), zoompkce.ZAKPolicy{MaxAge: time.Nanosecond}); err != nil {
		p.Fatalf("ZAK: %v", err)
	}
	p.works(b)
}

func TestTokenRefusedBeforeItsTime(t *testing.T) {
	t.Run("as a sign-in asks which of two is the later", func(t *testing.T) {
		bubble(t, func(w *world) {
			cross(w, func(c *crossing) {
				gate := w.zoom.Hold(zoomtest.CallMe, zoomtest.After)
				l, code := c.q.begin(c.second, "ada")
				done := async(func() error { return c.q.finish(c.second, l, code) })
				<-gate.Arrived()
				c.saveFirst()
				w.zoom.RevokeAccessTokens(w.app.ClientID, "ada")
				gate.Release()
				w.must(<-done)
			})
		})
	})
	t.Run("as one asks that is the earlier", func(t *testing.T) {
		bubble(t, func(w *world) {
			cross(w, func(c *crossing) {
				c.second = c.q.signIn("ada")
				w.zoom.RevokeAccessTokens(w.app.ClientID, "ada")
				c.saveFirst()
			})
		})
	})
	t.Run("as unsaved tokens ask", func(t *testing.T) {
		bubble(t, func(w *world) {
			cross(w, func(c *crossing) {
				l, code := c.q.begin(c.second, "ada")
				w.store.fail("swap", 1)
				if err := c.q.finish(c.second, l, code); err == nil {
					w.Fatal("signed in")
				}
				c.saveFirst()
				w.zoom.RevokeAccessTokens(w.app.ClientID, "ada")
				c.second = c.first
			})
		})
	})
	t.Run("as a sign-in asks whose it is", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			old, fresh := p.signIn("ada"), newBrowser()
			gate := w.zoom.Hold(zoomtest.CallMe, zoomtest.Before)
			l, code := p.begin(fresh, "ada")
			done := async(func() error { return p.finish(fresh, l, code) })
			<-gate.Arrived()
			w.zoom.RevokeAccessTokens(w.app.ClientID, "ada")
			w.took(0, func() {
				gate.Release()
				w.must(<-done)
			})
			p.served(fresh)
			p.served(old)
		})
	})
}

// One sign-in that a later one has replaced is told so by its refresh token, once.
func TestReplacedSignInAsksOnce(t *testing.T) {
	bubble(t, func(w *world) {
		cross(w, func(c *crossing) {
			c.second = c.q.signIn("ada")
			token := c.q.works(c.second)
			c.saveFirst()
			if c.p.works(c.first) != token {
				w.Error("not the tokens of the later sign-in")
			}
			w.calls(zoomtest.CallRefresh, 1)
		})
	})
}

// A refresh of a sign-in's tokens that had no answer may have spent its token: nobody presents it
// again at once, and what it was good for yet is not lost.
func TestRefreshOfASignInWithoutAnswer(t *testing.T) {
	for name, fails := range map[string]func(w *world){
		"that Zoom has not done": func(w *world) { w.zoom.Fail(zoomtest.CallRefresh, 1, zoomtest.Status(503, "")) },
		"that Zoom has done":     func(w *world) { w.zoom.FailAfter(zoomtest.CallRefresh, 1, zoomtest.Status(503, "")) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				old, fresh := p.signIn("ada"), newBrowser()
				gate := w.zoom.Hold(zoomtest.CallMe, zoomtest.Before)
				l, code := p.begin(fresh, "ada")
				done := async(func() error { return p.finish(fresh, l, code) })
				<-gate.Arrived()
				w.zoom.RevokeAccessTokens(w.app.ClientID, "ada")
				fails(w)
				gate.Release()
				if err := <-done; err == nil {
					w.Error("signed in")
				}
				asked := w.zoom.Count(zoomtest.CallMe)
				time.Sleep(4 * time.Second)
				w.calls(zoomtest.CallRefresh, 1)
				w.calls(zoomtest.CallMe, asked)
				time.Sleep(30 * time.Second)
				if n := p.state.UnsavedUsers(); n != 0 {
					w.Errorf("tokens of %d users are not saved", n)
				}
				if w.live() > 0 {
					p.served(old)
				}
				if spent := name == "that Zoom has done"; (w.live() == 0) != spent {
					w.Errorf("%d tokens live", w.live())
				}
			})
		})
	}
}
