package simulation

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// user is a Zoom user with all that is true of them.
type user struct {
	*world
	name    string
	key     string // of the record
	grant   *grant // the newest at Zoom, dead or not
	signIns int

	sessions []*session
	tookOut  map[string]*incarnation // who took a session out of the record, by its id
	emptied  *incarnation            // who last made the record a tombstone

	doomed   time.Time // when the world last did what may end sessions
	why      string
	wentBack time.Time // when the store last forgot something of the user
	revived  time.Time // when the stored record last ceased to have a dead grant
	locked   bool      // the secret of the record may have been lost, and nobody has sealed it anew
	unlocked time.Time // when somebody last did
	ended    time.Time // when somebody last ended all sessions, as far as is known
	ending   int       // who is about to
	freed    struct {  // when a lease last ended before its time, or was taken over
		at    time.Time
		owner string
	}
}

// session is a signed-in browser, as the world knows it.
type session struct {
	user    *user
	browser *browser
	cookie  string
	id      string    // in the record; not known of a program
	began   time.Time // when its sign-in did
	born    time.Time // when Zoom gave its grant
	opened  time.Time // when the browser was told

	doomed  string    // why it may end or have ended
	ended   time.Time // when it was over for good, zero while it is not
	endedBy *incarnation
	dropped bool      // with its dead grant: who ends the user then does not see it
	coded   time.Time // when it began as a code that nobody has redeemed: one that is over is not seen either
}

// doom notes that the world did what may end all sessions of the user that were
// begun by now.
func (u *user) doom(why string) {
	u.doomed, u.why = time.Now(), why
	for _, s := range u.sessions {
		if s.doomed == "" {
			s.doomed = why
		}
	}
	u.note("(the sessions of %s may end: %s)", u.name, why)
}

// dyingSince reports whether the stored record has had a dead grant since then.
func (u *user) dyingSince(then time.Time) bool {
	return u.store.ofUser(u).dying() || u.revived.After(then)
}

func (u *user) me() []byte {
	return []byte(`{"id":"` + u.name + `","account_id":"acc","email":"` + u.name + `@example.com","verified":1,"display_name":"` + u.name + `"}`)
}

// end notes that a session is over: nobody may accept it any more.
func (s *session) end(by *incarnation) {
	if s.ended.IsZero() {
		s.ended, s.endedBy = time.Now(), by
	}
	if s.doomed == "" {
		s.doomed = "it was ended"
	}
}

// aboutToEnd, mayHaveEnded and endSessions go with what ends all sessions of a
// user: before it, after it, and when it has surely happened.
func (u *user) aboutToEnd(why string) {
	u.ending++
	u.doom(why)
}

func (u *user) mayHaveEnded(why string) {
	u.ending--
	u.grant.end(why)
	u.doom(why)
}

func (u *user) endSessions(by *incarnation, before time.Time) {
	for _, s := range u.sessions {
		switch {
		case !s.opened.Before(before):
		case s.id != "" && u.tookOut[s.id] != by, s.id == "" && u.emptied != by: // it was out of the record already
			s.end(nil)
		case s.dropped, !s.coded.IsZero() && (u.plan.skewed || time.Since(s.coded) >= codeGood): // by another clock a code may be over at once
			s.end(nil)
		default:
			s.end(by)
		}
	}
}

// takesOut notes who takes sessions out of a record: nobody else has seen them end.
func (i *incarnation) takesOut(u *user, was, is *view) {
	if was == nil {
		return
	}
	for _, s := range was.Sessions {
		if !slices.Contains(is.Sessions, s) {
			u.tookOut[s.ID] = i
		}
	}
}

// endCodes notes that codes which nobody has redeemed have ended with the last session or program.
func (u *user) endCodes() {
	for _, s := range u.sessions {
		if !s.coded.IsZero() {
			s.maybeEnd(codesAlone)
		}
	}
}

// opens notes the session that a sign-in puts into a record: the last one there.
func (o *op) opens(v *view) {
	if n := len(v.Sessions); o != nil && o.login != nil && n > 0 {
		o.opened = v.Sessions[n-1].ID
	}
}

// drop notes that a sign-in has taken the sessions of a grant that died long ago out of the record.
func (u *user) drop(was, is *view) {
	for _, s := range was.Sessions {
		if slices.Contains(is.Sessions, s) {
			return
		}
	}
	if len(is.Programs) > 0 {
		return
	}
	for _, s := range u.sessions {
		s.dropped = true
	}
}

func (s *session) maybeEnd(why string) {
	if s != nil && s.doomed == "" {
		s.doomed = why
	}
}

// browser keeps cookies. It may be used with any process.
type browser struct {
	name    string
	user    *user
	jar     map[string]string
	session *session
}

func (b *browser) header() []string {
	var pairs []string
	for name, value := range b.jar {
		pairs = append(pairs, name+"="+value)
	}
	if len(pairs) == 0 {
		return nil
	}
	slices.Sort(pairs)
	return []string{strings.Join(pairs, "; ")}
}

func (b *browser) set(cookies ...*http.Cookie) {
	for _, c := range cookies {
		if c.MaxAge < 0 {
			delete(b.jar, c.Name)
		} else {
			b.jar[c.Name] = c.Value
		}
	}
}

// forget clears the cookie of a session.
func (b *browser) forget(s *session) {
	for name, value := range b.jar {
		if value == s.cookie {
			delete(b.jar, name)
		}
	}
	if b.session == s {
		b.session = nil
	}
}

// login is one that waits for its callback.
type login struct {
	browser *browser
	user    *user
	state   string
	code    string
	began   time.Time     // in truth
	ahead   time.Duration // of the clock that wrote it down
}
