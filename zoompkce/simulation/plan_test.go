package simulation

import (
	"math/rand/v2"
	"time"
)

// A plan is what a run does, as far as the world decides it: which troubles
// there are at all, and the steps one after the other. It follows from the
// seed, and steps can be left out of it.
type plan struct {
	seed uint64
	climate
	steps []step
}

// step is one thing that somebody does, a while after the one before.
type step struct {
	number int // in the whole plan: its luck goes with it when others are left out
	after  time.Duration
	does   action
	who    [3]uint32 // chooses among what is there when the time has come
	fair   bool      // until the next step nothing goes wrong by chance
}

func (s step) pick(i, n int) int { return int(s.who[i] % uint32(n)) }

// action is a kind of step.
type action int

const (
	request action = iota
	signIn
	finish
	signOut
	replay
	endUser
	deauthorize
	deliver
	tokenDies
	reload
	kill
	skew
	rollOut
	storeReadOnly
	storeDown
	storeGoesBack
	secretVanishes
	allow // from here on by programs
	redeem
	bearer
	turn
	revoke
	steal
	actions
)

// climate is which troubles a run knows: few of them at a time find more than
// all of them together.
type climate struct {
	generated bool // the secret is kept in the store
	skewed    bool
	life      time.Duration // of access tokens
	sync      time.Duration // how old a record in memory may be
	pace      time.Duration // between steps
	users     int           // how many there are; 0: all. One alone has all events in one record

	programs bool // are allowed

	store, zoom trouble
	weight      [actions]float64
}

// trouble is how likely it is what happens to a call.
type trouble struct {
	tail     float64 // takes long
	longest  time.Duration
	fails    float64 // does not get there
	drops    float64 // takes effect, and the answer is lost
	conflict float64 // store: somebody else was there; Zoom: 5xx or 429
}

// usual is how often steps of a kind come, where the climate has them.
var usual = [actions]float64{
	request: 50, signIn: 7, finish: 9, signOut: 4, replay: 5,
	endUser: 2, deauthorize: 2, deliver: 3, tokenDies: 3, reload: 2, kill: 2, skew: 1, rollOut: 3,
	storeReadOnly: 1.5, storeDown: 1.5, storeGoesBack: 1, secretVanishes: 0.7,
	allow: 8, redeem: 10, bearer: 20, turn: 10, revoke: 1.5, steal: 1,
}

func newPlan(seed uint64, steps int) *plan {
	r := rand.New(rand.NewPCG(seed, 0))
	p := &plan{seed: seed, climate: newClimate(r)}
	total := 0.0
	for _, weight := range p.weight {
		total += weight
	}
	for number := range steps {
		s := step{number: number, after: p.gap(r)}
		left := r.Float64() * total
		for s.does = 0; s.does < actions-1 && left >= p.weight[s.does]; s.does++ {
			left -= p.weight[s.does]
		}
		for i := range s.who {
			s.who[i] = r.Uint32()
		}
		p.steps = append(p.steps, s)
	}
	return p
}

func newClimate(r *rand.Rand) (c climate) {
	some := func(p float64) bool { return r.Float64() < p }
	c.generated = some(0.3)
	c.skewed = some(0.35)
	c.life = []time.Duration{20 * time.Second, time.Minute, 3 * time.Minute}[r.IntN(3)]
	c.sync = []time.Duration{2 * time.Second, 10 * time.Second, time.Minute}[r.IntN(3)]
	c.pace = []time.Duration{30 * time.Millisecond, 300 * time.Millisecond, 3 * time.Second}[r.IntN(3)]
	c.users = []int{1, 2, 0, 0}[r.IntN(4)]
	chance := func(f *float64, p, least, most float64) {
		if some(p) {
			*f = least + r.Float64()*(most-least)
		}
	}
	chance(&c.store.tail, 0.6, 0.01, 0.2)
	c.store.longest = []time.Duration{300 * time.Millisecond, time.Second, 4 * time.Second}[r.IntN(3)]
	chance(&c.store.fails, 0.25, 0.005, 0.05)
	chance(&c.store.drops, 0.25, 0.005, 0.05)
	chance(&c.store.conflict, 0.3, 0.01, 0.2)
	chance(&c.zoom.tail, 0.4, 0.02, 0.2)
	c.zoom.longest = []time.Duration{time.Second, 14 * time.Second}[r.IntN(2)]
	chance(&c.zoom.fails, 0.2, 0.01, 0.1)
	chance(&c.zoom.drops, 0.2, 0.01, 0.1)
	chance(&c.zoom.conflict, 0.3, 0.01, 0.2)
	c.weight = usual
	c.programs = some(0.4)
	for a := allow; a < actions && !c.programs; a++ {
		c.weight[a] = 0
	}
	for a := endUser; a < allow; a++ {
		if some(0.55) {
			c.weight[a] = 0
		}
	}
	if !c.skewed {
		c.weight[skew] = 0
	}
	if c.generated {
		c.weight[rollOut] = 0
	} else {
		c.weight[secretVanishes] = 0
	}
	if c.weight[deauthorize] == 0 {
		c.weight[deliver] = 0
	}
	return c
}

// gap is how long after the step before: most often together with it or soon,
// at times after everything has been quiet for a while.
func (c *climate) gap(r *rand.Rand) time.Duration {
	switch p := r.Float64(); {
	case p < 0.3:
		return time.Duration(r.Int64N(int64(5 * time.Millisecond)))
	case p < 0.97:
		return time.Duration(r.ExpFloat64() * float64(c.pace))
	}
	return c.life/2 + time.Duration(r.Int64N(int64(c.life)))
}
