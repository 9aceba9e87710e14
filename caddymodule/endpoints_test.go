package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/bodies"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/telemetry"
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

// counts are the numbers of requests and sign-ins so far, by what became of them, and of
// ages of ZAKs.
func counts(t *testing.T) map[string]float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	if err := telemetry.Metrics.Register(registry); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := make(map[string]float64)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if histogram := metric.GetHistogram(); histogram != nil && len(metric.GetLabel()) == 0 {
				counted[strings.TrimPrefix(family.GetName(), "caddy_zoom_pkce_")] = float64(histogram.GetSampleCount())
			}
			if metric.GetCounter() != nil && len(metric.GetLabel()) == 1 {
				counted[strings.TrimPrefix(family.GetName(), "caddy_zoom_pkce_")+" "+metric.GetLabel()[0].GetValue()] = metric.GetCounter().GetValue()
			}
		}
	}
	return counted
}

// withSecret is an option without which a broken store has no keys.
const withSecret = `, "cookie": {"secret": ["` + testCookieSecret + `"]}`

// Whatever is refused is told to the client, to handle_errors where the site wants that, to the
// log and to the metrics; a refusal that ends a sign-in is counted as such, too.
func TestRefusalsAreTold(t *testing.T) {
	const none, zoomApp = `, "cookie": {"same_site": "none"}`, `, "zoom_app": {}`
	get := func(target string, headers ...string) func(*provisioned) (*http.Request, string) {
		return func(*provisioned) (*http.Request, string) { return request(http.MethodGet, target, "", headers...), "" }
	}
	post := func(target, body string, headers ...string) func(*provisioned) (*http.Request, string) {
		return func(*provisioned) (*http.Request, string) {
			return request(http.MethodPost, target, body, append([]string{"Content-Type", "application/json"}, headers...)...), ""
		}
	}
	as := func(cookies func(*provisioned) string, ask func(*provisioned) (*http.Request, string)) func(*provisioned) (*http.Request, string) {
		return func(p *provisioned) (*http.Request, string) {
			c := cookies(p)
			r, _ := ask(p)
			return r, c
		}
	}
	// unread is a visitor whose record cannot be read.
	unread := func(ask func(*provisioned) (*http.Request, string)) func(*provisioned) (*http.Request, string) {
		return func(p *provisioned) (*http.Request, string) {
			cookies := p.signIn()
			r, _ := ask(p)
			p.restarted()
			p.site.store = &brokenStore{Store: p.site.store, reads: true}
			return r, cookies + "; " + r.Header.Get("Cookie")
		}
	}
	barred := func(ask func(*provisioned) (*http.Request, string)) func(*provisioned) (*http.Request, string) {
		return as((*provisioned).signIn, ask)
	}
	const withPrograms = `, "programs": {"client": [{"id": "cli", "redirect_uri": ["http://127.0.0.1/callback"]}]}`
	form := []string{"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin"}
	load := []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	framed := []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}
	for _, test := range []struct {
		name, options string
		ask           func(*provisioned) (*http.Request, string)
		code          outcome.Code
		login         bool
	}{
		{"no endpoint", ``, get("/zoom_pkce/none"), outcome.NotFound, false},
		{"another method", ``, post("/zoom_pkce/session", ""), outcome.MethodNotAllowed, false},
		{"another site signs out", ``, post("/zoom_pkce/logout", "", "Sec-Fetch-Site", "cross-site"), outcome.CrossSite, false},
		{"another site's form", none, post("/", "", "Sec-Fetch-Site", "cross-site"), outcome.CrossSite, false},
		{"a long form signs out", ``, post("/zoom_pkce/logout", strings.Repeat("x", 65<<10)), outcome.BadRequest, false},
		{"a script signs in", ``, get("/zoom_pkce/login", "Sec-Fetch-Mode", "cors"), outcome.BadRequest, false},
		{"a frame signs in", ``, get("/zoom_pkce/login", framed...), outcome.SignInRequired, false},
		{"a script", ``, get("/"), outcome.SignInRequired, false},
		{"a frame", ``, get("/", framed...), outcome.SignInRequired, false},
		{"a form", ``, post("/", "", load...), outcome.SignInRequired, false},
		{"reject", `, "unauthenticated": "reject"`, get("/", load...), outcome.SignInRequired, false},
		{"page", `, "unauthenticated": "page"`, get("/", load...), outcome.SignInRequired, false},
		{"session", ``, get("/zoom_pkce/session"), outcome.SignInRequired, false},
		{"lost again and again", ``, as(func(p *provisioned) string { return p.looped(6, 5) }, get("/", load...)), outcome.TooManyLogins, true},
		{"the same inside Zoom", zoomApp, as(func(p *provisioned) string { return p.looped(6, 5) }, get("/", append(load, insideZoom...)...)), outcome.TooManyLogins, true},
		{"the same of a frame", none, as(func(p *provisioned) string { return p.looped(6, 5) }, get(frameWindowURL(), load...)), outcome.TooManyLogins, true},
		{"barred", `, "allow": {"user_id": ["bob"]}`, barred(get("/", load...)), outcome.NotAllowed, false},
		{"barred from a frame", none + `, "allow": {"user_id": ["bob"]}`, barred(get(frameWindowURL(), load...)), outcome.NotAllowed, false},
		{"an unread record", ``, unread(get("/", load...)), outcome.StoreUnavailable, false},
		{"that, signing out", ``, unread(post("/zoom_pkce/logout", "")), outcome.StoreUnavailable, false},
		{"that, about to sign out", ``, unread(get("/zoom_pkce/logout")), outcome.StoreUnavailable, false},
		{"that, in a frame's window", none, unread(get(frameWindowURL(), load...)), outcome.StoreUnavailable, false},
		{"that, with a stray callback", ``, unread(get("/zoom_pkce/callback?state=x&code=y")), outcome.StoreUnavailable, true},
		{"that, in a callback", ``, unread(func(p *provisioned) (*http.Request, string) {
			back, cookies := p.approve("/")
			return request(http.MethodGet, back, "", "Cookie", cookies), ""
		}), outcome.StoreUnavailable, true},
		{"no keys for a login", ``, func(p *provisioned) (*http.Request, string) {
			p.site.store = &brokenStore{Store: p.site.store, reads: true}
			return get("/zoom_pkce/login", load...)(p)
		}, outcome.StoreUnavailable, false},
		{"no keys inside Zoom", zoomApp, func(p *provisioned) (*http.Request, string) {
			p.site.store = &brokenStore{Store: p.site.store, reads: true}
			return post("/zoom_pkce/app/authorize", "")(p)
		}, outcome.StoreUnavailable, false},
		{"no keys for a callback", ``, func(p *provisioned) (*http.Request, string) {
			p.site.store = &brokenStore{Store: p.site.store, reads: true}
			return get("/zoom_pkce/callback?state=x&code=y")(p)
		}, outcome.StoreUnavailable, true},
		{"no keys for one without a state", ``, func(p *provisioned) (*http.Request, string) {
			p.site.store = &brokenStore{Store: p.site.store, reads: true}
			return get("/zoom_pkce/callback?code=y")(p)
		}, outcome.StoreUnavailable, false},
		{"a program that is gone", `, "programs": {"registration": true}`, func(p *provisioned) (*http.Request, string) {
			cli := &program{provisioned: p.beside(`, "programs": {"client": [{"id": "cli", "redirect_uri": ["http://127.0.0.1/callback"]}]}` + withSecret), id: "cli"}
			at := cli.start(cli.request())
			return request(http.MethodGet, strings.Replace(p.allowed(at.authorize, "ada"), "code=", "error=access_denied&x=", 1), ""), at.cookies
		}, outcome.BadClient, false},
		{"the ticket of one who is barred", none + `, "allow": {"user_id": ["bob"]}`, func(p *provisioned) (*http.Request, string) {
			open := p.beside(none + withSecret)
			_, ticket := open.post("/zoom_pkce/frame/ticket", "", open.signIn())
			return post("/zoom_pkce/frame/redeem", ticket)(p)
		}, outcome.NotAllowed, false},
		{"a stranger's programs", withPrograms, get("/zoom_pkce/programs"), outcome.SignInRequired, false},
		{"a stranger ends a program", withPrograms, post("/zoom_pkce/programs/end", "", form...), outcome.SignInRequired, false},
		{"a stranger allows one", withPrograms, post("/zoom_pkce/oauth/consent", "", form...), outcome.SignInRequired, false},
		{"a form that is none", withPrograms, barred(post("/zoom_pkce/oauth/consent", "{}")), outcome.BadRequest, false},
		{"a script asks for a program", withPrograms, get((&program{id: "cli"}).request(), "Sec-Fetch-Mode", "cors"), outcome.BadRequest, false},
		{"who is barred asks for one", withPrograms + `, "allow": {"user_id": ["bob"]}`, barred(get((&program{id: "cli"}).request(), load...)), outcome.NotAllowed, false},
		{"no keys for a program's", withPrograms, func(p *provisioned) (*http.Request, string) {
			p.site.store = &brokenStore{Store: p.site.store, reads: true}
			return get((&program{id: "cli"}).request(), load...)(p)
		}, outcome.StoreUnavailable, false},
		{"a program by its document, declined", `, "programs": {"client_documents": ["client.example"]}`, func(p *provisioned) (*http.Request, string) {
			at := p.start((&program{id: "https://client.example/c.json"}).request())
			return request(http.MethodGet, strings.Replace(p.allowed(at.authorize, "ada"), "code=", "error=access_denied&x=", 1), ""), at.cookies
		}, outcome.Declined, true},
		{"a broken query", ``, get("/zoom_pkce/callback?%zz"), outcome.BadCallback, true},
		{"two codes", ``, get("/zoom_pkce/callback?code=x&code=y&state=z"), outcome.BadCallback, true},
		{"no code", ``, get("/zoom_pkce/callback?state=z"), outcome.BadCallback, true},
		{"declined", ``, get("/zoom_pkce/callback?error=access_denied"), outcome.Declined, true},
		{"no state, again", ``, as(func(p *provisioned) string { return cookiesOf(p.open("/zoom_pkce/callback?code=x", "")) }, get("/zoom_pkce/callback?code=x")), outcome.BadCallback, true},
		{"no cookies kept", ``, func(p *provisioned) (*http.Request, string) {
			again := p.open("/zoom_pkce/callback?state=x&code=y", "").Header.Get("Location")
			return get(p.allowed(again, "ada"))(p)
		}, outcome.CookiesMissing, true},
		{"a second login that is over", ``, func(p *provisioned) (*http.Request, string) {
			var r *http.Request
			p.start("/")
			longAgo(t, func() {
				again := p.open("/zoom_pkce/callback?code=y&state=x", "")
				to, err := url.Parse(again.Header.Get("Location"))
				if err != nil {
					t.Fatal(err)
				}
				r = request(http.MethodGet, "/zoom_pkce/callback?code=y&state="+to.Query().Get("state"), "", "Cookie", cookiesOf(again))
			})
			return r, ""
		}, outcome.LoginExpired, true},
		{"a ZAK that is needed", `, "zak": {"on_error": "fail"}`, func(p *provisioned) (*http.Request, string) {
			p.zoom.Fail(zoomtest.CallZAK, -1, zoomtest.Status(503, ""))
			return barred(get("/"))(p)
		}, outcome.ZAKUnavailable, false},
		{"a stranger's page asks for a key", `, "page_tokens": true`, post("/zoom_pkce/zak", ""), outcome.SignInRequired, false},
		{"a broken body asks for one", `, "page_tokens": true`, barred(post("/zoom_pkce/obf", "{")), outcome.BadRequest, false},
		{"a stranger wants a signature", `, "meeting_sdk": {}`, post("/zoom_pkce/signature", "{}"), outcome.SignInRequired, false},
		{"no code from Zoom's client", zoomApp, post("/zoom_pkce/app/onauthorized", `{}`), outcome.BadRequest, true},
		{"a broken body from there", zoomApp, post("/zoom_pkce/app/onauthorized", `{`), outcome.BadRequest, true},
		{"a page of somebody else's", zoomApp, post("/zoom_pkce/app/onauthorized", `{"code": "x", "redirectUri": "x"}`), outcome.BadRequest, true},
		{"no login", zoomApp, post("/zoom_pkce/app/onauthorized", `{"code": "x"}`), outcome.CookiesMissing, true},
		{"a stranger's bad delivery", `, "webhook": {"secret_token": ["x"]}`, post("/zoom_pkce/webhook", "{}"), outcome.BadRequest, false},
		{"an unknown program", `, "programs": {"registration": true}`, get("/zoom_pkce/oauth/authorize", load...), outcome.BadClient, false},
		{"a back end without credentials", `, "backend": {"secret": ["` + testCookieSecret + `"]}`, get("/zoom_pkce/backend/token?user_id=ada"), outcome.SignInRequired, false},
	} {
		for _, pages := range []string{"true", "false"} {
			options := test.options + `, "error_pages": ` + pages
			if !strings.HasPrefix(test.name, "no keys") {
				options += withSecret
			}
			p := provision(t, options)
			r, cookies := test.ask(p)
			p.logs.TakeAll()
			before := counts(t)
			got, _ := p.serve(r, cookies, nil)
			after := counts(t)
			if text := bodyOf(got); got.StatusCode != test.code.Status() || pages == "false" && codeOf(text) != string(test.code) {
				t.Errorf("%s, pages %s: %s to %q\n%s", test.name, pages, got.Status, got.Header.Get("Location"), text)
			}
			if got.Header.Get("Cache-Control") != "no-store" || (got.StatusCode == http.StatusServiceUnavailable) != (got.Header.Get("Retry-After") != "") {
				t.Errorf("%s, pages %s: %v", test.name, pages, got.Header)
			}
			for metric, counts := range map[string]bool{"requests_total ": true, "logins_total ": test.login} {
				if n := after[metric+string(test.code)] - before[metric+string(test.code)]; (n == 1) != counts || n > 1 {
					t.Errorf("%s, pages %s: %s%s is counted %v times", test.name, pages, metric, test.code, n)
				}
			}
			lines := p.logs.FilterMessage("refused a request").All()
			if len(lines) != 1 || lines[0].ContextMap()["code"] != string(test.code) || lines[0].ContextMap()["request_id"] == "" || lines[0].ContextMap()["path"] != r.URL.Path {
				t.Errorf("%s, pages %s: the log has %v", test.name, pages, lines)
			}
		}
	}
}
