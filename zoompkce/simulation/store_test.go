package simulation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// store is the session store that the processes share.
type store struct {
	*world
	records  map[string]stored
	writes   int
	history  []written // the last writes
	readOnly time.Time // until when
	down     time.Time // likewise
	hangs    bool      // while it is down it does not even refuse
	secret   string    // where the generated secret lies

	secretLost time.Time // when it was last
}

// written is what a write has replaced.
type written struct {
	key string
	was stored
	had bool
}

type stored struct {
	value   []byte
	version string
	expires time.Time
	view    *view // of a user record

	ahead map[time.Duration][]byte // what processes read whose clocks are that far ahead
}

// readBy is a user record as a process reads it.
func (r stored) readBy(i *incarnation, key string) []byte {
	by := i.process.ahead
	if by == 0 {
		return r.value
	}
	if r.ahead[by] == nil {
		value, _, err := i.audit.shift(key, r.value, -by)
		if err != nil {
			panic(err)
		}
		r.ahead[by] = value
	}
	return r.ahead[by]
}

var errStore = errors.New("the store is in trouble")

// remembered is how many writes the store can go back.
const remembered = 6

func newStore(w *world) *store {
	return &store{world: w, records: map[string]stored{}, secret: zoompkce.SecretKey(w.app)}
}

func (s *store) get(key string) (stored, bool) {
	r, ok := s.records[key]
	if ok && !r.expires.IsZero() && !time.Now().Before(r.expires) {
		delete(s.records, key)
		return stored{}, false
	}
	return r, ok
}

func (s *store) put(key string, r stored) {
	was, had := s.records[key]
	s.history = append(s.history, written{key, was, had})
	if len(s.history) > remembered {
		s.history = s.history[1:]
	}
	s.records[key] = r
}

// ofUser is what is in the store of a user, nil where there is nothing.
func (s *store) ofUser(u *user) *view {
	r, _ := s.get(u.key)
	return r.view
}

func (s *store) version() string {
	s.writes++
	return fmt.Sprintf("v%d", s.writes)
}

// what is concerned, for the story.
func (s *store) name(key string) string {
	if key == s.secret {
		return "the secret"
	}
	for _, u := range s.users {
		if u.key == key {
			return u.name
		}
	}
	return "a note" // of a name that nobody can foresee
}

// handle is the store as one process has it.
type handle struct {
	*store
	by   *incarnation
	keys []recordKey // of the manager whose it is; none: generated ones
}

// opens reports whether the manager can open a record.
func (h *handle) opens(sealed []byte) bool {
	return len(h.keys) == 0 || slices.ContainsFunc(h.keys, func(k recordKey) bool { return k.sealed(sealed) })
}

var _ zoompkce.Store = (*handle)(nil)

func (h *handle) Load(ctx context.Context, key string) ([]byte, string, error) {
	var r stored // only the world writes it, and whoever has stopped to wait does not look
	u := h.userOf(key)
	c := &call{by: h.by, kind: "load", on: h.name(key)}
	c.effect = func(c *call) {
		if h.down.After(time.Now()) {
			c.err = errStore
			return
		}
		var ok bool
		if r, ok = h.get(key); !ok {
			c.err = zoompkce.ErrNotFound
		}
		if u != nil {
			if ok {
				r.value = r.readBy(h.by, key)
			}
			h.note("%s: reads %s: %s", h.by, u.name, h.describe(r.view))
		}
	}
	if u != nil {
		c.heard = func(c *call) {
			if c.err == nil && !h.opens(r.value) {
				h.by.hasNotRead(u)
				return
			}
			h.by.hasRead(u, r.view, c)
		}
		c.left = func(*call) { h.by.hasNotSaved(u) }
	}
	if err := h.wait(ctx, c); err != nil {
		return nil, "", err
	}
	return r.value, r.version, nil
}

