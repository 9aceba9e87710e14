package zoompkce_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// chaos is four browsers of one user that sign in and out at two processes, on
// a store whose answers come in any order.
type chaos struct {
	*world
	random    *jitter
	processes []*process
	browsers  [4]*browser

	mu    sync.Mutex
	in    [4]bool // who is signed in
	trace strings.Builder
}

func (c *chaos) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(&c.trace, format, args...)
}

func (c *chaos) setIn(i int, in bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in[i] = in
}

// act has browser i do something in a moment.
func (c *chaos) act(wait *sync.WaitGroup, i int) {
	p, b := c.processes[c.random.intN(2)], c.browsers[i]
	later := time.Duration(c.random.intN(150)) * time.Millisecond
	switch what := c.random.intN(4); {
	case what <= 1:
		l, code := p.begin(b, "ada")
		wait.Go(func() {
			time.Sleep(later)
			err := p.finish(b, l, code)
			c.note(" %d:in(%v)", i, err)
			if err == nil {
				c.setIn(i, true)
			}
		})
	case what == 2 && c.in[i]:
		wait.Go(func() {
			time.Sleep(later)
			err := p.SignOut(ctx, b.header())
			c.note(" %d:out(%v)", i, err)
			if err == nil {
				c.setIn(i, false)
			}
		})
	default:
		wait.Go(func() {
			time.Sleep(later)
			_, _ = p.token(b)
		})
	}
}

func (c *chaos) check() {
	open := 0
	for i, in := range c.in {
		if in {
			open++
		}
		for j, p := range c.processes {
			if _, err := p.token(c.browsers[i]); (err == nil) != in {
				c.Errorf("browser %d at process %d, which is to be signed in: %t: %v; after%s", i, j, in, err, c.trace.String())
			}
		}
	}
	if status, err := c.processes[0].UserStatus(ctx, "ada"); err == nil && len(status.Sessions) != open {
		c.Errorf("%d sessions in the record, want %d; after%s", len(status.Sessions), open, c.trace.String())
	}
}

// Whoever has signed in is signed in everywhere, and nobody else.
func TestChaos(t *testing.T) {
	for seed := range uint64(60) {
		bubble(t, func(w *world) {
			c := &chaos{world: w, random: &jitter{Store: w.store, random: rand.New(rand.NewPCG(seed, 5))}}
			onJitter := func(m *zoompkce.ManagerConfig) { m.Store = c.random }
			c.processes = []*process{w.process(onJitter), w.process(onJitter)}
			for i := range c.browsers {
				c.browsers[i] = newBrowser()
			}
			for range 5 {
				if c.random.intN(3) == 0 {
					time.Sleep(58 * time.Minute)
					c.note(" [58m]")
				}
				var wait sync.WaitGroup
				for i := range c.browsers {
					c.act(&wait, i)
				}
				wait.Wait()
				time.Sleep(25 * time.Second)
				synctest.Wait()
				c.check()
			}
		})
	}
}
