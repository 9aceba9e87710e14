package zoompkce_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestTokenIsRefreshedAheadOfItsExpiry(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		first := p.works(b)
		time.Sleep(54 * time.Minute)
		if p.works(b) != first {
			w.Error("refreshed long before the margin")
		}
		synctest.Wait()
		w.calls(zoomtest.CallRefresh, 0)

		time.Sleep(2 * time.Minute)
		gate := w.zoom.Hold(zoomtest.CallRefresh, zoomtest.Before)
		w.took(0, func() {
			for range 100 {
				if p.works(b) != first {
					w.Error("a token that lives was not used")
				}
			}
		})
		<-gate.Arrived()
		gate.Release()
		synctest.Wait()
		if p.works(b) == first {
			w.Error("not refreshed in the background")
		}
		w.calls(zoomtest.CallRefresh, 1)
		if got := p.outcomes(zoompkce.EventRefresh); !slices.Equal(got, []string{"ok"}) {
			w.Errorf("outcomes %q", got)
		}
		// The profile is read again after each refresh.
		w.calls(zoomtest.CallMe, 2)
	})
}

// What a sign-in elsewhere has replaced is not presented to Zoom, though nobody here knows of it.
func TestReplacedTokenIsNotRefreshed(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(syncEvery(24*time.Hour)), w.process()
		b := p.signIn("ada")
		toExpiry()
		other := q.signIn("ada")
		if p.works(b) != q.works(other) {
			w.Error("two grants")
		}
		w.calls(zoomtest.CallRefresh, 0)
	})
}

func TestThousandRequestsWithAnExpiredToken(t *testing.T) {
	for processes := range 3 {
		t.Run(fmt.Sprint(processes+1, " processes"), func(t *testing.T) {
			bubble(t, func(w *world) {
				var all []*process
				for range processes + 1 {
					all = append(all, w.process())
				}
				b := all[0].signIn("ada")
				toExpiry()
				var wait sync.WaitGroup
				for n := range 1000 {
					p := all[n%len(all)]
					wait.Go(func() {
						token, err := p.token(b)
						if _, _, ok := w.zoom.ValidateAccessToken(token); !ok {
							w.Errorf("token of no use, %v", err)
						}
					})
				}
				wait.Wait()
				w.calls(zoomtest.CallRefresh, 1)
			})
		})
	}
}

func TestSeveralBrowsersShareTheNewestGrant(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		first := p.signIn("ada")
		p.works(first)
		second := q.signIn("ada") // ends the tokens of the first
		time.Sleep(11 * time.Second)
		if p.works(first) != q.works(second) {
			w.Error("two browsers, two grants")
		}
		toExpiry()
		if q.works(second) != p.works(first) {
			w.Error("two browsers, two refreshed grants")
		}
		w.calls(zoomtest.CallRefresh, 1)
	})
}

// Only invalid_grant says anything about the grant.
func TestRefreshFailuresThatChangeNothing(t *testing.T) {
	long := make([]byte, 100<<10)
	for i := range long {
		long[i] = 'a'
	}
	answer := func(access, refresh string) string {
		return fmt.Sprintf(`{"access_token":%q,"refresh_token":%q,"token_type":"bearer","expires_in":3600}`, access, refresh)
	}
	for name, fault := range map[string]func(w *world){
		"500": func(w *world) {
			w.zoom.Fail(zoomtest.CallRefresh, 1, zoomtest.Status(500, `{"error":"invalid_grant"}`))
		},
		"429": func(w *world) { w.zoom.Fail(zoomtest.CallRefresh, 1, zoomtest.RateLimited("3", false)) },
		"invalid_client": func(w *world) {
			w.zoom.Fail(zoomtest.CallRefresh, 1, zoomtest.Status(400, `{"error":"invalid_client"}`))
		},
		"nonsense":       func(w *world) { w.zoom.Fail(zoomtest.CallRefresh, 1, zoomtest.HTML()) },
		"redirect":       func(w *world) { w.zoom.Fail(zoomtest.CallRefresh, 1, zoomtest.Redirect("https://evil.example/")) },
		"huge":           func(w *world) { w.zoom.Fail(zoomtest.CallRefresh, 1, zoomtest.Huge(2<<20)) },
		"truncated":      func(w *world) { w.zoom.Fail(zoomtest.CallRefresh, 1, zoomtest.Truncated(answer("a", "b"))) },
		"reset":          func(w *world) { w.zoom.Fail(zoomtest.CallRefresh, 1, zoomtest.ResetConn()) },
		"hanging":        func(w *world) { w.zoom.Fail(zoomtest.CallRefresh, 1, zoomtest.Hang()) },
		"dripping":       func(w *world) { w.zoom.Fail(zoomtest.CallRefresh, 1, zoomtest.Drip(time.Second, answer("a", "b"))) },
		"empty token":    func(w *world) { w.zoom.Fail(zoomtest.CallRefresh, 1, zoomtest.Status(200, answer("", "b"))) },
		"line break":     func(w *world) { w.zoom.Fail(zoomtest.CallRefresh, 1, zoomtest.Status(200, answer("a\r\nX: y", "b"))) },
		"100 KB token":   func(w *world) { w.zoom.Fail(zoomtest.CallRefresh, 1, zoomtest.Status(200, answer(string(long), "b"))) },
		"100 KB refresh": func(w *world) { w.zoom.Fail(zoomtest.CallRefresh, 1, zoomtest.Status(200, answer("a", string(long)))) },
		"store down":     func(w *world) { w.store.fail("swap", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				b := p.signIn("ada")
				toExpiry()
				fault(w)
				w.took(10*time.Second, func() {
					if _, err := p.token(b); err == nil || errors.As(err, new(*zoompkce.NoSessionError)) {
						w.Errorf("the failed refresh ended in %v", err)
					}
				})
				// Remembered: nobody asks Zoom again at once.
				before := w.zoom.Count(zoomtest.CallRefresh)
				w.took(0, func() { _, _ = p.token(b) })
				if w.zoom.Count(zoomtest.CallRefresh) != before {
					w.Error("the failure was not remembered")
				}
				time.Sleep(6 * time.Second)
				_, _ = p.token(b)
				if again := w.zoom.Count(zoomtest.CallRefresh) != before; again == (name == "invalid_client") {
					w.Errorf("asked again after six seconds: %v", again)
				}
				time.Sleep(24 * time.Second)
				p.works(b)
			})
		})
	}
}

