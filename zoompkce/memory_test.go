package zoompkce_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// Nothing in memory for visitors who are not signed in.
func TestSignedOutVisitorsTakeNoMemory(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		for range 1000 {
			b := newBrowser()
			p.begin(b, "ada")
			_, _ = p.Session(ctx, append(b.header(), p.SessionCookieName()+"=garbage"))
		}
		if n := p.state.Users(); n != 0 {
			w.Errorf("%d users in memory", n)
		}
		if n := zoompkce.CachedCookies(p.state); n != 0 {
			w.Errorf("%d cookies in memory", n)
		}
		if n := w.store.counted("load") + w.store.counted("swap"); n != 0 {
			w.Errorf("%d calls of the store", n)
		}
	})
}

func TestUnusedUsersAreForgotten(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		p.hasZAK(b, minute)
		time.Sleep(9 * time.Minute)
		loads := w.store.counted("load")
		p.works(b)
		if zoompkce.CachedCookies(p.state) != 1 || w.store.counted("load") != loads+1 {
			w.Error("forgotten too soon")
		}
		time.Sleep(11 * time.Minute)
		zoompkce.CollectUsers(p.state)
		if zoompkce.CachedCookies(p.state) != 0 || p.state.Users() != 0 {
			w.Errorf("%d cookies and %d users in memory", zoompkce.CachedCookies(p.state), p.state.Users())
		}
		p.works(b)
	})
}

func TestCacheSize(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		p.state.SetCacheSize(3)
		for n := range 20 {
			w.zoom.AddUser(zoomtest.User{ID: fmt.Sprint("user", n)})
			p.works(p.signIn(fmt.Sprint("user", n)))
		}
		synctest.Wait()
		if n := zoompkce.CachedCookies(p.state); n > 3 {
			w.Errorf("%d cookies in memory", n)
		}
	})
}
