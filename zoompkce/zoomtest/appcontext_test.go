package zoomtest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"
)

// openAppContext follows server/helpers/cipher.js of Zoom's sample, byte by
// byte, rather than the code under test.
func openAppContext(t *testing.T, secret string, b []byte) map[string]any {
	t.Helper()
	take := func(n int) []byte {
		part := b[:n]
		b = b[n:]
		return part
	}
	iv := take(int(take(1)[0]))
	length := take(2)
	aad := take(int(length[0]) | int(length[1])<<8)
	length = take(4)
	text := take(int(length[0]) | int(length[1])<<8 | int(length[2])<<16 | int(length[3])<<24)
	tag := take(16)
	if len(b) != 0 {
		t.Fatalf("%d bytes too many", len(b))
	}
	key := sha256.Sum256([]byte(secret))
	block, _ := aes.NewCipher(key[:])
	gcm, _ := cipher.NewGCMWithNonceSize(block, len(iv))
	plain, err := gcm.Open(nil, iv, append(append([]byte(nil), text...), tag...), aad)
	if err != nil {
		t.Fatal(err)
	}
	var content map[string]any
	if err := json.Unmarshal(plain, &content); err != nil {
		t.Fatal(err)
	}
	return content
}

func TestAppContext(t *testing.T) {
	w := newWorld(t)
	value := w.AppContext(w.app.ClientID, AppContext{Typ: "meeting", UID: "ada", MID: "m==", Extra: map[string]any{"attendrole": "host"}})
	b, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	c := openAppContext(t, "s3cret", b)
	ts := c["ts"].(float64)
	if c["typ"] != "meeting" || c["uid"] != "ada" || c["mid"] != "m==" || c["aud"] != "confidential" ||
		c["iss"] != "marketplace.zoom.us" || c["attendrole"] != "host" || c["exp"].(float64)-ts != 120_000 ||
		time.Since(time.UnixMilli(int64(ts))).Abs() > time.Minute {
		t.Errorf("content %v", c)
	}

	value = w.AppContext(w.app.ClientID, AppContext{Aud: "other", Exp: time.UnixMilli(1), URLSafe: true, Extra: map[string]any{"iss": nil}})
	b, err = base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	c = openAppContext(t, "s3cret", b)
	if _, guest := c["uid"]; guest || c["iss"] != nil || c["aud"] != "other" || c["exp"] != 1.0 || c["typ"] != "panel" {
		t.Errorf("content %v", c)
	}
}

func TestAppContextNeedsASecret(t *testing.T) {
	w := newWorld(t)
	defer func() {
		if recover() == nil {
			t.Error("a public client got an app context")
		}
	}()
	w.AppContext(w.public.ClientID, AppContext{})
}
