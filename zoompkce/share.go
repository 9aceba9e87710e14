package zoompkce

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

var (
	errClosing = errors.New("the server is being reconfigured")

	// errPatience ends a wait for shared work, which goes on.
	errPatience = fmt.Errorf("waited too long: %w", context.DeadlineExceeded)
)

// share does a piece of work once for all who want it at the same time, and
// waits for the outcome no longer than patience and ctx allow. The work goes on
// when nobody waits any more: it does not belong to the one who came first.
// What is done under one key must be the same whoever asks for it.
func share[T any](
	ctx context.Context, m *Manager, key string, patience time.Duration, work func(context.Context) (T, error),
) (value T, err error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		result := m.memory.flights.DoChan(key, func() (any, error) {
			group := m.work.begin()
			if group == nil {
				return nil, errClosing
			}
			defer group.Done()
			return guard(func() (T, error) { return work(context.WithoutCancel(ctx)) })
		})
		select {
		case r := <-result:
			// Work that was begun by a manager that is gone is begun anew.
			if !errors.Is(r.Err, errClosing) || m.work.isClosed() {
				value, _ = r.Val.(T)
				return value, r.Err
			}
		case <-ctx.Done():
			return value, ctx.Err()
		case <-timer.C:
			return value, errPatience
		}
	}
}

// guard turns a panic into an error. Shared and background work has goroutines
// of its own, where a panic would end the process and not one request.
func guard[T any](work func() (T, error)) (value T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return work()
}

// run does work in the background. It reports false if the manager is closed.
func (m *Manager) run(f func(context.Context)) bool {
	group := m.work.begin()
	if group == nil {
		return false
	}
	go func() {
		defer group.Done()
		m.guarded(func() { f(m.background) })
	}()
	return true
}

// guarded does work that nobody waits for.
func (m *Manager) guarded(f func()) {
	_, err := guard(func() (struct{}, error) { f(); return struct{}{}, nil })
	if err != nil {
		m.observe(Event{Kind: EventPanic, Err: err})
	}
}

// runOnce does work in the background that need not be done twice at a time:
// running is set meanwhile.
func (m *Manager) runOnce(running *atomic.Bool, f func(context.Context)) {
	if !running.CompareAndSwap(false, true) {
		return
	}
	begun := m.run(func(ctx context.Context) {
		defer running.Store(false)
		f(ctx)
	})
	if !begun {
		running.Store(false)
	}
}

// takeTurn waits until turn is free, no longer than for a call to Zoom. leave
// makes it free again.
func (m *Manager) takeTurn(ctx context.Context, turn chan struct{}) (leave func(), err error) {
	timer := time.NewTimer(m.timeout)
	defer timer.Stop()
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-timer.C:
		return nil, errPatience
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// unavailable turns the end of a wait into the error of the call waited for.
func unavailable(call zoomapi.Call, err error) error {
	if errors.Is(err, errPatience) || errors.Is(err, errClosing) {
		return &zoomapi.Error{Call: call, Kind: zoomapi.KindUnavailable, Err: err}
	}
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// allowance is what a user has had of something within a period, so that one user
// does not take what all share.
type allowance []time.Time

// take takes one more, or tells how long there is none.
func (a *allowance) take(most int, period time.Duration, now time.Time) (wait time.Duration) {
	*a = slices.DeleteFunc(*a, func(at time.Time) bool { return now.Sub(at) >= period })
	if len(*a) == most {
		return (*a)[0].Add(period).Sub(now)
	}
	*a = append(*a, now)
	return 0
}

// workGroup counts work under way. Unlike with a sync.WaitGroup, work may begin
// while somebody waits, until the group is closed: those who wait, wait for what
// had begun before, so that steady traffic cannot keep them for ever.
type workGroup struct {
	mu      sync.Mutex
	closed  bool
	current *sync.WaitGroup   // counts what begins now
	earlier []*sync.WaitGroup // what was current when somebody began to wait
}

// begin enters a piece of work; Done of the result leaves it. It returns nil if
// the group is closed.
func (g *workGroup) begin() *sync.WaitGroup {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	if g.current == nil {
		g.current = new(sync.WaitGroup)
	}
	g.current.Add(1)
	return g.current
}

// wait waits for the end of all work that has begun.
func (g *workGroup) wait() {
	g.mu.Lock()
	if g.current != nil {
		g.earlier = append(g.earlier, g.current)
		g.current = nil
	}
	earlier := slices.Clone(g.earlier)
	g.mu.Unlock()
	for _, w := range earlier {
		w.Wait()
	}
}

// close lets nothing more begin.
func (g *workGroup) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

func (g *workGroup) isClosed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed
}
