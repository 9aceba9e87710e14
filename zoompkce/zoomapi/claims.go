package zoomapi

import (
	"encoding/base64"
	"encoding/json"
	"strings"
)

// UserID is the Zoom user id that the access token names, "" if it names none or
// cannot be read. It is for the case that Me cannot be asked: the token has to come
// from the token endpoint.
func (t Token) UserID() string {
	id, _ := accessTokenIdentity(t.AccessToken)
	return id
}

// accessTokenIdentity reads the user and account id from an access token. Zoom's
// access tokens are JWTs, with uid and aid since version 7 and userId and
// accountId in the form documented in 2020.
//
// The signature is not checked and cannot be: it is an HMAC with a key only
// Zoom has. The claims are believed as far as the token itself is, because it
// came from Zoom's token endpoint over TLS, which OpenID Connect Core section
// 3.1.3.7 accepts in place of a signature. A token from anywhere else must
// never get here. The format is not promised by Zoom, so an unreadable token is
// no error.
func accessTokenIdentity(token string) (userID, accountID string) {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, ok := strings.Cut(rest, ".")
	if !ok {
		return "", ""
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(payload, "="))
	if err != nil {
		return "", ""
	}
	var claims map[string]json.RawMessage
	if json.Unmarshal(raw, &claims) != nil {
		return "", ""
	}
	pick := func(names ...string) string {
		for _, name := range names {
			if s := jsonText(claims[name]); validID(s) {
				return s
			}
		}
		return ""
	}
	return pick("uid", "userId"), pick("aid", "accountId")
}
