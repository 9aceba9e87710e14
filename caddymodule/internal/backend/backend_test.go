package backend

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
)

func bearerOf(secret string) []string { return []string{"Authorization", "Bearer " + secret} }

const formType = "application/x-www-form-urlencoded"

func TestHandsOut(t *testing.T) {
	bubble(t, func(w *world) {
		auth := bearerOf(firstSecret)
		form := append([]string{"Content-Type", formType + "; charset=UTF-8"}, auth...)
		for _, rec := range []*http.Request{
			request("GET", "token?user_id=ada", "", auth...),
			request("POST", "token?user_id=ada", "", auth...),
			request("POST", "token", "user_id=ada", form...),
			request("GET", sign(firstSecret, "token?user_id=ada"+until(time.Minute)), ""),
			request("GET", "token?user_id=ada", "", "authorization", "bearer  "+secondSecret),
		} {
			w.wantJSON(rec.RequestURI, w.send(rec), map[string]string{
				"access_token": "the-access-token", "expires_at": "2000-01-01T01:00:00Z", "api_url": "https://api.zoom.us",
			})
		}
		w.wantJSON("zak", w.send(request("GET", "zak?user_id=ada", "", auth...)), map[string]string{
			"zak": "the-zak", "expires_at": "2000-01-01T00:05:00Z",
		})
		for _, r := range []*http.Request{
			request("GET", "obf?user_id=ada&meeting_id=123-4567%208901", "", auth...),
			request("POST", "obf", "user_id=ada&meeting_id=12345678901", form...),
			request("POST", "obf?meeting_id=12345678901", "user_id=ada", form...),
			request("POST", sign(secondSecret, "obf?user_id=ada&meeting_id=12345678901"+until(time.Minute)), "user_id=eve"),
		} {
			w.wantJSON(r.RequestURI, w.send(r), map[string]string{"obf_token": "the-obf", "expires_at": "2000-01-01T02:00:00Z"})
			if got := fmt.Sprint(w.asked); got != "[obf for 12345678901 of ada]" {
				t.Errorf("%s: asked for %s", r.RequestURI, got)
			}
		}
	})
}

// What bot services read is the token and nothing else, not even a line's end.
func TestBareToken(t *testing.T) {
	bubble(t, func(w *world) {
		for address, want := range map[string]string{
			"token?format=text&user_id=ada":                    "the-access-token",
			"zak?user_id=ada&format=text":                      "the-zak",
			"obf?user_id=ada&meeting_id=123456789&format=text": "the-obf",
		} {
			rec := w.send(request("GET", sign(firstSecret, address+until(time.Hour)), ""))
			if got := rec.Body.String(); got != want {
				t.Errorf("%s: %q, want %q", address, got, want)
			}
			if got := rec.Header().Get("Content-Type"); got != "text/plain; charset=utf-8" {
				t.Errorf("%s: content type %q", address, got)
			}
		}
	})
}

func TestBadCredentials(t *testing.T) {
	bubble(t, func(w *world) {
		for _, tt := range []struct {
			name    string
			headers []string
			code    outcome.Code
		}{
			{"none", nil, outcome.SignInRequired},
			{"of another kind", []string{"Authorization", "Basic " + firstSecret}, outcome.SignInRequired},
			{"an empty bearer", bearerOf(""), outcome.SignInRequired},
			{"all wrong", bearerOf(strings.Repeat("x", 32)), outcome.BadSignature},
			{"nearly right", bearerOf(firstSecret[:31] + "x"), outcome.BadSignature},
			{"too short", bearerOf(firstSecret[:31]), outcome.BadSignature},
			{"too long", bearerOf(firstSecret + "0"), outcome.BadSignature},
			{"two secrets in one", bearerOf(firstSecret + secondSecret), outcome.BadSignature},
			{"its digest", bearerOf(string(w.secrets[0].digest[:])), outcome.BadSignature},
			{"two fields", append(bearerOf(firstSecret), bearerOf(firstSecret)...), outcome.BadSignature},
			{"in another field", []string{"X-Authorization", "Bearer " + firstSecret}, outcome.SignInRequired},
		} {
			rec := w.send(request("GET", "zak?user_id=ada", "", tt.headers...))
			w.wantCode(tt.name, tt.code)
			want := ""
			if tt.code == outcome.SignInRequired {
				want = "Bearer"
			}
			if got := rec.Header().Get("WWW-Authenticate"); got != want {
				t.Errorf("%s: WWW-Authenticate %q, want %q", tt.name, got, want)
			}
		}
	})
}

