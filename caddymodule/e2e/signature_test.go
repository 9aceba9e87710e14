package e2e

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// signed is an answer of the endpoint signature, unsigned one that refuses.
type signed struct{ Signature, SDKKey string }

type unsigned struct {
	Errors []struct{ Property, Reason string }
}

// verify opens the JWT of an answer to POST signature.
func (a answer) verify(t *testing.T, key, secret string) jwt.MapClaims {
	t.Helper()
	var got signed
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.StatusCode != http.StatusOK {
		t.Fatalf("got %d\n%s", a.StatusCode, a.body)
	}
	if got.SDKKey != key {
		t.Errorf("sdkKey: got %q, want %q", got.SDKKey, key)
	}
	claims := jwt.MapClaims{}
	token, err := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithIssuedAt()).ParseWithClaims(got.Signature, claims,
		func(*jwt.Token) (any, error) { return []byte(secret), nil })
	if err != nil || token.Header["typ"] != "JWT" {
		t.Fatalf("%v: %s", err, got.Signature)
	}
	return claims
}

func TestSignature(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("meeting_sdk {\nexpires_in 3h\n}", "allow {\nuser_id user-ada\n}"))
	b := w.browser()
	b.signIn("/", "user-ada")
	for _, tt := range []struct {
		name, body string
		want       jwt.MapClaims // beside the keys and times
		life       time.Duration
	}{
		{"numbers", `{"meetingNumber":12345678901,"role":1}`, jwt.MapClaims{"mn": "12345678901", "role": 1.0}, 3 * time.Hour},
		{
			"strings", `{"meetingNumber":"12345678901","role":"0","expirationSeconds":"7200","videoWebRtcMode":"1"}`,
			jwt.MapClaims{"mn": "12345678901", "role": 0.0, "video_webrtc_mode": 1.0},
			2 * time.Hour,
		},
		{
			"a number as people write it", `{"meetingNumber":"123 4567-8901","role":0}`,
			jwt.MapClaims{"mn": "12345678901", "role": 0.0},
			3 * time.Hour,
		},
		{"for a native SDK", `{}`, jwt.MapClaims{}, 3 * time.Hour},
		{"the shortest life", `{"expirationSeconds":1800}`, jwt.MapClaims{}, 30 * time.Minute},
		{"a longer life than configured", `{"expirationSeconds":172800}`, jwt.MapClaims{}, 3 * time.Hour},
		{
			"what nobody asked for", `{"videoWebRtcMode":0,"mn":"999999999","appKey":"mallory","exp":9999999999}`,
			jwt.MapClaims{"video_webrtc_mode": 0.0},
			3 * time.Hour,
		},
		{
			"a content type with parameters", `{"meetingNumber":"123456789","role":0}`,
			jwt.MapClaims{"mn": "123456789", "role": 0.0},
			3 * time.Hour,
		},
		{"no content type", `{"meetingNumber":"123456789","role":0}`, jwt.MapClaims{"mn": "123456789", "role": 0.0}, 3 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			contentType := "application/json; charset=utf-8"
			if tt.name == "no content type" {
				contentType = ""
			}
			a := b.post("signature", tt.body, "Content-Type", contentType)
			if got := a.Header.Get("Content-Type"); got != "application/json" {
				t.Errorf("Content-Type: %q", got)
			}
			got := a.verify(t, testClientID, testClientSecret)
			iat, ok := got["iat"].(float64)
			if age := start.Sub(time.Unix(int64(iat), 0)); !ok || age < 29*time.Second || age > 31*time.Second {
				t.Errorf("iat is %s back, want 30s", age)
			}
			if got["exp"] != iat+tt.life.Seconds() || got["tokenExp"] != got["exp"] {
				t.Errorf("exp %v, tokenExp %v, want %v after iat", got["exp"], got["tokenExp"], tt.life)
			}
			want := maps.Clone(tt.want)
			for _, name := range []string{"iat", "exp", "tokenExp"} {
				want[name] = got[name]
			}
			want["appKey"], want["sdkKey"] = testClientID, testClientID
			if !maps.Equal(got, want) {
				t.Errorf("got %v\nwant %v", got, want)
			}
		})
	}
}

