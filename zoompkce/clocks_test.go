package zoompkce_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// ahead makes ada's record what a server would have written whose clock is ahead:
// a bubble has one clock.
func (p *process) ahead(d time.Duration) {
	p.Helper()
	if err := zoompkce.MoveTimes(ctx, p.Manager, "ada", d); err != nil {
		p.Fatal(err)
	}
}

func TestSignInAfterASignOutByAnotherClock(t *testing.T) {
	for _, ahead := range []time.Duration{0, 20 * time.Second, time.Minute, 4 * time.Minute} {
		t.Run(ahead.String(), func(t *testing.T) {
			bubble(t, func(w *world) {
				p, q := w.process(), w.process()
				b := p.signIn("ada")
				w.must(p.SignOut(ctx, b.header()))
				p.ahead(ahead)
				q.works(q.signIn("ada"))
			})
		})
	}
}

// Zoom's word decides where clocks cannot, and without it nobody is let in.
func TestZoomDecidesWhereClocksCannot(t *testing.T) {
	t.Run("it does not answer", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			w.must(p.SignOut(ctx, p.signIn("ada").header()))
			p.ahead(time.Minute)
			fresh := newBrowser()
			l, code := p.begin(fresh, "ada")
			asked := 0
			inner := w.transport
			w.through(func(r *http.Request) (*http.Response, error) {
				if r.URL.Path == "/v2/users/me" {
					if asked++; asked > 1 {
						return nil, errors.New("no route to host")
					}
				}
				return inner.RoundTrip(r)
			})
			if err := p.finish(fresh, l, code); zoomapi.KindOf(err) != zoomapi.KindUnavailable {
				w.Errorf("%v", err)
			}
			w.through(inner.RoundTrip)
			time.Sleep(time.Minute)
			if n := w.live(); n != 0 {
				w.Errorf("%d tokens live on", n)
			}
		})
	})
	t.Run("the grant that another server's clock calls older", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(), w.process()
			gate := w.zoom.Hold(zoomtest.CallMe, zoomtest.After)
			one := newBrowser()
			l, code := p.begin(one, "ada")
			done := async(func() error { return p.finish(one, l, code) })
			<-gate.Arrived()
			token := q.works(q.signIn("ada"))
			q.ahead(-time.Minute)
			gate.Release()
			w.must(<-done)
			if p.works(one) != token {
				w.Error("the tokens that Zoom has revoked are kept")
			}
		})
	})
	t.Run("the end of all sessions that another server's clock calls older", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(), w.process()
			gate := w.zoom.Hold(zoomtest.CallMe, zoomtest.After)
			one := newBrowser()
			l, code := p.begin(one, "ada")
			done := async(func() error { return p.finish(one, l, code) })
			<-gate.Arrived()
			w.must(q.SignOut(ctx, q.signIn("ada").header()))
			q.ahead(-time.Minute)
			gate.Release()
			if err := <-done; !errors.Is(err, zoompkce.ErrSignedOutMeanwhile) {
				w.Errorf("a grant that Zoom has ended opens a session: %v", err)
			}
		})
	})
	t.Run("a deauthorization that our clock calls older than the sign-in", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			time.Sleep(time.Second)
			event := time.Now().Add(-time.Minute)
			if ended, err := p.EndUser(ctx, "ada", event); ended || err != nil {
				w.Errorf("ended though Zoom takes the token: %v, %v", ended, err)
			}
			p.works(b)
			w.zoom.RevokeUser(w.app.ClientID, "ada")
			if ended, err := p.EndUser(ctx, "ada", event); !ended || err != nil {
				w.Errorf("%v, %v", ended, err)
			}
			p.signedOut(b)
			p.works(p.signIn("ada"))
		})
	})
}

// A browser may keep a cookie of the same name beside the session's, as after a change
// of same_site: unpartitioned and worth nothing. It tells nothing about tabs, or nobody
// could sign in as somebody else.
func TestAnotherCookieIsNoFasterTab(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		old := b.header()[0]
		l, code := p.begin(b, "ada")
		w.must(p.finish(b, l, code))
		for _, header := range []string{old + "; " + b.header()[0], b.header()[0] + "; " + old} {
			both := []string{header}
			login, _, err := p.BeginLogin(ctx, both, zoompkce.LoginRequest{RedirectURI: callbackURI, ReturnURL: "/"})
			if err != nil {
				w.Fatal(err)
			}
			session, err := p.Session(ctx, both)
			if err != nil {
				w.Fatal(err)
			}
			if p.Overtaken(login, session) {
				w.Error("the session was there when the login began")
			}
		}
		first, code := p.begin(b, "ada")
		second, _ := p.begin(b, "ada")
		w.must(p.finish(b, first, code))
		if !p.Overtaken(second, p.session(b)) {
			w.Error("the session was opened after the login had begun")
		}
	})
}

// Whether another tab was faster is no question of time.
func TestAnotherTabWasFaster(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		b := newBrowser()
		first, code := p.begin(b, "ada")
		second, _ := p.begin(b, "ada")
		if p.Overtaken(first, nil) {
			w.Error("overtaken by nobody")
		}
		w.must(p.finish(b, first, code))
		if !q.Overtaken(mustFind(q, b, second), q.session(b)) {
			w.Error("the session was opened after the second login had begun")
		}
		third, _ := p.begin(b, "ada")
		if q.Overtaken(mustFind(q, b, third), q.session(b)) {
			w.Error("the session was there when the third login began")
		}
		b.set(p.DropLogin(third))
		time.Sleep(3 * time.Hour)
		renewed, err := p.Renew(context.Background(), p.session(b))
		if err != nil || renewed == nil {
			w.Fatal(renewed, err)
		}
		fourth, _ := p.begin(b, "ada")
		b.set(renewed)
		if q.Overtaken(mustFind(q, b, fourth), q.session(b)) {
			w.Error("the session was only renewed")
		}
	})
}
