package zoomapi

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"
)

// sealAppContext is the counterpart of OpenAppContext, for tests only.
func sealAppContext(secret, plain string, ivLength int, aad []byte) []byte {
	key := sha256.Sum256([]byte(secret))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err)
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, ivLength)
	if err != nil {
		panic(err)
	}
	// Fixed, because the workers of a fuzz test must agree on the seeds.
	iv := bytes.Repeat([]byte{7}, ivLength)
	sealed := gcm.Seal(nil, iv, []byte(plain), aad)
	out := append([]byte{byte(ivLength)}, iv...)
	out = binary.LittleEndian.AppendUint16(out, uint16(len(aad)))
	out = append(out, aad...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(plain)))
	return append(out, sealed...)
}

func contextJSON(now time.Time) string {
	return fmt.Sprintf(
		`{"typ":"meeting","uid":"u1","mid":"m/1==","act":"{\"a\":1}\u0000","aud":%q,"iss":"marketplace.zoom.us","ts":%d,"exp":%d,"x":[1]}`,
		testClientID, now.UnixMilli(), now.Add(2*time.Minute).UnixMilli())
}

func TestOpenAppContext(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_123)
	envelope := sealAppContext(testSecret, contextJSON(now), 12, []byte("aad"))
	want := AppContext{
		Type: "meeting", UserID: "u1", MeetingID: "m/1==", Action: `{"a":1}`, Audience: testClientID,
		Issuer: "marketplace.zoom.us", IssuedAt: now, ExpiresAt: now.Add(2 * time.Minute),
	}
	for _, enc := range []*base64.Encoding{
		base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding,
	} {
		got, err := OpenAppContext(testClientID, testSecret, enc.EncodeToString(envelope), now.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if want.ID == "" {
			want.ID = got.ID
		}
		if got != want || got.ID == "" {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	for _, ivLength := range []int{8, 16, 255} {
		header := base64.StdEncoding.EncodeToString(sealAppContext(testSecret, contextJSON(now), ivLength, nil))
		got, err := OpenAppContext("", testSecret, header, now)
		if err != nil || got.ID == want.ID {
			t.Errorf("iv of %d bytes: %v, %v", ivLength, got, err)
		}
	}
}

func TestAppContextTimes(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	ms := func(d time.Duration) int64 { return now.Add(d).UnixMilli() }
	for name, test := range map[string]struct {
		plain string
		ok    bool
	}{
		"fresh":                    {fmt.Sprintf(`{"ts":%d,"exp":%d}`, ms(0), ms(2*time.Minute)), true},
		"just before the end":      {fmt.Sprintf(`{"ts":%d}`, ms(-2*time.Minute+time.Millisecond)), true},
		"at the end":               {fmt.Sprintf(`{"ts":%d}`, ms(-2*time.Minute)), false},
		"exp before two minutes":   {fmt.Sprintf(`{"ts":%d,"exp":%d}`, ms(-time.Minute), ms(0)), false},
		"exp cannot extend":        {fmt.Sprintf(`{"ts":%d,"exp":%d}`, ms(-3*time.Minute), ms(time.Hour)), false},
		"clock behind":             {fmt.Sprintf(`{"ts":%d}`, ms(30*time.Second)), true},
		"clock far behind":         {fmt.Sprintf(`{"ts":%d}`, ms(31*time.Second)), false},
		"only exp":                 {fmt.Sprintf(`{"exp":%d}`, ms(time.Minute)), true},
		"only exp, past":           {fmt.Sprintf(`{"exp":%d}`, ms(-time.Second)), false},
		"only exp, far away":       {fmt.Sprintf(`{"exp":%d}`, ms(time.Hour)), false},
		"no time":                  {`{"uid":"u"}`, false},
		"negative":                 {`{"ts":-1,"exp":-1}`, false},
		"giant":                    {`{"ts":9223372036854775807}`, false},
		"seconds instead of ms":    {fmt.Sprintf(`{"ts":%d}`, now.Unix()), false},
		"not an object":            {`[1]`, false},
		"control character in uid": {fmt.Sprintf(`{"uid":"a\n","ts":%d}`, ms(0)), false},
		"guest":                    {fmt.Sprintf(`{"typ":"meeting","ts":%d}`, ms(0)), true},
	} {
		t.Run(name, func(t *testing.T) {
			header := base64.StdEncoding.EncodeToString(sealAppContext(testSecret, test.plain, 12, nil))
			if got, err := OpenAppContext(testClientID, testSecret, header, now); (err == nil) != test.ok {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestOpenAppContextRefuses(t *testing.T) {
	now := time.Now()
	envelope := sealAppContext(testSecret, contextJSON(now), 12, []byte("aad"))
	open := func(secret string, envelope []byte) error {
		_, err := OpenAppContext(testClientID, secret, base64.StdEncoding.EncodeToString(envelope), now)
		return err
	}
	if err := open(testSecret, envelope); err != nil {
		t.Fatal(err)
	}
	for i := range envelope {
		flipped := append([]byte(nil), envelope...)
		flipped[i] ^= 1
		if open(testSecret, flipped) == nil {
			t.Fatalf("byte %d can be changed", i)
		}
		if open(testSecret, envelope[:i]) == nil {
			t.Fatalf("can be cut to %d bytes", i)
		}
	}
	if open(testSecret, append(envelope, 0)) == nil {
		t.Error("a byte can be added")
	}
	if open("other", envelope) == nil {
		t.Error("another secret opens it")
	}
	// Everybody knows the SHA-256 of nothing.
	if open("", sealAppContext("", contextJSON(now), 12, nil)) == nil {
		t.Error("without a secret everybody can seal")
	}
	header := base64.StdEncoding.EncodeToString(envelope)
	if _, err := OpenAppContext("other-app", testSecret, header, now); err == nil {
		t.Error("a context for another app is accepted")
	}
	for name, header := range map[string]string{
		"empty": "", "not base64": "!!!!", "line break": header[:8] + "\r\n" + header[8:], "giant": strings.Repeat("A", maxAppContext+1),
		"giant ciphertext length": base64.StdEncoding.EncodeToString(append([]byte{1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, make([]byte, 32)...)),
		"no iv":                   base64.StdEncoding.EncodeToString(make([]byte, 64)),
	} {
		if _, err := OpenAppContext(testClientID, testSecret, header, now); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func FuzzOpenAppContext(f *testing.F) {
	now := time.Unix(1_800_000_000, 0)
	good := sealAppContext(testSecret, contextJSON(now), 12, []byte("aad"))
	f.Add(good)
	f.Add(good[:40])
	f.Add([]byte{})
	f.Add([]byte{1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
	f.Add(append([]byte{12}, make([]byte, 60)...))
	f.Add(sealAppContext(testSecret, `{"ts":1e300}`, 16, nil))
	f.Fuzz(func(t *testing.T, envelope []byte) {
		for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
			got, err := OpenAppContext(testClientID, testSecret, enc.EncodeToString(envelope), now)
			if err == nil && string(envelope) != string(good) {
				t.Errorf("opened %x to %+v", envelope, got)
			}
		}
		if _, err := OpenAppContext(testClientID, testSecret, string(envelope), now); err == nil {
			t.Errorf("opened %q", envelope)
		}
	})
}
