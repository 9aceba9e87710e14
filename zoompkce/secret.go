package zoompkce

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"
)

// loadKeys returns the keys. A generated secret is looked up on first use, once
// for all who need it.
func (m *Manager) loadKeys(ctx context.Context) (*keys, error) {
	if k := m.keys.Load(); k != nil {
		return k, nil
	}
	const op = "loading the generated cookie secret"
	result := m.keyFlights.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storePatience)
		defer cancel()
		k, err := guard(func() (*keys, error) { return m.generatedKeys(ctx) })
		if err != nil {
			return nil, m.storeError(op, err)
		}
		m.keys.Store(k)
		return k, nil
	})
	timer := time.NewTimer(storePatience)
	defer timer.Stop()
	select {
	case r := <-result:
		k, _ := r.Val.(*keys)
		return k, r.Err
	case <-timer.C:
		return nil, m.storeError(op, errPatience)
	case <-ctx.Done():
		return nil, &StoreError{op, ctx.Err()}
	}
}

func (m *Manager) generatedKeys(ctx context.Context) (*keys, error) {
	if k := m.keys.Load(); k != nil {
		return k, nil
	}
	secret, err := outlasting(ctx, func() ([]byte, error) { return GeneratedSecret(ctx, m.store, m.client.AppID()) })
	if err != nil {
		return nil, err
	}
	return newGeneratedKeys(m.client.AppID(), secret)
}

func newGeneratedKeys(app string, secrets ...[]byte) (*keys, error) {
	k, err := newKeys(app, secrets)
	if err == nil {
		k.generated = secrets[0]
	}
	return k, err
}

const opSecret = "looking for the generated cookie secret"

// storedKeys returns keys whose secret others will find. A generated one may have
// vanished from the store, with everything else or alone: then it is put
// back, or the one that another process has created is taken. What is sealed with the
// former still opens here.
func (m *Manager) storedKeys(ctx context.Context) (*keys, error) {
	k, err := m.loadKeys(ctx)
	if err != nil || k.generated == nil {
		return k, err
	}
	stored, err := share(ctx, m, "secret"+string(k.set[:]), storePatience, func(ctx context.Context) (*keys, error) {
		ctx, cancel := context.WithTimeout(ctx, storePatience)
		defer cancel()
		secret, err := outlasting(ctx, func() ([]byte, error) {
			return storedSecret(ctx, m.store, m.client.AppID(), k.generated)
		})
		if err != nil {
			return nil, err
		}
		// What has been seen counts when all can see it: until then they look themselves.
		defer func() { m.secretSeen.Store(time.Now().UnixNano()) }()
		if subtle.ConstantTimeCompare(secret, k.generated) == 1 {
			return k, nil
		}
		taken := must(newGeneratedKeys(m.client.AppID(), secret, k.generated)) // storedSecret returns none that is too short
		m.keys.CompareAndSwap(k, taken)
		return taken, nil
	})
	if err != nil {
		return nil, m.storeError(opSecret, err)
	}
	return stored, nil
}

// secretPause is how long a look at the generated secret in the store counts: who
// sends what opens nowhere causes one read of the store in this time at most.
const secretPause = time.Second

// replacedKeys returns the keys for what does not open under k: another process may
// have replaced a generated secret that had vanished from the store, and one of the
// operator's own may have taken the place of a generated one. It returns
// nil where there are no others, and reports whether it has looked.
func (m *Manager) replacedKeys(ctx context.Context, k *keys) (other *keys, looked bool, err error) {
	if other, looked := m.lookedBefore(k); looked || m.lookPaused() {
		return other, looked, nil
	}
	found, err := share(ctx, m, "replaced"+string(k.set[:]), storePatience, func(ctx context.Context) (*keys, error) {
		// Somebody may have come here after the work was done, or has failed.
		if other, looked := m.lookedBefore(k); looked {
			return cmp.Or(other, k), nil
		}
		if m.lookPaused() {
			return nil, nil
		}
		if k.generated != nil {
			return m.storedKeys(ctx)
		}
		found, err := m.withFormer(ctx, k, true)
		if err != nil {
			err = m.storeError("looking for a former generated cookie secret", err)
		}
		return found, err
	})
	switch {
	case err != nil:
		return nil, true, err
	case found == k:
		return nil, true, nil
	}
	return found, found != nil, nil
}

// lookedBefore returns what is known without a look.
func (m *Manager) lookedBefore(k *keys) (other *keys, known bool) {
	if now := m.keys.Load(); now != k {
		return now, true
	}
	return nil, m.formerSought.Load()
}

// lookPaused reports whether the last look counts still.
func (m *Manager) lookPaused() bool {
	return time.Now().UnixNano()-m.secretSeen.Load() < int64(secretPause)
}

var errLookFailed = errors.New("the store could not be read a moment ago")

// maxPatient is how many wait at a time until the generated secret may be looked at again.
// Anybody can send what opens nowhere: more would hold memory for them. Whoever comes then
// is to come again, which is no refusal.
const maxPatient = 256

// maxPatientBearers is how many may wait at a time for bearers to wait, too. Every path that is
// protected takes bearers: strangers with what nobody has sealed leave room for codes, refresh tokens
// and tickets. A bearer that finds none is refused at once, and its client's refresh token waits.
const maxPatientBearers = maxPatient / 2

var errImpatient = errors.New("very many wait for a look at it")

// replacedKeysLater is replacedKeys when the last look does not count any more.
func (m *Manager) replacedKeysLater(ctx context.Context, k *keys) (other *keys, looked bool, err error) {
	select {
	case m.patient <- struct{}{}:
		defer func() { <-m.patient }()
	default:
		return nil, false, &StoreError{opSecret, errImpatient}
	}
	if err := sleep(ctx, secretPause); err != nil {
		return nil, false, &StoreError{opSecret, err}
	}
	return m.replacedKeys(ctx, k)
}

// underOthers opens something, under k or, if that fails with unopened, under the keys that may have
// taken its place. It waits until they may be looked for, if fewer than patient wait.
func underOthers[T any](
	ctx context.Context, m *Manager, k *keys, unopened error, patient int, open func(*keys) (T, error),
) (value T, err error) {
	if value, err = open(k); !errors.Is(err, unopened) {
		return value, err
	}
	other, looked, failed := m.replacedKeys(ctx, k)
	if !looked && failed == nil && (patient == maxPatient || len(m.patient) < patient) {
		other, looked, failed = m.replacedKeysLater(ctx, k)
	}
	switch {
	case failed != nil:
		return value, failed
	case !looked && k.generated == nil:
		// A former secret is looked for until that succeeds: somebody has tried a moment ago, and failed.
		return value, &StoreError{opSecret, errLookFailed}
	case other != nil:
		return open(other)
	}
	return value, err
}

// GeneratedSecret returns the cookie secret that is kept in the store itself,
// and creates it if there is none. However many processes begin together, all
// get the same one. A store that cannot be read is an error: a second secret would
// end every session.
func GeneratedSecret(ctx context.Context, store Store, appID string) ([]byte, error) {
	fresh := make([]byte, MinSecretLen)
	rand.Read(fresh)
	return storedSecret(ctx, store, appID, fresh)
}

// storedSecret returns the secret in the store; if there is none it becomes fresh.
func storedSecret(ctx context.Context, store Store, appID string, fresh []byte) ([]byte, error) {
	key := SecretKey(appID)
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

// SecretKey is where the generated cookie secret is stored.
func SecretKey(appID string) string { return storePrefix + appID + "/secret" }
