package zoompkce

import (
	"crypto/sha256"
	"errors"
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
