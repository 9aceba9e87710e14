//go:build unix

package main

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// fault is one mistake that can be woken.
type fault struct {
	room, function string
	what           string // "turned: a == b"
	file           *source
	line           int
	number         int // what wakes it
	edit           edit
	idle           bool // not to be planted
	noticed        bool
}

// key identifies a fault in the list of those that change nothing.
func (f *fault) key() string { return f.room + "\t" + f.function + "\t" + f.what }

func (f *fault) String() string {
	return fmt.Sprintf("%s/%s:%d\t%s\t%s", f.room, f.file.name, f.line, f.function, f.what)
}

// choose picks the faults to try: the same ones as long as their functions stay as
// they are, whatever else is changed in the room.
func choose(faults []*fault, o options) []*fault {
	chosen := slices.Clone(faults)
	if o.only != nil {
		chosen = slices.DeleteFunc(chosen, func(f *fault) bool { return !o.only.MatchString(f.String()) })
	}
	if o.count <= 0 || len(chosen) <= o.count {
		return chosen
	}
	rank := func(f *fault) string { // not FNV: its sums of alike texts are neighbours
		sum := sha256.Sum256(fmt.Appendf(nil, "%d\t%s", o.seed, f.key()))
		return string(sum[:])
	}
	slices.SortFunc(chosen, func(a, b *fault) int { return strings.Compare(rank(a), rank(b)) })
	chosen = chosen[:o.count]
	slices.SortFunc(chosen, func(a, b *fault) int { return a.number - b.number })
	return chosen
}

// edit puts text around a piece of a source, and in place of its operator.
type edit struct {
	start, end    int // bytes
	before, after string

	operator int // where it stands
	old, new string
}

// applied returns text with all edits, which nest as their pieces do. Of two edits of
// one piece the first is the outer one.
func applied(text string, edits []edit) string {
	type insertion struct {
		at, until int
		text      string
		closes    bool
		width     int // of the piece
		nth       int
	}
	var all []insertion
	for i, e := range edits {
		all = append(all,
			insertion{at: e.start, until: e.start, text: e.before, width: e.end - e.start, nth: i},
			insertion{at: e.end, until: e.end, text: e.after, closes: true, width: e.end - e.start, nth: i})
		if e.old != "" {
			all = append(all, insertion{at: e.operator, until: e.operator + len(e.old), text: e.new})
		}
	}
	slices.SortFunc(all, func(a, b insertion) int {
		switch {
		case a.at != b.at:
			return a.at - b.at
		case a.closes && b.closes:
			return cmp.Or(a.width-b.width, b.nth-a.nth)
		case a.closes:
			return -1
		case b.closes:
			return 1
		}
		return cmp.Or(b.width-a.width, a.nth-b.nth)
	})
	var out strings.Builder
	done := 0
	for _, i := range all {
		out.WriteString(text[done:i.at] + i.text)
		done = i.until
	}
	out.WriteString(text[done:])
	return out.String()
}
