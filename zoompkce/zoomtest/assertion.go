package zoomtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
	"time"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

	// maxAssertionLife is how far ahead the end of an assertion may be. Zoom's
	// number is not known; RFC 7523 section 3 asks for a limit.
	maxAssertionLife = 5 * time.Minute

	// maxClockSkew is how far ahead a client's clock may be.
	maxClockSkew = time.Minute
)

// A usedAssertion is remembered so that it is not taken again.
type usedAssertion struct{ expires time.Time }

func (a usedAssertion) expiry() time.Time { return a.expires }

// asserted tells which app a client assertion proves. Zoom's page on
// bringing one's own key says that one is sent; what has to be in it is taken
// from RFC 7523 section 3, read strictly. Nothing else may speak for the client
// beside it, and it comes in the body (RFC 6749 section 2.3).
func (s *Server) asserted(q *request) (*App, bool) {
	if q.query.Has("client_assertion") || q.form.Get("client_assertion_type") != assertionType {
		return nil, false
	}
	a, ok := parseJWT(q.form.Get("client_assertion"))
	if !ok {
		return nil, false
	}
	id, _ := a.claims["iss"].(string)
	app := s.apps[id]
	if app == nil || a.claims["sub"] != id || q.params().Has("client_id") && q.params().Get("client_id") != id {
		return nil, false
	}
	if !a.signedBy(app.PublicKeys) || !s.takeAssertion(id, a) {
		return nil, false
	}
	return app, true
}

// takeAssertion checks for whom and when an assertion is good, and uses it up.
func (s *Server) takeAssertion(clientID string, a *unverifiedJWT) bool {
	now := s.now()
	expires, ok := a.time("exp")
	if !ok || !now.Before(expires) || expires.After(now.Add(maxAssertionLife)) {
		return false
	}
	for _, name := range []string{"iat", "nbf"} {
		at, ok := a.time(name)
		if _, given := a.claims[name]; given && (!ok || at.After(now.Add(maxClockSkew))) {
			return false
		}
	}
	if !isAudience(a.claims["aud"], s.URL+"/oauth/token") {
		return false
	}
	jti, _ := a.claims["jti"].(string)
	key := clientID + " " + jti
	if _, used := s.assertions.get(key); used || jti == "" {
		return false
	}
	s.assertions.put(key, usedAssertion{expires}, now)
	return true
}

// isAudience reports whether a claim names audience and nobody else, alone or
// as the only one of a list.
func isAudience(claim any, audience string) bool {
	if list, ok := claim.([]any); ok && len(list) == 1 {
		claim = list[0]
	}
	return claim == audience
}

// signedBy reports whether one of the keys made the signature: the one with the
// key id that the header names, if it names one. Only RS256 and ES256 count,
// each for its kind of key, so neither "none" nor a public key taken for a
// shared secret gets by. Extensions that must be understood are not (RFC 7515
// section 4.1.11).
func (j *unverifiedJWT) signedBy(keys []PublicKey) bool {
	kid, named := j.header["kid"]
	if _, critical := j.header["crit"]; critical {
		return false
	}
	for _, key := range keys {
		if (!named || kid == key.ID) && j.verifiedBy(key.Key) {
			return true
		}
	}
	return false
}

func (j *unverifiedJWT) verifiedBy(key crypto.PublicKey) bool {
	sum := sha256.Sum256([]byte(j.signed))
	switch key := key.(type) {
	case *rsa.PublicKey:
		return j.header["alg"] == "RS256" &&
			rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], j.signature) == nil
	case *ecdsa.PublicKey:
		// r and s, 32 bytes each (RFC 7518 section 3.4).
		return j.header["alg"] == "ES256" && len(j.signature) == 64 &&
			ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(j.signature[:32]), new(big.Int).SetBytes(j.signature[32:]))
	}
	return false
}
