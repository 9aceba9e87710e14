package caddymodule

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/browser"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/pages"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/telemetry"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/returnurl"
)

// loginStart says what login to start.
type loginStart struct {
	returnURL   string
	restarted   bool   // it follows one that failed
	marketplace bool   // it was begun there
	program     string // the request of a program that it is for
}

// startLogin sends the visitor to Zoom.
func (s *site) startLogin(w http.ResponseWriter, r *http.Request, v *visit, start loginStart) error {
	flow := zoompkce.BrowserFlow
	if start.program != "" {
		flow = zoompkce.ProgramFlow
	} else if s.insideZoom(r) {
		return s.signInInside(w, r, start.returnURL)
	}
	login, cookies, err := s.manager.BeginLogin(r.Context(), v.cookies, zoompkce.LoginRequest{
		Flow:        flow,
		RedirectURI: s.redirectURIOf(r).uri,
		ReturnURL:   start.returnURL,
		Program:     start.program,
		Restarted:   start.restarted,
		Marketplace: start.marketplace,
	})
	if err != nil {
		return s.refuse(w, r, refusalOf(err))
	}
	for _, cookie := range cookies {
		http.SetCookie(w, cookie)
	}
	return s.redirect(w, telemetry.DecisionLogin, s.manager.AuthorizeURL(login))
}

// redirect answers with 303: whatever the method was, the browser goes on with
// GET, and nothing of the answer is kept.
func (s *site) redirect(w http.ResponseWriter, decision, location string) error {
	telemetry.Metrics.Count(decision)
	pages.SetSecurityHeaders(w.Header(), s.security())
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// serveLogin is the endpoint that starts a login on purpose.
func (s *site) serveLogin(w http.ResponseWriter, r *http.Request, v *visit) error {
	if !mayBeginLogin(r) {
		return s.refuse(w, r, refusal{code: outcome.BadRequest})
	}
	query := browser.SentURL(r).Query()
	returnURL := s.wishedReturnURL(query.Get("return_to"))
	if browser.Classify(r) == browser.FramedLoad && !s.insideZoom(r) {
		return s.refuseFramed(w, r, returnURL)
	}
	if s.sendHome(w, r, v) {
		return nil
	}
	if window, ok := s.frameWindowAt(query); ok {
		return s.serveFrameWindow(w, r, v, window)
	}
	return s.startLogin(w, r, v, loginStart{returnURL: returnURL})
}

// mayBeginLogin reports whether a link was followed: a fetch or a prefetch of it
// would leave a login behind.
func mayBeginLogin(r *http.Request) bool {
	mode := r.Header.Get("Sec-Fetch-Mode")
	return (mode == "" || mode == "navigate") && !browser.IsSpeculative(r.Header)
}

// wishedReturnURL holds a wish from outside to the rules for return URLs.
func (s *site) wishedReturnURL(wish string) string {
	wish, fragment, _ := strings.Cut(wish, "#")
	var to string
	var ok bool
	if s.cookie.domain != "" {
		to, ok = returnurl.ParseOn(wish, s.scheme(), s.cookie.domain)
	} else {
		to, ok = returnurl.Parse(wish)
	}
	if !ok {
		return "/"
	}
	if u, err := url.Parse(to); err != nil {
		return "/"
	} else if !s.isDestination(u) {
		return "/"
	}
	if s.keepFragment && fragment != "" {
		if whole := to + "#" + escapeFragment(fragment); returnurl.Size(whole) <= maxFragmentURL {
			to = whole
		}
	}
	return to
}

// escapeFragment keeps a fragment as browsers tell it, which is with their
// escapes, and escapes what they would, and a percent sign that begins no escape.
func escapeFragment(fragment string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(fragment) {
		c := fragment[i]
		escape := c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>`", c) >= 0
		if c == '%' {
			_, err := url.PathUnescape(fragment[i:min(i+3, len(fragment))])
			escape = err != nil
		}
		if escape {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// maxFragmentURL bounds a return URL with its fragment, like those without.
const maxFragmentURL = 1024

// signInFrom answers a page load with a sign-in that leads back to it. To keep
// the fragment, which only a script can see, the script of a page starts it.
func (s *site) signInFrom(w http.ResponseWriter, r *http.Request, v *visit) error {
	if s.insideZoom(r) {
		return s.serveInClientSignIn(w, r)
	}
	returnURL := s.returnURL(r)
	if !s.keepFragment {
		return s.startLogin(w, r, v, loginStart{returnURL: returnURL})
	}
	next := s.pathPrefix + "/login?return_to=" + url.QueryEscape(returnURL)
	telemetry.Metrics.Count(telemetry.DecisionFragment)
	pages.KeepFragmentHop(next).Write(w, http.StatusOK, s.security())
	return nil
}

// hostLife is how long a browser that was sent to another host is remembered.
const hostLife = 10 * time.Second

// sendHome sends a page load on a host without a redirect URI to the same page
// on the first one's: cookies set here would not be there after the sign-in. A browser that comes
// straight back is not on another host; a front proxy has rewritten Host.
func (s *site) sendHome(w http.ResponseWriter, r *http.Request, v *visit) bool {
	if _, known := s.redirectURIFor(r.Host); known {
		return false
	}
	if s.cookie.domain != "" && hostInDomain(r.Host, s.cookie.domain) {
		return false
	}
	mark := hostMark(r.Host)
	switch s.manager.CookieValue(v.cookies, "host") {
	case mark, anyHost:
		return false
	case "":
	default:
		mark = anyHost // a proxy with several names for us: a third time would be a loop
	}
	http.SetCookie(w, s.manager.Cookie("host", mark, hostLife))
	_ = s.redirect(w, telemetry.DecisionOtherHost, s.redirectURIs[0].origin+returnurl.Of(browser.SentURL(r)))
	return true
}

// anyHost is the mark of a browser that came back with one foreign host after another.
const anyHost = "any"

// hostMark stands for a host in a cookie, whatever characters it has.
func hostMark(host string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(host)))
	return hex.EncodeToString(sum[:4])
}

func hostInDomain(host, domain string) bool {
	u, err := url.Parse("//" + host)
	return err == nil && conf.InDomain(strings.ToLower(u.Hostname()), domain)
}

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

// breakLoop counts a page load without a session that begins a sign-in by itself, and
// answers it when it is time to stop. Every sign-in that comes back to where it began
// asks it first; returnURL is that place, by default the page itself.
func (s *site) breakLoop(w http.ResponseWriter, r *http.Request, v *visit, returnURL string) (broken bool, err error) {
	c := s.readLoop(v)
	if c.signedIn <= c.lost {
		return false, nil
	}
	c.lost++
	if c.lost > maxLoops {
		return true, s.refuseLogin(w, r, refusal{code: outcome.TooManyLogins, returnURL: returnURL})
	}
	http.SetCookie(w, s.loopCookie(c))
	return false, nil
}
