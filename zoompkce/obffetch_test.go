package zoompkce_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

const meeting = "123456789"

// obf is what a request that takes an OBF token gets.
func (p *process) obf(b *browser, number string, policy zoompkce.OBFPolicy) (zoomapi.OBF, error) {
	s, err := p.Session(ctx, b.header())
	if err != nil {
		return zoomapi.OBF{}, err
	}
	return p.OBF(ctx, s, number, policy)
}

// hasOBF checks that the browser gets a token that is for the meeting.
func (p *process) hasOBF(b *browser, number string, policy zoompkce.OBFPolicy) string {
	p.Helper()
	o, err := p.obf(b, number, policy)
	if err != nil {
		p.Fatal(err)
	}
	if _, got, ok := p.zoom.ValidateOBF(o.Token); !ok || got != number {
		p.Errorf("a token for meeting %s, %v", got, ok)
	}
	return o.Token
}

// limitedForLess checks that an error tells a visitor to come back within d.
func (w *world) limitedForLess(d time.Duration, err error) {
	w.Helper()
	e, ok := errors.AsType[*zoomapi.Error](err)
	if !ok || e.Kind != zoomapi.KindRateLimited || e.Call != zoomapi.CallOBF || e.RetryAfter <= 0 || e.RetryAfter > d {
		w.Errorf("%v", err)
	}
}

var noSuchMeeting = zoomtest.Status(http.StatusNotFound, `{"code":3001,"message":"Meeting does not exist."}`)

func TestOBFIsHandedOutOnce(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		seen := make(map[string]bool)
		var mu sync.Mutex
		var wait sync.WaitGroup
		for range 20 {
			wait.Go(func() {
				token := p.hasOBF(b, meeting, zoompkce.OBFPolicy{})
				mu.Lock()
				defer mu.Unlock()
				if seen[token] {
					w.Error("a token was handed out twice")
				}
				seen[token] = true
			})
		}
		wait.Wait()
		if seen[p.hasOBF(b, meeting, zoompkce.OBFPolicy{MaxAge: time.Minute})] {
			w.Error("a token that was for one request was handed out again")
		}
		shared := p.hasOBF(b, meeting, zoompkce.OBFPolicy{MaxAge: time.Minute})
		if shared == p.hasOBF(b, meeting, zoompkce.OBFPolicy{}) {
			w.Error("a request of its own got the token of others")
		}
		w.calls(zoomtest.CallOBF, 22)
		if _, err := p.obf(b, "not a meeting", zoompkce.OBFPolicy{}); err == nil {
			w.Error("a token for no meeting")
		}
	})
}

func TestOBFMaxAge(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		policy := zoompkce.OBFPolicy{MaxAge: 10 * time.Minute}
		var wait sync.WaitGroup
		for range 1000 {
			wait.Go(func() { p.hasOBF(b, meeting, policy) })
		}
		wait.Wait()
		w.calls(zoomtest.CallOBF, 1)
		first := p.hasOBF(b, meeting, policy)
		time.Sleep(10 * time.Minute)
		if p.hasOBF(b, meeting, policy) != first {
			w.Error("fetched before it was too old")
		}
		time.Sleep(time.Second)
		if p.hasOBF(b, meeting, policy) == first {
			w.Error("older than the policy allows")
		}
		short := zoompkce.OBFPolicy{MaxAge: time.Hour, Lifetime: time.Minute}
		first, other := p.hasOBF(b, meeting, policy), p.hasOBF(b, meeting, short)
		if other != p.hasOBF(b, meeting, short) || first != p.hasOBF(b, meeting, policy) {
			w.Error("fetched again at once")
		}
		time.Sleep(time.Minute)
		if p.hasOBF(b, meeting, short) == other {
			w.Error("an expired token")
		}
		for n := range 100 {
			if n%10 == 0 {
				time.Sleep(time.Minute)
			}
			p.hasOBF(b, fmt.Sprint(200000000+n), policy)
		}
		w.zoom.ResetCounts()
		for n := range 8 {
			p.hasOBF(b, fmt.Sprint(200000092+n), policy)
		}
		w.calls(zoomtest.CallOBF, 0)
		p.hasOBF(b, "200000091", policy) // one too many, and it takes the place of one
		for n := range 7 {
			p.hasOBF(b, fmt.Sprint(200000093+n), policy)
		}
		w.calls(zoomtest.CallOBF, 1)
		for range 10 { // that of one meeting takes one place, however often it is fetched
			time.Sleep(2 * time.Second)
			p.hasOBF(b, "200000099", zoompkce.OBFPolicy{MaxAge: time.Second})
		}
		p.hasOBF(b, "200000093", policy)
		w.calls(zoomtest.CallOBF, 11)
	})
}

