package simulation

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
	"testing/synctest"
	"time"
)

// call is one crossing of the network: it is made, takes effect, is answered.
// Its maker waits meanwhile. Only the world lets it go on, one call at a time and only when
// everything else waits, so that what happens depends on the seed alone.
type call struct {
	by   *incarnation
	op   *op // on whose behalf, nil for work in the background
	kind string
	on   string // record, user or token: who is concerned

	asked  func()      // it was made, whatever comes of it
	effect func(*call) // happens at the other end
	heard  func(*call) // its maker has an answer, or an error
	left   func(*call) // its maker has stopped to wait
	lost   func(*call) // it took effect, and nobody has the answer

	weather weather
	made    time.Time
	from    [12]uintptr // the code that made it, where it works for nobody
	due     time.Time
	acted   bool
	gone    atomic.Bool // the maker has stopped to wait
	done    chan struct{}
	err     error
}

// weather is what the network and the other end do to one call.
type weather struct {
	out, back time.Duration // how long it travels
	fails     bool          // never gets there
	drops     bool          // takes effect, and its answer is lost
	status    int           // what Zoom answers in place of doing it
}

var (
	errKilled  = errors.New("the process was killed")
	errNetwork = errors.New("connection reset")
)

type opKey struct{}

func opOf(ctx context.Context) *op {
	o, _ := ctx.Value(opKey{}).(*op)
	return o
}

// wait makes a call and waits for its answer.
func (w *world) wait(ctx context.Context, c *call) error {
	if c.by.killed.Load() {
		return errKilled
	}
	c.op, c.made, c.done = opOf(ctx), time.Now(), make(chan struct{})
	if c.op == nil {
		runtime.Callers(2, c.from[:])
	}
	w.mu.Lock()
	w.arrived = append(w.arrived, c)
	w.mu.Unlock()
	w.nudge()
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		c.gone.Store(true)
		w.nudge()
		return ctx.Err()
	}
}

func (w *world) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// let runs the world until a moment, and everything in it in an order of its own.
func (w *world) let(until time.Time) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for w.broken == nil || w.over {
		synctest.Wait()
		w.collect()
		next, now := w.nextCall(), time.Now()
		if next != nil && !next.due.After(now) {
			w.proceed(next)
			continue
		}
		if !until.After(now) {
			return
		}
		select {
		case <-w.wake: // what it tells was collected
		default:
		}
		moment := until
		if next != nil && next.due.Before(until) {
			moment = next.due
		}
		timer.Reset(moment.Sub(now))
		select {
		case <-timer.C:
		case <-w.wake:
		}
	}
}

// collect takes in what has been called and what has ended while everything ran.
func (w *world) collect() {
	w.mu.Lock()
	arrived, ended := w.arrived, w.ended
	w.arrived, w.ended = nil, nil
	w.mu.Unlock()
	slices.SortFunc(ended, func(a, b *op) int { return a.id - b.id })
	for _, c := range w.calls {
		if c.gone.Load() {
			c.leaves()
		}
	}
	for _, o := range ended {
		delete(w.ops, o.id)
		w.settle(o)
	}
	slices.SortStableFunc(arrived, order)
	for _, c := range arrived {
		if c.asked != nil {
			c.asked()
		}
		c.weather = w.weatherFor(c)
		c.due = time.Now().Add(c.weather.out)
		w.calls = append(w.calls, c)
	}
}

// order is that of calls which nothing else orders: the goroutines that made them ran
// at the same time. Two that look the same are of different code.
func order(a, b *call) int {
	return cmp.Or(
		a.made.Compare(b.made), a.by.id-b.by.id, cmp.Compare(a.kind, b.kind), cmp.Compare(a.on, b.on), a.op.number()-b.op.number(),
		slices.CompareFunc(a.from[:], b.from[:], comparePlaces),
	)
}

// comparePlaces orders places in the code, the same way in every build.
func comparePlaces(a, b uintptr) int {
	if a == b {
		return 0
	}
	one, _ := runtime.CallersFrames([]uintptr{a}).Next()
	two, _ := runtime.CallersFrames([]uintptr{b}).Next()
	return cmp.Or(cmp.Compare(one.Function, two.Function), one.Line-two.Line)
}

func (w *world) nextCall() (next *call) {
	for _, c := range w.calls {
		if next == nil || c.due.Before(next.due) {
			next = c
		}
	}
	return next
}

// proceed takes a call one step further.
func (w *world) proceed(c *call) {
	if !c.acted {
		c.acted = true
		if c.weather.fails {
			c.err = errNetwork
		} else if c.effect != nil {
			c.effect(c)
		}
		c.due = time.Now().Add(c.weather.back)
		return
	}
	w.calls = slices.DeleteFunc(w.calls, func(other *call) bool { return other == c })
	if c.weather.drops && c.err == nil {
		c.err = errNetwork
	}
	heard := !c.gone.Load() && !c.by.killed.Load()
	if heard && c.heard != nil {
		c.heard(c)
	}
	if (!heard || c.weather.drops) && !c.weather.fails {
		c.loses()
	}
	if c.kind != "yield" {
		w.note("%s: %s %s: %s", c.by, c.kind, w.called(c.on), c.outcome(heard))
	}
	close(c.done)
}

// leaves tells once that its maker waits no longer.
func (c *call) leaves() {
	if c.left != nil {
		c.left(c)
		c.left = nil
	}
	if c.acted {
		c.loses()
	}
}

// loses tells once that nobody has the answer.
func (c *call) loses() {
	if c.lost != nil {
		c.lost(c)
		c.lost = nil
	}
}

// called is the model's word for a token; records and codes have their own.
func (w *world) called(on string) any {
	if t, ok := w.zoom.tokens[on]; ok {
		return t
	}
	return on
}

func (c *call) outcome(heard bool) string {
	switch {
	case !heard:
		return "answered to nobody"
	case c.weather.fails:
		return "does not get there"
	case c.weather.drops:
		return "its answer is lost"
	case c.err != nil:
		return c.err.Error()
	case c.weather.status != 0:
		return "refused for now"
	}
	return "answered"
}

// yield lets others go first: those who waited for the same answer go on one by one.
func (w *world) yield(ctx context.Context, i *incarnation) {
	_ = w.wait(ctx, &call{by: i, kind: "yield"})
}
