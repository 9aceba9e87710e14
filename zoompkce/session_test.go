package zoompkce_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestSessionOfTheProfile(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		began := time.Now()
		b := p.signIn("ada")
		s := p.session(b)
		want := zoompkce.Profile{ID: "ada", AccountID: "acc", Email: "ada@example.com", Name: "ada"}
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
			if !ok || none.Reason != test.reason || none.Clear != test.clear {
				w.Errorf("%s: %+v, %v", test.name, none, err)
			}
		}
		if loads := w.store.counted("load"); loads > 2 {
			w.Errorf("%d loads for visitors who are signed out", loads)
		}
	})
}

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

// Of several cookies of one name the one that is worth something counts; those
// of two users count as none.
func TestSeveralCookiesOfOneName(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		name := p.SessionCookieName()
		ada, again, bob := p.signIn("ada").cookies[name], p.signIn("ada").cookies[name], p.signIn("bob").cookies[name]
		ended := p.signIn("ada")
		if err := p.SignOut(ctx, p.session(ended)); err != nil {
			w.Fatal(err)
		}
		old := ended.cookies[name]
		for _, test := range []struct {
			name   string
			values []string
			user   string
			reason string
		}{
			{"one", []string{ada}, "ada", ""},
			{"garbage first", []string{"garbage", ada}, "ada", ""},
			{"ended first", []string{old, ada}, "ada", ""},
			{"two sessions", []string{again, ada}, "ada", ""},
			{"two users", []string{ada, bob}, "", "ambiguous"},
			{"two users, one ended", []string{old, bob}, "", "ambiguous"},
			{"the eighth", append(strings.Split("1234567", ""), ada), "ada", ""},
			{"the ninth", append(strings.Split("12345678", ""), ada), "", "unopenable"},
		} {
			for _, separate := range []bool{false, true} {
				lines := make([]string, len(test.values))
				for i, v := range test.values {
					lines[i] = name + "=" + v
				}
				if !separate {
					lines = []string{"x=y; " + strings.Join(lines, "; ")}
				}
				s, err := p.Session(ctx, lines)
				if test.user != "" && (err != nil || s.Profile().ID != test.user) {
					w.Errorf("%s: %v", test.name, err)
				}
				if none, _ := errors.AsType[*zoompkce.NoSessionError](err); test.user == "" && (none == nil || none.Reason != test.reason || !none.Clear) {
					w.Errorf("%s: %+v, %v", test.name, none, err)
				}
			}
		}
	})
}

func TestIdleTimeout(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		unused := p.signIn("ada")
		// Page loads extend it, after a tenth but once an hour at most.
		for range 50 {
			time.Sleep(time.Hour)
			p.works(b)
			c, err := p.Renew(ctx, p.session(b))
			if c == nil || err != nil {
				w.Fatalf("not renewed after an hour: %v", err)
			}
			b.set(c)
			if c, err := p.Renew(ctx, p.session(b)); c != nil || err != nil {
				w.Errorf("renewed again at once: %v, %v", c, err)
			}
			if len(b.cookies) != 1 || c.MaxAge != 24*60*60 {
				w.Errorf("%+v", c)
			}
		}
		if none := p.signedOut(unused); none.Reason != "expired" || !none.Clear {
			w.Errorf("%+v", none)
		}
		time.Sleep(24 * time.Hour)
		p.signedOut(b)
	})
	bubble(t, func(w *world) {
		p := w.process(func(c *zoompkce.ManagerConfig) { c.IdleTimeout = 10 * time.Minute })
		b := p.signIn("ada")
		time.Sleep(59 * time.Second)
		if c, _ := p.Renew(ctx, p.session(b)); c != nil {
			w.Error("renewed before a tenth was over")
		}
		time.Sleep(time.Second)
		if c, _ := p.Renew(ctx, p.session(b)); c == nil || c.MaxAge != 600 {
			w.Error("not renewed after a tenth")
		}
		time.Sleep(9 * time.Minute)
		p.signedOut(b)
	})
}

