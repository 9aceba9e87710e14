package zoomtest

import (
	"maps"
	"net/http"
)

// A Stage is a moment in the handling of a call.
type Stage int

// The stages.
const (
	// Before is when the call has arrived and nothing has changed yet.
	Before Stage = iota

	// After is when the call has been processed, with all its effects, and
	// its answer has not been sent.
	After
)

// traffic is what a Server knows and arranges about its calls, apart from
// what they mean.
type traffic struct {
	counts   map[callUser]int
	recorded map[Call][]RecordedRequest
	faults   map[faultKey][]*fault
	gates    map[callStage][]*Gate
}

type callUser struct {
	call   Call
	userID string // empty: everybody
}

type callStage struct {
	call  Call
	stage Stage
}

type faultKey struct {
	callUser
	stage Stage
}

// A fault answers the next calls instead of Zoom.
type fault struct {
	times   int // < 0: until restored
	handler http.Handler
}

func newTraffic() traffic {
	return traffic{
		counts:   map[callUser]int{},
		recorded: map[Call][]RecordedRequest{},
		faults:   map[faultKey][]*fault{},
		gates:    map[callStage][]*Gate{},
	}
}

// Fail has the next calls of a kind answered by h and not processed: times of
// them, or all until Restore if times is negative. Faults of one kind queue up:
// a second Fail takes over when the first is used up. CallAny faults apply to
// calls without a fault of their own kind.
func (s *Server) Fail(call Call, times int, h http.Handler) {
	s.addFault(faultKey{callUser{call, ""}, Before}, times, h)
}

// FailUser is Fail for the calls of one user alone, told by the code or token
// that comes with them. It goes before faults that concern everybody.
func (s *Server) FailUser(userID string, call Call, times int, h http.Handler) {
	s.addFault(faultKey{callUser{call, userID}, Before}, times, h)
}

// FailAfter is like Fail, except that the calls are processed first: Zoom did
// its part, and only its answer is lost.
func (s *Server) FailAfter(call Call, times int, h http.Handler) {
	s.addFault(faultKey{callUser{call, ""}, After}, times, h)
}

func (s *Server) addFault(at faultKey, times int, h http.Handler) {
	if times == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[at] = append(s.faults[at], &fault{times, h})
}

// Restore ends all faults of a kind of call; CallAny those of every kind.
func (s *Server) Restore(call Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.faults, func(at faultKey, _ []*fault) bool {
		return call == CallAny || at.call == call
	})
}

// takeFault uses up one fault, if there is one.
func (s *Server) takeFault(q *request, stage Stage) http.Handler {
	for _, of := range []callUser{{q.call, q.userID}, {CallAny, q.userID}, {q.call, ""}, {CallAny, ""}} {
		at := faultKey{of, stage}
		queue := s.faults[at]
		if len(queue) == 0 {
			continue
		}
		f := queue[0]
		if f.times--; f.times == 0 {
			s.faults[at] = queue[1:]
		}
		return f.handler
	}
	return nil
}
