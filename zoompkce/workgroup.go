package zoompkce

import "sync"

// workGroup counts work under way. Unlike with a sync.WaitGroup, work may begin
// while somebody waits, until the group is closed.
type workGroup struct {
	mu     sync.Mutex
	count  int
	closed bool
	idle   chan struct{} // closed when count falls to 0; nil if nobody waits
}

// begin enters a piece of work, unless the group is closed.
func (g *workGroup) begin() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.count++
	return true
}

// done leaves a piece of work.
func (g *workGroup) done() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.count--; g.count == 0 && g.idle != nil {
		close(g.idle)
		g.idle = nil
	}
}

// wait waits until nothing is under way.
func (g *workGroup) wait() {
	g.mu.Lock()
	if g.count == 0 {
		g.mu.Unlock()
		return
	}
	if g.idle == nil {
		g.idle = make(chan struct{})
	}
	idle := g.idle
	g.mu.Unlock()
	<-idle
}

// close lets nothing more begin.
func (g *workGroup) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}
