package zoompkce

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// maxLoginBytes is how much room the cookies of a browser's sign-in attempts may take
// together, some ten of them: browsers and servers refuse requests whose headers grow
// beyond some 8 KB.
const maxLoginBytes = 6 * 1024

// loginCookieName gives each attempt a cookie of its own, so that several tabs
// can sign in at once. The in-client flow has a single one.
func (m *Manager) loginCookieName(flow Flow, state string) string {
	if flow == AppFlow {
		return m.jar.name("app")
	}
	sum := sha256.Sum256([]byte(state))
	return m.jar.name(hex.EncodeToString(sum[:4]))
}

// crowdedOut returns deletions for the login cookies that have to go so that
// added fits: what cannot be opened first, then the oldest.
func (m *Manager) crowdedOut(k *keys, cookies []string, added *http.Cookie) (deletions []*http.Cookie) {
	type pending struct {
		name    string
		size    int
		started time.Time
	}
	var logins []pending
	for _, c := range m.jar.ownCookies(cookies) {
		suffix := strings.TrimPrefix(c.Name, m.jar.base+"_")
		if _, err := hex.DecodeString(suffix); err != nil || len(suffix) != 8 {
			continue // the session's, that of the in-client flow, or a note
		}
		p := pending{name: c.Name, size: cookieSize(c)}
		if login, ok := m.openLogin(k, c.Name, c.Value); ok {
			p.started = login.Started
		}
		logins = append(logins, p)
	}
	slices.SortStableFunc(logins, func(a, b pending) int { return b.started.Compare(a.started) })
	bytes := cookieSize(added)
	for _, p := range logins {
		if bytes += p.size; bytes > maxLoginBytes || time.Since(p.started) > LoginLifetime {
			deletions = append(deletions, m.jar.deletion(p.name))
		}
	}
	return deletions
}

// cookieSize is what a cookie takes in a request, with "=" and "; ".
func cookieSize(c *http.Cookie) int { return len(c.Name) + len(c.Value) + 3 }

// A state is 32 random bytes, then a mark, then the proof that the mark is ours:
// whether a login is a restart has to be known even where no cookie was kept,
// or a browser without cookies would go round for ever.
const (
	stateRandomLen = 32
	stateLen       = stateRandomLen + 1 + stateMACLen
)

func newState(k *keys, restarted bool) string {
	state := make([]byte, stateRandomLen+1, stateLen)
	rand.Read(state[:stateRandomLen])
	if restarted {
		state[stateRandomLen] = 1
	}
	return base64.RawURLEncoding.EncodeToString(append(state, k.stateMAC(state)...))
}

func stateRestarted(k *keys, state string) bool {
	raw, _ := base64.RawURLEncoding.DecodeString(state) // what is no base64 lacks its end
	if len(raw) != stateLen {
		return false
	}
	message, mac := raw[:stateRandomLen+1], raw[stateRandomLen+1:]
	return message[stateRandomLen] == 1 && k.verifyStateMAC(message, mac)
}

// StateRestarted reports whether a state was made here for a login that
// already followed a failed one, whether or not its cookie is there.
func (m *Manager) StateRestarted(ctx context.Context, state string) (bool, error) {
	k, err := m.loadKeys(ctx)
	if err != nil {
		return false, err
	}
	return stateRestarted(k, state), nil
}

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
func (m *Manager) ownerMark() string { return m.memory.owner[:8] }

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
