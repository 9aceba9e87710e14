// Package simulation plays the protocol of package zoompkce: three processes with
// their restarts and reloads, five users with their browsers, a store and a Zoom with every trouble they can
// have, clocks that differ. What answers when follows from a seed. After every step
// the invariants of invariants_test.go have to hold; a plan that breaks one is shrunk and tells its story.
package simulation

import (
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
)

var (
	seeds = flag.Int("seeds", 2000, "how many runs there are; a tenth of it with -short")
	first = flag.Uint64("first", 1, "the seed of the first run")
	steps = flag.Int("steps", 200, "how many steps a run has")
	seed  = flag.Uint64("seed", 0, "the one run of TestSeed")
)

// tries is how often a broken plan is run to shrink it.
const tries = 1500

// told is how many broken plans have their whole story told.
const told = 3

func TestSimulation(t *testing.T) {
	var broken atomic.Int32
	eachSeed(t, *seeds, func(t *testing.T, seed uint64) {
		if *brief && broken.Load() > 0 {
			return
		}
		p := newPlan(seed, *steps)
		switch b := run(t, p, nil); {
		case b == nil:
		case *brief:
			broken.Add(1)
			t.Errorf("seed %d: %v", seed, b)
		case broken.Add(1) <= told:
			tell(t, p, b)
		default:
			t.Errorf("seed %d: %v", seed, b)
		}
	})
}

// TestSeed tells the story of one seed.
func TestSeed(t *testing.T) {
	if *seed == 0 {
		t.Skip("no -seed")
	}
	withoutCollector(func() {
		p, s := newPlan(*seed, *steps), new(story)
		if b := run(t, p, s); b != nil {
			tell(t, p, b)
			return
		}
		t.Log(s)
	})
}

// A seed is worth something only if it tells the same story each time.
func TestSameStoryTwice(t *testing.T) {
	eachSeed(t, *seeds/20, func(t *testing.T, seed uint64) {
		p := newPlan(seed, *steps)
		one, two := new(story), new(story)
		run(t, p, one)
		run(t, p, two)
		for n := range max(len(one.lines), len(two.lines)) {
			if a, b := one.line(n), two.line(n); a != b {
				t.Errorf("seed %d, line %d: %q, then %q", seed, n, a, b)
				return
			}
		}
	})
}

// tell fails with the shortest story that is broken in the same way, and with the
// plan of it, which can be pinned.
func tell(t *testing.T, p *plan, b *breach) {
	t.Helper()
	p = shrink(t, p, b, tries)
	s := new(story)
	b = run(t, p, s)
	t.Errorf("seed %d: %v\n%s\n%v", p.seed, b, s, p)
}

// eachSeed plays seeds on all processors.
func eachSeed(t *testing.T, count int, f func(*testing.T, uint64)) {
	if testing.Short() {
		count /= 10
	}
	var next atomic.Int64
	var pause sync.RWMutex
	withoutCollector(func() {
		t.Run("seeds", func(t *testing.T) {
			for n := range runtime.GOMAXPROCS(0) {
				t.Run(fmt.Sprint(n), func(t *testing.T) {
					t.Parallel()
					for {
						mine := int(next.Add(1)) - 1
						if mine >= count {
							return
						}
						if mine%20 == 0 {
							pause.Lock()
							runtime.GC()
							pause.Unlock()
						}
						pause.RLock()
						f(t, *first+uint64(mine))
						pause.RUnlock()
					}
				})
			}
		})
	})
}

// withoutCollector keeps the garbage collector away: it forgets users whom
// only weak pointers find, and when it does is no seed's decision.
func withoutCollector(f func()) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	f()
}
