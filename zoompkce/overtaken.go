package zoompkce

import "encoding/hex"

// noSession is the mark of a browser without a session.
const noSession = "-"

// markOf names a session in a login cookie, where every byte counts.
func markOf(id sessionID) string { return hex.EncodeToString(id[:4]) }

// sessionMark names the session that a browser presents.
func (m *Manager) sessionMark(k *keys, cookies []string) string {
	if sessions := m.presented(k, cookies); len(sessions) > 0 {
		return markOf(sessions[0].id)
	}
	return noSession
}

// ownerMark names this process in a login cookie.
func (m *Manager) ownerMark() string { return m.state.owner[:8] }

// Overtaken reports whether the session of this browser, if there is one, was opened
// after the login had begun: another tab was faster, and the code is not
// needed. No clock is asked: the login knows which session the browser had then.
func (m *Manager) Overtaken(l *Login, s *Session) bool {
	switch {
	case s == nil:
		return false
	case l.session == "": // begun by a version that did not note it
		return s.Created().After(l.Started)
	}
	return l.session != markOf(s.cookie.id)
}
