package zoompkce_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

var minute = zoompkce.ZAKPolicy{MaxAge: time.Minute}

// zak is what a request that takes a ZAK gets.
func (p *process) zak(b *browser, policy zoompkce.ZAKPolicy) (zoompkce.ZAK, error) {
	s, err := p.Session(ctx, b.header())
	if err != nil {
		return zoompkce.ZAK{}, err
	}
	if _, err := p.AccessToken(ctx, s); err != nil {
		return zoompkce.ZAK{}, err
	}
	return p.ZAK(ctx, s, policy)
}

// hasZAK checks that the browser gets a ZAK that is valid and young enough.
func (p *process) hasZAK(b *browser, policy zoompkce.ZAKPolicy) zoompkce.ZAK {
	p.Helper()
	z, err := p.zak(b, policy)
	if err != nil {
		p.Fatalf("zak: %v", err)
	}
	_, fetched, ok := p.zoom.ValidateZAK(z.Token)
	if !ok {
		p.Fatal("Zoom does not take the ZAK")
	}
	if age := time.Since(fetched); age > policy.MaxAge {
		p.Errorf("the ZAK is %v old", age)
	}
	return z
}

func TestThousandRequestsForAZAK(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		gate := w.zoom.Hold(zoomtest.CallZAK, zoomtest.After)
		var wait sync.WaitGroup
		for range 1000 {
			wait.Go(func() { p.hasZAK(b, minute) })
		}
		<-gate.Arrived()
		synctest.Wait()
		gate.Release()
		wait.Wait()
		w.calls(zoomtest.CallZAK, 1)
	})
}

// slowZoom answers ZAK calls after a while.
func slowZoom(w *world, d time.Duration) {
	inner := w.zoom.Client().Transport
	w.transport = carrier(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/zak") {
			time.Sleep(d)
		}
		return inner.RoundTrip(r)
	})
}

func TestActiveUserNeverWaitsForAZAK(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, pause := range map[string]func(n int) time.Duration{
		"every second":               func(int) time.Duration { return time.Second },
		"every 13 seconds":           func(int) time.Duration { return 13 * time.Second },
		"every 59 seconds":           func(int) time.Duration { return 59 * time.Second },
		"every 60 seconds":           func(int) time.Duration { return time.Minute },
		"every 61 seconds":           func(int) time.Duration { return 61 * time.Second },
		"every 100 seconds":          func(int) time.Duration { return 100 * time.Second },
		"two minutes apart":          func(int) time.Duration { return 2 * time.Minute },
		"a burst, then a pause":      func(n int) time.Duration { return []time.Duration{0, 0, 0, 0, 0, 0, 0, 90 * time.Second}[n%8] },
		"all at once, then a minute": func(n int) time.Duration { return []time.Duration{0, 0, 0, time.Minute}[n%4] },
		"at random":                  func(int) time.Duration { return time.Duration(random.Int64N(int64(100 * time.Second))) },
		"at random, denser":          func(int) time.Duration { return time.Duration(random.Int64N(int64(10 * time.Second))) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				slowZoom(w, 2*time.Second)
				p := w.process()
				b := p.signIn("ada")
				p.hasZAK(b, minute)
				end := time.Now().Add(10 * time.Minute)
				for n := 0; time.Now().Before(end); n++ {
					w.took(0, func() { p.hasZAK(b, minute) })
					time.Sleep(pause(n))
				}
				calls := w.zoom.Count(zoomtest.CallZAK)
				if calls > 15 {
					w.Errorf("%d calls in ten minutes", calls)
				}
				time.Sleep(time.Hour)
				if after := w.zoom.Count(zoomtest.CallZAK); after > 15 || after > calls+2 {
					w.Errorf("%d calls for a user who had left, %d before", after-calls, calls)
				}
			})
		})
	}
}