func (h *handle) Swap(ctx context.Context, key, old string, value []byte, expires time.Time) (string, error) {
	var version string
	var written *view
	u := h.userOf(key)
	c := &call{by: h.by, kind: "swap", on: h.name(key)}
	c.effect = func(c *call) {
		now := time.Now()
		r, _ := h.get(key)
		switch {
		case h.down.After(now) || h.readOnly.After(now):
			c.err = errStore
			return
		case r.version != old || c.weather.status != 0:
			c.err = zoompkce.ErrConflict
			return
		}
		if key == h.secret {
			h.audit.learn(value)
		}
		next := stored{value: value, version: h.version(), expires: expires}
		if u != nil {
			next.ahead = map[time.Duration][]byte{}
			if next.value, next.view, c.err = h.audit.shift(key, value, h.by.process.ahead); c.err != nil {
				h.breaks("records open", "%s wrote what does not open: %v", h.by, c.err)
				return
			}
		}
		h.put(key, next)
		version, written = next.version, next.view
		if u != nil && u.locked && deriveRecordKey(h.app, h.records[h.secret].value).sealed(next.value) {
			u.locked, u.unlocked = false, time.Now()
		}
		if u != nil {
			h.written(h.by, u, r.view, next.view)
			c.op.opens(next.view)
		}
	}
	if u != nil {
		c.heard = func(c *call) { h.by.hasWritten(u, written, c) }
		c.left = func(*call) { h.by.hasNotSaved(u) }
	}
	if err := h.wait(ctx, c); err != nil {
		return "", err
	}
	return version, nil
}

func (h *handle) List(context.Context, string, string) ([]string, string, error) {
	return nil, "", errStore
}

// fallBack takes back the last writes, as a failover or a restored backup does.
func (s *store) fallBack(writes int) {
	writes = min(writes, len(s.history))
	if writes == 0 {
		return
	}
	past := maps.Clone(s.records)
	for _, w := range slices.Backward(s.history[len(s.history)-writes:]) {
		if delete(past, w.key); w.had {
			past[w.key] = w.was
		}
	}
	for _, u := range s.users {
		if was, is := past[u.key], s.records[u.key]; was.version != is.version {
			s.note("the store goes back: %s had %s, now %s", u.name, s.describe(is.view), s.describe(was.view))
			u.wentBack = time.Now()
			u.doom("the store went back")
			for _, x := range u.sessions {
				x.dropped = false // they may be in the record again
			}
		}
	}
	if past[s.secret].version != s.records[s.secret].version {
		s.loseSecret()
	}
	s.records, s.history = past, nil
	for _, u := range s.users {
		u.locked = u.locked || s.underLostSecret(u)
	}
}

// vanish takes the generated secret away, or everything.
func (s *store) vanish(everything bool) {
	if everything {
		s.note("the store is emptied")
		clear(s.records)
	} else {
		s.note("the generated secret is deleted")
		delete(s.records, s.secret)
	}
	s.history = nil
	s.loseSecret()
}

// secretLook is how long before a sign-in the look at the stored secret may have
// begun that it counts on: who comes later shares it.
const secretLook = 5 * time.Second

// mayBeLost reports whether what was sealed by a sign-in may be under a secret that
// is lost.
func (s *store) mayBeLost(began time.Time) bool {
	return s.secretLost.After(began.Add(-secretLook))
}

// loseSecret: what was begun under the lost secret may end, for everybody.
func (s *store) loseSecret() {
	s.secretLost = time.Now()
	for _, u := range s.users {
		u.wentBack, u.locked = time.Now(), true
		u.doom("the generated secret was lost")
	}
}

// underLostSecret reports whether a record opens only where the secret before the stored one is
// remembered: tokens for it are kept until it ends, or an operator ends it.
func (s *store) underLostSecret(u *user) bool {
	r, ok := s.get(u.key)
	return ok && s.plan.generated && !deriveRecordKey(s.app, s.records[s.secret].value).sealed(r.value)
}
