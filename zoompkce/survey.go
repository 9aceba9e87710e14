package zoompkce

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"
)

// UnopenableRecord is a user record in the store that cannot be opened: whose it is
// cannot be told, since records are found by a hash of the user id.
type UnopenableRecord struct {
	// Record is its key in the store.
	Record string `json:"record"`
	// KeyID names the cookie secret it was sealed with, and reveals nothing about
	// it. It is empty where the store cannot read the record.
	KeyID string `json:"key_id,omitempty"`
	// Reason says why it does not open.
	Reason string `json:"reason"`
}

// RecordPage is a part of a look at all records.
type RecordPage struct {
	// Unopenable are the records that do not open.
	Unopenable []UnopenableRecord
	// Secrets are the ids of the cookie secrets there are, the one that seals first.
	Secrets []string
	// Looked is how many records were looked at.
	Looked int
	// Cursor is for the next page, "" at the end.
	Cursor string
}

// A page ends after so many records or so long, whichever comes first.
const (
	pageRecords  = 1000
	pagePatience = 10 * time.Second
)

// ErrCursor means that a cursor is none that a page has ended with.
var ErrCursor = errors.New("zoompkce: this is no cursor of a page")

// UnopenableRecords looks for records that do not open, a page at a time; the first
// one has an empty cursor. Errors are [ErrCursor]
// or a [*StoreError].
func (m *Manager) UnopenableRecords(ctx context.Context, cursor string) (page RecordPage, err error) {
	k, err := m.keysToLook(ctx)
	if err != nil {
		return page, err
	}
	page.Unopenable, page.Secrets = []UnopenableRecord{}, k.ids()
	page.Cursor, err = m.walk(ctx, cursor, func(key string) (bool, error) {
		found, err := m.look(ctx, k, key)
		if found != nil {
			page.Looked++
			if found.bad != nil {
				page.Unopenable = append(page.Unopenable, *found.bad)
			}
		}
		return page.Looked < pageRecords, err
	})
	return page, err
}

// Survey is what a look at some of the records in the store has found.
type Survey struct {
	// Looked is how many records were looked at, Unopened how many of them do not
	// open. All tells that there are no more.
	Looked, Unopened int
	All              bool
	// Sealed are the ids of the secrets that sealed those, Secrets those of the
	// cookie secrets there are, the one that seals first. They reveal nothing.
	Sealed, Secrets []string
	// Former is the id of a generated secret in the store that the operator's own
	// have replaced and that still opens, "" if there is none.
	Former string
}

// Survey looks at no more than limit records, to find out whether the cookie
// secrets open what is in the store. It changes nothing, makes no secret, and ends
// soon after ctx. Its error is a [*StoreError].
func (m *Manager) Survey(ctx context.Context, limit int) (s Survey, err error) {
	k, err := m.keysToLook(ctx)
	if err != nil {
		return s, err
	}
	s.Secrets = k.ids()
	if k.former != (keyID{}) {
		s.Former = k.former.String()
	}
	visit := func(key string) (more bool, err error) {
		if s.Looked < limit {
			err = s.add(m.look(ctx, k, key))
		}
		return s.Looked < limit, err
	}
	next, err := m.sample(ctx, limit, visit)
	s.All = next == "" && s.Looked < limit
	slices.Sort(s.Sealed)
	s.Sealed = slices.DeleteFunc(slices.Compact(s.Sealed), func(id string) bool { return id == "" })
	return s, err
}

// add counts a record, if there is one.
func (s *Survey) add(found *foundRecord, err error) error {
	if found != nil {
		s.Looked++
		if found.bad != nil {
			s.Unopened++
			s.Sealed = append(s.Sealed, found.bad.KeyID)
		}
	}
	return err
}

// sample is walk from the start. In a store with very many records it looks into one
// shard alone, which a file system finds at once.
func (m *Manager) sample(ctx context.Context, limit int, visit func(key string) (bool, error)) (next string, err error) {
	keys, _, err := m.store.List(ctx, storePrefix+m.client.AppID()+"/00/", "")
	if err != nil {
		return "", &StoreError{opLook, err}
	}
	if len(keys) < limit {
		return m.walk(ctx, "", visit)
	}
	for _, key := range keys {
		if more, err := visit(key); err != nil || !more {
			return key, err
		}
	}
	return "00", nil
}

