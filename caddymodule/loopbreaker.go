package caddymodule

import (
	"fmt"
	"net/http"
	"time"
)

// A browser that signs in and is signed out again on the very next page would
// go round for ever: it does not keep the session cookie, or the next request
// reaches a Caddy that does not know the session. A small cookie counts the
// sign-ins of the last moments, and how many of them were followed by a page
// load without a session.
const (
	loopWindow = 30 * time.Second
	maxLoops   = 5
)

// loopCount is what the cookie holds. It is not sealed: whoever changes it can
// only break their own sign-in.
type loopCount struct {
	began    time.Time
	signedIn int
	lost     int
}

func (s *site) readLoop(v *visit) loopCount {
	var began int64
	var c loopCount
	value := s.manager.CookieValue(v.cookies, "loop")
	if len(value) > 32 {
		return loopCount{}
	}
	if n, err := fmt.Sscanf(value, "%d.%d.%d", &began, &c.signedIn, &c.lost); n != 3 || err != nil {
		return loopCount{}
	}
	c.began = time.Unix(began, 0)
	if age := time.Since(c.began); age < 0 || age > loopWindow {
		return loopCount{}
	}
	return c
}

func (s *site) loopCookie(c loopCount) *http.Cookie {
	return s.manager.Cookie("loop", c.String(), loopWindow)
}

func (c loopCount) String() string {
	return fmt.Sprintf("%d.%d.%d", c.began.Unix(), c.signedIn, c.lost)
}

// countSignIn counts a callback that succeeded.
func (s *site) countSignIn(v *visit) *http.Cookie {
	c := s.readLoop(v)
	if c.signedIn == 0 {
		c.began = time.Now()
	}
	c.signedIn++
	return s.loopCookie(c)
}

// countLoop counts a page load without a session, and reports whether it is
// time to stop.
func (s *site) countLoop(v *visit) (looping bool, cookie *http.Cookie) {
	c := s.readLoop(v)
	if c.signedIn <= c.lost {
		return false, nil
	}
	c.lost++
	return c.lost > maxLoops, s.loopCookie(c)
}
