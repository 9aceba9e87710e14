package zoompkce

import (
	"slices"
	"time"
)

// What was ended in this process is remembered by it: a store that goes back to an
// earlier state brings it back, and it must not be accepted again where the visitor
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
