package backend

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/browser"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
)

// secret entitles whoever knows it.
type secret struct {
	key    []byte
	digest [sha256.Size]byte
}

func newSecret(key []byte) secret { return secret{key, sha256.Sum256(key)} }

// maxExpiry is how far ahead a signed URL may end: it stands in settings and
// logs of other people's services.
const maxExpiry = 7 * 24 * time.Hour

var (
	errNoCredentials = &RefusalError{outcome.SignInRequired, "neither a bearer nor a signed URL"}
	errSecret        = &RefusalError{outcome.BadSignature, "the bearer is no secret of backend"}
	errSignature     = &RefusalError{outcome.BadSignature, "no secret of backend has signed this path and query; " +
		"is signature, in lower case, the last parameter, and everything before it as it was signed?"}
	errNoExpiry = &RefusalError{outcome.BadSignature, "expires of the signed URL is no time in Unix seconds"}
	errExpired  = &RefusalError{outcome.BadSignature, "the signed URL has expired"}
	errTooFar   = &RefusalError{outcome.BadSignature, "expires of the signed URL is more than 7 days ahead"}
)

// entitled finds out whether the sender of a request may have tokens, and
// whether that is because the URL is signed. It looks at all credentials
// that came: a signed URL can arrive with the Authorization of a gate before us.
func (s *Server) entitled(r *http.Request, authorization []string) (signed bool, err error) {
	sent := browser.SentURL(r)
	token, bearing := bearer(authorization)
	switch {
	case bearing && s.isSecret(token):
	case hasSignature(sent):
		if signed = s.hasSigned(sent); !signed {
			err = errSignature
		}
	case bearing:
		err = errSecret
	default:
		err = errNoCredentials
	}
	return signed, err
}

// bearer returns the token of an Authorization header (RFC 6750, section 2.1).
// Of several fields none counts.
func bearer(fields []string) (token string, ok bool) {
	for _, field := range fields {
		scheme, rest, _ := strings.Cut(field, " ")
		rest = strings.TrimLeft(rest, " ")
		if strings.EqualFold(scheme, "Bearer") && rest != "" {
			token, ok = rest, true
		}
	}
	if len(fields) > 1 {
		token = ""
	}
	return token, ok
}

// isSecret compares digests, and with all secrets: how long it takes tells
// neither how much of a guess is right nor how long a secret is.
func (s *Server) isSecret(token string) bool {
	digest, found := sha256.Sum256([]byte(token)), 0
	for i := range s.secrets {
		found |= subtle.ConstantTimeCompare(digest[:], s.secrets[i].digest[:])
	}
	return found == 1
}

const signatureParameter = "&signature="

func hasSignature(sent *url.URL) bool {
	values, _ := url.ParseQuery(sent.RawQuery)
	return values.Has("signature")
}

// hasSigned checks that the URL ends in a signature of all that stands before
// it, byte for byte: of two ways to write a query one was not signed.
func (s *Server) hasSigned(sent *url.URL) bool {
	end := strings.LastIndex(sent.RawQuery, signatureParameter)
	if end < 0 {
		return false
	}
	message := sent.EscapedPath() + "?" + sent.RawQuery[:end]
	signature, found := []byte(sent.RawQuery[end+len(signatureParameter):]), 0
	for i := range s.secrets {
		mac := hmac.New(sha256.New, s.secrets[i].key)
		mac.Write([]byte(message))
		found |= subtle.ConstantTimeCompare(signature, []byte(hex.EncodeToString(mac.Sum(nil))))
	}
	return found == 1
}

// checkExpiry judges the time at which a signed URL ends, in Unix seconds.
func checkExpiry(expires string, now time.Time) error {
	seconds, err := strconv.ParseUint(expires, 10, 40)
	if err != nil {
		return errNoExpiry
	}
	end := time.Unix(int64(seconds), 0)
	switch {
	case !now.Before(end):
		return errExpired
	case end.Sub(now) > maxExpiry:
		return errTooFar
	}
	return nil
}
