package zoompkce

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// ManagerConfig configures a [Manager].
type ManagerConfig struct {
	// Client speaks to Zoom. Required.
	Client *Client
	// Store keeps the user records. Required.
	Store Store
	// State is what is kept in memory, shared by all managers of one app. Default: a new one.
	State *State

	// Secrets seal cookies and records: the first one seals, all open. Default:
	// one secret, generated once and kept in the store.
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

	// Observe is told what happens. It is called from any goroutine and must
	// return soon. Default: nobody is told.
	Observe func(Event)
}

// Manager signs visitors in and out and gives their requests what they need:
// an identity, a valid access token, a fresh ZAK. It is safe for concurrent use.
type Manager struct {
	client  *Client
	store   Store
	state   *State
	jar     *cookieJar
	life    sessionLife
	margin  time.Duration
	sync    time.Duration
	timeout time.Duration
	observe func(Event)

	keys atomic.Pointer[keys]

	// Work that does not belong to one request is counted, and runs under
	// background where it goes on by itself.
	background context.Context
	stop       context.CancelFunc
	work       workGroup
}

// NewManager returns a manager. It does no I/O.
func NewManager(cfg ManagerConfig) (*Manager, error) {
	if cfg.Client == nil || cfg.Store == nil {
		return nil, errors.New("a manager needs a client and a store")
	}
	m := &Manager{
		client:  cfg.Client,
		store:   cfg.Store,
		state:   cfg.State,
		jar:     newCookieJar(cfg.Cookies, cfg.Client.AppID()),
		life:    sessionLife{or(cfg.IdleTimeout, 24*time.Hour), or(cfg.MaxLifetime, 720*time.Hour), or(cfg.MaxSessions, 50)},
		margin:  or(cfg.RefreshMargin, 5*time.Minute),
		sync:    or(cfg.SyncInterval, 10*time.Second),
		timeout: cfg.Client.timeout,
		observe: cfg.Observe,
	}
	if m.state == nil {
		m.state = NewState()
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
	m.background, m.stop = context.WithCancel(context.Background())
	return m, nil
}

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// Drain ends the work that goes on by itself and waits for what is under way,
// while requests may still come and be served: what was begun with this
// manager's store is finished before the store goes away. Tokens that cannot be
// saved stay in the State, for the next manager to save.
func (m *Manager) Drain() {
	m.stop()
	m.work.wait()
}

// Close is Drain, after which nothing is begun any more.
func (m *Manager) Close() {
	m.work.close()
	m.Drain()
}

// run does work in the background, unless the manager is closed.
func (m *Manager) run(f func(context.Context)) {
	if !m.work.begin() {
		return
	}
	go func() {
		defer m.work.done()
		f(m.background)
	}()
}

// runOnce does work in the background that need not be done twice at a time:
// running is set meanwhile.
func (m *Manager) runOnce(running *atomic.Bool, f func(context.Context)) {
	if !running.CompareAndSwap(false, true) {
		return
	}
	if !m.work.begin() {
		running.Store(false)
		return
	}
	go func() {
		defer m.work.done()
		defer running.Store(false)
		f(m.background)
	}()
}

var errClosing = errors.New("the server is being reconfigured")

// share does a piece of work once for all who want it at the same time, and
// waits for the outcome no longer than patience and ctx allow. The work goes on
// when nobody waits any more: it does not belong to the one who came first.
func (m *Manager) share(ctx context.Context, u *user, what string, patience time.Duration, work func(context.Context) error) error {
	result := m.state.flights.DoChan(what+string(u.key[:]), func() (any, error) {
		if !m.work.begin() {
			return nil, errClosing
		}
		defer m.work.done()
		return nil, work(context.WithoutCancel(ctx))
	})
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case r := <-result:
		return r.Err
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return errPatience
	}
}

// errPatience ends a wait for shared work, which goes on.
var errPatience = fmt.Errorf("waited too long: %w", context.DeadlineExceeded)

// StoreError is trouble with the session store: it says nothing about whether
// anybody is signed in.
type StoreError struct {
	Op  string
	Err error
}

func (e *StoreError) Error() string { return e.Op + ": " + e.Err.Error() }
func (e *StoreError) Unwrap() error { return e.Err }

func (m *Manager) storeError(op string, err error) *StoreError {
	m.observe(Event{Kind: EventStoreError, Outcome: op, Err: err})
	return &StoreError{op, err}
}

// storeTimeout bounds one access to the session store.
const storeTimeout = 10 * time.Second

// loadKeys returns the keys. A generated secret is looked up on first use.
func (m *Manager) loadKeys(ctx context.Context) (*keys, error) {
	if k := m.keys.Load(); k != nil {
		return k, nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	secret, err := GeneratedSecret(ctx, m.store, m.client.AppID())
	if err != nil {
		return nil, m.storeError("loading the generated cookie secret", err)
	}
	k, err := newKeys(m.client.AppID(), [][]byte{secret})
	if err != nil {
		return nil, m.storeError("loading the generated cookie secret", err)
	}
	m.keys.CompareAndSwap(nil, k)
	return m.keys.Load(), nil
}

// GeneratedSecret returns the cookie secret that is kept in the store itself,
// and creates it if there is none. However many processes begin together, all
// get the same one. A store that cannot be read is an error: a second secret would
// end every session.
func GeneratedSecret(ctx context.Context, store Store, appID string) ([]byte, error) {
	key := storePrefix + appID + "/secret"
	fresh := make([]byte, MinSecretLen)
	rand.Read(fresh)
	for range 3 {
		secret, _, err := store.Load(ctx, key)
		if err == nil && len(secret) != MinSecretLen {
			return nil, fmt.Errorf("what is stored as %s is no cookie secret", key)
		}
		if err == nil || !errors.Is(err, ErrNotFound) {
			return secret, err
		}
		_, err = store.Swap(ctx, key, "", fresh, time.Time{})
		if err == nil {
			return fresh, nil
		}
		if !errors.Is(err, ErrConflict) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("creating %s: %w", key, ErrConflict)
}

// OwnsCookie reports whether a cookie is one this manager sets. Such
// cookies are nobody else's business: they should not be handed on.
func (m *Manager) OwnsCookie(name string) bool { return m.jar.owns(name) }

// SessionCookieName is the name of the session cookie.
func (m *Manager) SessionCookieName() string { return m.jar.base }

// Cookie returns a small cookie for a purpose of the caller's, with the name
// and the attributes of all others. A life of 0 deletes it.
func (m *Manager) Cookie(suffix, value string, life time.Duration) *http.Cookie {
	return m.jar.cookie(m.jar.name(suffix), value, life)
}

// CookieValue returns the value of such a cookie, "" if there is none.
func (m *Manager) CookieValue(cookies []string, suffix string) string {
	if values := cookieValues(cookies, m.jar.name(suffix)); len(values) > 0 {
		return values[0]
	}
	return ""
}

// ClearCookies returns the deletion of every cookie of this app that the
// request carries, the session cookie always among them.
func (m *Manager) ClearCookies(cookies []string) []*http.Cookie {
	deletions := []*http.Cookie{m.jar.deletion(m.jar.base)}
	done := map[string]bool{m.jar.base: true}
	for _, c := range m.jar.ownCookies(cookies) {
		if !done[c.Name] {
			done[c.Name] = true
			deletions = append(deletions, m.jar.deletion(c.Name))
		}
	}
	return deletions
}
