package protect

import (
	"net/http"
	"strconv"
	"time"
)

// A browser that signs in and has no session on the very next page would go round between
// Zoom and the app for ever: it does not keep the session cookie, has two of different users,
// or reaches a process with another store. A small cookie counts the sign-ins that followed
// one another within the window; signing out drops it.
const (
	loopWindow = 30 * time.Second
	maxLoops   = 5
)

// signIns is how many sign-ins the cookie counts. It is not sealed: whoever changes it can
// only break their own sign-in.
func (h *Handler) signIns(r *http.Request) uint64 {
	n, _ := strconv.ParseUint(h.manager.CookieValue(r.Header["Cookie"], "loop"), 10, 8)
	return n
}

// countSignIn counts one that has succeeded.
func (h *Handler) countSignIn(r *http.Request) *http.Cookie {
	return h.manager.Cookie("loop", strconv.FormatUint(h.signIns(r)+1, 10), loopWindow)
}
