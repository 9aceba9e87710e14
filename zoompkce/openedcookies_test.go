package zoompkce_test

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// renewed returns a browser with the cookie that a request of b is given.
func (p *process) renewed(b *browser) *browser {
	p.Helper()
	c, err := p.Renew(ctx, p.session(b))
	if err != nil || c == nil {
		p.Fatal(c, err)
	}
	next := newBrowser()
	next.set(c)
	return next
}

// Requests that still come with an old cookie get one new cookie a minute, not
// one each.
func TestRenewedCookieIsTheSameForAMinute(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		name := p.SessionCookieName()
		old := p.signIn("ada")
		time.Sleep(2 * time.Hour)
		var mu sync.Mutex
		var wait sync.WaitGroup
		values := make(map[string]int)
		for range 100 {
			wait.Go(func() {
				value := p.renewed(old).cookies[name]
				mu.Lock()
				defer mu.Unlock()
				values[value]++
			})
		}
		wait.Wait()
		if len(values) != 1 {
			w.Errorf("%d cookies for one session at one moment", len(values))
		}
		first := p.renewed(old)
		time.Sleep(59 * time.Second)
		p.works(first)
		s := p.session(old)
		later, err := p.Renew(ctx, s)
		if err != nil || later.Value != first.cookies[name] {
			w.Errorf("another cookie within a minute, %v", err)
		}
		if left := time.Until(p.ExpiresAt(s)); left != 24*time.Hour-59*time.Second {
			w.Errorf("it is good for %v", left)
		}
		p.works(first)
		time.Sleep(time.Second)
		if p.renewed(old).cookies[name] == first.cookies[name] {
			w.Error("the same cookie after a minute: its idle time is not extended any more")
		}
		time.Sleep(2 * time.Hour)
		if p.renewed(first).cookies[name] == first.cookies[name] {
			w.Error("not renewed")
		}
	})
	t.Run("but not under other settings", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			old := p.signIn("ada")
			time.Sleep(2 * time.Hour)
			p.renewed(old)
			p.reload(secrets(secondSecret, firstSecret)).Close()
			next := p.renewed(old)
			p.signIn("ada") // seals the record with the new secret
			p.reload(secrets(secondSecret)).Close()
			p.works(next)
		})
	})
}

// However many cookies a session was given, it has one place in memory.
func TestOneEntryForASession(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		old, other := p.signIn("ada"), p.signIn("ada")
		time.Sleep(2 * time.Hour)
		minted := []*browser{old}
		for range 100 {
			minted = append(minted, p.renewed(old))
			time.Sleep(time.Minute)
		}
		for range 3 {
			for _, b := range minted {
				p.works(b)
				p.works(b)
			}
		}
		p.works(other)
		if n := zoompkce.CachedCookies(p.state); n != 2 {
			w.Errorf("%d cookies of two sessions in memory", n)
		}
		w.must(p.SignOut(ctx, minted[50].header()))
		loads := w.store.counted("load")
		for range 3 {
			for _, b := range minted {
				p.signedOut(b)
			}
		}
		if n := w.store.counted("load"); n > loads+1 {
			w.Errorf("the record was read %d times for cookies of a session that has ended", n-loads)
		}
		p.works(other)
	})
}

// A user's record and ZAK stay in memory though the memory for cookies is full of
// others'.
func TestUsersStayWithoutTheirCookies(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		p.state.SetCacheSize(5)
		bob := p.signIn("bob")
		p.hasZAK(bob, minute)
		var crowd []*browser
		for range 40 {
			crowd = append(crowd, p.signIn("ada"))
		}
		w.zoom.ResetCounts()
		loads := w.store.counted("load")
		for range 20 {
			for range 3 {
				for _, b := range crowd {
					p.works(b)
				}
			}
			synctest.Wait()
			runtime.GC()
			p.hasZAK(bob, minute)
			time.Sleep(100 * time.Millisecond)
		}
		w.calls(zoomtest.CallZAK, 0)
		if n := w.store.counted("load"); n != loads {
			w.Errorf("%d reads of records in two seconds", n-loads)
		}
	})
}
