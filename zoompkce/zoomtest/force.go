package zoomtest

import "time"

// ExpireAccessTokens lets the access tokens a user's grants for an app have so
// far expire now. Refreshing still works.
func (s *Server) ExpireAccessTokens(clientID, userID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.eachAccessToken(grantKey{clientID, userID}, func(at *accessToken) {
		if at.expires.After(now) {
			at.expires = now
		}
	})
}

// RevokeAccessTokens makes the access tokens a user's grants for an app have so
// far invalid. Refreshing still works.
func (s *Server) RevokeAccessTokens(clientID, userID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.eachAccessToken(grantKey{clientID, userID}, func(at *accessToken) {
		at.dead = true
	})
}

// RevokeRefreshTokens makes the refresh tokens of a user's grants for an app
// invalid. The access tokens live on.
func (s *Server) RevokeRefreshTokens(clientID, userID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rt := range s.refresh.items {
		if rt.grant.clientID == clientID && rt.grant.userID == userID {
			rt.dead = true
		}
	}
}

// RevokeUser ends a user's grants for an app, access and refresh tokens both,
// without telling anyone: an administrator did it, or a sign-in elsewhere.
func (s *Server) RevokeUser(clientID, userID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endGrants(grantKey{clientID, userID})
}

// SignOutEverywhere is the user's "Sign Me Out From All Devices": it ends the
// user's ZAKs (Zoom's documentation of the ZAK). OAuth tokens live on.
func (s *Server) SignOutEverywhere(userID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.zaks.items {
		if t.userID == userID {
			t.dead = true
		}
	}
}

func (s *Server) eachAccessToken(key grantKey, f func(*accessToken)) {
	for _, at := range s.access.items {
		if at.grant.clientID == key.clientID && at.grant.userID == key.userID {
			f(at)
		}
	}
}

// ValidateAccessToken reports whether the API would accept an access token now,
// and whose it is.
func (s *Server) ValidateAccessToken(token string) (clientID, userID string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, _, ok := s.liveAccess(token)
	if !ok {
		return "", "", false
	}
	return g.clientID, g.userID, true
}

// RefreshTokens returns the refresh tokens that a user's grants for an app have
// left, the latest sign-in's last: one, unless KeepOlderSignIns is set. Whether
// the answer with the token in it has reached anybody is another matter.
func (s *Server) RefreshTokens(clientID, userID string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var live []string
	for _, g := range s.grants[grantKey{clientID, userID}] {
		if _, ok := s.liveRefresh(g.newest); ok {
			live = append(live, g.newest)
		}
	}
	return live
}

// ValidateZAK reports whether a meeting would accept a ZAK now, whose it is and
// when it was fetched, on the server's clock.
func (s *Server) ValidateZAK(zak string) (userID string, fetchedAt time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.zaks.get(zak)
	if !ok || t.dead || !s.now().Before(t.expires) || s.users[t.userID] == nil {
		return "", time.Time{}, false
	}
	return t.userID, t.fetched, true
}

// ValidateOBF reports whether a meeting would accept an on-behalf-of token now,
// whose it is and the meeting it is for, empty for any. It does not use the
// token up.
func (s *Server) ValidateOBF(obf string) (userID, meetingID string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.liveOBF(obf)
	if !ok {
		return "", "", false
	}
	return t.userID, t.meetingID, true
}

// UseOBF is a meeting that somebody joins with an on-behalf-of token. It
// reports whether they get in, and for whom they are there. The token is used
// up: Zoom calls them single-use (its blog on the transition to OBF tokens).
// A token for another meeting is refused and stays unused.
func (s *Server) UseOBF(obf, meetingID string) (userID string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.liveOBF(obf)
	if !ok || t.meetingID != "" && t.meetingID != meetingID {
		return "", false
	}
	t.dead = true
	return t.userID, true
}

func (s *Server) liveOBF(obf string) (*meetingToken, bool) {
	t, ok := s.obfs.get(obf)
	return t, ok && !t.dead && s.now().Before(t.expires) && s.users[t.userID] != nil
}
