package zoompkce_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestCurrentProfile(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(func(c *zoompkce.ManagerConfig) { c.IdleTimeout = 100 * time.Hour })
		b := p.signIn("ada")
		profile := func() (zoomapi.Profile, error) { return p.CurrentProfile(ctx, p.session(b)) }
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
			if _, err := profile(); zoomapi.KindOf(err) != zoomapi.KindUnavailable {
				w.Errorf("a profile of yesterday: %v", err)
			}
		})
		time.Sleep(time.Millisecond)
		w.took(0, func() {
			if got, err := profile(); err == nil {
				w.Errorf("nobody's profile a moment later: %+v", got)
			}
		})
		w.zoom.Restore(zoomtest.CallAny)
		time.Sleep(5 * time.Second)
		w.zoom.ResetCounts()
		before := p.session(b)
		w.zoom.Fail(zoomtest.CallMe, 1, zoomtest.Status(200, `{"id":"bob","account_id":"elsewhere"}`))
		if _, err := profile(); zoomapi.KindOf(err) != zoomapi.KindNonsense {
			w.Errorf("somebody else's: %v", err)
		}
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
		if got, err := p.CurrentProfile(ctx, before); err != nil || got.AccountID != "elsewhere" {
			w.Errorf("of a request that came before: %+v, %v", got, err)
		}
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

// Whose profile Zoom has told is let in, whatever the store does, and Zoom is not asked again.
func TestCurrentProfileWithoutStore(t *testing.T) {
	idle := func(c *zoompkce.ManagerConfig) { c.IdleTimeout = 100 * time.Hour }
	for name, trouble := range map[string]func(*testStore){
		"refuses": func(s *testStore) { s.fail("swap", -1) },
		"hangs":   func(s *testStore) { s.hang("swap") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p, q := w.process(idle), w.process(idle)
				b := p.signIn("ada")
				w.zoom.AddUser(zoomtest.User{ID: "ada", AccountID: "elsewhere"})
				time.Sleep(24 * time.Hour)
				w.zoom.Fail(zoomtest.CallMe, 1, zoomtest.Status(500, "")) // after the refresh
				p.works(b)
				time.Sleep(time.Second)
				w.zoom.ResetCounts()
				trouble(w.store)
				current := func() {
					w.took(0, func() {
						if got, err := p.CurrentProfile(ctx, p.session(b)); err != nil || got.AccountID != "elsewhere" {
							w.Errorf("%+v, %v", got, err)
						}
					})
				}
				for range 50 {
					current()
				}
				w.calls(zoomtest.CallMe, 1)

				// What others have learned since is newer.
				w.store.heal()
				w.zoom.AddUser(zoomtest.User{ID: "ada", AccountID: "third"})
				time.Sleep(time.Hour)
				q.works(b)
				time.Sleep(11 * time.Second)
				if got, err := p.CurrentProfile(ctx, p.session(b)); err != nil || got.AccountID != "third" {
					w.Errorf("%+v, %v", got, err)
				}
			})
		})
	}
}