// The recipes in caddymodule/BACKEND.md sign like this; the signature was made by openssl.
func TestSignatureOfAnotherImplementation(t *testing.T) {
	bubble(t, func(w *world) {
		const signature = "3444f4ab6ac9a9f1108f2c12ff17e8832ddea6b6480bc20a8a5b5b8864ab39d9"
		w.wantJSON("openssl", w.send(request("GET", "zak?user_id=ada&expires=946684860&signature="+signature, "")),
			map[string]string{"zak": "the-zak", "expires_at": "2000-01-01T00:05:00Z"})
	})
}

func TestBadSignedURLs(t *testing.T) {
	bubble(t, func(w *world) {
		const address = "zak?user_id=ada"
		good := sign(firstSecret, address+until(time.Hour))
		at := strings.LastIndex(good, "=") + 1
		signature := good[at:]
		for name, bad := range map[string]string{
			"ends now":                 sign(firstSecret, address+until(0)),
			"ended":                    sign(firstSecret, address+until(-time.Second)),
			"too far ahead":            sign(firstSecret, address+until(7*24*time.Hour+time.Second)),
			"for ever":                 sign(firstSecret, address+"&expires=99999999999999999999"),
			"no time":                  sign(firstSecret, address+"&expires=tomorrow"),
			"a signed time":            sign(firstSecret, address+strings.Replace(until(time.Hour), "=", "=%2B", 1)),
			"an empty time":            sign(firstSecret, address+"&expires="),
			"without a time":           sign(firstSecret, address),
			"another path":             strings.Replace(good, "zak", "token", 1),
			"another user's":           strings.Replace(good, "ada", "eve", 1),
			"a parameter added":        strings.Replace(good, "&expires", "&format=text&expires", 1),
			"added at the end":         good + "&format=text",
			"an empty one at the end":  good + "&",
			"added at the front":       strings.Replace(good, "?", "?format=text&", 1),
			"a parameter removed":      strings.Replace(good, until(time.Hour), "", 1),
			"doubled":                  strings.Replace(good, "&expires", "&user_id=ada&expires", 1),
			"signature doubled":        good + "&signature=" + signature,
			"reordered":                "zak?" + until(time.Hour)[1:] + "&user_id=ada&signature=" + signature,
			"written otherwise":        strings.Replace(good, "ada", "%61da", 1),
			"signature first":          "zak?signature=" + signature + "&user_id=ada" + until(time.Hour),
			"upper case":               good[:at] + strings.ToUpper(signature),
			"shorter":                  good[:len(good)-1],
			"longer":                   good + "0",
			"empty":                    good[:at],
			"encoded":                  good[:at] + "%" + fmt.Sprintf("%x", signature[0]) + signature[1:],
			"its name encoded":         strings.Replace(good, "&signature", "&signatur%65", 1),
			"of another secret":        sign(firstSecret[:31]+"x", address+until(time.Hour)),
			"of an empty secret":       sign("", address+until(time.Hour)),
			"with its secret's digest": sign(string(w.secrets[0].digest[:]), address+until(time.Hour)),
		} {
			w.send(request("GET", bad, ""))
			w.wantCode(name, outcome.BadSignature)
			w.send(request("GET", bad, "", bearerOf(firstSecret[1:])...))
			w.wantCode(name+", with a wrong bearer", outcome.BadSignature)
		}
		w.send(request("GET", sign(firstSecret, address+"&expires=tomorrow"), ""))
		if !errors.Is(w.refused, errNoExpiry) {
			t.Errorf("no time: %v", w.refused)
		}
		time.Sleep(time.Second - 1) // the end is a nanosecond too far ahead
		w.send(request("GET", sign(firstSecret, fmt.Sprintf("%s&expires=%d", address, time.Now().Add(7*24*time.Hour+1).Unix())), ""))
		if !errors.Is(w.refused, errTooFar) {
			t.Errorf("7 days and a nanosecond: %v", w.refused)
		}
		w.send(request("POST", strings.Replace(good, "user_id=ada&", "", 1), "user_id=ada", "Content-Type", formType))
		w.wantCode("a parameter moved to the body", outcome.BadSignature)
	})
}

