package zoompkce_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// Of several cookies of one name the one that is worth something counts; those
// of two users count as none.
func TestSeveralCookiesOfOneName(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		name := p.SessionCookieName()
		ada, again, bob := p.signIn("ada").cookies[name], p.signIn("ada").cookies[name], p.signIn("bob").cookies[name]
		ended := p.signIn("ada")
		if err := p.SignOut(ctx, ended.header()); err != nil {
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
		if left := time.Until(p.ExpiresAt(s)); left != time.Hour {
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

// A session of another cookie of that name counts beside one that is over.
func TestExpiredCookieBesideAnother(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		old := p.signIn("ada")
		time.Sleep(time.Hour)
		b := p.signIn("ada")
		time.Sleep(23*time.Hour + 30*time.Minute)
		for _, header := range []string{old.header()[0] + "; " + b.header()[0], b.header()[0] + "; " + old.header()[0]} {
			if _, err := p.Session(ctx, []string{header}); err != nil {
				w.Error(err)
			}
		}
	})
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

// The record notes the day a session was last seen on, and is not written for less.
func TestSeenIsNotedOnceADay(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		renew := func(after time.Duration, writes int) {
			w.Helper()
			time.Sleep(after)
			s := p.session(b)
			synctest.Wait()
			before, reads := w.store.counted("swap"), w.store.counted("load")
			c, err := p.Renew(ctx, s)
			if err != nil || c == nil {
				w.Fatal(c, err)
			}
			b.set(c)
			synctest.Wait()
			if got := w.store.counted("swap") - before; got != writes {
				w.Errorf("%d writes, want %d", got, writes)
			}
			if got := w.store.counted("load") - reads; got != writes {
				w.Errorf("%d reads, want %d", got, writes)
			}
		}
		midnight := time.Until(time.Now().Truncate(24 * time.Hour).Add(24 * time.Hour))
		renew(midnight-61*time.Minute, 0)
		renew(time.Hour, 0)
		renew(time.Hour, 1)
		renew(time.Hour, 0)
	})
	t.Run("by all processes together, and not of one that has ended", func(t *testing.T) {
		bubble(t, func(w *world) {
			long := func(c *zoompkce.ManagerConfig) { c.IdleTimeout = 100 * time.Hour }
			p, q := w.process(long), w.process(long)
			b, ends := p.signIn("ada"), p.signIn("ada")
			time.Sleep(25 * time.Hour)
			here, there, ended := p.session(b), q.session(b), q.session(ends)
			_, err := p.Renew(ctx, here)
			w.must(err)
			w.must(p.SignOut(ctx, ends.header()))
			synctest.Wait()
			swaps := w.store.counted("swap")
			for _, s := range []*zoompkce.Session{there, ended} {
				_, err := q.Renew(ctx, s)
				w.must(err)
			}
			synctest.Wait()
			if n := w.store.counted("swap") - swaps; n != 0 {
				w.Errorf("%d writes", n)
			}
			if panics := q.outcomes(zoompkce.EventPanic); len(panics) > 0 {
				w.Error("panic")
			}
		})
	})
}

// An app that has no scope for the profile hears of ids alone.
func TestSignInTellsOfProfilesWithoutNames(t *testing.T) {
	for outcome, users := range map[string][]zoomtest.User{
		"":         {{ID: "name", FirstName: "Ada"}, {ID: "address", Email: "ada@example.com", Verified: 1}},
		"ids_only": {{ID: "neither"}},
	} {
		for _, user := range users {
			bubble(t, func(w *world) {
				w.zoom.AddUser(user)
				p := w.process()
				p.signIn(user.ID)
				if got := p.outcomes(zoompkce.EventSignedIn); len(got) != 1 || got[0] != outcome {
					w.Errorf("%s: %q", user.ID, got)
				}
			})
		}
	}
}
