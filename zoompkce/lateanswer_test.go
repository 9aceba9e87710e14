package zoompkce_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func syncEvery(d time.Duration) func(*zoompkce.ManagerConfig) {
	return func(c *zoompkce.ManagerConfig) { c.SyncInterval = d }
}

// The store saves refreshed tokens, then the record changes again, and only then
// the answer to the first comes.
func TestLateAnswerOfASwap(t *testing.T) {
	late := func(w *world, p *process, a *browser, meanwhile func()) {
		toExpiry()
		gate := w.zoom.Hold(zoomtest.CallRefresh, zoomtest.After)
		refreshed := p.refreshing(a)
		<-gate.Arrived()
		swap := w.store.hold("swap", true)
		gate.Release()
		<-swap.arrived
		meanwhile()
		close(swap.release)
		<-refreshed
		synctest.Wait()
	}
	t.Run("a sign-out", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(syncEvery(time.Hour))
			a, b := p.signIn("ada"), p.signIn("ada")
			late(w, p, a, func() {
				w.must(p.SignOut(ctx, b.header()))
				p.signedOut(b)
			})
			p.signedOut(b)
			p.works(a)
			time.Sleep(20 * time.Minute)
			p.signedOut(b)
		})
	})
	t.Run("a sign-out elsewhere", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(syncEvery(10*time.Minute)), w.process()
			a, b := p.signIn("ada"), p.signIn("ada")
			late(w, p, a, func() {
				w.must(q.SignOut(ctx, b.header()))
				time.Sleep(11 * time.Minute)
				p.signedOut(b)
			})
			p.signedOut(b)
			p.works(a)
		})
	})
	t.Run("the user is ended", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(syncEvery(time.Hour))
			a := p.signIn("ada")
			late(w, p, a, func() {
				if ended, err := p.EndUser(ctx, "ada", time.Time{}); err != nil || !ended {
					w.Fatal(ended, err)
				}
			})
			p.signedOut(a)
		})
	})
	t.Run("a sign-in", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			a := p.signIn("ada")
			var b *browser
			late(w, p, a, func() {
				b = p.signIn("ada")
				p.works(b)
			})
			p.works(b)
		})
	})
}

// jitter is a store behind a network: every call takes a while there and back.
type jitter struct {
	zoompkce.Store
	mu     sync.Mutex
	random *rand.Rand
}

func (j *jitter) intN(n int) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.random.IntN(n)
}

func (j *jitter) nap() {
	time.Sleep(time.Duration(1+j.intN(20)) * time.Millisecond)
	if j.intN(20) == 0 {
		time.Sleep(200 * time.Millisecond)
	}
}

func (j *jitter) Load(ctx context.Context, key string) ([]byte, string, error) {
	j.nap()
	defer j.nap()
	return j.Store.Load(ctx, key)
}

func (j *jitter) Swap(ctx context.Context, key, old string, value []byte, expires time.Time) (string, error) {
	j.nap()
	defer j.nap()
	return j.Store.Swap(ctx, key, old, value, expires)
}

// With answers in any order no sign-in is lost, and nobody who was ended comes
// back.
func TestSlowStoreLosesAndRevivesNothing(t *testing.T) {
	const rounds = 150
	run := func(t *testing.T, seed uint64, test func(w *world, p *process, j *jitter, a *browser)) {
		bubble(t, func(w *world) {
			j := &jitter{Store: w.store, random: rand.New(rand.NewPCG(seed, 13))}
			p := w.process(func(c *zoompkce.ManagerConfig) { c.Store, c.SyncInterval = j, 10*time.Minute })
			a := p.signIn("ada")
			p.works(a)
			toExpiry()
			test(w, p, j, a)
		})
	}
	for seed := range uint64(rounds) {
		run(t, seed, func(w *world, p *process, j *jitter, a *browser) {
			b := newBrowser()
			l, code := p.begin(b, "ada")
			refreshed := p.refreshing(a)
			time.Sleep(time.Duration(j.intN(120)) * time.Millisecond)
			if err := p.finish(b, l, code); err != nil {
				return // the refresh was the later one
			}
			p.session(b)
			<-refreshed
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if _, err := p.Session(ctx, b.header()); err != nil {
				w.Errorf("seed %d: a sign-in was lost: %v", seed, err)
			}
		})
		run(t, seed, func(w *world, p *process, j *jitter, a *browser) {
			refreshed := p.refreshing(a)
			time.Sleep(time.Duration(j.intN(200)) * time.Millisecond)
			ended, err := p.EndUser(ctx, "ada", time.Time{})
			<-refreshed
			time.Sleep(time.Second)
			synctest.Wait()
			if !ended || err != nil {
				w.Fatalf("seed %d: %v, %v", seed, ended, err)
			}
			if _, err := p.Session(ctx, a.header()); err == nil {
				w.Errorf("seed %d: a user who was ended is back", seed)
			}
		})
	}
}

