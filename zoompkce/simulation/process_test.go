package simulation

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// process is one of the servers. It is killed and comes back as another
// incarnation.
type process struct {
	name  string
	ahead time.Duration // of true time; the world translates what it writes and reads
	stage int           // of the rotation of secrets
	*incarnation
}

// incarnation is a process from its start to its end: one State, and one
// manager after the other.
type incarnation struct {
	*world
	process *process
	id      int
	killed  atomic.Bool
	state   *zoompkce.Memory
	manager *served
	owner   string // how it signs leases

	known map[*user]knowledge
}

// knowledge is what a process was told of a user.
type knowledge struct {
	newest    token
	at        time.Time
	readFrom  time.Time // when the last reading that was answered began
	readAt    time.Time // when it was answered
	failed    time.Time // when a reading was last not answered
	refused   time.Time // when a write was last not taken, or what a write needs had no answer
	foundNone time.Time // when the last reading that found no grant began

	leased time.Time // when it last took the lease

	last      *view     // the record that was last heard of
	seq       uint64    // the highest number of one
	seqAt     time.Time // when the call was made that told the record it takes for the newest
	overtaken bool      // the store went back, and others have counted on from there as far as that number
}

// count notes the number of a record. A higher one is the newer record whatever the order of
// the answers: one from before the store went back may come after one from later on.
func (k *knowledge) count(u *user, v *view, c *call) {
	if v == nil {
		return
	}
	if v != k.last && v.Seq >= k.seq {
		k.overtaken = k.overtaken || u.wentBack.After(k.seqAt)
	}
	if v.Seq > k.seq || c.made.After(k.seqAt) {
		k.seqAt = c.made
	}
	k.last, k.seq = v, max(k.seq, v.Seq)
}

// served is a manager and the work that requests do with it.
type served struct {
	*zoompkce.Manager
	sync.WaitGroup
}

// serve returns the manager that serves now. Done of it ends the request.
func (i *incarnation) serve() *served {
	i.manager.Add(1)
	return i.manager
}

func (i *incarnation) String() string {
	return fmt.Sprintf("%s/%d", i.process.name, i.id)
}

func (w *world) start(p *process) {
	w.starts++
	i := &incarnation{world: w, process: p, id: w.starts, state: zoompkce.NewMemory(), known: map[*user]knowledge{}}
	p.incarnation = i
	i.manager = i.newManager()
}

func (i *incarnation) newManager() *served {
	client, err := zoomapi.NewClient(zoomapi.Config{
		ClientID: clientID, ClientSecret: "app-secret", HTTPClient: &http.Client{Transport: &carrier{i.zoom, i}},
	})
	if err != nil {
		panic(err)
	}
	store := &handle{store: i.store, by: i}
	cfg := zoompkce.ManagerConfig{
		Client: client, Store: store, Memory: i.state, Observe: i.observe,
		RefreshMargin: i.plan.life / 5, SyncInterval: i.plan.sync,
	}
	if i.plan.programs {
		cfg.Programs = programsLive
	}
	if !i.plan.generated {
		cfg.Secrets = i.secretsAt(i.process.stage)
		for _, secret := range cfg.Secrets {
			store.keys = append(store.keys, deriveRecordKey(i.app, secret))
		}
	}
	m, err := zoompkce.NewManager(cfg)
	if err != nil {
		panic(err)
	}
	return &served{Manager: m}
}

func (i *incarnation) observe(e zoompkce.Event) {
	if e.Err != nil && strings.Contains(e.Err.Error(), "went back") {
		i.mu.Lock()
		i.saidBack = append(i.saidBack, e.UserID)
		i.mu.Unlock()
	}
	if e.Kind == zoompkce.EventPanic {
		i.panicked.CompareAndSwap(nil, &e.Err)
	}
}

// secretsAt are the secrets of one rollout: a new one is first added last, then
// moved to the front. The former ones stay, since records under them do.
func (w *world) secretsAt(stage int) (list [][]byte) {
	add := func(n int) {
		list = append(list, fmt.Appendf(nil, "cookie secret number %d, long enough to be one", n))
		w.audit.learn(list[len(list)-1])
	}
	for n := stage / 2; n >= 0; n-- {
		add(n)
	}
	if stage%2 == 1 {
		add(stage/2 + 1)
	}
	return list
}

// reload puts a new manager in the place of the one there is, which goes on
// with what it has begun.
func (i *incarnation) reload() {
	old := i.manager
	i.manager = i.newManager()
	i.retire(old, false)
}

// retire closes a manager when the requests it serves have ended, and with the last one the state.
func (i *incarnation) retire(m *served, last bool) {
	i.do(&op{kind: "close", bound: 2 * time.Minute, settle: func() {}}, func(o *op) {
		m.Drain()
		m.Wait()
		i.yield(o.context(), i) // what the last request has left to the background begins first
		m.Close()
		if last {
			i.state.Close()
		}
	})
}

// kill ends an incarnation as a power cut does: nothing it does from now on
// reaches anybody. What was on its way may still take effect.
func (i *incarnation) kill(luck func() bool) {
	i.note("%s is killed", i)
	i.killed.Store(true)
	var left []*call
	for _, c := range i.calls {
		if c.by != i {
			left = append(left, c)
			continue
		}
		if !c.acted && c.kind != "yield" && luck() {
			left = append(left, c.orphan())
		} else if c.acted {
			c.loses()
		}
		c.err = errKilled
		close(c.done)
	}
	i.calls = left
	for _, u := range i.users {
		if g := u.grant; g != nil && !g.dead && g.issues[g.serial].to == i && g.saved < g.serial {
			g.issues[g.serial].lost = true
			u.doom("it was given to a process that was killed")
		}
	}
	i.retire(i.manager, true)
}

// orphan is a call whose maker is gone and that is on its way all the same.
func (c *call) orphan() *call {
	o := &call{
		by: c.by, op: c.op, kind: c.kind, on: c.on, effect: c.effect, lost: c.lost,
		weather: c.weather, made: c.made, due: c.due, done: make(chan struct{}),
	}
	o.gone.Store(true)
	return o
}

// learn: the process was given a token.
func (i *incarnation) learn(t token) {
	k := i.known[t.grant.user]
	if k.newest.before(t) {
		k.newest = t
	}
	k.at = time.Now()
	i.known[t.grant.user] = k
}

func (i *incarnation) hasRead(u *user, v *view, c *call) {
	if c.err != nil && !errors.Is(c.err, zoompkce.ErrNotFound) {
		i.hasNotRead(u)
		return
	}
	k := i.known[u]
	if c.made.After(k.readFrom) {
		k.readFrom, k.readAt = c.made, time.Now()
	}
	if v == nil || v.Grant == nil {
		k.foundNone = c.made
	}
	k.count(u, v, c)
	i.known[u] = k
	if v != nil && v.Grant != nil {
		i.learn(i.zoom.tokens[v.Grant.AccessToken])
	}
}

func (i *incarnation) hasNotRead(u *user) {
	k := i.known[u]
	k.failed = time.Now()
	i.known[u] = k
}

func (i *incarnation) hasWritten(u *user, v *view, c *call) {
	if c.err == nil {
		k := i.known[u]
		k.count(u, v, c)
		i.known[u] = k
	}
	if c.err != nil && !errors.Is(c.err, zoompkce.ErrConflict) {
		i.hasNotSaved(u)
	}
}

// hasNotSaved: the store did not take what was to be saved, or Zoom did not say
// whether it is to be.
func (i *incarnation) hasNotSaved(u *user) {
	k := i.known[u]
	k.refused = time.Now()
	i.known[u] = k
}