// keysToLook returns the keys there are without making any: where none was
// generated yet, nothing opens. A former one is not adopted.
func (m *Manager) keysToLook(ctx context.Context) (*keys, error) {
	k := m.keys.Load()
	switch {
	case k != nil && k.generated == nil && !m.formerSought.Load():
		both, err := m.withFormer(ctx, k, false)
		if err != nil {
			return nil, &StoreError{opLook, err}
		}
		return both, nil
	case k != nil:
		return k, nil
	}
	app := m.client.AppID()
	secret, _, err := m.store.Load(ctx, SecretKey(app))
	switch {
	case errors.Is(err, ErrNotFound):
		return &keys{app: app}, nil
	case err != nil:
		return nil, &StoreError{opLook, err}
	}
	if k, err = newGeneratedKeys(app, secret); err != nil {
		return nil, &StoreError{opLook, err}
	}
	return k, nil
}

const opLook = "reading all user records"

// foundRecord is a record as it lies in the store; bad is nil for one that opens.
type foundRecord struct {
	record  *record
	bad     *UnopenableRecord
	version string
	sealed  []byte
}

// look reads a record. It returns nil where there is none: what is noted among the
// records about no user is text.
func (m *Manager) look(ctx context.Context, k *keys, key string) (*foundRecord, error) {
	if !isRecordKey(key) {
		return nil, nil
	}
	sealed, version, err := m.store.Load(ctx, key)
	switch {
	case errors.Is(err, ErrNotFound) || string(sealed) >= " ":
		return nil, nil
	case isOutage(ctx, err):
		return nil, &StoreError{opLook, err}
	case err != nil:
		return &foundRecord{bad: &UnopenableRecord{Record: key, Reason: err.Error()}}, nil
	}
	found := &foundRecord{version: version, sealed: sealed}
	record, id, err := k.openUser(key, sealed)
	if bad, ok := errors.AsType[*UnopenableError](err); ok {
		found.bad = &UnopenableRecord{Record: key, Reason: bad.reason}
		if id != (keyID{}) {
			found.bad.KeyID = id.String()
		}
	}
	found.record = record
	return found, nil
}

// isOutage reports whether an error concerns the store and not one record in it.
func isOutage(ctx context.Context, err error) bool {
	return err != nil && (ctx.Err() != nil || unreached(err) || errors.Is(err, ErrStoreClosed) || errors.Is(err, context.DeadlineExceeded))
}

// isRecordKey reports whether a key is like those of recordKey. The secret's is none.
func isRecordKey(key string) bool {
	name := key[strings.LastIndexByte(key, '/')+1:]
	return len(name) == hex.EncodedLen(len(userKey{}))
}

// walk visits the keys of the app's records from a cursor on, until visit has enough
// or the time of a page is over, and returns the cursor to go on from. A page of several that
// the store has is visited to its end: asked for again it need not hold the same keys, since what goes
// makes room for others.
func (m *Manager) walk(ctx context.Context, cursor string, visit func(key string) (more bool, err error)) (next string, err error) {
	at, after, err := parsePageCursor(cursor)
	if err != nil {
		return "", err
	}
	end := time.Now().Add(pagePatience)
	for {
		keys, following, err := m.store.List(ctx, storePrefix+m.client.AppID()+"/", at)
		if err != nil {
			return "", &StoreError{opLook, err}
		}
		slices.Sort(keys)
		enough, only := false, at == "" && following == ""
		for _, key := range keys {
			if key <= after {
				continue
			}
			more, err := visit(key)
			enough = enough || !more || time.Now().After(end)
			if err != nil || enough && only {
				return pageCursor(at, key), err
			}
		}
		if following == "" {
			return "", nil
		}
		if at, after = following, ""; enough || time.Now().After(end) {
			return pageCursor(at, ""), nil
		}
	}
}

// pageCursor names the place after a key, in a page of the store's listing.
func pageCursor(at, after string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(at + "\x00" + after))
}

func parsePageCursor(cursor string) (at, after string, err error) {
	if cursor == "" {
		return "", "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	at, after, ok := strings.Cut(string(raw), "\x00")
	if err != nil || !ok {
		return "", "", ErrCursor
	}
	return at, after, nil
}
