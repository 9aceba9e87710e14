package zoompkce_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// A request that has found its access token dead does not hand it on: the token
// is taken after what may refresh it.
func TestAccessTokenIsTheNewest(t *testing.T) {
	for name, find := range map[string]func(*process, *zoompkce.Session) error{
		"ZAK": func(p *process, s *zoompkce.Session) error {
			_, err := p.ZAK(ctx, s, minute)
			return err
		},
		"OBF": func(p *process, s *zoompkce.Session) error {
			_, err := p.OBF(ctx, s, meeting, zoompkce.OBFPolicy{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				b := p.signIn("ada")
				p.works(b)
				s := p.session(b)
				w.zoom.RevokeAccessTokens(w.app.ClientID, "ada")
				w.must(find(p, s))
				token, err := p.AccessToken(ctx, s)
				w.must(err)
				if _, _, ok := w.zoom.ValidateAccessToken(token); !ok {
					w.Error("the token that was found dead")
				}
			})
		})
	}
	t.Run("of a visitor who has left meanwhile: none", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			s := p.session(b)
			w.must(p.SignOut(ctx, b.header()))
			if token, err := p.AccessToken(ctx, s); err == nil {
				w.Errorf("%q", token)
			}
		})
	})
}

func TestTokenRejected(t *testing.T) {
	t.Run("a revoked token is replaced", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			dead := p.works(b)
			w.zoom.RevokeAccessTokens(w.app.ClientID, "ada")
			w.took(0, func() { p.TokenRejected(p.session(b), dead) })
			synctest.Wait()
			if p.works(b) == dead {
				w.Error("not refreshed")
			}
			w.zoom.ResetCounts()
			time.Sleep(time.Minute)
			for range 100 {
				p.TokenRejected(p.session(b), dead) // the app's answers to requests before
			}
			synctest.Wait()
			w.calls(zoomtest.CallMe, 0)
			w.calls(zoomtest.CallRefresh, 0)
		})
	})
	t.Run("a good token costs one call in 30 s", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			ada, again, bob := p.signIn("ada"), p.signIn("ada"), p.signIn("bob")
			w.zoom.ResetCounts()
			for range 10 {
				var wait sync.WaitGroup
				for range 100 {
					for _, b := range []*browser{ada, again} {
						wait.Go(func() {
							p.TokenRejected(p.session(b), p.works(b))
							p.TokenRejected(p.session(b), "")
							p.TokenRejected(p.session(b), "made up")
						})
					}
				}
				wait.Wait()
				time.Sleep(3 * time.Second)
			}
			w.calls(zoomtest.CallMe, 1)
			p.TokenRejected(p.session(ada), p.works(bob)) // nor is it anybody else's
			synctest.Wait()
			w.calls(zoomtest.CallMe, 1)
			p.TokenRejected(p.session(ada), p.works(ada))
			p.TokenRejected(p.session(bob), p.works(bob))
			synctest.Wait()
			w.calls(zoomtest.CallMe, 3)
			w.calls(zoomtest.CallRefresh, 0)
		})
	})
	for name, answer := range map[string]http.Handler{
		"trouble":       zoomtest.Status(http.StatusServiceUnavailable, ""),
		"missing scope": zoomtest.Status(http.StatusUnauthorized, `{"code":4711,"message":"Invalid access token, does not contain scopes:[user:read:user]."}`),
	} {
		t.Run(fmt.Sprintf("%s is no refusal", name), func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				b := p.signIn("ada")
				token := p.works(b)
				w.zoom.Fail(zoomtest.CallMe, -1, answer)
				p.TokenRejected(p.session(b), token)
				synctest.Wait()
				w.calls(zoomtest.CallRefresh, 0)
			})
		})
	}
	t.Run("of a visitor who has left, or whose grant is over", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			gone, dying := p.signIn("ada"), p.signIn("bob")
			s, token := p.session(gone), p.works(gone)
			w.must(p.SignOut(ctx, gone.header()))
			w.zoom.ResetCounts()
			p.TokenRejected(s, token)
			synctest.Wait()
			w.calls(zoomtest.CallMe, 0)

			s, token = p.session(dying), p.works(dying)
			w.zoom.RevokeUser(w.app.ClientID, "bob")
			_, _ = p.zak(dying, minute)
			time.Sleep(11 * time.Second)
			p.signedOut(dying)
			p.TokenRejected(s, token)
			synctest.Wait()
			w.calls(zoomtest.CallMe, 0)

			w.zoom.AddUser(zoomtest.User{ID: "eve"})
			idle := p.signIn("eve")
			s, token = p.session(idle), p.works(idle)
			w.zoom.ResetCounts()
			toExpiry()
			p.TokenRejected(s, token)
			synctest.Wait()
			w.calls(zoomtest.CallMe, 0)
		})
	})
	t.Run("an app that refuses everything", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			w.zoom.Fail(zoomtest.CallMe, -1, zoomtest.Status(http.StatusUnauthorized, `{"code":124,"message":"Invalid access token."}`))
			for range 600 {
				p.TokenRejected(p.session(b), p.works(b))
				time.Sleep(time.Second)
			}
			if n := w.zoom.Count(zoomtest.CallRefresh); n > 20 {
				w.Errorf("%d refreshes in ten minutes", n)
			}
		})
	})
}