// While Zoom is in trouble the token is used as long as it lives.
func TestTokenIsUsedWhileItLives(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		w.zoom.Fail(zoomtest.CallRefresh, -1, zoomtest.Hang())
		time.Sleep(56 * time.Minute)
		for range 3*60 + 50 {
			w.took(0, func() { p.works(b) })
			time.Sleep(time.Second)
		}
		time.Sleep(20 * time.Second)
		w.took(10*time.Second, func() {
			_, err := p.token(b)
			if zoomapi.KindOf(err) != zoomapi.KindUnavailable {
				w.Errorf("after the expiry: %v", err)
			}
		})
		w.zoom.Restore(zoomtest.CallAny)
		time.Sleep(6 * time.Second)
		p.works(b)
	})
}

func TestOddExpiresIn(t *testing.T) {
	for expiresIn, most := range map[string]int{
		`60`: 30, `"60"`: 30, `1`: 1800, `0.001`: 1800, `0`: 1, `-5`: 1, `null`: 1, `"soon"`: 1, `1e300`: 0, `[]`: 1,
	} {
		t.Run(expiresIn, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				b := p.signIn("ada")
				w.zoom.FailAfter(zoomtest.CallRefresh, -1, zoomtest.Status(200,
					`{"access_token":"a","refresh_token":"b","token_type":"bearer","expires_in":`+expiresIn+`}`))
				// The simulated Zoom knows neither token.
				w.zoom.Fail(zoomtest.CallMe, -1, zoomtest.Status(500, ""))
				time.Sleep(56 * time.Minute)
				if _, err := p.token(b); err != nil {
					w.Fatal(err)
				}
				synctest.Wait()
				w.calls(zoomtest.CallRefresh, 1)
				w.zoom.Fail(zoomtest.CallRefresh, -1, zoomtest.Status(200,
					`{"access_token":"a","refresh_token":"b","token_type":"bearer","expires_in":`+expiresIn+`}`))
				w.zoom.ResetCounts()
				for range 15 * 60 * 4 {
					if _, err := p.token(b); err != nil {
						w.Fatal(err)
					}
					time.Sleep(time.Second / 4)
				}
				if got := w.zoom.Count(zoomtest.CallRefresh); got > most {
					w.Errorf("%d refreshes in 15 minutes, at most %d are needed", got, most)
				}
			})
		})
	}
}

// A margin longer than the life of a token means one refresh for each half of
// its life and not for each request.
func TestMarginLongerThanTheTokenLives(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(func(c *zoompkce.ManagerConfig) { c.RefreshMargin = 24 * time.Hour })
		b := p.signIn("ada")
		for range 25 {
			p.works(b)
			time.Sleep(time.Minute)
		}
		w.calls(zoomtest.CallRefresh, 1)
		for range 95 {
			p.works(b)
			time.Sleep(time.Minute)
		}
		if got := w.zoom.Count(zoomtest.CallRefresh); got < 2 || got > 5 {
			w.Errorf("%d refreshes in two hours", got)
		}
	})
}

func TestAnswerWithoutRefreshToken(t *testing.T) {
	bubble(t, func(w *world) {
		w.zoom.FailAfter(zoomtest.CallCode, 1, zoomtest.Status(200,
			`{"access_token":"`+"e30.eyJ1aWQiOiJhZGEifQ.x"+`","token_type":"bearer","expires_in":3600}`))
		w.zoom.Fail(zoomtest.CallMe, -1, zoomtest.Status(200, `{"id":"ada"}`))
		p := w.process()
		b := p.signIn("ada")
		if _, err := p.token(b); err != nil {
			w.Fatal(err)
		}
		toExpiry()
		p.signedOut(b)
		w.calls(zoomtest.CallRefresh, 0)
	})
}

// A request that goes away takes nobody's refresh with it.
func TestRefreshOutlivesItsRequest(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		toExpiry()
		gate := w.zoom.Hold(zoomtest.CallRefresh, zoomtest.After)
		s := p.session(b)
		gone, leave := contextWithCancel()
		done := make(chan error)
		go func() {
			_, err := p.AccessToken(gone, s)
			done <- err
		}()
		<-gate.Arrived()
		leave()
		if err := <-done; err == nil {
			w.Error("nobody was told that the request went away")
		}
		gate.Release()
		synctest.Wait()
		p.works(b)
		w.calls(zoomtest.CallRefresh, 1)
	})
}
