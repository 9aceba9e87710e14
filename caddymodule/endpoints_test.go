package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/bodies"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

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
		status, answer := p.post("/zoom_pkce/webhook", test.body, "", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document",
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
		{zoompkce.ErrLongLogin, outcome.BadRequest},
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

// What a visitor causes every day is no warning, trouble is an error, and who has left is no
// trouble. Of many lines at a time the next one says how many are missing.
func TestLogOfRefusals(t *testing.T) {
	for _, test := range []struct {
		f    refusal
		want zapcore.Level
	}{
		{refusal{code: outcome.SignInRequired}, zap.DebugLevel},
		{refusal{code: outcome.NotFound}, zap.DebugLevel},
		{refusal{code: outcome.MethodNotAllowed}, zap.DebugLevel},
		{refusal{code: outcome.BadRequest}, zap.WarnLevel},
		{refusal{code: outcome.ZoomUnavailable}, zap.ErrorLevel},
		{refusal{code: outcome.ZoomMisconfigured}, zap.ErrorLevel},
		{refusal{code: "one without a telling"}, zap.ErrorLevel},
		{refusal{code: outcome.ZoomUnavailable, err: context.Canceled}, zap.DebugLevel},
	} {
		synctest.Test(t, func(t *testing.T) {
			core, logs := observer.New(zap.DebugLevel)
			s := &site{settings: mustResolve(t, minimalHandler()), logger: zap.New(core)}
			r := caddyhttp.PrepareRequest(request(http.MethodGet, "/", ""), caddy.NewReplacer(), nil, nil)
			written := 0
			for ; written == logs.Len() && written < 1000; written++ { // until one is left out
				s.logRefusal(r, test.f)
			}
			written = logs.Len()
			time.Sleep(time.Minute)
			s.logRefusal(r, test.f)
			first, last := logs.All()[0], logs.All()[written]
			if first.Level != test.want || first.ContextMap()["left_out"] != nil || last.ContextMap()["left_out"] != uint64(1) {
				t.Errorf("%+v: %v %v, after %d lines %v", test.f, first.Level, first.ContextMap(), written, last.ContextMap())
			}
			if uri := first.ContextMap()["redirect_uri"]; (uri == s.redirectURIs[0].uri) != (test.f.code == outcome.ZoomMisconfigured) {
				t.Errorf("%s: redirect_uri is %v", test.f.code, uri)
			}
		})
	}
}

// Where the site handles errors, it knows what is wrong, and no cache keeps them.
func TestRefusalsForHandleErrors(t *testing.T) {
	p := provision(t, `, "error_pages": false`)
	for target, cause := range map[string]string{"/zoom_pkce/none": "not_found", "/zoom_pkce/callback?%zz": "the query cannot be read"} {
		w := httptest.NewRecorder()
		w.Header().Set("CDN-Cache-Control", "max-age=60")
		r := caddyhttp.PrepareRequest(request(http.MethodGet, target, ""), caddy.NewReplacer(), w, nil)
		failed, ok := errors.AsType[caddyhttp.HandlerError](p.through(w, r, nil))
		if !ok || failed.Err.Error() != cause || w.Header().Get("CDN-Cache-Control") != "" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v with %v", target, failed, w.Header())
		}
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

// Whoever fills the memory for bodies leaves others theirs, and is asked to come again.
func TestBodiesWhereMemoryIsShort(t *testing.T) {
	bothWays(t, `, "meeting_sdk": {}, "page_tokens": true, "webhook": {"secret_token": ["`+testWebhookSecret+`"]}`, testBodiesWhereMemoryIsShort)
}

func testBodiesWhereMemoryIsShort(t *testing.T, p *provisioned) {
	t.Helper()
	ada := p.signIn()
	for _, limits := range []*bodies.Limits{strangerBodies, visitorBodies, deliveries} {
		all := limits.All
		limits.All = 1
		defer func() { limits.All = all }()
	}
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	navigates := map[string]string{"webhook": "navigate"} // which gets JSON all the same
	for target, body := range map[string]string{"signature": `{}`, "obf": `{"meeting_id": 123456789}`, "logout": "disconnect=1", "webhook": `{"event": "x"}`} {
		status, answer := p.post("/zoom_pkce/"+target, body, ada, "Sec-Fetch-Mode", navigates[target], "Sec-Fetch-Dest", "document", "X-Zm-Request-Timestamp", timestamp, "X-Zm-Signature", zoomtest.WebhookSignature(testWebhookSecret, timestamp, []byte(body)))
		if status != http.StatusServiceUnavailable || codeOf(answer) != "store_unavailable" {
			t.Errorf("%s: %d %s", target, status, answer)
		}
	}
	visitorBodies.All = 1 << 20 // of strangers there are still too many
	if status, _ := p.post("/zoom_pkce/logout", "", ""); status != http.StatusSeeOther {
		t.Errorf("without a body: %d", status)
	}
	if status, answer := p.post("/zoom_pkce/logout", "disconnect=0", ada); status != http.StatusSeeOther {
		t.Errorf("a visitor beside strangers: %d %s", status, answer)
	}
	if lines := p.logs.FilterField(zap.String("advice", "somebody sends many large bodies at a time; Zoom repeats its deliveries")).All(); len(lines) != 4 {
		t.Errorf("the log has %v", p.logs.All())
	}
}

// A delivery is answered when it is stored what it tells, and goes on as it came where the
// app wants it.
func TestDeliveries(t *testing.T) {
	const webhook = `, "webhook": {"secret_token": ["` + testWebhookSecret + `"]}`
	p := provision(t, webhook+withSecret)
	deliver := func(to *provisioned, target, body string) (int, string) {
		timestamp := strconv.FormatInt(time.Now().Unix(), 10)
		return to.post(target, body, "", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", standardUserIDHeader, "eve",
			"X-Zm-Request-Timestamp", timestamp, "X-Zm-Signature", zoomtest.WebhookSignature(testWebhookSecret, timestamp, []byte(body)))
	}
	gone := func(event string) string {
		return fmt.Sprintf(`{"event": %q, "event_ts": %d, "payload": {"user_id": "ada", "object": {"id": "ada"}}}`, event, time.Now().Add(time.Minute).UnixMilli())
	}
	for _, event := range []string{zoomapi.EventDeauthorized, zoomapi.EventUserDeactivated, zoomapi.EventUserDeleted} {
		ada := p.signIn()
		p.logs.TakeAll()
		if status, answer := deliver(p, "/zoom_pkce/webhook", gone(event)); status != http.StatusOK || strings.TrimSpace(answer) != "{}" {
			t.Errorf("%s: %d %s", event, status, answer)
		}
		if got, _ := p.fetch("/", ada); got.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: the session goes on: %s", event, got.Status)
		}
		if lines := p.logs.FilterField(zap.String("event", event)).All(); len(lines) != 1 || lines[0].ContextMap()["user_id"] != "ada" || lines[0].ContextMap()["had_sessions"] != true {
			t.Errorf("%s: the log has %v", event, p.logs.All())
		}
	}
	for name, body := range map[string]string{"without a user": `{"event": "user.deleted", "event_ts": 1, "payload": {}}`, "longer than 1 MiB": gone("x") + strings.Repeat(" ", 1<<20)} {
		p.logs.TakeAll()
		if status, answer := deliver(p, "/zoom_pkce/webhook", body); status != http.StatusBadRequest || codeOf(answer) != "bad_request" {
			t.Errorf("%s: %d %s", name, status, answer)
		}
		if lines := p.logs.FilterMessage("refused a request").All(); len(lines) != 1 || strings.Contains(fmt.Sprint(lines[0].ContextMap()["error"]), "1 MiB") != (name == "longer than 1 MiB") {
			t.Errorf("%s: the log has %v", name, lines)
		}
	}
	// Memory for a body is free again when it has been answered.
	all := deliveries.All
	deliveries.All = 6 << 10
	for range 3 {
		if status, answer := deliver(p, "/zoom_pkce/webhook", `{"event": "x", "event_ts": 1, "payload": {}}`); status != http.StatusOK {
			t.Errorf("one after the other: %d %s", status, answer)
		}
	}
	deliveries.All = all
	unsigned, _ := p.serve(request(http.MethodPost, "/zoom_pkce/webhook", "x"), "", nil)
	if unsigned.Header.Get("Connection") != "close" {
		t.Errorf("a body that is not read: %v", unsigned.Header)
	}
	p.site.store = &brokenStore{Store: p.site.store, reads: true, writes: true}
	if status, answer := deliver(p, "/zoom_pkce/webhook", gone(zoomapi.EventUserDeleted)); status != http.StatusServiceUnavailable || codeOf(answer) != "store_unavailable" {
		t.Errorf("the store in trouble: %d %s", status, answer)
	}

	on := provision(t, strings.Replace(webhook, `"secret_token"`, `"hand_on": true, "secret_token"`, 1))
	on.then = []*provisioned{on.beside("")}
	event := `{"event": "recording.completed",  "event_ts": 1, "payload": {}}`
	before := counts(t)
	var got []string
	on.app = func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		got = append(got, r.URL.String()+" "+r.RequestURI+" "+string(text)+" "+fmt.Sprint(r.ContentLength)+" "+r.Header.Get(standardUserIDHeader))
		w.WriteHeader(passed)
	}
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	r := request(http.MethodPost, "/zoom_pkce/webhook?a=b", event, standardUserIDHeader, "eve", "X-Zm-Request-Timestamp", timestamp,
		"X-Zm-Signature", zoomtest.WebhookSignature(testWebhookSecret, timestamp, []byte(event)))
	answer, _ := on.serve(r, "", func(r *http.Request) { r.URL.Path, r.RequestURI = "/rewritten", "/rewritten" })
	want := "/zoom_pkce/webhook?a=b /zoom_pkce/webhook?a=b " + event + " " + fmt.Sprint(len(event)) + " "
	if len(got) != 1 || got[0] != want || answer.StatusCode != passed || counts(t)["requests_total endpoint"] != before["requests_total endpoint"]+1 {
		t.Errorf("%s, the app got %q", answer.Status, got)
	}
}

