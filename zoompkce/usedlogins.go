package zoompkce

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

const (
	// usedLoginLife is how long a used login is remembered: its cookie opens no longer,
	// also by a clock that is behind.
	usedLoginLife = 2 * LoginLifetime
	maxUsedLogins = 10_000
)

// usedLogins are the logins whose code was sent to Zoom. A login lives in its
// cookie alone, which whoever made the browser can send again and again: each time
// would cost a call to Zoom, on whose patience all visitors depend.
type usedLogins struct {
	mu   sync.Mutex
	used map[[sha256.Size]byte]time.Time
}

// use marks a login as used, and reports false if it was used before.
func (l *usedLogins) use(login *Login) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := sha256.Sum256([]byte(login.state))
	if _, used := l.used[key]; used {
		return false
	}
	if len(l.used) >= maxUsedLogins {
		l.makeRoom()
	}
	l.used[key] = time.Now()
	return true
}

// errLoginUsed is what Zoom would say of the code.
var errLoginUsed = &zoomapi.Error{
	Call: zoomapi.CallCode, Kind: zoomapi.KindInvalidGrant, Err: errors.New("the login was used before"),
}

// makeRoom forgets what is over, or else the oldest.
func (l *usedLogins) makeRoom() {
	var oldest [sha256.Size]byte
	first := time.Now()
	for key, at := range l.used {
		switch {
		case time.Since(at) > usedLoginLife:
			delete(l.used, key)
		case at.Before(first):
			oldest, first = key, at
		}
	}
	if len(l.used) >= maxUsedLogins {
		delete(l.used, oldest)
	}
}

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
