package simulation

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// shrink looks for the least of a plan that is broken in the same way: without
// whole troubles, without steps, without bad luck between them. It tries at most so often.
func shrink(t *testing.T, p *plan, was *breach, tries int) *plan {
	t.Helper()
	still := func(q *plan) bool {
		if tries--; tries < 0 {
			return false
		}
		broken := run(t, q, nil)
		return broken != nil && broken.way() == was.way()
	}
	attempt := func(change func(*plan)) bool {
		q := &plan{seed: p.seed, climate: p.climate, steps: slices.Clone(p.steps)}
		change(q)
		if !still(q) {
			return false
		}
		p = q
		return true
	}
	for _, without := range []func(*plan){
		func(q *plan) {
			q.skewed = false
			q.steps = slices.DeleteFunc(q.steps, func(s step) bool { return s.does == skew })
		},
		func(q *plan) { q.store = trouble{} },
		func(q *plan) { q.zoom = trouble{} },
		func(q *plan) { q.store.tail = 0 },
		func(q *plan) { q.store.conflict = 0 },
		func(q *plan) { q.store.fails, q.store.drops = 0, 0 },
		func(q *plan) { q.zoom.tail = 0 },
		func(q *plan) { q.zoom.conflict = 0 },
		func(q *plan) { q.zoom.fails, q.zoom.drops = 0, 0 },
	} {
		attempt(without)
	}
	for less := true; less && tries > 0; {
		less = false
		for size := len(p.steps) / 2; size > 0; size /= 2 {
			for at := len(p.steps) - size; at >= 0; at -= size {
				less = attempt(func(q *plan) { q.steps = slices.Delete(q.steps, at, at+size) }) || less
			}
		}
	}
	for n := range p.steps {
		attempt(func(q *plan) { q.steps[n].fair = true })
	}
	return p
}

// String is the plan as Go: what a test is made of that pins it.
func (p *plan) String() string {
	var b strings.Builder
	c := p.climate
	fmt.Fprintf(&b, "&plan{seed: %d, climate: climate{generated: %v, skewed: %v, life: %d, sync: %d, users: %d, programs: %v, store: %v, zoom: %v}, steps: []step{\n",
		p.seed, c.generated, c.skewed, c.life, c.sync, c.users, c.programs, c.store, c.zoom)
	for _, s := range p.steps {
		fmt.Fprintf(&b, "\t{%d, %d, %v, [3]uint32{%d, %d, %d}, %v},\n", s.number, s.after, s.does, s.who[0], s.who[1], s.who[2], s.fair)
	}
	b.WriteString("}}")
	return b.String()
}

func (t trouble) String() string {
	return fmt.Sprintf("trouble{tail: %v, longest: %d, fails: %v, drops: %v, conflict: %v}", t.tail, t.longest, t.fails, t.drops, t.conflict)
}

func (a action) String() string {
	return [...]string{
		"request", "signIn", "finish", "signOut", "replay", "endUser", "deauthorize", "deliver", "tokenDies", "reload", "kill",
		"skew", "rollOut", "storeReadOnly", "storeDown", "storeGoesBack", "secretVanishes",
		"allow", "redeem", "bearer", "turn", "revoke", "steal",
	}[a]
}
