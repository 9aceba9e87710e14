package zoompkce

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// userKey is what a user is known by outside the sealed record.
type userKey [sha256.Size]byte

func keyOf(userID string) userKey { return sha256.Sum256([]byte(userID)) }

// recordKey is where a user's record is stored: spread over 256 shards, and
// without the user id, which Zoom treats as personal data.
func recordKey(app string, user userKey) string {
	name := hex.EncodeToString(user[:])
	return storePrefix + app + "/" + name[:2] + "/" + name
}

const storePrefix = "zoom_pkce/"

// record is all that is kept of one user of one app. It is never modified
// once others can see it: changes are made to a copy.
type record struct {
	UserID   string        `json:"user_id"`
	Grant    *grant        `json:"grant,omitempty"`
	Sessions []openSession `json:"sessions,omitempty"`
	Lease    *lease        `json:"lease,omitempty"`

	// Programs is what the user has allowed, Pending what was allowed a moment ago
	// and has not come for its tokens yet.
	Programs []program        `json:"programs,omitempty"`
	Pending  []pendingProgram `json:"pending,omitempty"`

	// Seq counts the changes of the record: of two answers of the store the one
	// with the higher number is the newer. 0 in records of versions that did not
	// count; they drop the number, too, when they write.
	Seq uint64 `json:"seq,omitempty"`

	// Left is when the last session or program ended, of a grant that is kept for
	// back ends.
	Left time.Time `json:"left,omitzero"`

	// Ended makes this a tombstone: all sessions of the user were ended then.
	Ended time.Time `json:"ended,omitzero"`
}

// openSession is one signed-in browser. Seen is a day, so that using a
// session does not mean writing the record.
type openSession struct {
	ID      sessionID `json:"id"`
	Created int64     `json:"created"` // Unix milliseconds
	Seen    int64     `json:"seen"`    // days since 1970
}

type sessionID [16]byte

func newSessionID() (id sessionID) {
	rand.Read(id[:])
	return id
}

func (id sessionID) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, id[:]), nil
}

func (id *sessionID) UnmarshalText(text []byte) error {
	// What fails to decode ends with a whole group of three bytes: its length is another one.
	raw, _ := base64.RawURLEncoding.DecodeString(string(text))
	if len(raw) != len(id) {
		return fmt.Errorf("session id of %d bytes", len(raw))
	}
	copy(id[:], raw)
	return nil
}

func dayOf(t time.Time) int64 { return t.Unix() / (24 * 60 * 60) }

// lease is the right to spend the refresh token, taken before it is spent.
type lease struct {
	Owner    string    `json:"owner"`
	Deadline time.Time `json:"deadline"`
}

// A tombstone stays long enough for every request and refresh in flight to
// meet it. The sessions of a dead grant wait for a sign-in that may be under way.
const (
	tombstoneLife = 10 * time.Minute
	deadGrace     = 60 * time.Second
)

func (r *record) clone() *record {
	if r == nil {
		return &record{}
	}
	c := *r
	c.Sessions = slices.Clone(r.Sessions)
	c.Programs, c.Pending = slices.Clone(r.Programs), slices.Clone(r.Pending)
	if r.Grant != nil {
		c.Grant = r.Grant.clone()
	}
	return &c
}

// grantOrNil is the grant of a record that may not be there.
func (r *record) grantOrNil() *grant {
	if r == nil {
		return nil
	}
	return r.Grant
}

// tombstone reports whether the record only says that its user is gone.
func (r *record) tombstone() bool { return !r.Ended.IsZero() }

// since is when its user signed in, or was ended.
func (r *record) since() time.Time {
	if r.Grant != nil {
		return r.Grant.SignedInAt
	}
	return r.Ended
}

// session finds an open session.
func (r *record) session(id sessionID) *openSession {
	for i := range r.Sessions {
		if r.Sessions[i].ID == id {
			return &r.Sessions[i]
		}
	}
	return nil
}

// sessionIDs are those of the open sessions, and of the programs, begun or not.
func (r *record) sessionIDs() (ids []sessionID) {
	for _, s := range r.Sessions {
		ids = append(ids, s.ID)
	}
	for _, p := range r.Programs {
		ids = append(ids, p.ID)
	}
	for _, p := range r.Pending {
		ids = append(ids, p.ID)
	}
	return ids
}

func (r *record) endSession(id sessionID) {
	r.Sessions = slices.DeleteFunc(r.Sessions, func(s openSession) bool { return s.ID == id })
}

// end makes the record a tombstone.
func (r *record) end(now time.Time) {
	*r = record{UserID: r.UserID, Ended: now}
}

// prune drops the sessions that are over, and the longest unseen ones beyond
// the most a user may have.
func (r *record) prune(now time.Time, life sessionLife) {
	if r.Grant != nil && r.Grant.dead() && now.Sub(r.Grant.DeadAt) > deadGrace {
		r.Sessions, r.Programs, r.Pending = nil, nil, nil
	}
	r.prunePrograms(now, life.programs)
	r.Sessions = slices.DeleteFunc(r.Sessions, func(s openSession) bool {
		return !now.Before(life.end(&s))
	})
	slices.SortStableFunc(r.Sessions, func(a, b openSession) int {
		return cmp.Or(cmp.Compare(a.Seen, b.Seen), cmp.Compare(a.Created, b.Created))
	})
	r.Sessions = slices.Delete(r.Sessions, 0, max(0, len(r.Sessions)-life.count))
}

// expires is when nothing in the record matters any more.
func (r *record) expires(now time.Time, life sessionLife) time.Time {
	end := r.Left
	for _, s := range r.Sessions {
		end = later(end, time.UnixMilli(s.Created).Add(life.max))
	}
	for i := range r.Programs {
		end = later(end, life.programs.end(&r.Programs[i]))
	}
	return later(end.Add(life.keep), now).Add(tombstoneLife) // for whoever asks then, see endLeft
}

// format is the version of what the record holds. One without programs and kept
// grant keeps the former, so that the older processes of a fleet read it.
func (r *record) format() byte {
	if len(r.Programs) > 0 || len(r.Pending) > 0 || !r.Left.IsZero() {
		return recordFormatPrograms
	}
	return recordFormat
}

// sessionLife bounds the sessions of a user, and the programs.
type sessionLife struct {
	idle, max time.Duration
	count     int
	programs  programLife
	keep      time.Duration // of the grant, after the last session or program
}

// end is when a session ends by itself. It was seen on that day, at the end of it maybe.
func (l sessionLife) end(s *openSession) time.Time {
	idle := time.Unix((s.Seen+1)*24*60*60, 0).Add(l.idle)
	return earlier(idle, time.UnixMilli(s.Created).Add(l.max))
}

func (k *keys) sealUser(key string, r *record) []byte {
	return k.sealRecord(r.format(), purposeRecord, key, must(json.Marshal(r)))
}

func (k *keys) openUser(key string, sealed []byte) (*record, keyID, error) {
	plain, id, err := k.openRecord(purposeRecord, key, sealed)
	if err != nil {
		return nil, id, err
	}
	r := new(record)
	if err := json.Unmarshal(plain, r); err != nil {
		return nil, id, unopenable("what is inside is not a user record (secret %s)", id)
	}
	if recordKey(k.app, keyOf(r.UserID)) != key {
		return nil, id, unopenable("it belongs to another user (secret %s)", id)
	}
	return r, id, nil
}
