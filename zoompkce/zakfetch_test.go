package zoompkce_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

var minute = zoompkce.ZAKPolicy{MaxAge: time.Minute}

// zak is what a request that takes a ZAK gets.
func (p *process) zak(b *browser, policy zoompkce.ZAKPolicy) (zoomapi.ZAK, error) {
	s, err := p.Session(ctx, b.header())
	if err != nil {
		return zoomapi.ZAK{}, err
	}
	if _, err := p.AccessToken(ctx, s); err != nil {
		return zoomapi.ZAK{}, err
	}
	return p.ZAK(ctx, s, policy)
}

// hasZAK checks that the browser gets a ZAK that is valid and young enough.
func (p *process) hasZAK(b *browser, policy zoompkce.ZAKPolicy) zoomapi.ZAK {
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
			w.through(func(r *http.Request) (*http.Response, error) {
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
						if _, err := p.zak(b, each); zoomapi.KindOf(err) != zoomapi.KindUnavailable {
							w.Error(err)
						}
					})
				}
				wait.Wait()
			})
		})
	})
}

// What a user has fetched is forgotten with the last session.
func TestSignOutForgetsKeys(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		p.hasZAK(b, minute)
		shared := zoompkce.OBFPolicy{MaxAge: time.Hour}
		former := p.hasOBF(b, meeting, shared)
		s := p.session(b)
		if err := p.SignOut(ctx, b.header()); err != nil {
			w.Fatal(err)
		}
		if _, err := p.ZAK(ctx, s, minute); err == nil {
			w.Error("a ZAK of somebody who has left")
		}
		time.Sleep(10 * time.Minute)
		w.calls(zoomtest.CallZAK, 1)
		if p.hasOBF(p.signIn("ada"), meeting, shared) == former {
			w.Error("the OBF token of the former session")
		}
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
