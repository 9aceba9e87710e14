package zoomtest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"time"
)

// appContextLifetime is how long an app context is good for.
const appContextLifetime = 2 * time.Minute

// AppContext is what the Zoom client tells the home page of a Zoom App about
// where it runs.
type AppContext struct {
	Typ string    // "meeting", "panel", ...; empty means "panel"
	UID string    // empty in guest mode
	MID string    // in meetings
	Act string    // of a deep link
	Aud string    // empty means the client id
	Iss string    // empty means marketplace.zoom.us
	TS  time.Time // zero means now
	Exp time.Time // zero means two minutes after TS

	// Extra is merged into the content last; nil values remove the field.
	Extra map[string]any

	// URLSafe encodes in base64url instead of base64; Zoom has done both
	// (developer forum, topic 105920).
	URLSafe bool
}

// AppContext makes the value of an X-Zoom-App-Context header for an app with a
// client secret: it is sealed with that, so a public client can have none. It
// panics if there is no such app.
func (s *Server) AppContext(clientID string, c AppContext) string {
	s.mu.Lock()
	app, now := s.apps[clientID], s.now()
	s.mu.Unlock()
	if app == nil || app.ClientSecret == "" {
		panic("zoomtest: there is no app with a secret and client id " + clientID)
	}
	plain, err := json.Marshal(c.content(clientID, now))
	if err != nil {
		panic("zoomtest: encoding an app context: " + err.Error())
	}
	sealed := sealAppContext(app.ClientSecret, plain)
	if c.URLSafe {
		return base64.RawURLEncoding.EncodeToString(sealed)
	}
	return base64.StdEncoding.EncodeToString(sealed)
}

func (c AppContext) content(clientID string, now time.Time) map[string]any {
	if c.TS.IsZero() {
		c.TS = now
	}
	if c.Exp.IsZero() {
		c.Exp = c.TS.Add(appContextLifetime)
	}
	content := map[string]any{
		"typ": "panel",
		"aud": clientID,
		"iss": "marketplace.zoom.us",
		"ts":  c.TS.UnixMilli(),
		"exp": c.Exp.UnixMilli(),
	}
	for name, value := range map[string]string{
		"typ": c.Typ, "uid": c.UID, "mid": c.MID, "act": c.Act, "aud": c.Aud, "iss": c.Iss,
	} {
		if value != "" {
			content[name] = value
		}
	}
	mergeExtra(content, c.Extra)
	return content
}

// sealAppContext encrypts with AES-256-GCM under the SHA-256 of the client
// secret, and lays the parts out as Zoom does, lengths in little-endian: iv
// length (1 byte), iv, aad length (2), aad, ciphertext length (4), ciphertext,
// tag (16). See zoom/zoomapps-sample-js, server/helpers/cipher.js.
func sealAppContext(secret string, plain []byte) []byte {
	key := sha256.Sum256([]byte(secret))
	block, _ := aes.NewCipher(key[:]) // 32 bytes are a key,
	gcm, _ := cipher.NewGCM(block)    // and AES has blocks for GCM
	iv := make([]byte, gcm.NonceSize())
	rand.Read(iv)
	aad := []byte("zoomtest")
	encrypted := gcm.Seal(nil, iv, plain, aad) // ciphertext, then the tag

	out := append([]byte{byte(len(iv))}, iv...)
	out = binary.LittleEndian.AppendUint16(out, uint16(len(aad)))
	out = append(out, aad...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(encrypted)-gcm.Overhead()))
	return append(out, encrypted...)
}
