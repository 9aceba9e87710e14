package zoompkce

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// Flow is the way a sign-in takes. A login begun for one flow cannot be
// finished by another.
type Flow string

const (
	// BrowserFlow goes through the address bar: redirect to Zoom and back.
	BrowserFlow Flow = "browser"
	// ProgramFlow is BrowserFlow for somebody whom a program has sent: it leads back
	// to the program's request, which it carries.
	ProgramFlow Flow = "program"
	// AppFlow runs inside the Zoom client, by zoomSdk.authorize.
	AppFlow Flow = "app"
)

// LoginLifetime is how long a login may take.
const LoginLifetime = 10 * time.Minute

var (
	// ErrLoginUnknown means that this browser has no login with the state given.
	ErrLoginUnknown = errors.New("zoompkce: no login of this browser has this state")
	// ErrLoginExpired means that the login was begun too long ago.
	ErrLoginExpired = errors.New("zoompkce: the login was begun too long ago")
	// ErrLongLogin means that what a login has to remember does not fit into a cookie.
	ErrLongLogin = errors.New("zoompkce: the login is too long for a cookie")
)

// Login is one pending sign-in attempt. It lives in an encrypted cookie of the
// browser that began it, and nowhere else.
type Login struct {
	// Flow is the way it takes.
	Flow Flow
	// RedirectURI is where Zoom was told to send the visitor back to.
	RedirectURI string
	// ReturnURL is where the visitor goes after it.
	ReturnURL string
	// Program is the authorization request that the visitor is to be asked after
	// it, in the ProgramFlow.
	Program string
	// Started is when it was begun.
	Started time.Time
	// Restarted tells that it follows one that failed, so that a second
	// failure is not answered by a third attempt.
	Restarted bool
	// Marketplace tells that the visitor came from Zoom's App Marketplace.
	Marketplace bool

	state    string
	verifier string
	cookie   string
	session  string // the marks of the sessions that the browser had then; "" where they are not known
	owner    string // the process that began it
}

// loginPayload is what a login cookie holds.
type loginPayload struct {
	Flow        Flow   `json:"f"`
	State       string `json:"s"`
	Verifier    string `json:"v"`
	RedirectURI string `json:"u"`
	ReturnURL   string `json:"r"`
	Started     int64  `json:"t"` // Unix milliseconds
	Session     string `json:"b,omitempty"`
	Owner       string `json:"o,omitempty"`
	Program     string `json:"p,omitempty"`
	Marketplace bool   `json:"m,omitempty"`
}

// LoginRequest says what login to begin.
type LoginRequest struct {
	// Flow is the way it takes. Default: BrowserFlow.
	Flow Flow
	// RedirectURI is one of the URIs registered at Zoom.
	RedirectURI string
	// ReturnURL is where the visitor goes after it; a result of [returnurl.Of].
	ReturnURL string
	// Program is the authorization request of the ProgramFlow.
	Program string
	// Restarted is set for a login that follows one that failed.
	Restarted bool
	// Marketplace is set for one that Zoom's App Marketplace began, without a state.
	Marketplace bool
}

// BeginLogin begins a sign-in. It returns the login, for the authorization URL
// and the challenge, and the cookies to set: the new one, and the deletion of
// those there is no more room for. Errors are [ErrLongLogin] or a [*StoreError].
func (m *Manager) BeginLogin(
	ctx context.Context, cookies []string, req LoginRequest,
) (*Login, []*http.Cookie, error) {
	k, err := m.loadKeys(ctx)
	if err != nil {
		return nil, nil, err
	}
	login := &Login{
		Flow:        req.Flow,
		RedirectURI: req.RedirectURI,
		ReturnURL:   req.ReturnURL,
		Program:     req.Program,
		Started:     time.Now(),
		Restarted:   req.Restarted,
		Marketplace: req.Marketplace,
		state:       newState(k, req.Restarted),
		verifier:    zoomapi.NewVerifier(),
	}
	if login.Flow == "" {
		login.Flow = BrowserFlow
	}
	login.session, login.owner = m.sessionMarks(k, cookies), m.ownerMark()
	login.cookie = m.loginCookieName(login.Flow, login.state)
	cookie, err := m.loginCookie(k, login)
	if err != nil {
		return nil, nil, err
	}
	return login, append([]*http.Cookie{cookie}, m.crowdedOut(k, cookies, cookie)...), nil
}

