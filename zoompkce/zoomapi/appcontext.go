package zoomapi

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// ErrAppContextExpired means that an app context is authentic, but older than
// two minutes: a page that is loaded again later brings the same one.
var ErrAppContextExpired = errors.New("zoompkce: the app context has expired; check the clock of this machine if fresh ones do too")

const (
	maxAppContext  = 8 << 10
	appContextLife = 2 * time.Minute
	appContextSkew = 30 * time.Second
	gcmTag         = 16
)

// AppContext is what Zoom's client says about the place an app was opened in,
// in the header X-Zoom-App-Context of requests to the app's home URL.
type AppContext struct {
	// ID is the same for the same context, however its header was encoded. A
	// context that opens something must be refused the second time.
	ID string
	// Type is where the app runs, for example "meeting" or "panel".
	Type string
	// UserID is the Zoom user. Default: empty, as in guest mode.
	UserID string
	// MeetingID is the UUID of the meeting. Default: empty outside of one.
	MeetingID string
	// Action is the text of the deep link that opened the app. Whoever made the
	// link chose it. Default: empty.
	Action string
	// Audience is the client id of the app. Default: empty.
	Audience string
	// Issuer is the part of Zoom that sent it. Default: empty.
	Issuer string
	// IssuedAt and ExpiresAt are the times in the context, zero if absent.
	IssuedAt, ExpiresAt time.Time
}

// OpenAppContext decrypts and checks a header X-Zoom-App-Context. It is valid
// for two minutes by this machine's clock, then the error is an
// [ErrAppContextExpired]. A context for another app than clientID is refused, if
// it names one and clientID is not empty.
//
// Format: base64 of iv length (1 byte), iv, aad length (2), aad, ciphertext
// length (4), ciphertext, tag (16); integers little-endian, AES-256-GCM, the key
// is the SHA-256 of the client secret
// (marketplace.zoom.us/docs/zoom-apps/zoomappcontext). Development and production
// secrets differ, and so do the keys.
func OpenAppContext(clientID, clientSecret, header string, now time.Time) (AppContext, error) {
	if clientSecret == "" {
		// SHA-256 of nothing is a key that everybody knows.
		return AppContext{}, errors.New("opening the app context: a client secret is required")
	}
	envelope, err := decodeAppContext(header)
	if err != nil {
		return AppContext{}, fmt.Errorf("opening the app context: %w", err)
	}
	plain, err := openAppContext(clientSecret, envelope)
	if err != nil {
		return AppContext{}, fmt.Errorf("opening the app context: %w", err)
	}
	c, err := readAppContext(plain)
	if err != nil {
		return AppContext{}, fmt.Errorf("opening the app context: %w", err)
	}
	// All bytes of the envelope are authenticated, those of its base64 are not.
	id := sha256.Sum256(envelope)
	c.ID = hex.EncodeToString(id[:])
	if c.Audience != "" && clientID != "" && c.Audience != clientID {
		return AppContext{}, errors.New("opening the app context: it is for another app")
	}
	if err := c.checkTime(now); err != nil {
		return AppContext{}, fmt.Errorf("opening the app context: %w", err)
	}
	return c, nil
}

// decodeAppContext takes both base64 alphabets, padded or not: Zoom's clients
// differ (devforum.zoom.us/t/105920).
func decodeAppContext(header string) ([]byte, error) {
	if len(header) > maxAppContext {
		return nil, errors.New("it is longer than 8 KiB")
	}
	header = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(header, "="))
	if strings.ContainsAny(header, "\r\n") { // which encoding/base64 skips
		return nil, errors.New("it is not base64")
	}
	envelope, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil {
		return nil, errors.New("it is not base64")
	}
	return envelope, nil
}

func openAppContext(clientSecret string, envelope []byte) ([]byte, error) {
	take := func(n int) (part []byte) {
		n = min(n, len(envelope))
		part, envelope = envelope[:n], envelope[n:]
		return part
	}
	length := func(size int) int {
		var le [4]byte
		copy(le[:], take(size))
		return int(binary.LittleEndian.Uint32(le[:]))
	}
	iv := take(length(1))
	aad := take(length(2))
	if length(4) != len(envelope)-gcmTag { // nor has it a tag where it ends too early
		return nil, errors.New("its lengths do not add up")
	}
	key := sha256.Sum256([]byte(clientSecret))
	block, _ := aes.NewCipher(key[:]) // which takes keys of this length
	gcm, err := cipher.NewGCMWithNonceSize(block, len(iv))
	if err != nil { // there is no iv
		return nil, err
	}
	plain, err := gcm.Open(nil, iv, envelope, aad)
	if err != nil {
		return nil, errors.New("it is forged, or sealed with another client secret")
	}
	return plain, nil
}

func readAppContext(plain []byte) (AppContext, error) {
	var wire map[string]json.RawMessage
	if json.Unmarshal(plain, &wire) != nil {
		return AppContext{}, errNotJSON
	}
	text := func(name string) string { return dropControls(jsonText(wire[name])) }
	c := AppContext{
		Type: text("typ"), UserID: jsonText(wire["uid"]), MeetingID: text("mid"), Action: text("act"),
		Audience: text("aud"), Issuer: text("iss"), IssuedAt: jsonMillis(wire["ts"]), ExpiresAt: jsonMillis(wire["exp"]),
	}
	if c.UserID != "" && !validID(c.UserID) {
		return AppContext{}, malformed("uid")
	}
	return c, nil
}

// checkTime wants a start or an end, so that no context is good for ever, and
// an end without a start no further away than a fresh context has it.
func (c AppContext) checkTime(now time.Time) error {
	start, end := c.IssuedAt, c.ExpiresAt
	if start.IsZero() {
		start = end.Add(-appContextLife)
	}
	if end.IsZero() || end.After(start.Add(appContextLife)) {
		end = start.Add(appContextLife)
	}
	switch {
	case c.IssuedAt.IsZero() && c.ExpiresAt.IsZero():
		return errors.New("it has no time")
	case start.After(now.Add(appContextSkew)):
		return errors.New("it is from the future; check the clock of this machine")
	case !now.Before(end):
		return ErrAppContextExpired
	}
	return nil
}

func dropControls(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}

// jsonMillis returns the time in raw, in milliseconds since 1970, zero if it is
// none or outside of the years 1970 to 9999.
func jsonMillis(raw json.RawMessage) time.Time {
	ms := jsonInt(raw)
	if ms <= 0 || ms > 253402300799999 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
