package zoompkce

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"time"
)

// noteKey is where something about no user is noted. It lies among the user
// records, where what has expired is swept; a user id cannot have its name,
// since none holds a NUL.
func (m *Manager) noteKey(kind, name string) string {
	return recordKey(m.client.AppID(), sha256.Sum256([]byte(kind+"\x00"+name)))
}

// trial is a key of a manager's own that it writes to find out whether the store
// can be written: a key shared with other processes would have them wait for
// each other's locks.
type trial struct {
	name    string
	version string // only the one flight at a time looks at it
}

func newTrial() trial { return trial{name: rand.Text()} }

// trialLife is how long what was written may be found.
const trialLife = 10 * time.Minute

// ProveWritable writes to the store, once for all who ask at the same time. A
// store that answers may yet refuse what it is given: a full disk, a Redis that has
// become a replica. It waits for two seconds at most.
func (m *Manager) ProveWritable(ctx context.Context) error {
	_, err := share(ctx, m, "trial"+m.trial.name, storePatience, func(ctx context.Context) (struct{}, error) {
		ctx, cancel := context.WithTimeout(ctx, storePatience)
		defer cancel()
		return outlasting(ctx, func() (struct{}, error) { return struct{}{}, m.writeTrial(ctx) })
	})
	return err
}

// proveWritable is ProveWritable for a sign-in.
func (m *Manager) proveWritable(ctx context.Context) error {
	if err := m.ProveWritable(ctx); err != nil {
		return m.storeError(opSignIn, err)
	}
	return nil
}

func (m *Manager) writeTrial(ctx context.Context) error {
	key, value, expires := m.noteKey("trial", m.trial.name), []byte("trial"), time.Now().Add(trialLife)
	if store, ok := m.store.(Prover); ok {
		if err := store.Prove(ctx, key, value, expires); !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	version, err := m.store.Swap(ctx, key, m.trial.version, value, expires)
	if errors.Is(err, ErrConflict) {
		// It has expired, the store was wiped, or an answer was lost.
		if _, version, err = m.store.Load(ctx, key); err == nil || errors.Is(err, ErrNotFound) {
			version, err = m.store.Swap(ctx, key, version, value, expires)
		}
	}
	m.trial.version = version
	return err
}

// A store behind a network is away for a second or two when it is restarted or
// fails over, and its client may answer for a while with what it remembers of dialing. A
// request that depends on the store waits that long.
const (
	minOutagePause = 20 * time.Millisecond
	maxOutagePause = 250 * time.Millisecond
)

// outage is the wait of one piece of work for a store that cannot be reached.
type outage struct {
	began time.Time
	pause time.Duration
}

// outlast waits a little before another try, and reports false if there is to be
// none.
func (o *outage) outlast(ctx context.Context) bool {
	if o.began.IsZero() {
		o.began, o.pause = time.Now(), minOutagePause/2
	}
	o.pause = min(2*o.pause, maxOutagePause)
	return time.Since(o.began)+o.pause < storePatience && sleep(ctx, o.pause) == nil
}

// outlasting repeats a call that may be repeated until the store can be reached.
func outlasting[T any](ctx context.Context, call func() (T, error)) (T, error) {
	var o outage
	for {
		value, err := call()
		if !unreached(err) || !o.outlast(ctx) {
			return value, err
		}
	}
}

// unreached reports whether the connection to the store failed. What was to be
// done may be done nevertheless.
func unreached(err error) bool {
	return errors.As(err, new(*net.OpError)) || errors.Is(err, io.EOF)
}

// neverSent reports whether a call to the store failed before there was a connection.
func neverSent(err error) bool {
	failed, ok := errors.AsType[*net.OpError](err)
	return ok && failed.Op == "dial"
}