// A program whose document is not read for now may be a good one: the visitor tries again.
func TestTooManyDocuments(t *testing.T) {
	p := provision(t, `, "programs": {"client_documents": ["127.0.0.1:1"]}`)
	ada, cli := p.signIn(), &program{id: "https://127.0.0.1:1/client.json"}
	for range 10 { // the user's share of a minute
		if got := p.open(cli.request(), ada); got.StatusCode != http.StatusBadRequest {
			t.Fatal(got.Status)
		}
	}
	p.logs.TakeAll()
	page := p.open(cli.request(), ada)
	if text := bodyOf(page); page.StatusCode != http.StatusTooManyRequests || !strings.Contains(text, "Too many programs at a time") || !strings.Contains(text, `href="`+html.EscapeString(cli.request())+`"`) {
		t.Errorf("%s\n%s", page.Status, text)
	}
	if wait, err := strconv.Atoi(page.Header.Get("Retry-After")); err != nil || wait < 1 || wait > 60 {
		t.Errorf("come again in %q", page.Header.Get("Retry-After"))
	}
	if line := p.logs.FilterMessage("refused a request").All(); len(line) != 1 || !strings.Contains(fmt.Sprint(line[0].ContextMap()["advice"]), "many programs") {
		t.Errorf("the log has %v", line)
	}
	answer, _ := p.fetch(cli.request(), ada)
	if text := bodyOf(answer); codeOf(text) != "too_many_logins" || strings.Contains(text, "each time") || strings.Contains(text, `"error"`) {
		t.Errorf("to a script: %s", text)
	}
}

