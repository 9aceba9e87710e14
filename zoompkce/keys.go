package zoompkce

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/gorilla/securecookie"
)

// MinSecretLen is the least number of bytes a cookie secret may have.
const MinSecretLen = 32

// What a key is used for. Each purpose has keys of its own, so that a value
// sealed for one can never be opened as another (a login cookie presented
// under the name of the session cookie, for example).
const (
	purposeSession = "session cookie"
	purposeLogin   = "login cookie"
	purposeState   = "state"
	purposeRecord  = "user record"
	purposeToken   = "program token"
)

// keys seals and opens everything that leaves the process: cookies, the marks
// inside states, and records. The first secret seals, all of them open, so
// that a secret can be replaced in two steps without signing anybody out.
type keys struct {
	app  string
	set  [sha256.Size]byte // identifies the whole list of secrets
	list []secretKeys

	// generated is the first secret, if it is one that is kept in the store.
	generated []byte
	// former is the id of a generated secret that opens and does not seal any more.
	former keyID
}

type secretKeys struct {
	id      keyID
	session *securecookie.SecureCookie
	login   *securecookie.SecureCookie
	state   []byte
	record  cipher.AEAD
	token   cipher.AEAD
}

// keyID names the secret a record was sealed with. It is derived from the
// secret and reveals nothing about it.
type keyID [8]byte

func (id keyID) String() string { return hex.EncodeToString(id[:]) }

// newKeys derives the keys of one app. Two apps that are given the same secret
// have nothing in common.
func newKeys(app string, secrets [][]byte) (*keys, error) {
	var list []secretKeys
	for i, secret := range secrets {
		if len(secret) < MinSecretLen {
			return nil, fmt.Errorf("cookie secret %d has %d bytes, it needs %d or more",
				i+1, len(secret), MinSecretLen)
		}
		list = append(list, deriveKeys(app, secret))
	}
	return keysOf(app, list), nil
}

func keysOf(app string, list []secretKeys) *keys {
	set := sha256.New()
	for i := range list {
		set.Write(list[i].id[:])
	}
	k := &keys{app: app, list: list}
	set.Sum(k.set[:0])
	return k
}

// with returns keys that open what secret has sealed, too.
func (k *keys) with(secret []byte) *keys {
	derived := deriveKeys(k.app, secret)
	both := keysOf(k.app, slices.Concat(k.list, []secretKeys{derived}))
	both.former = derived.id
	return both
}

func deriveKeys(app string, secret []byte) secretKeys {
	derive := func(purpose string, length int) []byte {
		return must(hkdf.Key(sha256.New, secret, nil, "zoom_pkce v1\x00"+app+"\x00"+purpose, length))
	}
	return secretKeys{
		id:      keyID(derive("key id", len(keyID{}))),
		session: newCodec(derive(purposeSession, 64)),
		login:   newCodec(derive(purposeLogin, 64)),
		state:   derive(purposeState, 32),
		record:  newAEAD(derive(purposeRecord, 32)),
		token:   newAEAD(derive(purposeToken, 32)),
	}
}

// must is for what fails only if this package itself calls it wrongly, never by what
// somebody sends, stores or configures: keys have lengths that are constants here, and
// come from secrets whose length was checked, so that they are right in FIPS 140-3 mode
// (GODEBUG=fips140=only), too; what is sealed is of types that can always be marshaled.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func newAEAD(key []byte) cipher.AEAD {
	return must(cipher.NewGCMWithRandomNonce(must(aes.NewCipher(key))))
}

// newCodec returns a codec that encrypts and authenticates bytes. Ages are
// checked by the callers, from the times inside.
func newCodec(key []byte) *securecookie.SecureCookie {
	return securecookie.New(key[:32], key[32:]).
		SetSerializer(securecookie.NopEncoder{}).
		MaxAge(0).
		MaxLength(maxCookieValue)
}

// maxCookieValue bounds what is tried to be opened; browsers keep cookies of
// 4,096 bytes at most, name and attributes included (RFC 6265, section 6.1).
const maxCookieValue = 4096