// A Caddy of the version before writes records without the number. What it
// writes counts all the same.
func TestOlderVersionInTheFleet(t *testing.T) {
	t.Run("it ends a session", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			a, b := p.signIn("ada"), p.signIn("ada")
			p.works(a)
			p.works(b)
			w.must(zoompkce.WriteAsOlderVersion(ctx, p.Manager, "ada", func(r *zoompkce.OldRecord) { r.Sessions = r.Sessions[:1] }))
			time.Sleep(11 * time.Second)
			p.works(a)
			p.signedOut(b)
		})
	})
	t.Run("its user is refreshed here", func(t *testing.T) {
		bubble(t, func(w *world) {
			p, q := w.process(), w.process()
			b := p.signIn("ada")
			for range 3 {
				synctest.Wait()
				w.must(zoompkce.WriteAsOlderVersion(ctx, p.Manager, "ada", nil))
				toExpiry()
				p.works(b)
				if p.works(b) != q.works(b) {
					w.Error("two grants")
				}
			}
			w.calls(zoomtest.CallRefresh, 3)
		})
	})
	// A late answer from before must not pass for newer than what has no number.
	t.Run("a late answer", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(syncEvery(10 * time.Second))
			a, b := p.signIn("ada"), p.signIn("ada")
			p.works(a)
			time.Sleep(6 * time.Second)
			gate := w.store.hold("load", true)
			p.works(a) // reads ahead
			<-gate.arrived
			w.must(zoompkce.WriteAsOlderVersion(ctx, p.Manager, "ada", nil))
			w.must(p.SignOut(ctx, b.header()))
			close(gate.release)
			synctest.Wait()
			p.signedOut(b)
			p.works(a)
		})
	})
	// Nor does it bring back what the older version has ended.
	for name, counted := range map[string]bool{"": false, ", and had not written before": true} {
		t.Run("a late answer of what it has ended"+name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p, q := w.process(), w.process()
				a, b := q.signIn("ada"), q.signIn("ada")
				if !counted {
					w.must(zoompkce.WriteAsOlderVersion(ctx, q.Manager, "ada", nil))
				}
				p.works(a)
				time.Sleep(6 * time.Second)
				gate := w.store.hold("load", true)
				p.works(a) // reads ahead
				<-gate.arrived
				w.must(zoompkce.WriteAsOlderVersion(ctx, q.Manager, "ada", func(r *zoompkce.OldRecord) { r.Sessions = r.Sessions[:1] }))
				time.Sleep(3900 * time.Millisecond)
				if _, err := p.UserStatus(ctx, "ada"); err != nil { // reads the record
					w.Error(err)
				}
				p.signedOut(b)
				close(gate.release)
				synctest.Wait()
				p.signedOut(b)
				p.works(a)
			})
		})
	}
}

// Memory's word that a session is over is not enough to clear its cookie.
func TestCachedNoIsReadAgain(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(syncEvery(10 * time.Minute))
		a, b := p.signIn("ada"), p.signIn("ada")
		p.works(a)
		p.works(b)
		restore := w.snapshotOf(w.store.only(t))
		w.must(zoompkce.WriteAsOlderVersion(ctx, p.Manager, "ada", func(r *zoompkce.OldRecord) { r.Sessions = r.Sessions[:1] }))
		time.Sleep(6 * time.Minute)
		p.works(a) // reads ahead
		synctest.Wait()
		p.signedOut(b)
		restore()
		time.Sleep(2 * time.Second)
		p.works(b)

		// With the store in trouble nobody is told to be signed out.
		w.must(p.SignOut(ctx, a.header()))
		w.must(zoompkce.WriteAsOlderVersion(ctx, p.Manager, "ada", func(r *zoompkce.OldRecord) { r.Sessions = nil }))
		time.Sleep(11 * time.Minute)
		p.signedOut(b)
		time.Sleep(2 * time.Second)
		loads := w.store.counted("load")
		w.store.fail("load", 1)
		p.storeTrouble(b)
		time.Sleep(time.Second)
		for range 100 {
			if _, err := p.Session(ctx, b.header()); !errors.As(err, new(*zoompkce.NoSessionError)) {
				w.Fatal(err)
			}
		}
		if n := w.store.counted("load") - loads; n > 2 {
			w.Errorf("%d reads for a cookie that is worth nothing", n)
		}
	})
}

// Nor is its word that Zoom has ended the grant: a sign-in in another process revives it for all
// who live by it.
func TestRevivedElsewhere(t *testing.T) {
	for name, comes := range map[string]func(*process, *browser, *zoompkce.ProgramTokens){
		"the browser": func(p *process, b *browser, _ *zoompkce.ProgramTokens) { p.works(b) },
		"the program": func(p *process, _ *browser, tokens *zoompkce.ProgramTokens) { p.in(tokens) },
		"the program with its refresh token": func(p *process, _ *browser, tokens *zoompkce.ProgramTokens) {
			p.refreshed(tokens)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				lasting := programs(func(c *zoompkce.ProgramConfig) { c.TokenLifetime = 24 * time.Hour })
				p, q := w.process(lasting), w.process(lasting, syncEvery(time.Minute))
				b := p.signIn("ada")
				tokens := p.program(b)
				w.zoom.RevokeUser(w.app.ClientID, "ada")
				toExpiry()
				q.signedOut(b)
				q.out(tokens)
				p.signIn("ada")
				time.Sleep(2 * time.Second)
				comes(q, b, tokens)
			})
		})
	}
}