func TestZAKAheadContinues(t *testing.T) {
	for name, between := range map[string]func(p *process){
		"across a reload":                       func(p *process) { p.reload().Close() },
		"across two reloads":                    func(p *process) { p.reload().Close(); p.reload().Close() },
		"where two handlers share one State":    func(p *process) { p.reload() },
		"with a manager that has only drained":  func(p *process) { p.reload().Drain() },
		"and the old one answers a request yet": func(p *process) { p.reload().Drain() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				b := p.signIn("ada")
				p.hasZAK(b, minute)
				old := p.Manager
				between(p)
				defer old.Close()
				slowZoom(w, 2*time.Second)
				for range 5 {
					time.Sleep(90 * time.Second)
					w.took(0, func() { p.hasZAK(b, minute) })
				}
			})
		})
	}
}

// Handlers of one app may want ZAKs of different ages; nobody gets an older one.
func TestTwoPolicies(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		short := zoompkce.ZAKPolicy{MaxAge: 10 * time.Second}
		for range 300 {
			p.hasZAK(b, minute)
			p.hasZAK(b, short)
			time.Sleep(time.Second)
		}
		if n := w.zoom.Count(zoomtest.CallZAK); n > 45 {
			w.Errorf("%d calls in five minutes", n)
		}
	})
}

func TestZAKLifetime(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		policy := zoompkce.ZAKPolicy{MaxAge: 30 * time.Minute, Lifetime: 2 * time.Hour}
		first := p.hasZAK(b, policy)
		if left := time.Until(first.ExpiresAt); left != 2*time.Hour {
			w.Errorf("it lives for %v", left)
		}
		p.hasZAK(b, minute)
		w.calls(zoomtest.CallZAK, 1)
		w.calls(zoomtest.CallZAKToken, 1)
		if got := w.zoom.Requests(zoomtest.CallZAKToken)[0].Query.Get("ttl"); got != "7200" {
			w.Errorf("ttl %q", got)
		}
		for range 30 {
			time.Sleep(time.Minute)
			p.hasZAK(b, policy)
		}
		w.calls(zoomtest.CallZAKToken, 2)
	})
}

func TestMaxAgeZero(t *testing.T) {
	var each zoompkce.ZAKPolicy
	get := func(p *process, b *browser) string {
		z, err := p.zak(b, each)
		if err != nil {
			p.Error(err)
		}
		return z.Token
	}
	t.Run("each request has its own, one call at a time", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			under, most := 0, 0
			var mu sync.Mutex
			inner := w.zoom.Client().Transport
			w.transport = carrier(func(r *http.Request) (*http.Response, error) {
				if strings.HasSuffix(r.URL.Path, "/zak") {
					mu.Lock()
					under++
					most = max(most, under)
					mu.Unlock()
					time.Sleep(100 * time.Millisecond)
					mu.Lock()
					under--
					mu.Unlock()
				}
				return inner.RoundTrip(r)
			})
			seen := make(map[string]bool)
			var wait sync.WaitGroup
			for range 20 {
				wait.Go(func() {
					token := get(p, b)
					mu.Lock()
					seen[token] = true
					mu.Unlock()
				})
			}
			wait.Wait()
			w.calls(zoomtest.CallZAK, 20)
			if len(seen) != 20 || most != 1 {
				w.Errorf("%d ZAKs, %d calls at once", len(seen), most)
			}
		})
	})
	t.Run("waiting is bounded", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			w.zoom.Fail(zoomtest.CallZAK, -1, zoomtest.Hang())
			w.took(10*time.Second, func() {
				var wait sync.WaitGroup
				for range 100 {
					wait.Go(func() {
						if _, err := p.zak(b, each); zoompkce.KindOf(err) != zoompkce.KindUnavailable {
							w.Error(err)
						}
					})
				}
				wait.Wait()
			})
		})
	})
}

func TestOlderZAKWhileFetchingFails(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		first := p.hasZAK(b, minute)
		w.zoom.Fail(zoomtest.CallZAK, -1, zoomtest.Hang())
		time.Sleep(70 * time.Second)
		w.took(10*time.Second, func() { // one request finds out
			if z, err := p.zak(b, minute); err != nil || z.Token != first.Token {
				w.Errorf("%v", err)
			}
		})
		for time.Since(first.FetchedAt) < 4*time.Minute {
			w.took(0, func() {
				if z, err := p.zak(b, minute); err != nil || z.Token != first.Token {
					w.Errorf("after %v: %v", time.Since(first.FetchedAt), err)
				}
			})
			time.Sleep(time.Second)
		}
		time.Sleep(time.Second)
		w.took(10*time.Second, func() {
			if _, err := p.zak(b, minute); zoompkce.KindOf(err) != zoompkce.KindUnavailable {
				w.Errorf("a ZAK of more than four minutes: %v", err)
			}
		})
		w.zoom.Restore(zoomtest.CallAny)
		time.Sleep(2 * time.Second)
		p.hasZAK(b, minute)
	})
}

