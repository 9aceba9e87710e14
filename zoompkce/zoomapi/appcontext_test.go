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

// The bounds, to the nanosecond of this machine's clock.
func TestAppContextBounds(t *testing.T) {
	now := time.UnixMilli(1739923528255)
	for name, tt := range map[string]struct {
		start, end time.Time
		now        time.Time
		ok         bool
	}{
		"30 s ahead":                           {now.Add(30 * time.Second), time.Time{}, now, true},
		"more than that":                       {now.Add(30 * time.Second), time.Time{}, now.Add(-1), false},
		"2 min old":                            {now.Add(-2 * time.Minute), time.Time{}, now, false},
		"less than that":                       {now.Add(-2 * time.Minute), time.Time{}, now.Add(-1), true},
		"an end that is 2.5 min away":          {time.Time{}, now.Add(150 * time.Second), now, true},
		"an end that is further away":          {time.Time{}, now.Add(150 * time.Second), now.Add(-1), false},
		"an end that has come":                 {time.Time{}, now, now, false},
		"an end before the two minutes":        {now, now.Add(time.Minute), now.Add(time.Minute), false},
		"an end at the end of the two minutes": {now, now.Add(2 * time.Minute), now.Add(2*time.Minute - 1), true},
	} {
		if err := (AppContext{IssuedAt: tt.start, ExpiresAt: tt.end}).checkTime(tt.now); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	for raw, zero := range map[string]bool{"0": true, "1": false, "-1": true, "253402300799999": false, "253402300800000": true, "99999999999999999999": true} {
		if got := jsonMillis([]byte(raw)); got.IsZero() != zero {
			t.Errorf("%s: %v", raw, got)
		}
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
	in := func(plain string, ivLength int) string {
		return base64.StdEncoding.EncodeToString(sealAppContext(testSecret, plain, ivLength, nil))
	}
	for want, headers := range map[string][]string{
		"its lengths do not add up": {"", "AA", "AQAFAA", base64.StdEncoding.EncodeToString(make([]byte, 64)), base64.StdEncoding.EncodeToString(envelope[:len(envelope)-1])},
		"it is not base64":          {"!!!!", header[:8] + "\r\n" + header[8:], header[:9] + "!"},
		"it is longer than 8 KiB":   {strings.Repeat("A", maxAppContext+1)},
		"it is forged":              {base64.StdEncoding.EncodeToString(append(envelope[:len(envelope)-1:len(envelope)-1], envelope[len(envelope)-1]^1))},
		"zero length":               {base64.StdEncoding.EncodeToString(make([]byte, 1+2+4+gcmTag))},
		"not a JSON object":         {in("", 12), in("[]", 12)},
		"uid is missing or":         {in(strings.Replace(contextJSON(now), `"uid":"`, `"uid":"a b`, 1), 12)},
	} {
		for _, header := range headers {
			if _, err := OpenAppContext(testClientID, testSecret, header, now); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%.40s: %v, want %s", header, err, want)
			}
		}
	}
	if _, err := OpenAppContext(testClientID, testSecret, in(contextJSON(now), 1), now); err != nil {
		t.Errorf("an iv of one byte: %v", err)
	}
	long := in(contextJSON(now)[:len(contextJSON(now))-1]+`,"x":"`+strings.Repeat("x", 5500)+`"}`, 12)
	long = in(contextJSON(now)[:len(contextJSON(now))-1]+`,"x":"`+strings.Repeat("x", 5500+(maxAppContext-len(long))/4*3)+`"}`, 12)
	if _, err := OpenAppContext(testClientID, testSecret, long, now); err != nil || len(long) != maxAppContext {
		t.Errorf("%d bytes: %v", len(long), err)
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