// loginCookie returns the cookie of a login, or [ErrLongLogin]: browsers drop what is longer.
func (m *Manager) loginCookie(k *keys, l *Login) (*http.Cookie, error) {
	value, err := l.seal(k)
	cookie := m.jar.cookie(l.cookie, value, LoginLifetime)
	if err != nil || cookieSize(cookie) > maxCookieValue {
		return nil, ErrLongLogin
	}
	return cookie, nil
}

func (l *Login) seal(k *keys) (string, error) {
	var payload bytes.Buffer
	encoder := json.NewEncoder(&payload)
	// Every & of the return URL would become six bytes, and the cookie too long.
	encoder.SetEscapeHTML(false)
	// A buffer takes everything, and what a login holds can always be written.
	_ = encoder.Encode(loginPayload{
		l.Flow, l.state, l.verifier, l.RedirectURI, l.ReturnURL, l.Started.UnixMilli(), l.session, l.owner, l.Program, l.Marketplace,
	})
	return k.sealCookie(purposeLogin, l.cookie, payload.Bytes())
}

// AuthorizeURL is where the visitor has to go now.
func (m *Manager) AuthorizeURL(l *Login) string {
	return m.client.AuthCodeURL(l.RedirectURI, l.state, l.verifier)
}

// InClientChallenge is what zoomSdk.authorize has to be given. The challenge is
// the verifier itself: Zoom's client has no parameter for the method, Zoom
// takes an absent one for plain, and answers a SHA-256 challenge with "Invalid
// authorization code" (devforum.zoom.us, thread 77062).
func (l *Login) InClientChallenge() (challenge, state string) { return l.verifier, l.state }

// DropLogin returns the cookie that ends a login: each is used once.
func (m *Manager) DropLogin(l *Login) *http.Cookie { return m.jar.deletion(l.cookie) }

// PendingLogin finds the login that a state belongs to among the cookies of
// the browser. With ErrLoginExpired it returns the login too. The in-client flow
// has one login at a time, which an empty state stands for: Zoom's client does
// not always hand the state back (zoom/arlo, backend/src/services/auth.js).
func (m *Manager) PendingLogin(ctx context.Context, cookies []string, flow Flow, state string) (*Login, error) {
	k, err := m.loadKeys(ctx)
	if err != nil {
		return nil, err
	}
	name := m.loginCookieName(flow, state)
	for _, value := range cookieValues(nil, cookies, name) {
		login, ok := m.openLogin(k, name, value)
		if !ok || login.Flow != flow {
			continue
		}
		same := subtle.ConstantTimeCompare([]byte(login.state), []byte(state)) == 1
		if !same && (state != "" || flow != AppFlow) {
			continue
		}
		if age := time.Since(login.Started); age > LoginLifetime || age < -LoginLifetime {
			return login, ErrLoginExpired
		}
		return login, nil
	}
	return nil, ErrLoginUnknown
}

func (m *Manager) openLogin(k *keys, name, value string) (*Login, bool) {
	plain, ok := k.openCookie(purposeLogin, name, value)
	var p loginPayload
	if !ok || json.Unmarshal(plain, &p) != nil {
		return nil, false
	}
	return &Login{
		Flow:        p.Flow,
		RedirectURI: p.RedirectURI,
		ReturnURL:   p.ReturnURL,
		Program:     p.Program,
		Started:     time.UnixMilli(p.Started),
		Restarted:   stateRestarted(k, p.State),
		Marketplace: p.Marketplace,
		state:       p.State,
		verifier:    p.Verifier,
		cookie:      name,
		session:     p.Session,
		owner:       p.Owner,
	}, true
}
