package zoompkce_test

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func copyOf(b *browser) *browser { return &browser{maps.Clone(b.cookies)} }

// A session that cannot be used just now exists all the same.
func TestSignOutEndsWhatCannotBeUsed(t *testing.T) {
	t.Run("a dying grant", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			stolen := copyOf(b)
			w.zoom.RevokeUser(w.app.ClientID, "ada")
			toExpiry()
			p.signedOut(b)
			_, err := p.Session(ctx, b.header())
			if _, ok := errors.AsType[*zoompkce.UnusableSessionError](err); !ok {
				w.Errorf("the session is said not to exist: %v", err)
			}
			w.must(p.SignOut(ctx, b.header()))
			p.works(p.signIn("ada")) // which revives sessions of a dying grant
			p.signedOut(stolen)
		})
	})
	t.Run("cookies of several users", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(), w.process()
			ada, bob := p.signIn("ada"), p.signIn("bob")
			both := []string{ada.header()[0] + "; " + bob.header()[0]}
			_, err := p.Session(ctx, both)
			if _, ok := errors.AsType[*zoompkce.UnusableSessionError](err); !ok || !errors.Is(err, zoompkce.ErrAmbiguous) {
				w.Errorf("%v", err)
			}
			w.must(p.SignOut(ctx, both))
			for _, b := range []*browser{ada, bob} {
				p.signedOut(b)
				q.signedOut(b)
			}
			w.calls(zoomtest.CallRevoke, 2)
		})
	})
	t.Run("several sessions of a user", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			a, b, stays := p.signIn("ada"), p.signIn("ada"), p.signIn("ada")
			w.must(p.SignOut(ctx, []string{a.header()[0] + "; " + b.header()[0] + "; " + a.header()[0]}))
			p.signedOut(a)
			p.signedOut(b)
			p.works(stays)
			if got := p.outcomes(zoompkce.EventSignedOut); len(got) != 2 {
				w.Errorf("%d sign-outs", len(got))
			}
		})
	})
	t.Run("nothing", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			w.must(p.SignOut(ctx, nil))
			w.must(p.SignOut(ctx, []string{p.SessionCookieName() + "=garbage"}))
			if n := w.store.counted("load"); n != 0 {
				w.Errorf("%d reads", n)
			}
		})
	})
	t.Run("with the store in trouble for one of them", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			ada, bob := p.signIn("ada"), p.signIn("bob")
			w.store.fail("load", 1)
			err := p.SignOut(ctx, []string{ada.header()[0] + "; " + bob.header()[0]})
			if !errors.As(err, new(*zoompkce.StoreError)) {
				w.Errorf("%v", err)
			}
			p.works(ada)
			p.signedOut(bob)
		})
	})
}

// A sign-in takes the place of all that the same browser presented.
func TestSignInReplacesWhatWasPresented(t *testing.T) {
	t.Run("a dying grant", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			former := copyOf(b)
			w.zoom.RevokeUser(w.app.ClientID, "ada")
			toExpiry()
			p.signedOut(b)
			l, code := p.begin(b, "ada")
			w.must(p.finish(b, l, code))
			p.works(b)
			p.signedOut(former)
		})
	})
	t.Run("cookies of several users", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			ada, bob, fresh := p.signIn("ada"), p.signIn("bob"), newBrowser()
			l, code := p.begin(fresh, "ada")
			cookies := strings.Join([]string{ada.header()[0], bob.header()[0], fresh.header()[0]}, "; ")
			in, err := p.SignIn(ctx, l, code, []string{cookies})
			if err != nil {
				w.Fatal(err)
			}
			fresh.set(in.Cookie)
			synctest.Wait()
			p.works(fresh)
			p.signedOut(ada)
			p.signedOut(bob)
			w.calls(zoomtest.CallRevoke, 1) // of bob, who has no session left
			time.Sleep(time.Minute)
			if n := w.live(); n != 1 {
				w.Errorf("%d tokens live", n)
			}
		})
	})
}

// A session that is presented twice hides none behind it.
func TestSignOutOfSeveralSessions(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		a, b := p.signIn("ada"), p.signIn("ada")
		garbage := []string{p.SessionCookieName() + "=garbage"}
		w.must(p.SignOut(ctx, slices.Concat(garbage, a.header(), a.header(), b.header())))
		p.signedOut(a)
		p.signedOut(b)
	})
}

// Whoever signs out as the last one takes the grant along; a session whose time is over
// is nobody.
func TestSignOutBesideAnExpiredSession(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(func(c *zoompkce.ManagerConfig) { c.MaxLifetime = time.Hour })
		p.signIn("ada")
		time.Sleep(30 * time.Minute)
		b := p.signIn("ada")
		time.Sleep(31 * time.Minute)
		w.must(p.SignOut(ctx, b.header()))
		if n := w.live(); n != 0 {
			w.Errorf("%d tokens live on", n)
		}
	})
}

