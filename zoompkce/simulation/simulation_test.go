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
	seeds = flag.Int("seeds", 2000, "how many runs there are")
	first = flag.Uint64("first", 1, "the seed of the first run")
	steps = flag.Int("steps", 200, "how many steps a run has")
	seed  = flag.Uint64("seed", 0, "the seed of TestSeed")
)

func TestSimulation(t *testing.T) {
	var mu sync.Mutex
	byName := map[string]int{}
	example := map[string]string{}
	eachSeed(t, func(t *testing.T, seed uint64) {
		p := newPlan(seed, *steps)
		if broken := run(t, p, nil); broken != nil {
			mu.Lock()
			defer mu.Unlock()
			byName[broken.invariant]++
			if byName[broken.invariant] <= 6 {
				example[broken.invariant] += fmt.Sprintf("\n   seed %d (skewed: %v, generated: %v): %s", seed, p.skewed, p.generated, broken.text)
			}
		}
	})
	for name, n := range byName {
		t.Errorf("%d x %s %s", n, name, example[name])
	}
}

// eachSeed runs all seeds, on all processors. The garbage collector forgets users that only weak pointers
// find, when it likes: so it runs between runs only.
func eachSeed(t *testing.T, f func(*testing.T, uint64)) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var mu sync.Mutex
	var pause sync.RWMutex
	next := 0
	t.Run("seeds", func(t *testing.T) {
		for n := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				for {
					mu.Lock()
					mine := next
					next++
					mu.Unlock()
					if mine >= *seeds {
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
}

// TestSeed tells the story of one seed, and of the least of it that breaks the
// same invariant.
func TestSeed(t *testing.T) {
	if *seed == 0 {
		t.Skip("no -seed")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	tell(t, newPlan(*seed, *steps))
}

// tell fails with the shortest story of a broken invariant, if the plan breaks one.
func tell(t *testing.T, p *plan) {
	t.Helper()
	broken := run(t, p, nil)
	if broken == nil {
		return
	}
	p = shrink(t, p, broken, 1500)
	s := new(story)
	again := run(t, p, s)
	t.Errorf("seed %d: %v\n%s\n%v\n%v", p.seed, broken, s, again, p)
}

// A seed is worth something only if it tells the same story each time.
func TestDeterministic(t *testing.T) {
	var differ atomic.Int32
	eachSeed(t, func(t *testing.T, seed uint64) {
		p := newPlan(seed, *steps)
		one, two := new(story), new(story)
		run(t, p, one)
		run(t, p, two)
		for n := range min(len(one.lines), len(two.lines)) {
			if one.lines[n] != two.lines[n] {
				differ.Add(1)
				t.Errorf("seed %d: line %d of %d is %q, then %q", seed, n, len(one.lines), one.lines[n], two.lines[n])
				return
			}
		}
		if len(one.lines) != len(two.lines) {
			t.Errorf("seed %d: %d and %d lines", seed, len(one.lines), len(two.lines))
		}
	})
}
