package zoompkce_test

import (
	"fmt"
	"strconv"
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
		zoompkce.CollectUsers(p.state, 0)
		if zoompkce.CachedCookies(p.state) != 0 || p.state.Users() != 0 {
			w.Errorf("%d cookies and %d users in memory", zoompkce.CachedCookies(p.state), p.state.Users())
		}
		p.works(b)

		day := zoompkce.ZAKPolicy{MaxAge: 24 * time.Hour}
		p.hasZAK(b, day)
		time.Sleep(11 * time.Minute)
		zoompkce.CollectUsers(p.state, 0)
		calls := w.zoom.Count(zoomtest.CallZAK)
		time.Sleep(12 * time.Hour)
		w.calls(zoomtest.CallZAK, calls)
	})
}

// However many requests take a ZAK, the next one is fetched once.
func TestRequestsForAZAKTakeNoMemory(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		p.hasZAK(b, minute)
		s, before := p.session(b), heap()
		for range 20_000 {
			if _, err := p.ZAK(ctx, s, minute); err != nil {
				w.Fatal(err)
			}
		}
		if after := heap(); after > before+1<<20 {
			w.Errorf("%d bytes", after-before)
		}
	})
}

// What was ended here is remembered of so many users, and of so many sessions of each.
func TestEndsAreBounded(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		for range 110 {
			w.must(p.SignOut(ctx, p.signIn("ada").header()))
		}
		for n := range 10_010 {
			_, err := p.EndUser(ctx, strconv.Itoa(n), time.Time{})
			w.must(err)
		}
		if users, sessions := zoompkce.EndedHere(p.state); users > 10_000 || sessions > 100 {
			w.Errorf("%d users, %d sessions of one", users, sessions)
		}
	})
}

func TestCacheSize(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		p.state.SetCacheSize(3)
		for n := range 20 {
			w.zoom.AddUser(zoomtest.User{ID: fmt.Sprint("user", n)})
			b := p.signIn(fmt.Sprint("user", n))
			p.works(b)
			p.in(p.program(b))
		}
		synctest.Wait()
		cookies, tokens := zoompkce.CachedCookies(p.state), zoompkce.CachedTokens(p.state)
		if cookies > 3 || tokens > 3 {
			w.Errorf("%d cookies and %d programs' tokens in memory", cookies, tokens)
		}
		// Of those that are kept, each may be another's.
		if zoompkce.CollectUsers(p.state, 3*3); p.state.Users() > 3*3 {
			w.Errorf("%d users in memory", p.state.Users())
		}
	})
}