// A sign-out that fails, and tokens that Zoom cannot be told of, are told as what they are.
func TestSignOutInTrouble(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		toExpiry()
		w.store.fail("swap", 1)
		if err := p.SignOut(ctx, b.header()); !errors.As(err, new(*zoompkce.StoreError)) || len(p.outcomes(zoompkce.EventSignedOut)) != 0 {
			w.Errorf("%v, told of %q", err, p.outcomes(zoompkce.EventSignedOut))
		}
		w.zoom.Fail(zoomtest.CallRefresh, 1, zoomtest.Status(500, ""))
		w.must(p.SignOut(ctx, b.header()))
		if n := len(p.outcomes(zoompkce.EventSignedOut)); n != 1 || len(p.outcomes(zoompkce.EventRevokeFailed)) != 1 {
			w.Errorf("told of %d sign-outs and of %q", n, p.outcomes(zoompkce.EventRevokeFailed))
		}
	})
}

// Who is the last one to sign out takes along what the store has not got yet, too.
func TestSignOutOfUnsavedTokens(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		toExpiry()
		p.breakSave(b, func() { w.store.fail("swap", -1) })
		w.store.heal()
		w.must(p.SignOut(ctx, b.header()))
		if n := w.live(); n != 0 {
			w.Errorf("%d tokens live on", n)
		}
	})
}

// Whose session another process has ended, or whose grant Zoom has, leaves nothing to be done.
func TestSignOutOfWhatHasEnded(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		b, other := p.signIn("ada"), p.signIn("bob")
		q.works(b)
		w.must(p.SignOut(ctx, b.header()))
		swaps := w.store.counted("swap")
		w.must(q.SignOut(ctx, b.header()))
		if n := w.store.counted("swap") - swaps; n != 0 || len(q.outcomes(zoompkce.EventSignedOut)) != 0 {
			w.Errorf("%d writes, told of %d sign-outs", n, len(q.outcomes(zoompkce.EventSignedOut)))
		}
		toExpiry()
		w.zoom.RevokeUser(w.app.ClientID, "bob")
		w.zoom.ResetCounts()
		w.must(q.SignOut(ctx, other.header()))
		w.calls(zoomtest.CallRefresh, 1)
		w.calls(zoomtest.CallRevoke, 0)
		if failed := q.outcomes(zoompkce.EventRevokeFailed); len(failed) > 0 {
			w.Errorf("%d tokens could not be revoked that were", len(failed))
		}
	})
}

// A visitor who goes away while signing in is signed in all the same: the code is spent.
func TestSignInOfAVisitorWhoGoesAway(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := newBrowser()
		l, code := p.begin(b, "ada")
		gone, leave := contextWithCancel()
		leave()
		in, err := p.SignIn(gone, l, code, b.header())
		if err != nil {
			w.Fatal(err)
		}
		b.set(in.Cookie)
		p.works(b)
	})
}

// A manager that is drained ends what a sign-in has replaced before it is done.
func TestReplacedSessionOfAnotherWhileDraining(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		b := p.signIn("ada")
		former := copyOf(b)
		w.store.add(storeRule{op: "load", times: -1, delay: time.Millisecond})
		l, code := p.begin(b, "bob")
		w.must(p.finish(b, l, code))
		p.Drain()
		w.store.heal()
		q.signedOut(former)
		q.works(b)
	})
}

// What a sign-in has replaced does not come back with a store that goes back to an earlier time.
func TestReplacedSessionStaysEnded(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		former := copyOf(b)
		key := w.store.only(t)
		old, _, err := w.store.Load(ctx, key)
		w.must(err)
		time.Sleep(time.Second)
		l, code := p.begin(b, "ada")
		w.must(p.finish(b, l, code))
		_, err = w.store.Swap(ctx, key, w.store.version(key), old, time.Now().Add(time.Hour))
		w.must(err)
		time.Sleep(time.Minute)
		p.signedOut(former)
		p.works(b)
	})
}

// A sign-in from an app context replaces what the browser presented, as any other does.
func TestAppContextReplacesWhatWasPresented(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		ada, bob, elsewhere := p.signIn("ada"), p.signIn("bob"), p.signIn("ada")
		in, err := p.SignInFromContext(ctx, zoomapi.AppContext{UserID: "ada", ID: "context"}, append(ada.header(), bob.header()...)...)
		w.must(err)
		synctest.Wait()
		p.signedOut(ada)
		p.signedOut(bob)
		p.works(elsewhere)
		b := newBrowser()
		b.set(in.Cookie)
		p.works(b)
		w.calls(zoomtest.CallRevoke, 1) // bob's
	})
}

// Session cookies that contradict each other may be of different kinds, which browsers keep apart.
func TestCookiesOfBothKindsAreCleared(t *testing.T) {
	for _, none := range []bool{false, true} {
		bubble(t, func(w *world) {
			p := w.process(func(c *zoompkce.ManagerConfig) { c.Cookies.SameSiteNone = none })
			both := append(p.signIn("ada").header(), p.signIn("bob").header()...)
			for what, deletions := range map[string][]*http.Cookie{
				"a contradiction": p.ClearSession(true), "a sign-out": p.ClearCookies(both),
			} {
				if len(deletions) != 2 || deletions[0].Partitioned != none || deletions[1].Partitioned == none {
					w.Errorf("%s: %v", what, deletions)
				}
				for _, c := range deletions {
					if c.MaxAge >= 0 || !c.Secure || c.Partitioned && c.SameSite != http.SameSiteNoneMode {
						w.Errorf("%s: %v", what, c)
					}
				}
			}
		})
	}
}
