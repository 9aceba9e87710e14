package doctor

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// secretFinding judges the secrets that an operator has chosen. Client secret,
// SDK secret and webhook token come from Zoom.
func secretFinding(sites []*Site) finding {
	s := sites[0]
	f := finding{
		ClientID: s.Zoom.ClientID, Check: "secrets", Status: verdictOK,
		Message: "cookie secret is generated and kept in the session store",
	}
	if n := len(s.CookieSecrets); n > 0 {
		f.Message = times(n, "cookie secret") + " of good quality"
	}
	if weak := s.weak(s.CookieSecrets); weak != "" {
		f.Status, f.Message = verdictFail, "cookie secret "+weak
		f.Advice = "replace it by one that `caddy zoom-pkce keygen` prints; whoever guesses it can sign in as anybody"
	}
	return f
}

// weak tells which of the secrets can be guessed, and why.
func (s *Site) weak(secrets [][]byte) string {
	var weak []string
	for i, secret := range secrets {
		reason := weakness(secret)
		if string(secret) == s.Zoom.ClientSecret {
			reason = "is the client_secret"
		}
		if reason != "" {
			weak = append(weak, fmt.Sprintf("number %d %s", i+1, reason))
		}
	}
	return strings.Join(weak, ", ")
}

// clientKeyFindings tell what Zoom has to know of the app's own key.
func clientKeyFindings(s *Site) []finding {
	if s.Zoom.ClientKey == "" {
		return nil
	}
	jwk, err := publicKey(s.Zoom.ClientKey, s.Zoom.ClientKeyID)
	if err != nil {
		return nil // such a configuration does not load
	}
	return []finding{{
		ClientID: s.Zoom.ClientID, Check: "client_key", Status: verdictOK,
		Message: "the app's credentials at Zoom have to be this public key", Values: []string{jwk},
		Advice: "under App Credentials at marketplace.zoom.us it stands in the place of the client secret",
	}}
}

// generatedSecretFindings warn of users whose records a secret of the operator's
// own came too late for. It only reads; trouble is for the storage check to tell.
func generatedSecretFindings(ctx context.Context, s *Site, storage finding) []finding {
	if len(s.CookieSecrets) == 0 || storage.Status == verdictFail {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, storageProbePatience)
	defer cancel()
	key := zoompkce.SecretKey(s.AppID)
	if _, _, err := s.Store.Load(ctx, key); err != nil {
		return nil
	}
	return []finding{{
		ClientID: s.Zoom.ClientID, Check: "secrets", Status: verdictWarn,
		Message: "the session store still holds a generated cookie secret: what was sealed with it cannot be opened with yours, " +
			"and users who signed in before get 503",
		Advice: fmt.Sprintf("end these users with DELETE /zoom_pkce/apps/%s/users/<user id> at Caddy's admin API, "+
			"or take cookie secret out again; once none is left, remove %s from the store", s.Zoom.ClientID, key),
	}}
}

// minDistinct is how many different characters a random secret has at least,
// even one of only 32 hexadecimal digits.
const minDistinct = 9

// guessable are words of secrets that were copied or thought up.
var guessable = []string{
	"changeme", "change-me", "change_me", "password", "passphrase", "example", "secret", "your-", "your_", "replace", "placeholder",
}

// weakness says why a secret can be guessed, "" if nothing shows.
func weakness(secret []byte) string {
	var seen [256]bool
	distinct, steps := 0, 0
	for i, c := range secret {
		if !seen[c] {
			seen[c] = true
			distinct++
		}
		if i > 0 {
			if d := int(c) - int(secret[i-1]); d >= -1 && d <= 1 {
				steps++
			}
		}
	}
	if distinct < minDistinct {
		return fmt.Sprintf("has only %s", times(distinct, "different character"))
	}
	if steps > len(secret)/2 {
		return "is a sequence"
	}
	if period(secret) <= len(secret)/2 {
		return "repeats itself"
	}
	lower := strings.ToLower(string(secret))
	for _, word := range guessable {
		if strings.Contains(lower, word) {
			return "contains a word that secrets are made up with"
		}
	}
	return ""
}

// period is the length of the shortest piece that, repeated, makes b.
func period(b []byte) int {
	for p := 1; p < len(b); p++ {
		if bytes.Equal(b[p:], b[:len(b)-p]) {
			return p
		}
	}
	return len(b)
}