// Once Zoom answers at all, every request tries.
func TestZAKRecoversAtOnce(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		p.hasZAK(b, minute)
		w.zoom.Fail(zoomtest.CallZAK, -1, zoomtest.Status(500, ""))
		time.Sleep(90 * time.Second)
		if _, err := p.zak(b, minute); err != nil {
			w.Error(err)
		}
		w.zoom.Restore(zoomtest.CallAny)
		time.Sleep(time.Second)
		p.hasZAK(b, minute)
	})
}

func TestBadZAKAnswers(t *testing.T) {
	for name, h := range map[string]http.Handler{
		"empty":       zoomtest.Status(200, `{"token":""}`),
		"absent":      zoomtest.Status(200, `{}`),
		"line break":  zoomtest.Status(200, `{"token":"a\r\nX-Evil: 1"}`),
		"100 KB":      zoomtest.Status(200, `{"token":"`+strings.Repeat("a", 100<<10)+`"}`),
		"number":      zoomtest.Status(200, `{"token":1}`),
		"HTML":        zoomtest.HTML(),
		"huge":        zoomtest.Huge(2 << 20),
		"truncated":   zoomtest.Truncated(`{"token":"abcdefgh"}`),
		"reset":       zoomtest.ResetConn(),
		"hanging":     zoomtest.Hang(),
		"dripping":    zoomtest.Drip(time.Second, `{"token":"abcdefghijklmnopqrstuvwxyz"}`),
		"500":         zoomtest.Status(500, ""),
		"unknown 400": zoomtest.Status(400, `{"code":1001,"message":"User not exist."}`),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				b := p.signIn("ada")
				w.zoom.Fail(zoomtest.CallZAK, -1, h)
				w.took(10*time.Second, func() {
					z, err := p.zak(b, minute)
					if err == nil || z.Token != "" || errors.As(err, new(*zoompkce.NoSessionError)) {
						w.Errorf("%v", err)
					}
				})
				p.works(b)
				w.zoom.Restore(zoomtest.CallAny)
				time.Sleep(time.Second)
				p.hasZAK(b, minute)
				w.calls(zoomtest.CallRefresh, 0)
			})
		})
	}
}

func TestZAKPauseForAllUsers(t *testing.T) {
	for name, retryAfter := range map[string]func(time.Time) string{
		"seconds":   func(time.Time) string { return "90" },
		"HTTP date": func(now time.Time) string { return now.UTC().Add(90 * time.Second).Format(http.TimeFormat) },
		"ISO date":  func(now time.Time) string { return now.UTC().Add(90 * time.Second).Format(time.RFC3339) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				ada, bob := p.signIn("ada"), p.signIn("bob")
				p.hasZAK(bob, minute)
				w.zoom.ResetCounts()
				w.zoom.Fail(zoomtest.CallZAK, 1, zoomtest.RateLimited(retryAfter(time.Now()), name == "ISO date"))
				for range 89 {
					_, err := p.zak(ada, minute)
					e, ok := errors.AsType[*zoompkce.Error](err)
					if !ok || e.Kind != zoompkce.KindRateLimited || e.RetryAfter <= 0 || e.RetryAfter > 90*time.Second || e.Call != zoompkce.CallZAK {
						w.Fatalf("%v", err)
					}
					if _, err := p.zak(bob, minute); err != nil {
						w.Fatalf("an older ZAK of another user: %v", err)
					}
					_, err = p.OBF(ctx, p.session(ada), "123456789", 0)
					if e, ok := errors.AsType[*zoompkce.Error](err); !ok || e.Call != zoompkce.CallOBF || e.Kind != zoompkce.KindRateLimited {
						w.Fatalf("%v", err)
					}
					time.Sleep(time.Second)
				}
				w.calls(zoomtest.CallZAK, 1)
				time.Sleep(2 * time.Second)
				p.hasZAK(ada, minute)
				p.hasZAK(bob, minute)
			})
		})
	}
	t.Run("no Retry-After, and 0", func(t *testing.T) {
		for _, retryAfter := range []string{"", "0", "-5"} {
			bubble(t, func(w *world) {
				p := w.process()
				b := p.signIn("ada")
				w.zoom.Fail(zoomtest.CallZAK, -1, zoomtest.RateLimited(retryAfter, false))
				for range 100 {
					_, _ = p.zak(b, minute)
					time.Sleep(100 * time.Millisecond)
				}
				if n := w.zoom.Count(zoomtest.CallZAK); n > 11 {
					w.Errorf("%q: %d calls in ten seconds", retryAfter, n)
				}
			})
		}
	})
	t.Run("a daily limit", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			w.zoom.RateLimit(0, 3)
			for range 60 {
				_, _ = p.zak(b, zoompkce.ZAKPolicy{})
				time.Sleep(time.Minute)
			}
			w.calls(zoomtest.CallZAK, 4)
			time.Sleep(24 * time.Hour)
		})
	})
}