// A sign-in leads back to where it began; the window of a frame begins its own.
func TestLoginURL(t *testing.T) {
	for _, test := range []struct{ sameSite, to, want string }{
		{"lax", "", "/zoom_pkce/login"},
		{"lax", "/", "/zoom_pkce/login"},
		{"lax", "/a b?c=/d", "/zoom_pkce/login?return_to=/a+b%3Fc%3D/d"},
		{"none", "/zoom_pkce/login?frame=x", "/zoom_pkce/login?frame=x"},
		{"lax", "/zoom_pkce/login?frame=x", "/zoom_pkce/login?return_to=/zoom_pkce/login%3Fframe%3Dx"},
		{"none", "/zoom_pkce/logins", "/zoom_pkce/login?return_to=/zoom_pkce/logins"},
	} {
		h := minimalHandler()
		h.Cookie = &Cookie{SameSite: test.sameSite}
		s := &site{settings: mustResolve(t, h)}
		if got := s.loginURL(test.to); got != test.want {
			t.Errorf("same_site %s, to %q: %q, want %q", test.sameSite, test.to, got, test.want)
		}
	}
}

// What a page of ours asks for, no page of others can.
func TestEndpointsOfOurPages(t *testing.T) {
	p := provision(t, zoomAppOptions+`, "cookie": {"same_site": "none"}, "page_tokens": true, "meeting_sdk": {}, "programs": {"registration": true}`)
	for _, endpoint := range []string{
		"zak", "obf", "signature", "app/authorize", "app/onauthorized", "frame/ticket", "frame/redeem", "oauth/consent", "programs/end",
	} {
		if status, answer := p.post("/zoom_pkce/"+endpoint, "", "", "Sec-Fetch-Site", "cross-site"); status != http.StatusForbidden || codeOf(answer) != "cross_site" {
			t.Errorf("%s: %d %s", endpoint, status, answer)
		}
	}
	if _, answer := p.post("/zoom_pkce/app/onauthorized", `{"code": "x", "state": 1}`, ""); codeOf(answer) != "bad_request" {
		t.Errorf("a code with nonsense: %s", answer)
	}
	fresh := p.restarted()
	fresh.site.store = &brokenStore{Store: fresh.site.store, reads: true}
	if _, answer := fresh.post("/zoom_pkce/app/onauthorized", `{"code": "x", "state": "x"}`, ""); codeOf(answer) != "store_unavailable" {
		t.Errorf("the store in trouble: %s", answer)
	}
}
