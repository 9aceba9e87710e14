package simulation

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// zoom is Zoom as far as this protocol meets it: codes and refresh tokens that
// count once, access tokens that end, and one grant a user, the latest.
type zoom struct {
	*world
	life    time.Duration // of an access token
	codes   map[string]*user
	tokens  map[string]token // by access and by refresh token
	waiting []delivery
	numbers int
}

// grant is one sign-in of a user at Zoom and what was refreshed from it.
type grant struct {
	user     *user
	number   int // of the user's sign-ins
	serial   int // of its refreshes
	dead     bool
	born     time.Time
	began    time.Time // when its login began
	signedIn bool      // the sign-in has ended, well or not

	issues []issue // one for each serial
	saved  int     // the highest serial that was in the store; -1: none
	over   string  // why nobody needs it any more
}

// issue is the answer that carried the tokens of one serial.
type issue struct {
	to      *incarnation
	at      time.Time
	leased  time.Time // until when nobody else was to present the token before it
	expires time.Time
	refused bool // the access token, before its time
	heard   time.Time
	lost    bool // nobody has it
	savedAt time.Time
}

// token is what a token stands for.
type token struct {
	grant  *grant
	serial int
}

func (t token) String() string {
	if t.grant == nil {
		return "done"
	}
	return fmt.Sprintf("grant %d.%d of %s", t.grant.number, t.serial, t.grant.user.name)
}

// before reports whether t is older than other.
func (t token) before(other token) bool {
	if t.grant == other.grant || t.grant == nil || other.grant == nil {
		return other.grant != nil && (t.grant == nil || t.serial < other.serial)
	}
	return t.grant.number < other.grant.number
}

// delivery is a message of Zoom's that a user has taken the app's permission away.
type delivery struct {
	user *user
	at   time.Time
}

func newZoom(w *world) *zoom {
	return &zoom{world: w, codes: map[string]*user{}, tokens: map[string]token{}}
}

// consent is the user's at the authorization page; it gives a code.
func (z *zoom) consent(u *user) string {
	z.numbers++
	code := fmt.Sprintf("code-%d", z.numbers)
	z.codes[code] = u
	return code
}

// newest is the newest token of a user, if the grant lives.
func (z *zoom) newest(u *user) token {
	if u.grant == nil || u.grant.dead {
		return token{}
	}
	return token{u.grant, u.grant.serial}
}

func (z *zoom) issue(c *call, g *grant) []byte {
	now := time.Now()
	g.issues = append(g.issues, issue{to: c.by, at: now, leased: c.by.leasedUntil(g.user), expires: now.Add(z.life)})
	id := fmt.Sprintf("%s-%d-%d", g.user.name, g.number, g.serial)
	access := "x." + base64.RawURLEncoding.EncodeToString([]byte(`{"uid":"`+g.user.name+`"}`)) + "." + id
	z.tokens[access] = token{g, g.serial}
	z.tokens["r."+id] = token{g, g.serial}
	return fmt.Appendf(nil, `{"access_token":%q,"token_type":"bearer","refresh_token":"r.%s","expires_in":%d,"scope":"user:read:user"}`,
		access, id, int(z.life/time.Second))
}

// carrier carries one process's calls to Zoom.
type carrier struct {
	*zoom
	by *incarnation
}

