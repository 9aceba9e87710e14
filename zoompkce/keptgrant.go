package zoompkce

import "time"

// recordLife bounds what a record holds. A manager that keeps no grants must not
// end what another one of the app keeps.
func (m *Manager) recordLife() sessionLife {
	life := m.life
	life.keep = max(life.keep, m.state.longestKeep())
	return life
}

func (s *State) longestKeep() (keep time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for m := range s.managers {
		keep = max(keep, m.life.keep)
	}
	return keep
}

// keepsGrant reports whether the grant outlives the sessions and programs, or has
// outlived them for less than its time.
func (r *record) keepsGrant(now time.Time, life sessionLife) bool {
	return life.keep > 0 && r.Grant != nil && !r.Grant.dead() &&
		(r.Left.IsZero() || now.Before(r.Left.Add(life.keep)))
}

// keepGrant notes in a changed record when the last session or program of former
// ended: now, or before that where nobody has seen it end.
func (r *record) keepGrant(former *record, now time.Time, life sessionLife) {
	switch {
	case !r.unused() || !r.keepsGrant(now, life):
		r.Left = time.Time{}
	case r.Left.IsZero():
		r.Left = now
		if former != nil && !former.unused() {
			r.Left = earlier(now, former.lastUse(life))
		}
	}
}

// lastUse is when the last session and program end by themselves, or have ended.
func (r *record) lastUse(life sessionLife) time.Time {
	last := r.Left
	for _, s := range r.Sessions {
		// It was seen on that day, at the end of it maybe.
		idle := time.Unix((s.Seen+1)*24*60*60, 0).Add(life.idle)
		last = later(last, earlier(idle, time.UnixMilli(s.Created).Add(life.max)))
	}
	for i := range r.Programs {
		last = later(last, life.programs.end(&r.Programs[i]))
	}
	for _, p := range r.Pending {
		last = later(last, time.Unix(p.Created+codeLife, 0))
	}
	return last
}

// holdsGrant reports whether a session or program holds the grant, or the grant is
// kept.
func (r *record) holdsGrant(now time.Time, life sessionLife) bool {
	return now.Before(r.lastUse(life).Add(life.keep))
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
