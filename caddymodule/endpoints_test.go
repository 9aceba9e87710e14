package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/bodies"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// post sends a body to an endpoint as a page of the site does, and returns the status
// and the answer. Pairs of headers follow.
func (p *provisioned) post(target, body, cookies string, headers ...string) (status int, answer string) {
	p.t.Helper()
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	got, _ := p.serve(r, cookies, nil)
	text, err := io.ReadAll(got.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return got.StatusCode, string(text)
}

// codeOf is the code of a problem.
func codeOf(answer string) string {
	var problem struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal([]byte(answer), &problem)
	return problem.Code
}

const testWebhookSecret = "a-secret-token-of-the-tests"

func TestWebhookRefuses(t *testing.T) {
	bothWays(t, `, "webhook": {"secret_token": ["another-token-of-the-tests", "`+testWebhookSecret+`"]}`, testWebhookRefuses)
}

func testWebhookRefuses(t *testing.T, p *provisioned) {
	t.Helper()
	cookies := p.signIn()
	event := func(name, client, user string) string {
		return fmt.Sprintf(`{"event": %q, "event_ts": %d, "payload": {"client_id": %q, "user_id": %q, "object": {"id": %q}, "plainToken": "qgg8vlvZRS6UYooatFL8Aw"}}`,
			name, time.Now().Add(time.Minute).UnixMilli(), client, user, user)
	}
	good := event(zoomapi.EventDeauthorized, testClientID, "ada")
	for name, test := range map[string]struct {
		secret string
		sent   time.Duration // ago
		body   string
		code   string
	}{
		"a guess":                   {"guess", 0, good, "bad_request"},
		"stale":                     {testWebhookSecret, 2*time.Hour + time.Minute, good, "bad_request"},
		"of the future":             {testWebhookSecret, -2*time.Hour - time.Minute, good, "bad_request"},
		"for another app":           {testWebhookSecret, 0, event(zoomapi.EventDeauthorized, "another", "ada"), "bad_request"},
		"no JSON":                   {testWebhookSecret, 0, "event", "bad_request"},
		"without a user":            {testWebhookSecret, 0, event(zoomapi.EventDeauthorized, testClientID, ""), "bad_request"},
		"without its own time":      {testWebhookSecret, 0, strings.Replace(good, "event_ts", "ts", 1), "bad_request"},
		"longer than 1 MiB":         {testWebhookSecret, 0, good + strings.Repeat(" ", 1<<20), "bad_request"},
		"a challenge of long ago":   {testWebhookSecret, 6 * time.Minute, event(zoomapi.EventURLValidation, "", ""), "bad_request"},
		"a challenge to sign":       {testWebhookSecret, 0, strings.Replace(event(zoomapi.EventURLValidation, "", ""), "qgg8", "v0:", 1), "bad_request"},
		"a challenge":               {testWebhookSecret, 4 * time.Minute, event(zoomapi.EventURLValidation, "", ""), ""},
		"an event of an hour ago":   {testWebhookSecret, 119 * time.Minute, event("user.updated", testClientID, "ada"), ""},
		"another user has gone":     {testWebhookSecret, 0, event(zoomapi.EventUserDeleted, testClientID, "bob"), ""},
		"by the other secret token": {"another-token-of-the-tests", 0, event("user.updated", testClientID, "ada"), ""},
	} {
		timestamp := strconv.FormatInt(time.Now().Add(-test.sent).Unix(), 10)
		status, answer := p.post("/zoom_pkce/webhook", test.body, "",
			"X-Zm-Request-Timestamp", timestamp, "X-Zm-Signature", zoomtest.WebhookSignature(test.secret, timestamp, []byte(test.body)))
		if got := codeOf(answer); got != test.code || test.code == "" && status != http.StatusOK {
			t.Errorf("%s: %d %s", name, status, answer)
		}
		if strings.HasPrefix(name, "a challenge") != strings.Contains(answer, "encryptedToken") && test.code == "" {
			t.Errorf("%s: %s", name, answer)
		}
	}
	session := func() int {
		got, _ := p.serve(httptest.NewRequest(http.MethodGet, "/", nil), cookies, nil)
		return got.StatusCode
	}
	if got := session(); got != passed {
		t.Fatalf("a delivery that does not count has ended the session: %d", got)
	}
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	if status, answer := p.post("/zoom_pkce/webhook", good, "",
		"X-Zm-Request-Timestamp", timestamp, "X-Zm-Signature", zoomtest.WebhookSignature(testWebhookSecret, timestamp, []byte(good))); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	if got := session(); got != http.StatusUnauthorized {
		t.Errorf("who has removed the app gets %d", got)
	}
}

// Whatever an app could take for an event of Zoom's was verified.
func TestOnlyEventsAreHandedOn(t *testing.T) {
	bothWays(t, `, "protect": [{"path": ["/private"]}], "webhook": {"hand_on": true, "secret_token": ["`+testWebhookSecret+`"]}`,
		func(t *testing.T, p *provisioned) {
			timestamp, body := strconv.FormatInt(time.Now().Unix(), 10), `{"event": "recording.completed", "event_ts": 1, "payload": {}}`
			for target, want := range map[string]int{
				"/zoom_pkce/webhook": passed, "/zoom_pkce/webhook/": http.StatusNotFound, "/zoom_pkce/Webhook": http.StatusNotFound,
				"/Zoom_pkce/webhook": http.StatusNotFound, "/zoom_pkce;v/webhook": http.StatusNotFound, "/%257aoom_pkce/webhook": http.StatusNotFound,
				"/x;" + strings.Repeat("a", 2<<10): http.StatusNotFound, "/public": passed, "/public;v": passed,
			} {
				status, answer := p.post(target, body, "", "X-Zm-Request-Timestamp", timestamp,
					"X-Zm-Signature", zoomtest.WebhookSignature(testWebhookSecret, timestamp, []byte(body)))
				if status != want {
					t.Errorf("%s: %d %s", target, status, answer)
				}
			}
			if status, answer := p.post("/zoom_pkce/webhook", body, "", "X-Zm-Request-Timestamp", timestamp); status != http.StatusBadRequest {
				t.Errorf("unsigned: %d %s", status, answer)
			}
		})
}

func TestSignatureOnlyForVisitors(t *testing.T) {
	bothWays(t, `, "meeting_sdk": {"roles": [0], "expires_in": "1h"}`, testSignatureOnlyForVisitors)
}

func testSignatureOnlyForVisitors(t *testing.T, p *provisioned) {
	t.Helper()
	cookies := p.signIn()
	for name, test := range map[string]struct {
		cookies, body, site string
		status              int
		says                string // a part of the answer
	}{
		"a participant":         {cookies, `{"meetingNumber": "123456789", "role": 0}`, "same-origin", http.StatusOK, `"signature":"ey`},
		"of no meeting":         {cookies, `{}`, "same-origin", http.StatusOK, `"sdkKey":"` + testClientID},
		"with a video mode":     {cookies, `{"videoWebRtcMode": 1}`, "same-origin", http.StatusOK, `"signature":"ey`},
		"the shortest life":     {cookies, `{"expirationSeconds": 1800}`, "same-origin", http.StatusOK, `"signature":"ey`},
		"the longest life":      {cookies, `{"expirationSeconds": 172800}`, "same-origin", http.StatusOK, `"signature":"ey`},
		"a stranger":            {"", `{}`, "same-origin", http.StatusUnauthorized, "sign_in_required"},
		"a page of others":      {cookies, `{}`, "cross-site", http.StatusForbidden, "cross_site"},
		"the host":              {cookies, `{"meetingNumber": "123456789", "role": 1}`, "same-origin", http.StatusBadRequest, "role 1 is not given out here"},
		"a strange role":        {cookies, `{"meetingNumber": "123456789", "role": 2}`, "same-origin", http.StatusBadRequest, "must be 0 (participant) or 1 (host)"},
		"a role in words":       {cookies, `{"meetingNumber": "123456789", "role": "host"}`, "same-origin", http.StatusBadRequest, "must be 0 (participant)"},
		"a role of no meeting":  {cookies, `{"role": 0}`, "same-origin", http.StatusBadRequest, "belong together"},
		"a meeting, no role":    {cookies, `{"meetingNumber": "123456789"}`, "same-origin", http.StatusBadRequest, "belong together"},
		"a strange meeting":     {cookies, `{"meetingNumber": "12345678", "role": 0}`, "same-origin", http.StatusBadRequest, "9 to 12 digits"},
		"too short a life":      {cookies, `{"expirationSeconds": 1799}`, "same-origin", http.StatusBadRequest, "from 1800 to 172800"},
		"too long a life":       {cookies, `{"expirationSeconds": 172801}`, "same-origin", http.StatusBadRequest, "from 1800 to 172800"},
		"a life in words":       {cookies, `{"expirationSeconds": "long"}`, "same-origin", http.StatusBadRequest, "from 1800 to 172800"},
		"a strange video mode":  {cookies, `{"videoWebRtcMode": 2}`, "same-origin", http.StatusBadRequest, "must be 0 or 1"},
		"a video mode in words": {cookies, `{"videoWebRtcMode": "on"}`, "same-origin", http.StatusBadRequest, "must be 0 or 1"},
		"no JSON":               {cookies, `{`, "same-origin", http.StatusBadRequest, "$body"},
	} {
		status, answer := p.post("/zoom_pkce/signature", test.body, test.cookies, "Sec-Fetch-Site", test.site)
		if status != test.status || !strings.Contains(answer, test.says) {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
}

// With cookies that travel everywhere, no page of another site may act as the visitor.
func TestForeignPages(t *testing.T) {
	for _, sameSite := range []string{"lax", "none"} {
		p := provision(t, `, "cookie": {"same_site": "`+sameSite+`"}`)
		cookies := p.signIn()
		for name, test := range map[string]struct {
			method  string
			headers []string
			foreign bool
		}{
			"a form of another site":     {"POST", []string{"Sec-Fetch-Site", "cross-site"}, true},
			"a socket of another site":   {"GET", []string{"Sec-Fetch-Site", "cross-site", "Upgrade", "websocket"}, true},
			"an image on another site":   {"GET", []string{"Sec-Fetch-Site", "cross-site"}, false},
			"a form of ours":             {"POST", []string{"Sec-Fetch-Site", "same-origin"}, false},
			"a socket of ours":           {"GET", []string{"Sec-Fetch-Site", "same-origin", "Upgrade", "websocket"}, false},
			"a form of an older browser": {"POST", []string{"Origin", "https://evil.example"}, true},
		} {
			r := httptest.NewRequest(test.method, "/", nil)
			for i := 0; i < len(test.headers); i += 2 {
				r.Header.Set(test.headers[i], test.headers[i+1])
			}
			want := passed
			if test.foreign && sameSite == "none" {
				want = http.StatusForbidden
			}
			if got, _ := p.serve(r, cookies, nil); got.StatusCode != want {
				t.Errorf("same_site %s, %s: %s", sameSite, name, got.Status)
			}
		}
	}
}

// What went wrong decides whether a visitor is signed out, kept out, or asked to wait.
func TestRefusalOf(t *testing.T) {
	zoom := func(kind zoomapi.Kind) error { return &zoomapi.Error{Kind: kind} }
	for _, test := range []struct {
		err  error
		want outcome.Code
	}{
		{&zoompkce.NoSessionError{}, outcome.SignInRequired},
		{&zoompkce.DeadTokenError{}, outcome.SignInRequired},
		{zakError{&zoompkce.NoSessionError{}}, outcome.SignInRequired},
		{zoompkce.ErrAmbiguous, outcome.SignInRequired},
		{errNotAllowed, outcome.NotAllowed},
		{errNoKeys, outcome.NotAllowed},
		{&zoompkce.StoreError{Err: errors.New("full")}, outcome.StoreUnavailable},
		{zakError{&zoompkce.StoreError{Err: errors.New("full")}}, outcome.StoreUnavailable},
		{bodies.ErrBusy, outcome.StoreUnavailable},
		{errors.New("something"), outcome.ZoomUnavailable},
		{zakError{errors.New("something")}, outcome.ZAKUnavailable},
		{zoom(zoomapi.KindMissingScope), outcome.MissingScope},
		{zoom(zoomapi.KindRateLimited), outcome.ZoomRateLimited},
		{zoom(zoomapi.KindInvalidGrant), outcome.CodeRefused},
		{zoom(zoomapi.KindInvalidClient), outcome.ZoomMisconfigured},
		{zoom(zoomapi.KindRedirectMismatch), outcome.ZoomMisconfigured},
		{zoom(zoomapi.KindNonsense), outcome.ZoomNonsense},
		{zoom(zoomapi.KindUnavailable), outcome.ZoomUnavailable},
		{zoom(zoomapi.KindUnauthorized), outcome.ZoomUnavailable},
		{zakError{zoom(zoomapi.KindMissingScope)}, outcome.MissingScope},
		{zakError{zoom(zoomapi.KindRateLimited)}, outcome.ZoomRateLimited},
		{zakError{zoom(zoomapi.KindNonsense)}, outcome.ZAKUnavailable},
	} {
		if got := refusalOf(test.err); got.code != test.want || got.err == nil {
			t.Errorf("%#v: %s, want %s", test.err, got.code, test.want)
		}
	}
	f := refusalOf(&zoomapi.Error{Kind: zoomapi.KindMissingScope, Scopes: []string{"user:read:zak"}, RetryAfter: time.Minute})
	if len(f.scopes) != 1 || f.retryAfter != time.Minute {
		t.Errorf("the scopes are %v, to be tried again after %v", f.scopes, f.retryAfter)
	}
}

// Where the site handles errors, it knows how long to wait, and no cache keeps them.
func TestRefusalsForHandleErrors(t *testing.T) {
	p := provision(t, `, "error_pages": false`)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	got, _ := p.serve(r, "", nil)
	if got.StatusCode != http.StatusUnauthorized || got.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s with %v", got.Status, got.Header)
	}
}

// A client that waits with its body is told to keep it.
func TestRefusedBodyIsKept(t *testing.T) {
	p := provision(t, "")
	for _, test := range []struct {
		body, expect, connection string
	}{
		{"a=b", "100-continue", "close"},
		{"a=b", "", ""},
		{"", "100-continue", ""},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(test.body))
		r.Header.Set("Expect", test.expect)
		if got, _ := p.serve(r, "", nil); got.Header.Get("Connection") != test.connection {
			t.Errorf("%+v: Connection is %q", test, got.Header.Get("Connection"))
		}
	}
}
