package simulation

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// story is what happened, in the words of the model.
type story struct {
	began time.Time
	lines []string
}

// line is one of its lines, "" beyond the last.
func (s *story) line(n int) string {
	if n < len(s.lines) {
		return s.lines[n]
	}
	return ""
}

func (s *story) String() string { return strings.Join(s.lines, "\n") }

// note tells the story, if somebody wants it. Only the world calls it, while
// everything else waits.
func (w *world) note(format string, args ...any) {
	if w.story != nil && !w.over {
		at := time.Since(w.story.began)
		w.story.lines = append(w.story.lines, fmt.Sprintf("%10.4fs  ", at.Seconds())+fmt.Sprintf(format, args...))
	}
}

// breach is an invariant that does not hold.
type breach struct {
	invariant string
	text      string
}

func (b *breach) Error() string { return b.invariant + ": " + b.text }

var particulars = regexp.MustCompile(`p\d/\d+|\d[\dmsµn.]*|ada|bob|cyd|dan|eve`)

// way is how it is broken, whoever was concerned.
func (b *breach) way() string { return particulars.ReplaceAllString(b.Error(), "") }

// breaks reports that an invariant does not hold. The first one ends the run.
func (w *world) breaks(invariant, format string, args ...any) {
	if w.broken == nil {
		w.broken = &breach{invariant, fmt.Sprintf(format, args...)}
		w.note("BROKEN %v", w.broken)
		w.over = true
	}
}
