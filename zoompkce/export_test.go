package zoompkce

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"runtime"
	"time"
)

// WriteAsOlderVersion changes a user's record as a version does that does not
// count changes: it drops the number.
func WriteAsOlderVersion(ctx context.Context, m *Manager, userID string, change func(*OldRecord)) error {
	return rewrite(ctx, m, userID, func(r *OldRecord) {
		if change != nil {
			change(r)
		}
	})
}

// MoveTimes makes a user's record what a process would have written whose clock is
// ahead by d.
func MoveTimes(ctx context.Context, m *Manager, userID string, d time.Duration) error {
	return rewrite(ctx, m, userID, func(r *record) {
		if r.tombstone() {
			r.Ended = r.Ended.Add(d)
		}
		if g := r.Grant; g != nil {
			g.SignedInAt, g.SavedAt = g.SignedInAt.Add(d), g.SavedAt.Add(d)
		}
		r.Seq++
	})
}

// ChangePrograms changes the entries of programs in a user's record.
func ChangePrograms(ctx context.Context, m *Manager, userID string, change func(entry string) string) error {
	return rewrite(ctx, m, userID, func(r *map[string]any) {
		entries := (*r)["programs"].([]any)
		for i, entry := range entries {
			entries[i] = change(entry.(string))
		}
	})
}

// SetInRecord has a field of a user's record say something else.
func SetInRecord(ctx context.Context, m *Manager, userID, field string, value any) error {
	return rewrite(ctx, m, userID, func(r *map[string]any) { (*r)[field] = value })
}

func rewrite[T any](ctx context.Context, m *Manager, userID string, change func(*T)) error {
	key := recordKey(m.client.AppID(), keyOf(userID))
	k := m.keys.Load()
	sealed, version, err := m.store.Load(ctx, key)
	if err != nil {
		return err
	}
	plain, _, err := k.openRecord(purposeRecord, key, sealed)
	if err != nil {
		return err
	}
	r := new(T)
	if err := json.Unmarshal(plain, r); err != nil {
		return err
	}
	change(r)
	if plain, err = json.Marshal(r); err != nil {
		return err
	}
	_, err = m.store.Swap(ctx, key, version, k.sealRecord(recordFormat, purposeRecord, key, plain), time.Now().Add(100*time.Hour))
	return err
}

// OldRecord has the fields that such a version knows.
type OldRecord struct {
	UserID   string          `json:"user_id"`
	Grant    json.RawMessage `json:"grant,omitempty"`
	Sessions []openSession   `json:"sessions,omitempty"`
	Lease    json.RawMessage `json:"lease,omitempty"`
	Ended    time.Time       `json:"ended,omitzero"`
}

// CachedCookies is how many opened cookies are in memory.
func CachedCookies(s *Memory) int {
	s.opened.CleanUp()
	s.active.CleanUp()
	return s.opened.EstimatedSize()
}

// CachedTokens is how many opened access tokens of programs are in memory.
func CachedTokens(s *Memory) int {
	s.tokens.CleanUp()
	return s.tokens.EstimatedSize()
}

// EndedHere is how many users something of was ended here, and the most sessions of one.
func EndedHere(s *Memory) (users, sessions int) {
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	for _, e := range s.users.ended {
		sessions = max(sessions, len(e.sessions))
	}
	return len(s.users.ended), sessions
}

// CollectUsers makes sure that users nobody needs are gone, where no more than most are left.
func CollectUsers(s *Memory, most int) {
	for range 100 {
		runtime.GC()
		if s.Users() <= most {
			return
		}
		runtime.Gosched()
	}
}

// Forget empties a state.
func Forget(s *Memory) {
	s.opened.InvalidateAll()
	s.active.InvalidateAll()
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	clear(s.users.m)
}

// SealLaterTicket is a frame ticket for a session that has a format of a later version.
func (m *Manager) SealLaterTicket(s *Session) string {
	plain := append(make([]byte, ticketLen-sessionCookieLen), s.cookie.marshal()...)
	return base64.RawURLEncoding.EncodeToString(m.keys.Load().sealRecord(recordFormat, purposeTicket, "", plain))
}

// SealLaterToken is the access token of a session's user that has a format of a later version.
func (m *Manager) SealLaterToken(s *Session) string {
	t := programToken{user: s.user.key}.marshal()
	t[0]++
	return m.keys.Load().sealToken(kindAccess, "", t)
}
