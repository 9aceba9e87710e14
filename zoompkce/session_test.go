package zoompkce_test

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestSessionOfTheProfile(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		began := time.Now()
		b := p.signIn("ada")
		s := p.session(b)
		want := zoomapi.Profile{ID: "ada", AccountID: "acc", Email: "ada@example.com", Name: "ada"}
		if s.Profile() != want || !s.Created().Equal(began) {
			w.Errorf("%+v, created %v", s.Profile(), s.Created())
		}
		if got := p.ExpiresAt(s); !got.Equal(began.Add(24 * time.Hour)) {
			w.Errorf("expires at %v", got)
		}
	})
}

func TestNoSession(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		name := p.SessionCookieName()
		for _, test := range []struct {
			name    string
			cookies []string
			reason  string
			clear   bool
		}{
			{"no header", nil, "", false},
			{"others only", []string{"a=b; c=d"}, "", false},
			{"garbage", []string{name + "=garbage"}, "unopenable", true},
			{"empty", []string{name + "="}, "unopenable", true},
			{"long", []string{name + "=" + strings.Repeat("a", 100<<10)}, "unopenable", true},
			{"the name of another", []string{name + "x=" + p.signIn("ada").cookies[name]}, "", false},
		} {
			_, err := p.Session(ctx, test.cookies)
			none, ok := errors.AsType[*zoompkce.NoSessionError](err)
			if !ok || none.Reason != test.reason || none.Clear != test.clear || !strings.HasSuffix(err.Error(), cmp.Or(test.reason, "no session cookie")) {
				w.Errorf("%s: %+v, %v", test.name, none, err)
			}
		}
		if got := p.outcomes(zoompkce.EventCookieRejected); !slices.Equal(got, []string{"unopenable", "unopenable", "unopenable"}) {
			w.Errorf("told of %q", got)
		}
		if loads := w.store.counted("load"); loads > 3 { // one is at the note of a former secret, once
			w.Errorf("%d loads for visitors who are signed out", loads)
		}
	})
}

func TestMaxSessions(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(func(c *zoompkce.ManagerConfig) { c.MaxSessions, c.IdleTimeout = 3, 100*time.Hour })
		var all []*browser
		for range 3 {
			all = append(all, p.signIn("ada"))
			time.Sleep(time.Second)
		}
		// The first one is seen on a later day than the others.
		time.Sleep(25 * time.Hour)
		c, err := p.Renew(ctx, p.session(all[0]))
		if err != nil || c == nil {
			w.Fatal(c, err)
		}
		all[0].set(c)
		time.Sleep(50 * time.Minute)
		all = append(all, p.signIn("ada"))
		for i, in := range []bool{true, false, true, true} {
			if _, err := p.Session(ctx, all[i].header()); (err == nil) != in {
				w.Errorf("browser %d: %v", i, err)
			}
		}
		all = append(all, p.signIn("ada"))
		for i, in := range []bool{true, false, false, true, true} {
			if _, err := p.Session(ctx, all[i].header()); (err == nil) != in {
				w.Errorf("browser %d: %v", i, err)
			}
		}
	})
}

func TestMaxSessionsByDefault(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		first := p.signIn("ada")
		time.Sleep(time.Second)
		second := p.signIn("ada")
		for range 49 {
			time.Sleep(time.Second)
			p.signIn("ada")
		}
		p.works(second)
		p.signedOut(first)
	})
}

// What one process opens or ends, the others see.
func TestOtherProcesses(t *testing.T) {
	t.Run("opened is seen at once", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(), w.process()
			b := p.signIn("ada")
			q.works(b)
			other := p.signIn("ada")
			q.works(other)
			loads := w.store.counted("load")
			for range 100 {
				q.works(other)
			}
			if w.store.counted("load") != loads {
				w.Error("read again for every request")
			}
		})
	})
	t.Run("opened while the record is being read", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(), w.process()
			b := p.signIn("ada")
			q.works(b)
			time.Sleep(6 * time.Second)
			gate := w.store.hold("load", true) // the old record is on its way
			q.works(b)
			<-gate.arrived
			other := p.signIn("ada")
			time.Sleep(time.Second)
			done := q.refreshing(other)
			synctest.Wait()
			close(gate.release)
			if err := <-done; err != nil {
				w.Errorf("a session opened meanwhile: %v", err)
			}
		})
	})
	t.Run("opened while the record is being read for another that was", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(), w.process()
			q.works(p.signIn("ada"))
			first := p.signIn("ada")
			gate := w.store.hold("load", true)
			one := q.refreshing(first)
			<-gate.arrived
			other := q.refreshing(p.signIn("ada"))
			synctest.Wait()
			close(gate.release)
			w.must(<-one)
			w.must(<-other)
		})
	})
	t.Run("ended is seen within the sync interval", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(), w.process()
			b, stays := p.signIn("ada"), p.signIn("ada")
			q.works(b)
			if err := p.SignOut(ctx, b.header()); err != nil {
				w.Fatal(err)
			}
			p.signedOut(b)
			time.Sleep(10 * time.Second)
			if none := q.signedOut(b); none.Reason != "ended" || !none.Clear {
				w.Errorf("%+v", none)
			}
			q.works(stays)
			w.calls(zoomtest.CallRevoke, 0)
			if err := q.SignOut(ctx, stays.header()); err != nil {
				w.Fatal(err)
			}
			w.calls(zoomtest.CallRevoke, 1)
		})
	})
	t.Run("an active user's requests do not wait for it", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			w.store.add(storeRule{op: "load", times: -1, delay: time.Second})
			for range 60 {
				w.took(0, func() { p.works(b) })
				time.Sleep(time.Second)
			}
		})
	})
}

func TestSignInReplacesTheSession(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		stolen := &browser{map[string]string{p.SessionCookieName(): b.cookies[p.SessionCookieName()]}}
		l, code := p.begin(b, "ada")
		w.must(p.finish(b, l, code))
		p.signedOut(stolen)
		p.works(b)
		stolen.cookies[p.SessionCookieName()] = b.cookies[p.SessionCookieName()]
		l, code = p.begin(b, "bob")
		w.must(p.finish(b, l, code))
		synctest.Wait()
		p.signedOut(stolen)
		if p.works(b); p.session(b).Profile().ID != "bob" {
			w.Error("not the new user")
		}
		w.calls(zoomtest.CallRevoke, 1)
	})
}

// The one session too many is never the newest, however far apart the others are
// and however few bits an int has.
func TestTheNewestSessionStays(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(func(c *zoompkce.ManagerConfig) { c.MaxSessions, c.IdleTimeout = 2, 29*24*time.Hour })
		old := []*browser{p.signIn("ada"), p.signIn("ada")}
		time.Sleep(26 * 24 * time.Hour) // more than 2^31 milliseconds
		for _, b := range old {
			c, err := p.Renew(ctx, p.session(b))
			if err != nil || c == nil {
				w.Fatal(c, err)
			}
			b.set(c)
			synctest.Wait()
		}
		p.session(p.signIn("ada"))
	})
}
