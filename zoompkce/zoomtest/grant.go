package zoomtest

import (
	"slices"
	"time"
)

const (
	codeLifetime    = 5 * time.Minute // Zoom's error 4733
	accessLifetime  = time.Hour
	refreshLifetime = 90 * 24 * time.Hour // zoom/skills; older texts say 15 years
)

// A code is an authorization code that has not been redeemed.
type code struct {
	clientID    string
	userID      string
	redirectURI string
	challenge   string // empty: no PKCE
	method      string
	scopes      []string
	inClient    bool
	expires     time.Time
}

// A grant is one sign-in of a user to an app, with all tokens it led to.
type grant struct {
	clientID       string
	userID         string
	accountID      string
	scopes         []string
	authentication string // claim auid
	code           string
	newest         string // refresh token
	dead           bool
}

type grantKey struct{ clientID, userID string }

type accessToken struct {
	grant   *grant
	expires time.Time
	dead    bool
}

type refreshToken struct {
	grant   *grant
	expires time.Time
	dead    bool
}

func (c *code) expiry() time.Time         { return c.expires }
func (t *accessToken) expiry() time.Time  { return t.expires }
func (t *refreshToken) expiry() time.Time { return t.expires }

// issueCode puts a new code on the shelf: 33 characters of base64url, like
// Zoom's.
func (s *Server) issueCode(c code) string {
	text := randomID(25)[:33]
	now := s.now()
	c.expires = now.Add(codeLifetime)
	s.codes.put(text, &c, now)
	return text
}

// openGrant starts a grant. A later authorization of the same user to the same
// app revokes the tokens of the earlier one (Zoom's error 4741).
func (s *Server) openGrant(c *code, text string, user *User) *grant {
	key := grantKey{c.clientID, c.userID}
	if !s.KeepOlderSignIns {
		s.endGrants(key)
	}
	g := &grant{
		clientID:       c.clientID,
		userID:         c.userID,
		accountID:      user.AccountID,
		scopes:         c.scopes,
		authentication: randomHex(16),
		code:           text,
	}
	s.grants[key] = append(s.grants[key], g)
	return g
}

// endGrants kills all tokens of a user for an app.
func (s *Server) endGrants(key grantKey) {
	for _, g := range s.grants[key] {
		g.dead = true
	}
	delete(s.grants, key)
}

// endGrant kills all tokens of one sign-in.
func (s *Server) endGrant(g *grant) {
	g.dead = true
	key := grantKey{g.clientID, g.userID}
	s.grants[key] = slices.DeleteFunc(s.grants[key], func(other *grant) bool { return other == g })
}

// issueTokens makes a pair of tokens. It returns the lifetime of the access
// token, which Zoom announces a second short: 3599.
func (s *Server) issueTokens(g *grant) (access, refresh string, expiresIn int) {
	now := s.now()
	lifetime := accessLifetime
	if s.AccessTokenLifetime > 0 {
		lifetime = s.AccessTokenLifetime
	}
	at := &accessToken{grant: g, expires: now.Add(lifetime)}
	access = s.keys.oauthToken(0, g, now, at.expires)
	s.access.put(access, at, now)

	rt := &refreshToken{grant: g, expires: now.Add(refreshLifetime)}
	refresh = s.keys.oauthToken(1, g, now, rt.expires)
	s.refresh.put(refresh, rt, now)
	g.newest = refresh
	return access, refresh, max(1, int(lifetime/time.Second)-1)
}

// liveRefresh reports whether a refresh token may be exchanged.
func (s *Server) liveRefresh(token string) (*refreshToken, bool) {
	rt, ok := s.refresh.get(token)
	return rt, ok && !rt.dead && !rt.grant.dead && s.now().Before(rt.expires) && s.users[rt.grant.userID] != nil
}

// liveAccess returns the grant of an access token that the API would take.
func (s *Server) liveAccess(token string) (g *grant, expired, ok bool) {
	at, known := s.access.get(token)
	if !known || at.dead || at.grant.dead {
		return nil, false, false
	}
	expired = !s.now().Before(at.expires)
	return at.grant, expired, !expired
}
