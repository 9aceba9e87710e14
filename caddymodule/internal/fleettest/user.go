package fleettest

import (
	"fmt"
	"time"
)

// user is a person, with some browsers. All of it is guarded by the fleet's lock.
type user struct {
	*Fleet
	name     string
	grants   int       // how often Zoom was asked for one
	signing  int       // sign-ins under way
	signed   time.Time // when one last ended
	ending   int       // operators under way
	lines    []string
	sessions []*session // that somebody may be let in with, or not any more
	doubted  time.Time  // when all that was there then was last doubted
	issuedAt time.Time  // when Zoom last gave tokens
}

// session is one that a browser was given.
type session struct {
	user   *user
	cookie string

	began   time.Time // its sign-in
	leaving bool      // a sign-out is under way, or was
	ended   time.Time // when its end was answered; zero: it was not
	by      *Process  // by whom
	doubt   string    // why nobody can say any more whether it lives
}

// over notes that a session was ended by a process.
func (s *session) over(p *Process) {
	if s.ended.IsZero() {
		s.ended, s.by = time.Now(), p
	}
	if s.user.mayForget(s.ended) {
		s.doubt = "the store may have forgotten its end"
	}
}

// doubt says why nobody knows any more which of the user's sessions live, and those
// to which sign-ins under way will lead.
func (u *user) doubt(why string) {
	u.note("doubt: %s", why)
	u.doubted = time.Now()
	for _, s := range u.sessions {
		if s.ended.IsZero() && s.doubt == "" {
			s.doubt = why
		}
	}
}

// forget doubts what the store may have lost since.
func (u *user) forget(since time.Time) {
	if u.issuedAt.After(since) {
		u.doubt("the store may have forgotten tokens")
	}
	for _, s := range u.sessions {
		if s.ended.After(since) || s.began.After(since) {
			s.doubt = "the store may have forgotten it, or its end"
		}
	}
}

const storyLength = 400

func (u *user) note(format string, args ...any) {
	if len(u.lines) >= 2*storyLength {
		u.lines = append(u.lines[:0], u.lines[storyLength:]...)
	}
	u.lines = append(u.lines, fmt.Sprintf("%9.3fs ", time.Since(u.Fleet.began).Seconds())+fmt.Sprintf(format, args...))
}

// noteRecord tells what a process does with a record, if it is a user's.
func (f *Fleet) noteRecord(p *Process, record, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, u := range f.users {
		if recordOf(u.name) == record {
			u.note("%s: %s", p, fmt.Sprintf(format, args...))
		}
	}
}