// One visitor asks for token after token: others get theirs.
func TestOBFShare(t *testing.T) {
	for name, policy := range map[string]zoompkce.OBFPolicy{"one each": {}, "shared": {MaxAge: time.Minute}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				ada, bob := p.signIn("ada"), p.signIn("bob")
				w.zoom.ResetCounts()
				var wait sync.WaitGroup
				for n := range 500 {
					wait.Go(func() {
						if _, err := p.obf(ada, fmt.Sprint(200000000+n), policy); err != nil {
							w.limitedForLess(time.Minute, err)
						}
					})
				}
				wait.Wait()
				w.calls(zoomtest.CallOBF, 30)
				p.hasOBF(bob, meeting, policy)
				p.hasZAK(ada, minute)
				if !p.state.OBFPausedUntil().IsZero() {
					w.Error("all users pause for one")
				}
				// Neither another sign-in nor another browser brings a new share.
				w.must(p.SignOut(ctx, ada.header()))
				time.Sleep(time.Second)
				ada = p.signIn("ada")
				_, err := p.obf(ada, meeting, policy)
				w.limitedForLess(time.Minute, err)
				time.Sleep(time.Minute)
				p.hasOBF(ada, meeting, policy)
			})
		})
	}
	t.Run("a call becomes free when the first is a minute ago", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			for range 30 {
				p.hasOBF(b, meeting, zoompkce.OBFPolicy{})
				time.Sleep(time.Second)
			}
			_, err := p.obf(b, meeting, zoompkce.OBFPolicy{})
			w.limitedForLess(30*time.Second, err)
			time.Sleep(30 * time.Second)
			p.hasOBF(b, meeting, zoompkce.OBFPolicy{})
		})
	})
	t.Run("over ten minutes", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			for range 1200 {
				_, _ = p.obf(b, meeting, zoompkce.OBFPolicy{})
				time.Sleep(500 * time.Millisecond)
			}
			w.calls(zoomtest.CallOBF, 300)
		})
	})
}

func TestOBFCallsOfAUserComeOneAfterTheOther(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		under, most := 0, 0
		var mu sync.Mutex
		inner := w.zoom.Client().Transport
		w.through(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/token") && r.Method == http.MethodGet {
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
		var wait sync.WaitGroup
		for range 20 {
			wait.Go(func() { p.hasOBF(b, meeting, zoompkce.OBFPolicy{}) })
		}
		time.Sleep(time.Millisecond) // the first is under way
		s := p.session(b)
		gone, leave := contextWithCancel()
		leave()
		if _, err := p.OBF(gone, s, meeting, zoompkce.OBFPolicy{}); !errors.Is(err, context.Canceled) {
			w.Errorf("who has left waits for a turn: %v", err)
		}
		wait.Wait()
		if most != 1 {
			w.Errorf("%d calls at once", most)
		}
		w.calls(zoomtest.CallOBF, 20)
		p.Close()
		if _, err := p.OBF(ctx, s, meeting, zoompkce.OBFPolicy{}); zoomapi.KindOf(err) != zoomapi.KindUnavailable {
			w.Errorf("after Close: %v", err)
		}
	})
}

// What Zoom refused for a meeting is not asked for again at once, for this user and
// this meeting alone.
func TestOBFRefusalIsRemembered(t *testing.T) {
	for name, refusal := range map[string]http.Handler{
		"no such meeting": noSuchMeeting,
		"unauthorized":    zoomtest.Status(http.StatusUnauthorized, `{"code":124,"message":"Invalid access token."}`),
		"nonsense":        zoomtest.HTML(),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				ada, bob := p.signIn("ada"), p.signIn("bob")
				w.zoom.Fail(zoomtest.CallOBF, -1, refusal)
				_, first := p.obf(ada, meeting, zoompkce.OBFPolicy{})
				calls := w.zoom.Count(zoomtest.CallOBF)
				for range 29 {
					if _, err := p.obf(ada, meeting, zoompkce.OBFPolicy{}); zoomapi.KindOf(err) != zoomapi.KindOf(first) || err == nil {
						w.Errorf("%v", err)
					}
					time.Sleep(time.Second)
				}
				w.calls(zoomtest.CallOBF, calls)
				w.zoom.Restore(zoomtest.CallOBF)
				p.hasOBF(bob, meeting, zoompkce.OBFPolicy{})
				p.hasOBF(ada, "987654321", zoompkce.OBFPolicy{})
				if _, err := p.obf(ada, meeting, zoompkce.OBFPolicy{}); err == nil {
					w.Error("asked again within 30 s")
				}
				time.Sleep(time.Second)
				p.hasOBF(ada, meeting, zoompkce.OBFPolicy{})
				w.zoom.Fail(zoomtest.CallOBF, -1, refusal)
				_, _ = p.obf(ada, "555555555", zoompkce.OBFPolicy{})
				w.zoom.Restore(zoomtest.CallOBF)
				p.hasOBF(p.signIn("ada"), "555555555", zoompkce.OBFPolicy{}) // other tokens, another answer
			})
		})
	}
}

func TestOBFWhileZoomHangs(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		w.zoom.Fail(zoomtest.CallOBF, -1, zoomtest.Hang())
		for n := range 3 {
			w.took(10*time.Second+time.Millisecond, func() {
				if _, err := p.obf(b, fmt.Sprint(300000000+n), zoompkce.OBFPolicy{}); zoomapi.KindOf(err) != zoomapi.KindUnavailable {
					w.Error(err)
				}
				time.Sleep(time.Millisecond)
			})
		}
		w.calls(zoomtest.CallOBF, 1)
		leaving, leave := contextWithCancel()
		time.Sleep(2 * time.Second)
		s := p.session(b)
		gone := async(func() error { _, err := p.OBF(leaving, s, meeting, zoompkce.OBFPolicy{}); return err })
		time.Sleep(time.Second)
		leave()
		if err := <-gone; err == nil {
			w.Error("a token for somebody who has left")
		}
		w.zoom.Restore(zoomtest.CallOBF)
		p.hasOBF(b, meeting, zoompkce.OBFPolicy{}) // who leaves is no trouble with Zoom
	})
}
