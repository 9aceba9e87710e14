package zoompkce

import (
	"errors"
	"slices"
	"time"
)

// errWentBack means that the store lost what it had taken.
var errWentBack = errors.New("the session store went back to an earlier time")

// snapshot is a record at one moment; record is nil where there was none. It
// is never modified once others can see it.
type snapshot struct {
	record  *record
	version string
	key     keyID
	readAt  time.Time // when the call that told it was made
	since   time.Time // when its version was first known here

	// seq is the record's number, but never lower than that of an earlier
	// snapshot of the user: a record that vanished, went back or was written by a
	// version that does not count must not let late answers pass for newer ones.
	seq uint64

	// began and known are the user's tickets of the call to the store and of its
	// answer.
	began, known uint64
}

// newerThan reports whether s tells more about the store than old. A higher
// number does, whenever it arrives. Anything else has to come from a call that began
// when old was known already: what was on its way before may be of any age.
func (s *snapshot) newerThan(old *snapshot) bool {
	return s.seq > old.seq || s.began > old.known
}

// adopt makes s the current snapshot, unless what is known is newer. What the
// store had and lost is added to it: so every change brings it back.
func (m *Manager) adopt(u *user, s *snapshot) {
	if lost := u.adopt(s); lost != nil {
		m.observe(Event{Kind: EventRefresh, UserID: lost.Profile.ID, Outcome: "unsaved", Err: errWentBack})
		m.keepSaving(u)
	}
}

// adopt returns the grant that the store has lost, unsaved from then on.
func (u *user) adopt(s *snapshot) (lost *grant) {
	s.known = u.tickets.Add(1)
	u.adopting.Lock()
	defer u.adopting.Unlock()
	s.since = time.Now()
	if old := u.current.Load(); old != nil {
		if !s.newerThan(old) {
			return nil
		}
		lost = u.lost(old, s)
		if s.version == old.version {
			s.record, s.since = old.record, old.since
		}
		if lost != nil {
			s.record = s.record.withLost(old.record)
			u.unsaved.keep(lost)
		}
		s.seq = max(s.seq, old.seq)
	}
	u.current.Store(s)
	if s.record.grantOrNil() == nil {
		u.forgetKeys()
	}
	return lost
}

// withLost returns the record with the sessions and programs that were opened
// after it was written.
func (r *record) withLost(newer *record) *record {
	whole := r.clone()
	for _, s := range newer.Sessions {
		if whole.session(s.ID) == nil && s.Created > r.Grant.SavedAt.UnixMilli() {
			whole.Sessions = append(whole.Sessions, s)
		}
	}
	whole.addLostPrograms(newer)
	return whole
}

// lost is the grant that the store had when old was read, and has no more
// though nobody has replaced it: the store went back in time, as after a
// failover or from a backup.
func (u *user) lost(old, s *snapshot) *grant {
	known, stored := u.grant(old), s.record.grantOrNil()
	switch {
	case known == nil || stored == nil || known.dead() || known.same(u.unsaved.Load()):
		return nil
	case known.succeeds(stored):
		return known
	// A version that does not count may have written what another sign-in brought.
	case s.record.Seq == 0 || s.record.Seq >= old.record.Seq || !known.follows(stored):
		return nil
	}
	return known
}

// nextSeq is the number of the record that follows what is known.
func (u *user) nextSeq() uint64 {
	if known := u.current.Load(); known != nil {
		return known.seq + 1
	}
	return 1
}

func (s *snapshot) hasSession(id sessionID) bool {
	return s.record != nil && s.record.session(id) != nil
}

// What was ended in this process is remembered by it: a store that goes back to an
// earlier version brings it back, and it must not be accepted again where the visitor
// has seen it end.
const (
	maxEndedUsers    = 10_000
	maxEndedSessions = 100 // of one user
)

// endedHere is what was ended in this process of one user.
type endedHere struct {
	sessions []sessionID
	at       time.Time // when the record became a tombstone, if it did
}

// end notes that sessions or programs of the user were ended here, and when all of them were;
// zero: some are left.
func (x *userIndex) end(u *user, at time.Time, ids ...sessionID) {
	if at.IsZero() && len(ids) == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	now := &endedHere{sessions: ids, at: at}
	if former := x.ended[u.key]; former != nil {
		now.sessions = slices.Concat(former.sessions, ids)
		if at.IsZero() {
			now.at = former.at
		}
	}
	now.sessions = now.sessions[max(0, len(now.sessions)-maxEndedSessions):]
	for key := range x.ended {
		if len(x.ended) < maxEndedUsers {
			break
		}
		delete(x.ended, key)
	}
	x.ended[u.key] = now
	u.ended.Store(now)
}

// hasEnded reports whether a session or program was ended here.
func (u *user) hasEnded(id sessionID) bool {
	e := u.ended.Load()
	return e != nil && slices.Contains(e.sessions, id)
}

// dropEnded takes what was ended here out of a record.
func (u *user) dropEnded(r *record) {
	if u.ended.Load() != nil {
		r.Sessions = slices.DeleteFunc(r.Sessions, func(s openSession) bool { return u.hasEnded(s.ID) })
		r.Programs = slices.DeleteFunc(r.Programs, func(p program) bool { return u.hasEnded(p.ID) })
		r.Pending = slices.DeleteFunc(r.Pending, func(p pendingProgram) bool { return u.hasEnded(p.ID) })
	}
}

// steady is how much the wall clock may go against the monotonic one.
const steady = time.Second

// endedByThisClock reports whether a tombstone was made in this process, and the
// clock was not put right since: then its time can be compared with others of this clock.
func (u *user) endedByThisClock(tombstone time.Time) bool {
	e := u.ended.Load()
	if e == nil || !e.at.Equal(tombstone) {
		return false
	}
	put := time.Now().Round(0).Sub(e.at.Round(0)) - time.Since(e.at)
	return put.Abs() < steady
}
