package zoompkce

import (
	"slices"
	"sync"
)

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