func (t *carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	var form url.Values
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if form, err = url.ParseQuery(string(body)); err != nil {
			return nil, err
		}
	}
	status, body := http.StatusOK, []byte(nil)
	c := &call{by: t.by}
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	var act func(*call) (int, []byte)
	switch {
	case form.Get("grant_type") == "authorization_code":
		c.kind, c.on = "exchange", form.Get("code")
		act = func(c *call) (int, []byte) { return t.redeem(c, c.on) }
	case form.Get("grant_type") == "refresh_token":
		c.kind, c.on = "refresh", form.Get("refresh_token")
		c.heard, c.left = t.saysNothing, t.saysNothing
		act = func(c *call) (int, []byte) { return t.refresh(c, t.tokens[c.on]) }
	case strings.HasSuffix(r.URL.Path, "/revoke"):
		c.kind, c.on = "revoke", form.Get("token")
		c.asked = func() { t.tokens[c.on].grant.end("it was revoked") }
		act = func(c *call) (int, []byte) { return t.revoke(t.tokens[c.on]) }
	case strings.HasSuffix(r.URL.Path, "/zak"):
		c.kind, c.on = "zak", bearer
		act = func(c *call) (int, []byte) { return t.api(t.tokens[c.on], []byte(`{"token":"zak"}`)) }
	default:
		c.kind, c.on = "me", bearer
		c.heard, c.left = t.saysNothing, t.saysNothing
		act = func(c *call) (int, []byte) {
			owner := t.tokens[c.on]
			return t.api(owner, owner.grant.user.me())
		}
	}
	c.effect = func(c *call) {
		if c.weather.status != 0 {
			status, body = c.weather.status, []byte(`{"reason":"later"}`)
			return
		}
		status, body = act(c)
	}
	if err := t.wait(r.Context(), c); err != nil {
		return nil, err
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if status == http.StatusTooManyRequests {
		header.Set("Retry-After", "1") // without it the client would throw dice of its own
	}
	return &http.Response{
		StatusCode: status, Header: header, Request: r,
		Body: io.NopCloser(bytes.NewReader(body)), ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// redeem exchanges a code. A later sign-in of a user ends the tokens of the
// earlier one (Zoom's error 4741).
func (z *zoom) redeem(c *call, code string) (int, []byte) {
	u := z.codes[code]
	if u == nil {
		return http.StatusBadRequest, []byte(`{"reason":"Invalid authorization code","error":"invalid_grant"}`)
	}
	delete(z.codes, code)
	if u.grant != nil {
		u.grant.dead = true
	}
	u.signIns++
	u.grant = &grant{user: u, number: u.signIns, born: time.Now(), saved: -1}
	if c.op != nil {
		c.op.grant = u.grant
		u.grant.began = c.op.login.began
	}
	return z.given(c, u.grant)
}

// refresh exchanges a refresh token, once: the answer holds the next one.
func (z *zoom) refresh(c *call, spent token) (int, []byte) {
	invalid := []byte(`{"reason":"Invalid Token!","error":"invalid_grant"}`)
	g := spent.grant
	if g == nil || g.dead {
		return http.StatusBadRequest, invalid
	}
	if spent.serial < g.serial {
		z.presentedOnce(c, spent)
		return http.StatusBadRequest, invalid
	}
	g.serial++
	return z.given(c, g)
}

// given answers with the tokens of a grant and sees who gets them.
func (z *zoom) given(c *call, g *grant) (int, []byte) {
	body := z.issue(c, g)
	t := token{g, g.serial}
	z.note("Zoom gives %s %s", c.by, t)
	c.heard = func(c *call) {
		if c.err == nil {
			g.issues[t.serial].heard = time.Now()
			c.by.learn(t)
		}
	}
	c.lost = func(*call) {
		g.issues[t.serial].lost = true
		g.user.doom("the answer with its tokens was lost")
	}
	return http.StatusOK, body
}

func (z *zoom) revoke(t token) (int, []byte) {
	if z.works(t) {
		t.grant.dead = true
		if t.grant.saved < 0 {
			t.grant.user.doom("a sign-in that failed has ended the grants of others, and was revoked")
		}
	}
	return http.StatusOK, []byte(`{"status":"success"}`)
}

func (z *zoom) works(t token) bool {
	return t.grant != nil && !t.grant.dead && !t.grant.issues[t.serial].refused && time.Now().Before(t.grant.issues[t.serial].expires)
}

func (z *zoom) api(t token, body []byte) (int, []byte) {
	if !z.works(t) {
		return http.StatusUnauthorized, []byte(`{"code":124,"message":"Invalid access token."}`)
	}
	return http.StatusOK, body
}

// codesAlone may be the reason for a while only: when the code is redeemed somebody needs the grant.
const codesAlone = "only codes need it, which may never come"

// end notes that a grant is not needed any more, so that nobody has to keep it.
func (g *grant) end(why string) {
	if g != nil && (g.over == "" || g.over == codesAlone) {
		g.over = why
	}
}

// saysNothing sees that a process has no answer of Zoom's to what it has to know before it saves.
func (t *carrier) saysNothing(c *call) {
	if c.err != nil || c.weather.status != 0 || c.gone.Load() {
		t.by.hasNotSaved(t.tokens[c.on].grant.user)
	}
}
