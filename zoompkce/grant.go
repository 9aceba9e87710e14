package zoompkce

import (
	"crypto/rand"
	"maps"
	"strconv"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// grant is the one live token set of a user. All browsers of the user share
// it, because a later sign-in of the same user to the same app can revoke
// the tokens of an earlier one (Zoom's error 4741).
type grant struct {
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token"`
	IssuedAt     time.Time `json:"issued_at"`
	Expiry       time.Time `json:"expiry"`
	Scopes       []string  `json:"scopes,omitempty"`
	APIURL       string    `json:"api_url,omitempty"`

	Profile   zoomapi.Profile `json:"profile"`
	ProfileAt time.Time       `json:"profile_at"`

	// SignIn names the sign-in this line of tokens began with, and Serial
	// counts its refreshes: together they tell which of two grants is newer.
	SignIn     string    `json:"sign_in"`
	Serial     int       `json:"serial"`
	SignedInAt time.Time `json:"signed_in_at"`
	SavedAt    time.Time `json:"saved_at"`

	// DeadAt is when Zoom's word that the refresh token is no longer valid was
	// believed.
	DeadAt time.Time `json:"dead_at,omitzero"`

	// Lacks holds the scopes Zoom found missing, by the call that needs them.
	// Asked tells that this grant is the outcome of asking for them again.
	Lacks map[zoomapi.Call]string `json:"lacks,omitempty"`
	Asked bool                    `json:"asked,omitempty"`
}

// newGrant returns the grant of a sign-in. Whose it is has to be asked.
func newGrant(t *zoomapi.Token, now time.Time) *grant {
	g := &grant{SignIn: rand.Text(), SignedInAt: now}
	g.setToken(t, now)
	return g
}

// refreshed returns the grant that follows g.
func (g *grant) refreshed(t *zoomapi.Token, now time.Time) *grant {
	fresh := g.clone()
	fresh.setToken(t, now)
	fresh.Serial++
	return fresh
}

// minTokenLife is how long a token is taken to live if Zoom says less: one
// that is over as soon as it comes would be refreshed by every request.
const minTokenLife = time.Second

func (g *grant) setToken(t *zoomapi.Token, now time.Time) {
	g.AccessToken, g.RefreshToken, g.Scopes, g.APIURL = t.AccessToken, t.RefreshToken, t.Scopes, t.APIURL
	g.IssuedAt, g.Expiry = now, t.Expiry
	if least := now.Add(minTokenLife); g.Expiry.Before(least) {
		g.Expiry = least
	}
}

// due reports whether a token that is still valid is to be refreshed: within
// margin of its expiry, but one from a refresh not before half of its life is over.
// A margin longer than the life of a token would otherwise mean a refresh for
// every request.
func (g *grant) due(now time.Time, margin time.Duration) bool {
	if g.Serial > 0 && now.Sub(g.IssuedAt) < g.Expiry.Sub(g.IssuedAt)/2 {
		return false
	}
	return g.Expiry.Sub(now) <= margin
}

func (g *grant) token() zoomapi.Token {
	return zoomapi.Token{
		AccessToken: g.AccessToken, RefreshToken: g.RefreshToken, Expiry: g.Expiry, Scopes: g.Scopes, APIURL: g.APIURL,
	}
}

func (g *grant) dead() bool { return !g.DeadAt.IsZero() }

// lives reports whether there is a grant and Zoom has not ended it.
func (g *grant) lives() bool { return g != nil && !g.dead() }

// id tells grants apart.
func (g *grant) id() string { return g.SignIn + "." + strconv.Itoa(g.Serial) }

// same reports whether two grants hold the same tokens.
func (g *grant) same(other *grant) bool {
	return other != nil && g.SignIn == other.SignIn && g.Serial == other.Serial
}

// succeeds reports whether g was refreshed from other or from one of those
// that follow it, so that other is spent.
func (g *grant) succeeds(other *grant) bool {
	return g.SignIn == other.SignIn && g.Serial > other.Serial
}

// follows reports whether g takes the place of other: it was refreshed from it,
// or a later sign-in brought it, as far as clocks can tell.
func (g *grant) follows(other *grant) bool {
	if other != nil && g.SignIn == other.SignIn {
		return g.succeeds(other)
	}
	return other != nil && g.SignedInAt.After(other.SignedInAt)
}

// putAfter keeps what is known better than clocks do: that g is of the later
// sign-in. Who compares the two next may not be able to ask Zoom any more.
func (g *grant) putAfter(other *grant) {
	if other == nil || g.SignIn == other.SignIn {
		return
	}
	if behind := other.SignedInAt.Sub(g.SignedInAt); behind >= 0 && behind <= closeTimes {
		g.SignedInAt = other.SignedInAt.Add(time.Millisecond)
	}
}

func (g *grant) clone() *grant {
	c := *g
	c.Lacks = maps.Clone(g.Lacks)
	return &c
}

// String keeps tokens out of logs.
func (g *grant) String() string   { return "[redacted]" }
func (g *grant) GoString() string { return "[redacted]" }

// recordLife bounds what a record holds. A manager that keeps no grants must not
// end what another one of the app keeps, and one that lets no programs in neither
// ends theirs nor takes those for alive that have ended.
func (m *Manager) recordLife() sessionLife {
	life := m.life
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	for other := range m.memory.managers {
		life.keep = max(life.keep, other.life.keep)
		if m.lives == nil && other.lives != nil {
			life.programs = other.life.programs
		}
	}
	return life
}

// keepsGrant reports whether the grant outlives the sessions and programs, or has
// outlived them for less than its time.
func (r *record) keepsGrant(now time.Time, life sessionLife) bool {
	return life.keep > 0 && r.Grant.lives() &&
		(r.Left.IsZero() || now.Before(r.Left.Add(life.keep)))
}

// keepGrant notes in a changed record when the last session or program of former
// ended: now, or before that where nobody has seen it end.
func (r *record) keepGrant(former *record, now time.Time, life sessionLife) {
	switch {
	case !r.unused() || !r.keepsGrant(now, life):
		r.Left = time.Time{}
	case r.Left.IsZero():
		r.Left = earlier(now, former.lastUse(life))
	}
}

// lastUse is when the last session and program end by themselves, or have ended.
func (r *record) lastUse(life sessionLife) time.Time {
	last := r.Left
	for _, s := range r.Sessions {
		last = later(last, life.end(&s))
	}
	for i := range r.Programs {
		last = later(last, life.programs.end(&r.Programs[i]))
	}
	return last
}

// holdsGrant reports whether a session or program holds the grant, or the grant is
// kept.
func (r *record) holdsGrant(now time.Time, life sessionLife) bool {
	return now.Before(r.lastUse(life).Add(life.keep))
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
