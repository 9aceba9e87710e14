package zoomtest

import (
	"context"
	"sync"
	"time"
)

// maxHold bounds how long a gate holds a call, so that a forgotten one does
// not hang a test for good.
const maxHold = time.Minute

// A Gate holds one call, so that a test decides what happens meanwhile.
type Gate struct {
	arrived chan struct{}
	release chan struct{}
	once    sync.Once
}

// Hold holds the next call of a kind: before Zoom processes it, or after, with
// its answer not yet sent. A held call is processed and answered even if its
// client has left meanwhile, as at the real Zoom. Each further Hold of the same
// kind holds one more call. A held call goes on with Release, with Close, or
// after a minute.
func (s *Server) Hold(call Call, stage Stage) *Gate {
	g := &Gate{arrived: make(chan struct{}), release: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := callStage{call, stage}
	s.gates[at] = append(s.gates[at], g)
	return g
}

// Arrived returns a channel that is closed when the gate holds its call.
func (g *Gate) Arrived() <-chan struct{} {
	return g.arrived
}

// Release lets the held call go on. Released early, the gate holds nothing.
func (g *Gate) Release() {
	g.once.Do(func() { close(g.release) })
}

// takeGate returns the gate that is to hold this call, or nil.
func (s *Server) takeGate(call Call, stage Stage) *Gate {
	for _, at := range []callStage{{call, stage}, {CallAny, stage}} {
		if queue := s.gates[at]; len(queue) > 0 {
			s.gates[at] = queue[1:]
			return queue[0]
		}
	}
	return nil
}

func (g *Gate) wait(closed context.Context) {
	if g == nil {
		return
	}
	close(g.arrived)
	timer := time.NewTimer(maxHold)
	defer timer.Stop()
	select {
	case <-g.release:
	case <-closed.Done():
	case <-timer.C:
	}
}
