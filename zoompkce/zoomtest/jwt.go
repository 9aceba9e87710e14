package zoomtest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"hash"
	"strings"
	"time"
)

// signingKeys are Zoom's own; no client can verify its tokens.
type signingKeys struct {
	tokens, meetings []byte
	kid              string
}

func newSigningKeys() signingKeys {
	return signingKeys{tokens: []byte(rand.Text()), meetings: []byte(rand.Text()), kid: randomUUID()}
}

// oauthToken makes an access token (kind 0) or a refresh token (kind 1) with
// the claims seen in tokens of version 7 and later (zoom/arlo). They make it
// about 660 bytes; scopes, names and addresses are not among them.
func (k signingKeys) oauthToken(kind int, g *grant, issued, expires time.Time) string {
	header := map[string]any{"sv": "000002", "alg": "HS512", "v": "2.0", "kid": k.kid}
	claims := map[string]any{
		"ver":  9,
		"auid": g.authentication,
		"code": g.code,
		"iss":  "zm:cid:" + g.clientID,
		"gno":  0,
		"type": kind,
		"tid":  0,
		"aud":  "https://oauth.zoom.us",
		"uid":  g.userID,
		"aid":  g.accountID,
		"nbf":  issued.Unix(),
		"exp":  expires.Unix(),
		"iat":  issued.Unix(),
		"jti":  randomUUID(),
	}
	return signJWT(sha512.New, k.tokens, header, claims)
}

// meetingToken makes a ZAK or an OBF token, about 360 bytes, after the sample
// in Zoom's documentation of the ZAK. Each one is different.
func (k signingKeys) meetingToken(u *User, issued, expires time.Time) string {
	header := map[string]any{"typ": "JWT", "sv": "000001", "zm_skm": "zm_o2m", "alg": "HS256"}
	claims := map[string]any{
		"aud": "clientsm",
		"uid": u.ID,
		"iss": "web",
		"sk":  "0",
		"sty": 100,
		"wcd": "us06",
		"clt": 0,
		"exp": expires.Unix(),
		"iat": issued.Unix(),
		"aid": u.AccountID,
		"cid": randomID(9),
	}
	return signJWT(sha256.New, k.meetings, header, claims)
}

func signJWT(hash func() hash.Hash, key []byte, header, claims map[string]any) string {
	text := encodeJWTPart(header) + "." + encodeJWTPart(claims)
	mac := hmac.New(hash, key)
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func encodeJWTPart(v map[string]any) string {
	b, _ := json.Marshal(v) // texts and numbers
	return base64.RawURLEncoding.EncodeToString(b)
}

// An unverifiedJWT is somebody's JWT, taken apart.
type unverifiedJWT struct {
	header, claims map[string]any
	signed         string
	signature      []byte
}

func parseJWT(text string) (*unverifiedJWT, bool) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return nil, false
	}
	j := &unverifiedJWT{signed: parts[0] + "." + parts[1]}
	var err error
	j.signature, err = base64.RawURLEncoding.DecodeString(parts[2])
	return j, err == nil && decodeJWTPart(parts[0], &j.header) && decodeJWTPart(parts[1], &j.claims)
}

func decodeJWTPart(part string, into *map[string]any) bool {
	b, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(b, into) == nil
}

// time returns a claim that holds Unix seconds.
func (j *unverifiedJWT) time(name string) (time.Time, bool) {
	seconds, ok := j.claims[name].(float64)
	return time.Unix(int64(seconds), 0), ok
}

func randomUUID() string {
	h := randomHex(16)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
