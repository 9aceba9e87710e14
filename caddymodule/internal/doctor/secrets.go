package doctor

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storecheck"
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

// weak tells which of the secrets can be guessed, or are known to those who know others,
// and why.
func (s *Site) weak(secrets [][]byte, others ...[]byte) string {
	var weak []string
	for i, secret := range secrets {
		reason := weakness(secret)
		switch {
		case string(secret) == s.Zoom.ClientSecret:
			reason = "is the client_secret"
		case slices.ContainsFunc(others, func(other []byte) bool { return bytes.Equal(other, secret) }):
			reason = "is a cookie secret, too"
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
	jwk, _ := publicKey(s.Zoom.ClientKey, s.Zoom.ClientKeyID) // with a key that is none nothing loads
	return []finding{{
		ClientID: s.Zoom.ClientID, Check: "client_key", Status: verdictOK,
		Message: "the app's credentials at Zoom have to be this public key", Values: []string{jwk},
		Advice: "under App Credentials at " + s.marketplace() + " it stands in the place of the client secret",
	}}
}

// surveyLimit is how many records are looked at.
const surveyLimit = 1000

// recordFindings tell whether the cookie secrets open what is in the store. Nothing is
// written for that.
func recordFindings(ctx context.Context, s *Site, storage finding) (found []finding) {
	add := func(status verdict, message, advice string) {
		found = append(found, finding{ClientID: s.Zoom.ClientID, Check: "secrets", Status: status, Message: message, Advice: advice})
	}
	if storage.Status == verdictFail {
		add(verdictSkipped, "whether they open the records in the session store was not checked: it is in trouble", "")
		return found
	}
	ctx, cancel := context.WithTimeout(ctx, storageProbePatience)
	defer cancel()
	survey, err := s.Survey(ctx, surveyLimit)
	if err != nil {
		add(verdictSkipped, "whether they open the records in the session store was not checked: "+oneLine(err.Error()), "")
		return found
	}
	judged := storecheck.Judge(survey, s.AppID, s.Zoom.ClientID)
	for _, f := range judged {
		status := verdictWarn
		if f.Grave {
			status = verdictFail
			f.Message += fmt.Sprintf("; they were sealed with the secret of key id %s, ours have %s",
				orNone(survey.Sealed), orNone(survey.Secrets))
		}
		add(status, f.Message, f.Advice)
	}
	if survey.Unopened == 0 && survey.Looked > 0 {
		add(verdictOK, "open "+storecheck.Extent(survey), "")
	}
	return found
}

func orNone(ids []string) string { return cmp.Or(strings.Join(ids, ", "), "none") }

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

// period is the length of the shortest piece that, repeated, makes b, which is not empty.
func period(b []byte) int {
	p := 1
	for !bytes.HasPrefix(b, b[p:]) {
		p++
	}
	return p
}