// A token that Zoom has revoked before its time: one refresh, one repeat.
func TestZAKUnauthorized(t *testing.T) {
	t.Run("heals", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			p.works(b)
			w.zoom.RevokeAccessTokens(w.app.ClientID, "ada")
			p.hasZAK(b, minute)
			w.calls(zoomtest.CallZAK, 2)
			w.calls(zoomtest.CallRefresh, 1)
			p.works(b)
			w.zoom.RevokeAccessTokens(w.app.ClientID, "ada")
			time.Sleep(2 * time.Minute)
			p.hasZAK(b, minute)
			w.calls(zoomtest.CallRefresh, 2)
		})
	})
	t.Run("does not heal", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			w.zoom.Fail(zoomtest.CallZAK, -1, zoomtest.Status(401, `{"code":124,"message":"Invalid access token."}`))
			for range 120 {
				if _, err := p.zak(b, minute); zoompkce.KindOf(err) != zoompkce.KindUnauthorized {
					w.Fatal(err)
				}
				time.Sleep(500 * time.Millisecond)
			}
			if n := w.zoom.Count(zoomtest.CallRefresh); n > 3 {
				w.Errorf("%d refreshes in a minute, which did not help", n)
			}
		})
	})
	t.Run("and the grant is dead", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			p.works(b)
			w.zoom.RevokeUser(w.app.ClientID, "ada")
			if _, err := p.zak(b, minute); err == nil {
				w.Fatal("a ZAK of a dead grant")
			}
			time.Sleep(11 * time.Second)
			p.signedOut(b)
			p.works(p.signIn("ada"))
			p.hasZAK(b, minute)
		})
	})
	t.Run("for many users' requests at once", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			w.zoom.RevokeAccessTokens(w.app.ClientID, "ada")
			s := p.session(b)
			var wait sync.WaitGroup
			for n := range 50 {
				wait.Go(func() {
					if _, err := p.OBF(ctx, s, fmt.Sprint(100000000+n), 0); err != nil {
						w.Error(err)
					}
				})
				wait.Go(func() {
					if _, err := p.ZAK(ctx, s, zoompkce.ZAKPolicy{}); err != nil {
						w.Error(err)
					}
				})
			}
			wait.Wait()
			w.calls(zoomtest.CallRefresh, 1)
		})
	})
}

