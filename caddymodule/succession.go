package caddymodule

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// A reload starts the new configuration, then stops the old one and cleans up
// its modules in no order, and waits for no request: http.Server.Shutdown
// goes on in the background, and leaves a connection that was accepted but has sent
// nothing yet open for 5 seconds. So handlers get requests when their session
// store is long closed. Those requests are served with the store of the
// configuration that has taken over.

// running knows the handlers of the configuration that is running; of two,
// while one follows the other.
var running = &succession{sites: make(map[string][]*site)}

// succession finds out who takes over from a handler.
type succession struct {
	mu    sync.Mutex
	sites map[string][]*site // by app id, the newest last
}

func (r *succession) enter(s *site) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := s.client.AppID()
	r.sites[id] = append(r.sites[id], s)
}

func (r *succession) leave(s *site) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := s.client.AppID()
	left := slices.DeleteFunc(r.sites[id], func(other *site) bool { return other == s })
	if r.sites[id] = left; len(left) == 0 {
		delete(r.sites, id)
	}
}

// heirOf is a handler to take over from s, if s is not running and there is
// one. Those of an app are alike in all that concerns sessions.
func (r *succession) heirOf(s *site) *site {
	r.mu.Lock()
	defer r.mu.Unlock()
	sites := r.sites[s.client.AppID()]
	if len(sites) == 0 || slices.Contains(sites, s) {
		return nil
	}
	return sites[len(sites)-1]
}

// drainPatience is how long a reload waits for the work of the configuration
// before it, which has somebody to take over from it.
const drainPatience = 5 * time.Second

// retire ends the background work of a site that is not running any more and
// hands what is still to come to its heir. Without one, all work is waited for.
func (s *site) retire() {
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		s.manager.Drain()
	}()
	heir := running.heirOf(s)
	if heir == nil {
		<-drained
		return
	}
	patience := time.NewTimer(drainPatience)
	defer patience.Stop()
	select {
	case <-drained:
	case <-patience.C:
	}
	s.relay.handOver(heir.relay)
	// A configuration that failed to start may have changed it.
	heir.state.SetCacheSize(heir.session.cacheSize)
}

// relay is the session store of a site, or of its heir once there is one.
type relay struct {
	site *site

	mu    sync.Mutex
	heir  *relay
	calls sync.WaitGroup // at the site's own store
}

// begin returns the store to ask; done has to be called afterwards.
func (r *relay) begin() (store zoompkce.Store, done func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.heir != nil {
		return r.heir, func() {}
	}
	r.calls.Add(1)
	return r.site.store, r.calls.Done
}

// handOver sends all further calls to heir and waits for those under way.
func (r *relay) handOver(heir *relay) {
	r.mu.Lock()
	r.heir = heir
	r.mu.Unlock()
	r.calls.Wait()
}

// secondTry is the store to ask after err: that of an heir who was not known
// yet. That happens to a configuration whose http app was started and
// another app was not: its modules are cleaned up while requests are served.
func (r *relay) secondTry(err error) zoompkce.Store {
	if err == nil || errors.Is(err, zoompkce.ErrNotFound) || errors.Is(err, zoompkce.ErrConflict) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if heir := running.heirOf(r.site); heir != nil && heir.relay != r {
		return heir.relay
	}
	return nil
}

// Load implements [zoompkce.Store].
func (r *relay) Load(ctx context.Context, key string) ([]byte, string, error) {
	store, done := r.begin()
	defer done()
	value, version, err := store.Load(ctx, key)
	if other := r.secondTry(err); other != nil && other != store {
		return other.Load(ctx, key)
	}
	return value, version, err
}

// Swap implements [zoompkce.Store].
func (r *relay) Swap(ctx context.Context, key, old string, value []byte, expires time.Time) (string, error) {
	store, done := r.begin()
	defer done()
	version, err := store.Swap(ctx, key, old, value, expires)
	if other := r.secondTry(err); other != nil && other != store {
		return other.Swap(ctx, key, old, value, expires)
	}
	return version, err
}

// Prove implements [zoompkce.Prover], if the store does.
func (r *relay) Prove(ctx context.Context, key string, value []byte, expires time.Time) error {
	store, done := r.begin()
	defer done()
	err := prove(ctx, store, key, value, expires)
	if other := r.secondTry(err); other != nil && other != store {
		return prove(ctx, other, key, value, expires)
	}
	return err
}

func prove(ctx context.Context, store zoompkce.Store, key string, value []byte, expires time.Time) error {
	if prover, ok := store.(zoompkce.Prover); ok {
		return prover.Prove(ctx, key, value, expires)
	}
	return errors.ErrUnsupported
}

// List implements [zoompkce.Store].
func (r *relay) List(ctx context.Context, prefix, cursor string) ([]string, string, error) {
	store, done := r.begin()
	defer done()
	return store.List(ctx, prefix, cursor)
}

// Interface guards
var (
	_ zoompkce.Store  = (*relay)(nil)
	_ zoompkce.Prover = (*relay)(nil)
)