func TestMaxLifetime(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(func(c *zoompkce.ManagerConfig) { c.MaxLifetime = 30 * time.Hour })
		b := p.signIn("ada")
		for range 29 {
			time.Sleep(time.Hour)
			c, err := p.Renew(ctx, p.session(b))
			if err != nil {
				w.Fatal(err)
			}
			b.set(c)
		}
		s := p.session(b)
		if left := p.ExpiresAt(s).Sub(time.Now()); left != time.Hour {
			w.Errorf("%v left", left)
		}
		time.Sleep(time.Hour)
		if none := p.signedOut(b); none.Reason != "expired" {
			w.Errorf("%+v", none)
		}
	})
}

// A cookie kept beyond its time is worth nothing, known or not.
func TestExpiredInsideButFresh(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		time.Sleep(25 * time.Hour)
		for range 3 {
			if p.signedOut(b).Reason != "expired" {
				w.Error("not expired")
			}
		}
		if zoompkce.CachedCookies(p.state) != 0 {
			w.Error("kept in memory")
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
	t.Run("ended is seen within the sync interval", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(), w.process()
			b, stays := p.signIn("ada"), p.signIn("ada")
			q.works(b)
			if err := p.SignOut(ctx, p.session(b)); err != nil {
				w.Fatal(err)
			}
			p.signedOut(b)
			time.Sleep(10 * time.Second)
			if none := q.signedOut(b); none.Reason != "ended" || !none.Clear {
				w.Errorf("%+v", none)
			}
			q.works(stays)
			w.calls(zoomtest.CallRevoke, 0)
			if err := q.SignOut(ctx, q.session(stays)); err != nil {
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

func TestStoreTrouble(t *testing.T) {
	for name, broken := range map[string]func(*testStore){
		"down": func(s *testStore) { s.fail("any", -1) },
		"hang": func(s *testStore) { s.hang("any") },
		"slow": func(s *testStore) { s.add(storeRule{op: "any", times: -1, delay: 5 * time.Second, err: errStoreDown}) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				b, bob := p.signIn("ada"), p.signIn("bob")
				p.works(b)
				broken(w.store)
				// Users in memory go on until their access token ends.
				for range 59 * 4 {
					w.took(2*time.Second, func() { p.works(b) })
					time.Sleep(10 * time.Second)
				}
				time.Sleep(time.Hour - 59*4*10*time.Second)
				w.took(2*time.Second, func() { p.storeTrouble(b) })
				w.took(2*time.Second, func() { p.storeTrouble(bob) })
				w.calls(zoomtest.CallRefresh, 0)

				// New logins do not spend their code.
				fresh := newBrowser()
				l, code := p.begin(fresh, "bob")
				w.zoom.ResetCounts()
				w.took(2*time.Second, func() {
					if err := p.finish(fresh, l, code); !errors.As(err, new(*zoompkce.StoreError)) {
						w.Errorf("%v", err)
					}
				})
				w.calls(zoomtest.CallCode, 0)
				if ended, err := p.EndUser(ctx, "ada", time.Time{}); ended || err == nil {
					w.Error("ended without a store")
				}

				w.store.heal()
				time.Sleep(30 * time.Second)
				p.works(b)
				p.works(bob)
				w.must(p.finish(fresh, l, code))
			})
		})
	}
}

// Within the sync interval the record is not read before a refresh.
func TestExpiredTokenAndHangingStore(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		time.Sleep(time.Hour - 5*time.Second)
		w.zoom.Fail(zoomtest.CallRefresh, 1, zoomtest.Status(500, ""))
		p.works(b)
		synctest.Wait()
		w.store.hang("any")
		time.Sleep(5 * time.Second)
		w.took(4*time.Second, func() {
			if _, err := p.token(b); err == nil {
				w.Error("a refresh without a store")
			}
		})
	})
}

func TestStoreRecoversAtOnce(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		b := p.signIn("ada")
		w.store.fail("load", 1)
		q.storeTrouble(b)
		time.Sleep(200 * time.Millisecond)
		q.works(b)
	})
}

