package zoompkce

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

// AdoptFormerSecret has a generated secret that the store still holds open what it has
// sealed, beside the operator's own, so that moving to those signs nobody out. It seals
// nothing any more. Requests do the same where it was not called, as soon as something
// does not open; it is for a start, after which secrets that are put there do not count.
func (m *Manager) AdoptFormerSecret(ctx context.Context) error {
	k := m.keys.Load()
	if k == nil || k.generated != nil || m.formerSought.Load() {
		return nil
	}
	_, err := m.withFormer(ctx, k, true)
	return err
}

// keysToLeave returns the keys with which every cookie opens that is still a session: what a
// browser gives up must not go on under a secret that others have put into the store, or a
// former one that nobody has looked for yet.
func (m *Manager) keysToLeave(ctx context.Context, cookies []string) (*keys, error) {
	k, err := m.storedKeys(ctx)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	unopened := func(value string) bool { return mayHoldSession(value) && m.openSession(k, value, now) == nil }
	if k.generated != nil || m.formerSought.Load() || !slices.ContainsFunc(cookieValues(nil, cookies, m.jar.base), unopened) {
		return k, nil
	}
	if k, err = m.withFormer(ctx, k, true); err != nil {
		return nil, m.storeError(opSecret, err)
	}
	return k, nil
}

// withFormer returns the keys with the former secret. It is looked for once, to adopt
// it, or only to know; after trouble not at once again. Who comes meanwhile waits.
func (m *Manager) withFormer(ctx context.Context, k *keys, adopt bool) (*keys, error) {
	return share(ctx, m, "former"+strconv.FormatBool(adopt)+m.trial.name, storePatience, func(ctx context.Context) (*keys, error) {
		if m.formerSought.Load() {
			return m.keys.Load(), nil
		}
		ctx, cancel := context.WithTimeout(ctx, formerTimeout)
		defer cancel()
		found, err := m.findFormer(ctx, k, adopt)
		switch {
		case err != nil:
			m.secretSeen.Store(time.Now().UnixNano())
		case adopt:
			m.keys.CompareAndSwap(k, found)
			m.formerSought.Store(true)
		}
		return found, err
	})
}

func (m *Manager) findFormer(ctx context.Context, k *keys, adopt bool) (*keys, error) {
	secret, err := outlasting(ctx, func() ([]byte, error) {
		secret, _, err := m.store.Load(ctx, SecretKey(m.client.AppID()))
		return secret, err
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	if len(secret) != MinSecretLen {
		if !adopt {
			return k, nil
		}
		return k, m.forgetFormer(ctx)
	}
	both := k.with(secret)
	if counts, err := m.isFormer(ctx, k, both.former, adopt); err != nil || !counts {
		return k, err
	}
	return both, nil
}

// forgetFormer ends the note of a former secret that is not in the store any more: who
// knows it, and puts it back later, is not who moved away from it.
func (m *Manager) forgetFormer(ctx context.Context) error {
	key := m.noteKey(purposeFormer, "")
	text, version, err := m.store.Load(ctx, key)
	if err == nil {
		_, err = m.store.Swap(ctx, key, version, text, time.Now())
	}
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrConflict) {
		return nil
	}
	return err
}

// formerTimeout bounds the search for a former secret, for which nobody waits longer than
// storePatience.
const formerTimeout = time.Minute

// purposeFormer keeps the note about the former secret apart from all that is sealed.
const purposeFormer = "former secret"

// isFormer reports whether a generated secret in the store was there before the
// operator's own. Who can write to the store, and cannot open what is in it, could put a
// secret of theirs there and seal sessions with it. So which one counts is noted under
// the operator's secret, and none is adopted where that was in use before this process
// began. The note ends with the first start that finds no secret beside it.
func (m *Manager) isFormer(ctx context.Context, k *keys, id keyID, adopt bool) (bool, error) {
	key := m.noteKey(purposeFormer, "")
	note := func() []byte {
		sealed := k.sealRecord(recordFormat, purposeFormer, key, id[:])
		return base64.RawStdEncoding.AppendEncode(nil, sealed) // a text among the records
	}
	text, version, err := m.store.Load(ctx, key)
	if err == nil {
		sealed, _ := base64.RawStdEncoding.AppendDecode(nil, text)
		noted, by, _ := k.openRecord(purposeFormer, key, sealed)
		if subtle.ConstantTimeCompare(noted, id[:]) == 0 {
			return false, nil
		}
		if adopt && by != k.list[0].id { // which may be withdrawn next
			_, err = m.store.Swap(ctx, key, version, note(), time.Time{})
		}
		if errors.Is(err, ErrConflict) { // another process has done that
			err = nil
		}
		return true, err
	}
	if !errors.Is(err, ErrNotFound) {
		return false, err
	}
	used, err := m.usedBefore(ctx, k)
	if used || err != nil || !adopt {
		return !used && err == nil, err
	}
	if _, err := m.store.Swap(ctx, key, "", note(), time.Time{}); errors.Is(err, ErrConflict) {
		return m.isFormer(ctx, k, id, false)
	} else if err != nil {
		return false, err
	}
	return true, nil
}

// maxLooked is how many records are looked at before a former secret counts. Where there
// are more it does not, since among those that were not looked at may be the one that
// stands against it.
const maxLooked = 100_000

// usedBefore reports whether a user whose record opens under k was there before this
// process began, or may have been. All records are looked at: a sample could be made of
// records that somebody has planted for it.
func (m *Manager) usedBefore(ctx context.Context, k *keys) (bool, error) {
	errUsed := errors.New("in use")
	looks, looking := errgroup.WithContext(ctx)
	looks.SetLimit(32) // one after the other takes too long in a store across a network, where nobody could wait for it
	listed, cursor, err := 0, "", error(nil)
	for more := true; more && err == nil; more = cursor != "" {
		cursor, err = m.walk(looking, cursor, func(key string) (bool, error) {
			if listed++; listed > maxLooked {
				return false, errUsed
			}
			looks.Go(func() error {
				found, err := guard(func() (*foundRecord, error) { return m.look(looking, k, key) })
				if err == nil && found != nil && found.bad == nil && found.record.since().Before(m.began.Add(-clockSkew)) {
					err = errUsed
				}
				return err
			})
			return true, nil
		})
	}
	if looked := looks.Wait(); looked != nil {
		err = looked // it has ended the walk
	}
	if errors.Is(err, errUsed) {
		return true, nil
	}
	return false, err
}