func TestSignatureRefuses(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("meeting_sdk {\nroles 0\n}"))
	b := w.browser()
	b.signIn("/", "user-ada")
	for _, tt := range []struct {
		name, body string
		want       string // the properties, in order
		reason     string // part of the first one
		header     []string
	}{
		{name: "a meeting without a role", body: `{"meetingNumber":"123456789"}`, want: "$schema", reason: "send both or neither"},
		{name: "a role without a meeting", body: `{"role":0}`, want: "$schema"},
		{name: "an empty meeting", body: `{"meetingNumber":"","role":0}`, want: "meetingNumber"},
		{name: "8 digits", body: `{"meetingNumber":12345678,"role":0}`, want: "meetingNumber"},
		{name: "13 digits", body: `{"meetingNumber":"1234567890123","role":0}`, want: "meetingNumber"},
		{name: "a float", body: `{"meetingNumber":1.2345678e9,"role":0}`, want: "meetingNumber"},
		{name: "no number", body: `{"meetingNumber":"https://zoom.us/j/123456789","role":0}`, want: "meetingNumber"},
		{name: "role 2", body: `{"meetingNumber":"123456789","role":2}`, want: "role"},
		{name: "role -1", body: `{"meetingNumber":"123456789","role":"-1"}`, want: "role"},
		{name: "a role in words", body: `{"meetingNumber":"123456789","role":"host"}`, want: "role"},
		{name: "a role that is not given out", body: `{"meetingNumber":"123456789","role":1}`, want: "role"},
		{name: "too short", body: `{"expirationSeconds":1799}`, want: "expirationSeconds"},
		{name: "too long", body: `{"expirationSeconds":"172801"}`, want: "expirationSeconds"},
		{name: "no life at all", body: `{"expirationSeconds":0}`, want: "expirationSeconds"},
		{name: "beyond 64 bits", body: `{"expirationSeconds":99999999999999999999}`, want: "expirationSeconds"},
		{name: "an overflow of nanoseconds", body: `{"expirationSeconds":18446744075}`, want: "expirationSeconds"},
		{name: "mode 2", body: `{"videoWebRtcMode":2}`, want: "videoWebRtcMode"},
		{
			name: "everything wrong", body: `{"meetingNumber":1,"role":7,"expirationSeconds":1,"videoWebRtcMode":"x"}`,
			want: "meetingNumber role expirationSeconds videoWebRtcMode",
		},
		{name: "not JSON", body: `meetingNumber=123456789`, want: "$body"},
		{name: "nothing", body: ``, want: "$body"},
		{name: "a list", body: `[]`, want: "$body"},
		{name: "an object for a number", body: `{"role":{}}`, want: "$body"},
		{name: "two values", body: `{}{}`, want: "$body"},
		{name: "1 MB", body: `{"pad":"` + strings.Repeat("x", 1<<20) + `"}`, want: "$body", reason: "64 KiB"},
		{name: "a form", body: `{}`, want: "$body", header: []string{"Content-Type", "application/x-www-form-urlencoded"}},
		// What a foreign page may send without asking first.
		{name: "JSON that says it is text", body: `{}`, want: "$body", header: []string{"Content-Type", "text/plain"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := decisions(t, "bad_request")
			a := b.post("signature", tt.body, tt.header...)
			var got unsigned
			if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.StatusCode != http.StatusBadRequest {
				t.Fatalf("got %d\n%s", a.StatusCode, a.body)
			}
			var properties []string
			for _, e := range got.Errors {
				properties = append(properties, e.Property)
				if e.Reason == "" {
					t.Errorf("no reason for %s", e.Property)
				}
			}
			if !strings.Contains(got.Errors[0].Reason, tt.reason) {
				t.Errorf("got reason %q, want %q in it", got.Errors[0].Reason, tt.reason)
			}
			if got := strings.Join(properties, " "); got != tt.want {
				t.Errorf("got errors for %q, want %q\n%s", got, tt.want, a.body)
			}
			if strings.Contains(a.body, "eyJ") {
				t.Errorf("a signature: %s", a.body)
			}
			if n := decisions(t, "bad_request") - before; n != 1 {
				t.Errorf("counted %v times", n)
			}
		})
	}
}

// An app may have SDK credentials other than those that sign visitors in.
func TestSignatureWithOtherCredentials(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("meeting_sdk {\nsdk_key another-key\nsdk_secret another-secret-that-no-log-may-show\n}"))
	b := w.browser()
	b.signIn("/", "user-ada")
	claims := b.post("signature", `{"meetingNumber":"123456789","role":0}`).
		verify(t, "another-key", "another-secret-that-no-log-may-show")
	if claims["appKey"] != "another-key" || claims["exp"] != claims["iat"].(float64)+7200 {
		t.Errorf("got %v", claims)
	}
}

func TestSignaturesAreLogged(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("meeting_sdk", "allow {\nuser_id user-ada\n}"))
	b := w.browser()
	b.signIn("/", "user-ada")
	a := b.post("signature", `{"meetingNumber":"123 456 789","role":1}`)
	b.post("signature", `{"meetingNumber":"123456789","role":5}`)
	var lines []map[string]any
	for line := range strings.Lines(w.logged()) {
		var entry map[string]any
		if json.Unmarshal([]byte(line), &entry) == nil && entry["msg"] == "signed a meeting sdk signature" {
			lines = append(lines, entry)
		}
	}
	if len(lines) != 1 {
		t.Fatalf("%d signatures were logged, want 1", len(lines))
	}
	for name, want := range map[string]any{
		"level": "info", "logger": "http.handlers.zoom_pkce", "user_id": "user-ada", "meeting": "123456789", "role": 1.0,
	} {
		if got := lines[0][name]; got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	var got signed
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || got.Signature == "" {
		t.Fatal(a.body)
	}
	for name, secret := range map[string]string{"signature": got.Signature, "secret": testClientSecret} {
		if strings.Contains(w.logged(), secret) {
			t.Errorf("the %s was logged", name)
		}
	}
}

func TestSignaturesForTheWholeWorldAreWarnedOf(t *testing.T) {
	const warning = "meeting_sdk without allow: every Zoom user in the world"
	for _, tt := range []struct {
		name    string
		options []string
		want    int
	}{
		{"for everybody", []string{"meeting_sdk"}, 1},
		{"for some", []string{"meeting_sdk", "allow {\nuser_id user-ada\n}"}, 0},
		{"for nobody", nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.load(w.site(tt.options...))
			w.browser().open("/")
			if got := strings.Count(w.logged(), warning); got != tt.want {
				t.Errorf("warned %d times, want %d", got, tt.want)
			}
		})
	}
}