// A record that somebody damages, swaps or cannot be opened is trouble, and
// stays what it is.
func TestUnopenableRecord(t *testing.T) {
	for name, damage := range map[string]func(sealed, other []byte) []byte{
		"damaged":      func(sealed, _ []byte) []byte { sealed[len(sealed)-1] ^= 1; return sealed },
		"empty":        func([]byte, []byte) []byte { return nil },
		"of a newer":   func(sealed, _ []byte) []byte { sealed[0]++; return sealed },
		"another's":    func(_, other []byte) []byte { return other },
		"truncated":    func(sealed, _ []byte) []byte { return sealed[:20] },
		"other secret": func(sealed, _ []byte) []byte { sealed[3] ^= 1; return sealed },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				b := p.signIn("ada")
				mine := w.store.only(t)
				bob := p.signIn("bob")
				other, _, _ := w.store.Load(ctx, w.store.other(t, mine))
				value, version, _ := w.store.Load(ctx, mine)
				damaged := damage(append([]byte(nil), value...), other)
				version, err := w.store.Swap(ctx, mine, version, damaged, time.Time{})
				if err != nil {
					w.Fatal(err)
				}
				time.Sleep(11 * time.Second)
				if !errors.As(p.storeTrouble(b), new(*zoompkce.UnopenableError)) {
					w.Error("not called unopenable")
				}
				fresh := newBrowser()
				l, code := p.begin(fresh, "ada")
				if err := p.finish(fresh, l, code); !errors.As(err, new(*zoompkce.UnopenableError)) {
					w.Errorf("a sign-in: %v", err)
				}
				if _, err := p.EndUser(ctx, "ada", time.Now()); err == nil {
					w.Error("a message from outside has replaced it")
				}
				if _, now, _ := w.store.Load(ctx, mine); now != version {
					w.Error("the record was overwritten")
				}
				p.works(bob)

				if ended, err := p.EndUser(ctx, "ada", time.Time{}); !ended || err != nil {
					w.Errorf("the way out: %v, %v", ended, err)
				}
				time.Sleep(time.Second)
				p.signedOut(b)
				p.works(p.signIn("ada"))
			})
		})
	}
}

func TestSessionCookieFitsAnywhere(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		for _, id := range []string{"a", strings.Repeat("b", 40), strings.Repeat("c", 256)} {
			w.zoom.AddUser(zoomtest.User{ID: id})
			value := p.signIn(id).cookies[p.SessionCookieName()]
			if len(value) > 256 {
				w.Errorf("%d bytes for an id of %d", len(value), len(id))
			}
		}
	})
}

func TestCurrentProfile(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(func(c *zoompkce.ManagerConfig) { c.IdleTimeout = 100 * time.Hour })
		b := p.signIn("ada")
		profile := func() (zoompkce.Profile, error) { return p.CurrentProfile(ctx, p.session(b)) }
		w.zoom.AddUser(zoomtest.User{ID: "ada", AccountID: "elsewhere"})
		if got, err := profile(); err != nil || got.AccountID != "acc" {
			w.Errorf("%+v, %v", got, err)
		}
		toExpiry()
		p.works(b)
		synctest.Wait()
		if got, err := profile(); err != nil || got.AccountID != "elsewhere" {
			w.Errorf("after a refresh: %+v, %v", got, err)
		}

		w.zoom.Fail(zoomtest.CallMe, -1, zoomtest.Hang())
		time.Sleep(24 * time.Hour)
		w.took(10*time.Second, func() {
			if _, err := profile(); zoompkce.KindOf(err) != zoompkce.KindUnavailable {
				w.Errorf("a profile of yesterday: %v", err)
			}
		})
		time.Sleep(time.Millisecond)
		w.took(0, func() { _, _ = profile() })
		w.zoom.Restore(zoomtest.CallAny)
		time.Sleep(5 * time.Second)
		w.zoom.ResetCounts()
		var wait sync.WaitGroup
		for range 100 {
			wait.Go(func() {
				if got, err := profile(); err != nil || got.AccountID != "elsewhere" {
					w.Errorf("%+v, %v", got, err)
				}
			})
		}
		wait.Wait()
		w.calls(zoomtest.CallMe, 1)

		w.zoom.Fail(zoomtest.CallMe, 1, zoomtest.Status(500, "")) // after the refresh
		time.Sleep(24 * time.Hour)
		p.works(b)
		time.Sleep(time.Second)
		w.store.fail("swap", -1)
		w.zoom.RevokeAccessTokens(w.app.ClientID, "ada")
		if _, err := profile(); !errors.As(err, new(*zoompkce.StoreError)) {
			w.Errorf("with a revoked token and no store: %v", err)
		}
		w.store.heal()
		time.Sleep(6 * time.Second)
		if _, err := profile(); err != nil {
			w.Errorf("with a revoked token: %v", err)
		}
	})
}