func TestMissingScope(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		w.zoom.SetScopes(w.app.ClientID, "user:read:user")
		b := p.signIn("ada")
		if p.NeedsAuthorization(p.session(b)) {
			w.Error("nothing is missing yet")
		}
		lacks := func() {
			t.Helper()
			_, err := p.zak(b, minute)
			e, ok := errors.AsType[*zoompkce.Error](err)
			if !ok || e.Kind != zoompkce.KindMissingScope || len(e.Scopes) != 1 || e.Scopes[0] != "user:read:zak" {
				w.Fatalf("%v", err)
			}
		}
		lacks()
		for range 10 {
			time.Sleep(10 * time.Second)
			lacks()
		}
		w.calls(zoomtest.CallZAK, 1)
		if !p.NeedsAuthorization(p.session(b)) || !q.NeedsAuthorization(q.session(b)) {
			w.Error("a fresh authorization is not asked for")
		}
		toExpiry() // a refresh does not bring it
		p.works(b)
		lacks()

		again := p.signIn("ada")
		if p.NeedsAuthorization(p.session(again)) {
			w.Error("asked for though not known to be missing")
		}
		time.Sleep(time.Second)
		lacks()
		if p.NeedsAuthorization(p.session(again)) || p.NeedsAuthorization(p.session(b)) {
			w.Error("asked for a second time")
		}

		w.zoom.SetScopes(w.app.ClientID, zoomtest.DefaultScopes()...)
		p.signIn("ada")
		p.hasZAK(b, minute)
	})
}

func TestOBF(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		s := p.session(b)
		obf := func(meeting string, lifetime time.Duration) string {
			t.Helper()
			o, err := p.OBF(ctx, s, meeting, lifetime)
			if err != nil {
				w.Fatal(err)
			}
			if _, got, ok := w.zoom.ValidateOBF(o.Token); !ok || got != meeting {
				w.Errorf("a token for meeting %s, %v", got, ok)
			}
			return o.Token
		}
		var wait sync.WaitGroup
		for range 1000 {
			wait.Go(func() { obf("123456789", 0) })
		}
		wait.Wait()
		w.calls(zoomtest.CallOBF, 1)

		first := obf("123456789", 0)
		time.Sleep(59 * time.Minute)
		if obf("123456789", 0) != first {
			w.Error("fetched before half of its life was over")
		}
		time.Sleep(2 * time.Minute)
		s = p.session(b)
		second := obf("123456789", 0)
		if second == first {
			w.Error("used beyond half of its life")
		}
		if obf("123456789", time.Hour) == second {
			w.Error("another lifetime is another token")
		}
		for n := range 8 {
			obf(fmt.Sprint(200000000+n), 0)
		}
		w.zoom.ResetCounts()
		for n := range 8 {
			obf(fmt.Sprint(200000000+n), 0)
		}
		w.calls(zoomtest.CallOBF, 0)
		obf("123456789", 0)
		w.calls(zoomtest.CallOBF, 1)

		w.zoom.Fail(zoomtest.CallOBF, -1, zoomtest.Hang())
		for n := range 3 {
			w.took(10*time.Second+time.Millisecond, func() {
				if _, err := p.OBF(ctx, s, fmt.Sprint(300000000+n), 0); zoompkce.KindOf(err) != zoompkce.KindUnavailable {
					w.Error(err)
				}
				time.Sleep(time.Millisecond)
			})
		}
		w.calls(zoomtest.CallOBF, 2) // one more was tried, and the failure remembered
		if _, err := p.OBF(ctx, s, "not a meeting", 0); err == nil {
			w.Error("a token for no meeting")
		}
	})
}

// What a user has fetched is forgotten with the last session.
func TestSignOutForgetsKeys(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		p.hasZAK(b, minute)
		s := p.session(b)
		if err := p.SignOut(ctx, s); err != nil {
			w.Fatal(err)
		}
		if _, err := p.ZAK(ctx, s, minute); err == nil {
			w.Error("a ZAK of somebody who has left")
		}
		time.Sleep(10 * time.Minute)
		w.calls(zoomtest.CallZAK, 1)
	})
}

func TestZAKRequestsCanLeave(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		s := p.session(b)
		gate := w.zoom.Hold(zoomtest.CallZAK, zoomtest.After)
		leaving, leave := context.WithCancel(ctx)
		gone := async(func() error { _, err := p.ZAK(leaving, s, minute); return err })
		<-gate.Arrived()
		leave()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			w.Error(err)
		}
		gate.Release()
		p.hasZAK(b, minute)
		w.calls(zoomtest.CallZAK, 1)
	})
}