func TestSignedURLsThatCount(t *testing.T) {
	bubble(t, func(w *world) {
		want := map[string]string{"zak": "the-zak", "expires_at": "2000-01-01T00:05:00Z"}
		good := sign(secondSecret, "zak?user_id=ada"+until(7*24*time.Hour))
		w.wantJSON("7 days ahead", w.send(request("GET", good, "")), want)
		w.wantJSON("posted to with JSON", w.send(request("POST", good, `{"bot_id":"b"}`, "Content-Type", "application/json")), want)
		w.wantJSON("through a gate", w.send(request("GET", good, "", "Authorization", "Basic YTpi")), want)
		w.wantJSON("with a bearer for somebody else", w.send(request("GET", good, "", bearerOf("x")...)), want)
		w.wantJSON("with what the service adds, signed",
			w.send(request("GET", sign(firstSecret, "zak?bot=1&user_id=ada"+until(time.Hour)), "")), want)
		w.wantJSON("a bearer counts though the URL has expired",
			w.send(request("GET", sign(firstSecret, "zak?user_id=ada"+until(-time.Hour)), "", bearerOf(firstSecret)...)), want)
	})
}

func TestBadParameters(t *testing.T) {
	bubble(t, func(w *world) {
		long := strings.Repeat("a", 64<<10)
		for _, tt := range []struct {
			name, method, address, contentType, body string
			want                                     error
		}{
			{"no user", "GET", "zak", "", "", errUser},
			{"an empty user", "GET", "zak?user_id=", "", "", errUser},
			{"the user in the body of a GET", "GET", "zak", formType, "user_id=ada", errUser},
			{"doubled in the query", "GET", "zak?user_id=ada&user_id=ada", "", "", errRepeated},
			{"doubled in two ways of writing", "GET", "zak?user_id=ada&%75ser_id=eve", "", "", errRepeated},
			{"doubled in the form", "POST", "zak", formType, "user_id=ada&user_id=ada", errRepeated},
			{"in both", "POST", "zak?user_id=ada", formType, "user_id=ada", errRepeated},
			{"an unknown one doubled", "GET", "zak?user_id=ada&x=1&x=2", "", "", errRepeated},
			{"a malformed query", "GET", "zak?user_id=ada&x=%zz", "", "", errQuery},
			{"a semicolon", "GET", "zak?user_id=ada;x=1", "", "", errQuery},
			{"a malformed form", "POST", "zak", formType, "user_id=%zz", errBody},
			{"JSON", "POST", "zak", "application/json", `{"user_id":"ada"}`, errContentType},
			{"a form without a type", "POST", "zak", "", "user_id=ada", errContentType},
			{"a long form", "POST", "zak", formType, "user_id=ada&x=" + long, errLongBody},
			{"a long body of a bot", "POST", "bot?user_id=ada", "", long + "x", errLongBody},
			{"a body of a bot that is none", "POST", "bot?user_id=ada", "", "x", errNotJSON},
			{"a bot for nowhere", "POST", "bot?user_id=ada", "", "{}", errMeetingURL},
			{"no meeting", "GET", "obf?user_id=ada", "", "", errMeeting},
			{"8 digits", "GET", "obf?user_id=ada&meeting_id=12345678", "", "", errMeeting},
			{"13 digits", "GET", "obf?user_id=ada&meeting_id=1234567890123", "", "", errMeeting},
			{"other digits", "GET", "obf?user_id=ada&meeting_id=%D9%A1%D9%A2%D9%A3%D9%A4%D9%A5%D9%A6%D9%A7%D9%A8%D9%A9", "", "", errMeeting},
			{"another format", "GET", "zak?user_id=ada&format=xml", "", "", errFormat},
			{"text for a bot", "POST", "bot?user_id=ada&format=text", "", `{"meeting_url":"https://zoom.us/j/123456789"}`, errFormat},
		} {
			w.send(request(tt.method, tt.address, tt.body, append(bearerOf(firstSecret), "Content-Type", tt.contentType)...))
			if w.wantCode(tt.name, outcome.BadRequest); !errors.Is(w.refused, tt.want) {
				t.Errorf("%s: refused with %v, want %v", tt.name, w.refused, tt.want)
			}
		}
		w.send(request("GET", sign(firstSecret, "zak?user_id=ada&user_id=ada"+until(time.Hour)), ""))
		w.wantCode("doubled before it was signed", outcome.BadRequest)
		w.send(request("GET", sign(firstSecret, "zak?user_id=ada&signature=1"+until(time.Hour)), ""))
		w.wantCode("a signature that was signed", outcome.BadRequest)
	})
}

