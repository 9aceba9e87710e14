package telemetry

import (
	"sync"
	"sync/atomic"
	"time"
)

// linesPerSecond is how often one thing is logged that anybody can bring about.
const linesPerSecond = 10

// LogLimit bounds the log lines that visitors without a session cause: ten a second
// for each code. Its zero value is ready for use.
type LogLimit struct {
	lines sync.Map // of *lines, by code
}

// Admit reports whether a line with a code may be written now, and how many were
// left out since the last one. Codes are a closed set.
func (l *LogLimit) Admit(code string, now time.Time) (leftOut uint64, ok bool) {
	of, known := l.lines.Load(code)
	if !known {
		of, _ = l.lines.LoadOrStore(code, new(lines))
	}
	return of.(*lines).admit(now)
}

// lines counts those of one code.
type lines struct {
	shown   atomic.Uint64 // the second, and in the last byte how many in it
	leftOut atomic.Uint64
}

func (l *lines) admit(now time.Time) (leftOut uint64, ok bool) {
	second := uint64(now.Unix()) << 8
	for {
		shown := l.shown.Load()
		next := second + 1
		if shown&^0xff == second {
			next = shown + 1
		}
		if next&0xff > linesPerSecond {
			l.leftOut.Add(1)
			return 0, false
		}
		if l.shown.CompareAndSwap(shown, next) {
			return l.leftOut.Swap(0), true
		}
	}
}
