package simulation

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// run plays a plan and returns the first invariant that did not hold, nil if all
// did. The story is told if there is one to tell it to.
func run(t *testing.T, p *plan, s *story) (broken *breach) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		if s != nil {
			s.began = time.Now()
		}
		w := newWorld(p, s)
		w.live()
		w.close()
		broken = w.broken
	})
	return broken
}

// live takes all steps, and then looks at what is left when all troubles have
// ended.
func (w *world) live() {
	for _, s := range w.plan.steps {
		w.let(time.Now().Add(s.after))
		if w.broken != nil {
			return
		}
		w.luck = rand.New(rand.NewPCG(w.plan.seed, uint64(s.number)+2))
		w.fair = s.fair
		w.take(s)
		w.let(time.Now())
		w.hold()
	}
	w.endWell()
}

func (w *world) endWell() {
	w.calm, w.wellSince = true, time.Now()
	w.store.down, w.store.readOnly = time.Time{}, time.Time{}
	w.note("all is well from now on")
	w.quiet(time.Minute)
	for _, p := range w.processes {
		for _, b := range w.browsers {
			w.askAs(p.incarnation, b, false)
			w.let(time.Now().Add(5 * time.Millisecond))
		}
		for _, x := range w.programs {
			if x.access != "" {
				w.bear(p.incarnation, x)
				w.let(time.Now().Add(5 * time.Millisecond))
			}
		}
	}
	w.quiet(time.Minute)
	if w.broken == nil {
		w.nothingIsLeft()
	}
}

func (w *world) quiet(d time.Duration) {
	for end := time.Now().Add(d); w.broken == nil && time.Now().Before(end); {
		w.let(time.Now().Add(5 * time.Second))
		w.hold()
	}
}

// close ends all processes as they are ended in peace.
func (w *world) close() {
	w.calm, w.over = true, true
	for _, p := range w.processes {
		p.retire(p.manager, true)
	}
	for end := time.Now().Add(5 * time.Minute); len(w.ops) > 0; {
		if time.Now().After(end) {
			w.breaks("6: everything ends", "%d pieces of work do not end", len(w.ops))
			return
		}
		w.let(time.Now().Add(time.Second))
	}
}