// untouched is a body that must not be read.
type untouched struct{ testing.TB }

func (u untouched) Read([]byte) (int, error) {
	u.Error("the body of a stranger was read")
	return 0, errors.New("no")
}

func TestReadsNothingOfStrangers(t *testing.T) {
	bubble(t, func(w *world) {
		for _, kind := range []string{"token", "bot"} {
			for _, r := range []*http.Request{
				request("POST", kind+"?user_id=ada", "", "Content-Type", formType),
				request("POST", kind+"?user_id=ada", "", bearerOf("wrong")...),
				request("POST", sign(firstSecret, kind+"?user_id=ada"+until(-time.Hour)), ""),
				request("POST", sign("another", kind+"?user_id=ada"+until(time.Hour)), ""),
			} {
				r.Body = io.NopCloser(untouched{t})
				w.send(r)
				if w.refused == nil {
					t.Errorf("%s was answered", r.RequestURI)
				}
			}
		}
	})
}

// brokenBody cannot be read.
type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestBodies(t *testing.T) {
	bubble(t, func(w *world) {
		form := func(body string) *http.Request {
			return request("POST", "zak", body, append(bearerOf(firstSecret), "Content-Type", formType+"; charset=utf-8")...)
		}
		// Each is given back: all of them together would not fit.
		for range 5000 {
			if rec := w.send(form("user_id=ada")); rec.Code != http.StatusOK {
				t.Fatalf("%v", w.refused)
			}
			w.send(request("POST", "bot?user_id=ada", "x", bearerOf(firstSecret)...))
			if !errors.Is(w.refused, errNotJSON) {
				t.Fatalf("%v", w.refused)
			}
		}
		longest := "user_id=ada&x=" + strings.Repeat("a", 64<<10-len("user_id=ada&x="))
		if rec := w.send(form(longest)); rec.Code != http.StatusOK {
			t.Errorf("64 KiB: %v", w.refused)
		}
		if w.send(form(longest + "a")); !errors.Is(w.refused, errLongBody) {
			t.Errorf("a byte more: %v", w.refused)
		}
		broken := form("")
		broken.Body = io.NopCloser(brokenBody{})
		if w.send(broken); !errors.Is(w.refused, errBody) {
			t.Errorf("a body that cannot be read: %v", w.refused)
		}
		defer func(all int) { requestBodies.All = all }(requestBodies.All)
		requestBodies.All = 1
		if w.send(form("user_id=ada")); !errors.Is(w.refused, errBusy) {
			t.Errorf("no memory: %v", w.refused)
		}
	})
}

// What JSON has no form for is an error for Caddy, not half an answer.
func TestTimeThatIsNone(t *testing.T) {
	bubble(t, func(w *world) {
		rec := httptest.NewRecorder()
		w.years = 9000
		if err := w.Serve(rec, request("GET", "token?user_id=ada", ""), Token, []string{"Bearer " + firstSecret}); err == nil || rec.Body.Len() > 0 {
			t.Errorf("%v, %s", err, rec.Body)
		}
	})
}

func TestErrorsOfTheSite(t *testing.T) {
	bubble(t, func(w *world) {
		for _, kind := range []string{"token", "zak", "obf"} {
			rec := w.send(request("GET", kind+"?user_id=eve&meeting_id=123456789&format=text", "", bearerOf(firstSecret)...))
			if !errors.Is(w.refused, errNoGrant) || strings.Contains(rec.Body.String(), "the-") {
				t.Errorf("%s of an unknown user: %v, %q", kind, w.refused, rec.Body)
			}
		}
	})
}

func TestPrintsNoSecret(t *testing.T) {
	s := NewServer([][]byte{[]byte(firstSecret)}, nil)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		got := fmt.Sprintf(verb+" "+verb, s, AccessToken{Token: "the-access-token"})
		if strings.Contains(got, firstSecret) || strings.Contains(got, "the-") || strings.Contains(got, "48, 49") {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}
