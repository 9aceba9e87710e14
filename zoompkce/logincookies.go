package zoompkce

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
)

// How many sign-in attempts one browser may have open, and how much room their
// cookies may take together: browsers and servers refuse requests whose
// headers grow beyond some 8 KB.
const (
	maxLogins     = 12
	maxLoginBytes = 6 * 1024
)

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
		suffix, ok := strings.CutPrefix(c.Name, m.jar.base+"_")
		if !ok || c.Name == added.Name {
			continue
		}
		if _, err := hex.DecodeString(suffix); err != nil || len(suffix) != 8 {
			continue
		}
		p := pending{name: c.Name, size: cookieSize(c)}
		if login, ok := m.openLogin(k, c.Name, c.Value); ok {
			p.started = login.Started
		}
		logins = append(logins, p)
	}
	slices.SortStableFunc(logins, func(a, b pending) int { return b.started.Compare(a.started) })
	count, bytes, full := 1, cookieSize(added), false
	for _, p := range logins {
		count, bytes = count+1, bytes+p.size
		full = full || count > maxLogins || bytes > maxLoginBytes
		if full || time.Since(p.started) > LoginLifetime {
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
	if len(state) != base64.RawURLEncoding.EncodedLen(stateLen) {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(state)
	if err != nil || len(raw) != stateLen {
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
