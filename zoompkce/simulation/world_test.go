package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

const (
	clientID    = "client"
	callbackURI = "https://app.example/zoom_pkce/callback"
	processes   = 3
	browsers    = 3 // of each user
)

var userNames = []string{"ada", "bob", "cyd", "dan", "eve"}

// world is everything that is there: processes, browsers, a store, Zoom, and the
// network between them.
type world struct {
	plan  *plan
	story *story
	audit auditor
	app   string
	luck  *rand.Rand // of the step under way
	fair  bool       // likewise
	calm  bool       // no troubles any more
	over  bool       // all that is left is to close

	wellSince time.Time

	store     *store
	zoom      *zoom
	processes []*process
	starts    int
	users     []*user
	browsers  []*browser
	stage     int // of the rotation of secrets that all processes have reached

	mu       sync.Mutex
	arrived  []*call
	ended    []*op
	saidBack []string // for whom a process says that the store went back
	wake     chan struct{}

	calls    []*call
	ops      map[int]*op
	opNumber int
	pending  []*login

	programs      []*program
	programNumber int

	panicked atomic.Pointer[error]
	broken   *breach
}

func newWorld(p *plan, s *story) *world {
	w := &world{plan: p, story: s, wake: make(chan struct{}, 1), ops: map[int]*op{}, luck: rand.New(rand.NewPCG(p.seed, 1))}
	client, err := zoomapi.NewClient(zoomapi.Config{ClientID: clientID})
	if err != nil {
		panic(err)
	}
	w.app = client.AppID()
	w.audit.app = w.app
	w.store, w.zoom = newStore(w), newZoom(w)
	w.zoom.life = p.life
	names := userNames
	if p.users > 0 {
		names = names[:p.users]
	}
	for _, name := range names {
		u := &user{world: w, name: name, key: keyOfUser(w.app, name), tookOut: map[string]*incarnation{}}
		w.users = append(w.users, u)
		for n := range browsers {
			w.browsers = append(w.browsers, &browser{name: fmt.Sprintf("%s's browser %d", name, n+1), user: u, jar: map[string]string{}})
		}
	}
	for n := range processes {
		p := &process{name: fmt.Sprintf("p%d", n+1)}
		if w.plan.skewed {
			p.ahead = time.Duration(w.luck.Int64N(int64(time.Minute))) - 30*time.Second
		}
		w.processes = append(w.processes, p)
		w.start(p)
	}
	return w
}

func (w *world) userOf(key string) *user {
	for _, u := range w.users {
		if u.key == key {
			return u
		}
	}
	return nil
}

// op is one piece of work of a process that somebody waits for.
type op struct {
	id     int
	kind   string
	by     *incarnation
	began  time.Time
	bound  time.Duration
	settle func() // what follows from its outcome, for those who waited
	never  func() // in place of settle where they wait in vain

	session  *session // whose request it is
	opened   string   // the id of the session that it put into the record
	accepted bool
	login    *login
	grant    *grant // what a sign-in got from Zoom
}

func (o *op) number() int {
	if o == nil {
		return 0
	}
	return o.id
}

// do has a process work. Its outcome counts when nothing else runs.
func (i *incarnation) do(o *op, work func(*op)) {
	i.opNumber++
	o.id, o.by, o.began = i.opNumber, i, time.Now()
	i.ops[o.id] = o
	go func() {
		work(o)
		i.mu.Lock()
		i.ended = append(i.ended, o)
		i.mu.Unlock()
		i.nudge()
	}()
}

func (o *op) context() context.Context { return context.WithValue(context.Background(), opKey{}, o) }

// settle ends an op: a process that was killed has answered nobody.
func (w *world) settle(o *op) {
	w.answeredInTime(o, time.Now())
	if !o.by.killed.Load() || o.kind == "close" {
		o.settle()
	} else if o.never != nil {
		o.never()
	}
}

// weatherFor decides what happens to a call.
func (w *world) weatherFor(c *call) (x weather) {
	r := w.luck
	if c.kind == "yield" {
		return weather{out: time.Duration(1 + r.Int64N(int64(50*time.Microsecond)))}
	}
	travel := func() time.Duration { return time.Millisecond/2 + time.Duration(r.Int64N(int64(10*time.Millisecond))) }
	x.out, x.back = travel(), travel()
	if w.calm || w.fair {
		return x
	}
	trouble := w.plan.store
	if c.kind != "load" && c.kind != "swap" {
		trouble = w.plan.zoom
	}
	if r.Float64() < trouble.tail {
		late := time.Duration(r.Float64() * r.Float64() * float64(trouble.longest))
		if r.IntN(2) == 0 {
			x.out += late
		} else {
			x.back += late
		}
	}
	switch p := r.Float64(); {
	case p < trouble.fails:
		x.fails = true
	case p < trouble.fails+trouble.drops:
		x.drops = true
	case p < trouble.fails+trouble.drops+trouble.conflict:
		if x.status = 503; r.IntN(2) == 0 {
			x.status = 429
		}
	}
	if w.store.hangs && w.store.down.After(time.Now()) && (c.kind == "load" || c.kind == "swap") {
		x.out = time.Minute
	}
	return x
}

// written sees every change of a user record.
func (w *world) written(by *incarnation, u *user, was, is *view) {
	w.note("%s: writes %s: %s", by, u.name, w.describe(is))
	if was.dying() && !is.dying() {
		u.revived = time.Now()
		u.drop(was, is)
	}
	if !is.Ended.IsZero() {
		if was == nil || was.Ended.IsZero() {
			u.emptied = by
			u.endCodes()
		}
		u.ended = time.Now()
		u.grant.end("the user was ended")
		if by.killed.Load() {
			u.doom("it was ended by a process that was killed meanwhile")
		}
	}
	by.leases(u, was, is)
	by.takesOut(u, was, is)
	if left := len(is.Sessions) + len(is.Programs); left == 0 {
		u.grant.end(codesAlone)
	} else if u.grant != nil && u.grant.over == codesAlone {
		u.grant.over = ""
	}
	if is.Grant == nil {
		return
	}
	before, now := token{}, w.zoom.tokens[is.Grant.AccessToken]
	if was != nil && was.Grant != nil {
		before = w.zoom.tokens[was.Grant.AccessToken]
	}
	if g := now.grant; g.saved < now.serial || before != now {
		g.saved = max(g.saved, now.serial)
		g.issues[now.serial].savedAt = time.Now()
		if g.over == "the user was ended" && now.serial == g.serial {
			g.over = ""
		}
	}
	if was != nil && !was.Ended.IsZero() {
		w.tombstoneObeyed(by, u, was, now.grant)
	}
	w.neverGoesBack(by, u, before, now)
}

// leases sees leases come and go with a change of a record.
func (i *incarnation) leases(u *user, was, is *view) {
	if was != nil && was.Lease != nil && (is.Lease == nil || is.Lease.Owner != was.Lease.Owner) {
		u.freed.at, u.freed.owner = time.Now(), was.Lease.Owner
	}
	if is.Lease != nil && (was == nil || was.Lease == nil || *was.Lease != *is.Lease) {
		i.owner = is.Lease.Owner
		k := i.known[u]
		k.leased = time.Now()
		i.known[u] = k
	}
}

// leasedUntil is when the lease that it has ends by its clock. Where it is not in the store
// any more, or never was, it counts as taken now.
func (i *incarnation) leasedUntil(u *user) time.Time {
	if v := i.store.ofUser(u); v != nil && v.Lease != nil && v.Lease.Owner == i.owner {
		return v.Lease.Deadline.Add(-i.process.ahead)
	}
	return time.Now().Add(leaseLife)
}
