package zoompkce

import (
	"encoding/hex"
	"strings"
)

// noSession is the mark of a browser without a session.
const noSession = "-"

// markOf names a session in a login cookie, where every byte counts.
func markOf(id sessionID) string { return hex.EncodeToString(id[:4]) }

// sessionMarks names the sessions that a browser presents. Most often it is one; a
// cookie of a former same_site may lie beside it.
func (m *Manager) sessionMarks(k *keys, cookies []string) string {
	sessions := m.presented(k, cookies)
	if len(sessions) == 0 {
		return noSession
	}
	marks := make([]string, len(sessions))
	for i, s := range sessions {
		marks[i] = markOf(s.id)
	}
	return strings.Join(marks, " ")
}

// ownerMark names this process in a login cookie.
func (m *Manager) ownerMark() string { return m.state.owner[:8] }

// Overtaken reports whether the session of this browser, if there is one, was opened
// after the login had begun: another tab was faster, and the code is not
// needed. No clock is asked: the login knows which sessions the browser had then.
func (m *Manager) Overtaken(l *Login, s *Session) bool {
	switch {
	case s == nil:
		return false
	case l.session == "": // begun by a version that did not note it
		return s.Created().After(l.Started)
	}
	return !strings.Contains(l.session, markOf(s.cookie.id))
}
