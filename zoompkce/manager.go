// Package zoompkce keeps people signed in with Zoom: sessions in sealed cookies, one
// shared token set for each user in a store, refreshes that happen once, and
// short-lived Zoom access keys (ZAK) fetched when they are needed. What users allow
// to act for them, programs, has tokens of its own. It speaks to Zoom
// through package zoomapi only, knows nothing of Caddy and works behind plain net/http:
// package protect puts it in front of a handler.
//
// Where a method takes cookies []string, they are the Cookie header fields of the
// request as they came, r.Header["Cookie"]: a browser may send several cookies of one
// name, and who signs in or out is decided over all of them.
package zoompkce

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// ManagerConfig configures a [Manager].
type ManagerConfig struct {
	// Client speaks to Zoom. Required.
	Client *zoomapi.Client
	// Store keeps the user records. Required.
	Store Store
	// Memory is what is kept in memory, shared by all managers of one app. Default:
	// a new one, which Close closes.
	Memory *Memory

	// Secrets seal cookies and records: the first one seals, all open, and so does a
	// generated one that the store still holds. Default: one secret, generated once and
	// kept in the store.
	Secrets [][]byte
	// Cookies says how cookies are named and to whom they are sent.
	Cookies CookieConfig

	// RefreshMargin is how long before its expiry a token is refreshed. Default: 5m.
	RefreshMargin time.Duration
	// IdleTimeout ends a session that was not used for so long. Default: 24h.
	IdleTimeout time.Duration
	// MaxLifetime ends a session however much it is used. Default: 720h.
	MaxLifetime time.Duration
	// SyncInterval is how old a user record in memory may be. Default: 10s.
	SyncInterval time.Duration
	// MaxSessions is how many sessions a user may have; the longest unseen one
	// goes first. Default: 50.
	MaxSessions int

	// Programs lets programs sign in. Default: none.
	Programs *ProgramConfig

	// KeepGrants is how long a grant stays after the user's last session or program
	// has ended, for [Manager.UserSession]. The longest that a manager of the Memory
	// wants counts. Default: 0.
	KeepGrants time.Duration

	// Observe is told what happens. It is called from any goroutine and must
	// return soon. Default: nobody is told.
	Observe func(Event)
}

// Manager signs visitors in and out and gives their requests what they need:
// an identity, a valid access token, a fresh ZAK. It is safe for concurrent use.
type Manager struct {
	client    *zoomapi.Client
	store     Store
	memory    *Memory
	ownMemory bool
	jar       *cookieJar
	life      sessionLife
	lives     func(ProgramClient) bool // nil: programs are not let in
	margin    time.Duration
	sync      time.Duration
	timeout   time.Duration
	observe   func(Event)

	trial      trial
	keys       atomic.Pointer[keys]
	keyFlights singleflight.Group
	secretSeen atomic.Int64  // when the generated secret was last looked at, in Unix nanoseconds
	patient    chan struct{} // the places of those who wait for a look at it

	began        time.Time
	formerSought atomic.Bool // a generated secret that the operator's own have replaced; see withFormer

	// Work that does not belong to one request is counted, and runs under
	// background where it goes on by itself.
	background context.Context
	stop       context.CancelFunc
	work       workGroup
}

// NewManager returns a manager. It does no I/O, but for saving tokens that
// earlier managers of the Memory could not save. Close it after use.
func NewManager(cfg ManagerConfig) (*Manager, error) {
	if cfg.Client == nil || cfg.Store == nil {
		return nil, errors.New("a manager needs a client and a store")
	}
	if cfg.Programs != nil && cfg.Programs.Lives == nil {
		return nil, errors.New("a manager that lets programs in needs to know whose count")
	}
	m := &Manager{
		client: cfg.Client,
		store:  cfg.Store,
		memory: cfg.Memory,
		jar:    newCookieJar(cfg.Cookies, cfg.Client.AppID()),
		life: sessionLife{
			idle:  cmp.Or(cfg.IdleTimeout, 24*time.Hour),
			max:   cmp.Or(cfg.MaxLifetime, 720*time.Hour),
			count: cmp.Or(cfg.MaxSessions, 50),

			programs: newProgramLife(cfg.Programs),
			keep:     cfg.KeepGrants,
		},
		margin:  cmp.Or(cfg.RefreshMargin, 5*time.Minute),
		sync:    cmp.Or(cfg.SyncInterval, 10*time.Second),
		timeout: cfg.Client.Timeout(),
		observe: cfg.Observe,
		trial:   newTrial(),
		patient: make(chan struct{}, maxPatient),
		began:   time.Now(),
	}
	if cfg.Programs != nil {
		m.lives = cfg.Programs.Lives
	}
	if m.observe == nil {
		m.observe = func(Event) {}
	}
	if len(cfg.Secrets) > 0 {
		k, err := newKeys(cfg.Client.AppID(), cfg.Secrets)
		if err != nil {
			return nil, err
		}
		m.keys.Store(k)
	}
	if m.memory == nil {
		m.memory, m.ownMemory = NewMemory(), true
	}
	m.background, m.stop = context.WithCancel(context.Background())
	m.memory.enter(m)
	return m, nil
}

// Drain ends the work that goes on by itself and waits for what is under way,
// while requests may still come and be served: what was begun with this
// manager's store is finished before the store goes away. Tokens that cannot be
// saved stay in the Memory, for the next manager to save.
func (m *Manager) Drain() {
	m.memory.leave(m)
	m.stop()
	m.work.wait()
}

// Close is Drain, after which nothing is begun any more.
func (m *Manager) Close() {
	m.memory.leave(m) // first: who is in it can always begin something
	m.work.close()
	m.Drain()
	if m.ownMemory {
		m.memory.Close()
	}
}

// StoreError is trouble with the session store: it says nothing about whether
// anybody is signed in.
type StoreError struct {
	Op  string // what was being done
	Err error
}

func (e *StoreError) Error() string { return e.Op + ": " + e.Err.Error() }

// Unwrap returns the store's error, or an [*UnopenableError].
func (e *StoreError) Unwrap() error { return e.Err }

func (m *Manager) storeError(op string, err error) *StoreError {
	m.observe(Event{Kind: EventStoreError, Outcome: op, Err: err})
	return &StoreError{op, err}
}

const (
	// storeTimeout bounds one change of a record that nobody waits for, or that
	// must not be lost.
	storeTimeout = 10 * time.Second
	// storePatience is how long a request waits for the session store.
	storePatience = 2 * time.Second
)
