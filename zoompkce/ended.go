package zoompkce

import "slices"

// Sessions and programs that were ended in this process are remembered by it: a store that
// goes back to an earlier state brings them back, and they must not be accepted
// again where the visitor has seen them end.
const (
	maxEndedUsers    = 10_000
	maxEndedSessions = 100 // of one user
)

// end notes that sessions or programs of the user were ended here.
func (x *userIndex) end(u *user, ids ...sessionID) {
	if len(ids) == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	all := slices.Concat(x.ended[u.key], ids)
	all = all[max(0, len(all)-maxEndedSessions):]
	for key := range x.ended {
		if len(x.ended) < maxEndedUsers {
			break
		}
		delete(x.ended, key)
	}
	x.ended[u.key] = all
	u.ended.Store(&all)
}

// hasEnded reports whether a session or program was ended here.
func (u *user) hasEnded(id sessionID) bool {
	ended := u.ended.Load()
	return ended != nil && slices.Contains(*ended, id)
}

// dropEnded takes what was ended here out of a record.
func (u *user) dropEnded(r *record) {
	if u.ended.Load() != nil {
		r.Sessions = slices.DeleteFunc(r.Sessions, func(s openSession) bool { return u.hasEnded(s.ID) })
		r.Programs = slices.DeleteFunc(r.Programs, func(p program) bool { return u.hasEnded(p.ID) })
	}
}
