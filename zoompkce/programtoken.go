package zoompkce

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"sync/atomic"
	"time"
)

// tokenKind says what a value for programs is good for.
type tokenKind string

const (
	kindAccess  tokenKind = "a"
	kindRefresh tokenKind = "r"
	kindCode    tokenKind = "c"
	kindConsent tokenKind = "f"
	kindClient  tokenKind = "i"
)

// TokenPrefix is how all tokens for programs of an app begin. Nobody else's do.
func TokenPrefix(app string) string { return "zpk_" + app + "_" }

// TokenPrefix is how the tokens of this manager's app begin.
func (m *Manager) TokenPrefix() string { return TokenPrefix(m.client.AppID()) }

// sealToken encrypts a value for programs. What it is good for and context are
// authenticated: a code is no token, and worth nothing at another issuer.
func (k *keys) sealToken(kind tokenKind, context string, plain []byte) string {
	sealed := k.list[0].token.Seal(nil, nil, plain, tokenContext(kind, context))
	return TokenPrefix(k.app) + string(kind) + "_" + base64.RawURLEncoding.EncodeToString(sealed)
}

// openToken opens what sealToken made for the same kind and context.
func (k *keys) openToken(kind tokenKind, context, value string) (plain []byte, ok bool) {
	encoded, ok := strings.CutPrefix(value, TokenPrefix(k.app)+string(kind)+"_")
	if !ok || len(encoded) > maxCookieValue {
		return nil, false
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return nil, false
	}
	for i := range k.list {
		if plain, err = k.list[i].token.Open(nil, nil, sealed, tokenContext(kind, context)); err == nil {
			return plain, true
		}
	}
	return nil, false
}

func tokenContext(kind tokenKind, context string) []byte {
	return []byte("zoom_pkce token v1\x00" + string(kind) + "\x00" + context)
}

func hash8(s string) (h [8]byte) {
	sum := sha256.Sum256([]byte(s))
	copy(h[:], sum[:])
	return h
}

// programToken is what an access or a refresh token holds.
type programToken struct {
	user       userKey
	id         sessionID
	generation uint32
	issued     int64   // Unix seconds
	origin     [8]byte // of the resource, hashed
	issuer     [8]byte // hashed
	hasPath    bool    // the resource has one
}

const (
	programTokenFormat = 1
	programTokenLen    = 1 + sha256.Size + 16 + 4 + 8 + 8 + 8 + 1
)

func (t programToken) marshal() []byte {
	b := append(make([]byte, 0, programTokenLen), programTokenFormat)
	b = append(append(b, t.user[:]...), t.id[:]...)
	b = binary.BigEndian.AppendUint32(b, t.generation)
	b = binary.BigEndian.AppendUint64(b, uint64(t.issued))
	b = append(append(b, t.origin[:]...), t.issuer[:]...)
	if t.hasPath {
		return append(b, 1)
	}
	return append(b, 0)
}

func (t *programToken) unmarshal(b []byte) bool {
	if len(b) != programTokenLen || b[0] != programTokenFormat {
		return false
	}
	b = b[1:]
	b = b[copy(t.user[:], b):]
	b = b[copy(t.id[:], b):]
	t.generation = binary.BigEndian.Uint32(b)
	t.issued = int64(binary.BigEndian.Uint64(b[4:]))
	b = b[12:]
	b = b[copy(t.origin[:], b):]
	b = b[copy(t.issuer[:], b):]
	t.hasPath = b[0] == 1
	return true
}

func (t *programToken) issuedAt() time.Time { return time.Unix(t.issued, 0) }

// openedToken is an access or refresh token that was found authentic. Whether it
// is still worth something is decided on every use.
type openedToken struct {
	programToken
	kind   tokenKind
	user   *user
	set    [sha256.Size]byte // the secrets it was opened under
	at     string            // the origin it was opened at, "" if that is not its own
	noting atomic.Bool
}

// openProgramToken opens a token that came at an origin.
func (m *Manager) openProgramToken(k *keys, kind tokenKind, origin, value string) *openedToken {
	plain, ok := k.openToken(kind, "", value)
	if !ok {
		return nil
	}
	t := &openedToken{kind: kind, set: k.set}
	if !t.unmarshal(plain) {
		return nil
	}
	t.user = m.memory.users.get(t.programToken.user)
	if t.origin == hash8(origin) {
		t.at = origin
	}
	return t
}

// openAccessToken is openProgramToken, from memory if the token was opened before
// under the same secrets. What is worth nothing here takes no memory.
func (m *Manager) openAccessToken(k *keys, origin, value string, now time.Time) *openedToken {
	var buffer [512]byte
	hash := cookieHash(sha256.Sum256(append(buffer[:0], value...)))
	if t, ok := m.memory.tokens.GetIfPresent(hash); ok && t.set == k.set && t.at == origin {
		return t
	}
	t := m.openProgramToken(k, kindAccess, origin, value)
	if t != nil && t.at != "" && t.alive(now, m.life.programs) {
		m.memory.tokens.Set(hash, t)
	}
	return t
}

// alive checks the time inside an access token.
func (t *programToken) alive(now time.Time, life programLife) bool {
	return now.Sub(t.issuedAt()) < life.token
}