// sealCookie encrypts payload for the cookie called name. securecookie encrypts
// in place, so it gets a copy.
func (k *keys) sealCookie(purpose, name string, payload []byte) (string, error) {
	return k.list[0].codec(purpose).Encode(name, bytes.Clone(payload))
}

// openCookie opens what sealCookie made for the same purpose and name. For
// everything else it reports false, whatever the reason: to a visitor, a
// cookie that cannot be opened is exactly like no cookie.
func (k *keys) openCookie(purpose, name, value string) (payload []byte, ok bool) {
	for _, secret := range k.list {
		if err := secret.codec(purpose).Decode(name, value, &payload); err == nil {
			return payload, true
		}
	}
	return nil, false
}

func (s *secretKeys) codec(purpose string) *securecookie.SecureCookie {
	if purpose == purposeLogin {
		return s.login
	}
	return s.session
}

// stateMAC authenticates what a state says beside its random part.
func (k *keys) stateMAC(message []byte) []byte { return stateMAC(k.list[0].state, message) }

func (k *keys) verifyStateMAC(message, mac []byte) bool {
	for _, secret := range k.list {
		if hmac.Equal(mac, stateMAC(secret.state, message)) {
			return true
		}
	}
	return false
}

func stateMAC(key, message []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(message)
	return mac.Sum(nil)[:stateMACLen]
}

const stateMACLen = 16

// The first byte of every sealed record says what it may hold: records with
// programs or a kept grant must not be written anew by versions that would drop them.
const (
	recordFormat         = 1
	recordFormatPrograms = 2
)

// UnopenableError is the answer for a record that none of the secrets opens. It
// says nothing about whether the visitor is signed in, so it is trouble and
// never "signed out", and the record is never overwritten.
type UnopenableError struct{ reason string }

func unopenable(format string, args ...any) *UnopenableError {
	return &UnopenableError{fmt.Sprintf(format, args...)}
}

func (e *UnopenableError) Error() string { return "session record cannot be opened: " + e.reason }

// sealRecord encrypts a record. Its app, its kind and the key it is stored
// under are authenticated, so that records cannot be exchanged for one another
// by somebody who can write to the store.
func (k *keys) sealRecord(format byte, kind, key string, plain []byte) []byte {
	secret := &k.list[0]
	sealed := make([]byte, 0, 1+len(secret.id)+secret.record.Overhead()+len(plain))
	sealed = append(sealed, format)
	sealed = append(sealed, secret.id[:]...)
	return secret.record.Seal(sealed, nil, plain, k.recordContext(format, kind, key))
}

func (k *keys) openRecord(kind, key string, sealed []byte) (plain []byte, id keyID, err error) {
	if len(sealed) < 1+len(id) {
		return nil, id, unopenable("it is too short to be one")
	}
	copy(id[:], sealed[1:])
	format := sealed[0]
	if format < recordFormat || format > recordFormatPrograms {
		return nil, id, unopenable("its format is %d, this version knows formats up to %d (secret %s)", format, recordFormatPrograms, id)
	}
	for i := range k.list {
		if secret := &k.list[i]; secret.id == id {
			plain, err := secret.record.Open(nil, nil, sealed[1+len(id):], k.recordContext(format, kind, key))
			if err != nil {
				return nil, id, unopenable("it was damaged, or is not what belongs under this key (secret %s)", id)
			}
			return plain, id, nil
		}
	}
	return nil, id, unopenable("it was sealed with secret %s, which is not among the cookie secrets", id)
}

func (k *keys) recordContext(format byte, kind, key string) []byte {
	return []byte("zoom_pkce record v" + string('0'+format) + "\x00" + k.app + "\x00" + kind + "\x00" + key)
}

// has reports whether a secret is among those that open.
func (k *keys) has(id keyID) bool {
	for i := range k.list {
		if k.list[i].id == id {
			return true
		}
	}
	return false
}

// ids are those of the secrets, the one that seals first.
func (k *keys) ids() []string {
	ids := make([]string, len(k.list))
	for i := range k.list {
		ids[i] = k.list[i].id.String()
	}
	return ids
}
