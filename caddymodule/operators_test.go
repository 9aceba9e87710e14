package caddymodule

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/telemetry"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// counts are the numbers of the metrics so far, by name and labels.
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
			name := strings.TrimPrefix(family.GetName(), "caddy_zoom_pkce_")
			for _, label := range metric.GetLabel() {
				name += " " + label.GetValue()
			}
			counted[name] = metric.GetCounter().GetValue() + float64(metric.GetHistogram().GetSampleCount())
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
		{"a dead token", withPrograms, func(p *provisioned) (*http.Request, string) {
			return request(http.MethodGet, "/", "", "Authorization", "Bearer "+p.site.tokenPrefix+"x"), ""
		}, outcome.SignInRequired, false},
		{"session", ``, get("/zoom_pkce/session"), outcome.SignInRequired, false},
		{"lost again and again", ``, as(func(p *provisioned) string { return p.looped(6, 5) }, get("/", load...)), outcome.TooManyLogins, true},
		{"the same inside Zoom", zoomApp, as(func(p *provisioned) string { return p.looped(6, 5) }, get("/", append(load, insideZoom...)...)), outcome.TooManyLogins, true},
		{"the same of a program", withPrograms, as(func(p *provisioned) string { return p.looped(6, 5) }, get((&program{id: "cli"}).request(), load...)), outcome.TooManyLogins, true},
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
		{"no keys for a page load", ``, func(p *provisioned) (*http.Request, string) {
			p.site.store = &brokenStore{Store: p.site.store, reads: true}
			return get("/", load...)(p)
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
		{"a code that is none", zoomApp, func(p *provisioned) (*http.Request, string) {
			body, cookies := p.authorizeInside("ada", "http://localhost/zoom_pkce/callback")
			r, _ := post("/zoom_pkce/app/onauthorized", `{"code": "x", "state": "`+body["state"]+`"}`)(p)
			return r, cookies
		}, outcome.CodeRefused, true},
		{"no keys for one", zoomApp, func(p *provisioned) (*http.Request, string) {
			p.site.store = &brokenStore{Store: p.site.store, reads: true}
			r, _ := post("/zoom_pkce/app/onauthorized", `{"code": "x", "state": "y"}`)(p)
			return r, p.site.manager.SessionCookieName() + "_app=x"
		}, outcome.StoreUnavailable, true},
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

// What the session manager tells is in the log, as loudly as it matters.
func TestLogOfEvents(t *testing.T) {
	p := provision(t, "")
	unopenable := &zoompkce.StoreError{Err: &zoompkce.UnopenableError{}}
	zoom := &zoomapi.Error{Kind: zoomapi.KindRateLimited, TrackingID: "the-tracking-id"}
	for _, test := range []struct {
		event  zoompkce.Event
		level  zapcore.Level
		says   string // a part of the message
		advice string
	}{
		{zoompkce.Event{Kind: zoompkce.EventSignedIn, UserID: "ada"}, zap.InfoLevel, "signed in", ""},
		{zoompkce.Event{Kind: zoompkce.EventSignedIn, Outcome: "no_profile"}, zap.WarnLevel, "user:read:user", ""},
		{zoompkce.Event{Kind: zoompkce.EventSignedOut}, zap.InfoLevel, "signed out", ""},
		{zoompkce.Event{Kind: zoompkce.EventUserEnded}, zap.InfoLevel, "ended all sessions", ""},
		{zoompkce.Event{Kind: zoompkce.EventRefresh, Outcome: "ok"}, zap.DebugLevel, "refreshed a grant", ""},
		{zoompkce.Event{Kind: zoompkce.EventRefresh, Err: zoom}, zap.WarnLevel, "refreshing a grant failed", "fewer requests"},
		{zoompkce.Event{Kind: zoompkce.EventRefresh, Err: &zoomapi.Error{Kind: zoomapi.KindInvalidGrant}}, zap.WarnLevel, "refreshing a grant failed", "do not share their session store"},
		{zoompkce.Event{Kind: zoompkce.EventRefresh, Err: context.Canceled}, zap.DebugLevel, "refreshing a grant failed", ""},
		{zoompkce.Event{Kind: zoompkce.EventZAK, Outcome: "ok"}, zap.DebugLevel, "fetched a zak token", ""},
		{zoompkce.Event{Kind: zoompkce.EventZAK, Outcome: "failed", Err: zoom}, zap.WarnLevel, "fetching a zak token failed", "fewer requests"},
		{zoompkce.Event{Kind: zoompkce.EventOBF, Outcome: "failed", Err: zoom}, zap.WarnLevel, "fetching a obf token failed", "fewer requests"},
		{zoompkce.Event{Kind: zoompkce.EventStoreError, Outcome: "reading", Err: errBroken}, zap.ErrorLevel, "session store is in trouble", ""},
		{zoompkce.Event{Kind: zoompkce.EventStoreError, Outcome: "reading", Err: unopenable}, zap.ErrorLevel, "DELETE /zoom_pkce/apps/", ""},
		{zoompkce.Event{Kind: zoompkce.EventCookieRejected, Outcome: "ended"}, zap.DebugLevel, "worth nothing", ""},
		{zoompkce.Event{Kind: zoompkce.EventProgramAllowed}, zap.InfoLevel, "a program may use the site", ""},
		{zoompkce.Event{Kind: zoompkce.EventProgramEnded, Client: new(zoompkce.ProgramClient)}, zap.InfoLevel, "ended a program", ""},
		{zoompkce.Event{Kind: zoompkce.EventProgramEnded, Outcome: "revoked"}, zap.InfoLevel, "ended a program", ""},
		{zoompkce.Event{Kind: zoompkce.EventProgramEnded, Outcome: "code_replayed"}, zap.WarnLevel, "came twice", ""},
		{zoompkce.Event{Kind: zoompkce.EventProgramRefresh, Outcome: "ok"}, zap.DebugLevel, "new tokens", ""},
		{zoompkce.Event{Kind: zoompkce.EventTokenRejected, Outcome: "expired"}, zap.DebugLevel, "token of a program is worth nothing", ""},
		{zoompkce.Event{Kind: zoompkce.EventPanic, Err: errBroken}, zap.ErrorLevel, "please report this", ""},
		{zoompkce.Event{Kind: zoompkce.EventRevokeFailed, Err: zoom}, zap.WarnLevel, "stays valid until it expires", ""},
		{zoompkce.Event{Kind: "another"}, zap.DebugLevel, "another", ""},
	} {
		p.logs.TakeAll()
		p.site.observe(test.event)
		lines := p.logs.All()
		if len(lines) != 1 || lines[0].Level != test.level || !strings.Contains(lines[0].Message, test.says) {
			t.Errorf("%+v: %v", test.event, lines)
			continue
		}
		fields := lines[0].ContextMap()
		if advice, _ := fields["advice"].(string); (advice == "") != (test.advice == "") || !strings.Contains(advice, test.advice) {
			t.Errorf("%+v: the advice is %q", test.event, advice)
		}
		for name, want := range map[string]string{"user_id": test.event.UserID, "outcome": test.event.Outcome} {
			if got, said := fields[name]; said != (want != "") || said && got != want {
				t.Errorf("%+v: %s is %v", test.event, name, got)
			}
		}
		if tracked := fields["zoom_tracking_id"] == "the-tracking-id"; tracked != errors.Is(test.event.Err, zoom) {
			t.Errorf("%+v: %v", test.event, fields)
		}
	}
	// Each request may be one that the store has no answer for.
	p.logs.TakeAll()
	for range 100 {
		p.site.observe(zoompkce.Event{Kind: zoompkce.EventStoreError, Outcome: "writing", Err: errBroken})
	}
	lines := p.logs.All()
	if len(lines) == 0 || len(lines) > 30 {
		t.Fatalf("%d of 100 lines", len(lines))
	}
	if n, said := lines[0].ContextMap()["left_out"]; said {
		t.Errorf("%v lines were left out before the first", n)
	}
}

// What becomes of a request is counted, whatever it is.
func TestRequestsAreCounted(t *testing.T) {
	session := func(p *provisioned) string { return p.signIn() }
	for _, test := range []struct {
		decision, options, target string
		cookies                   func(*provisioned) string
	}{
		{"unprotected", `, "protect": [{"path": ["/private"]}]`, "/", nil},
		{"signed_in", ``, "/", session},
		{"anonymous", `, "unauthenticated": "pass"`, "/", nil},
		{"login_started", ``, "/", nil},
		{"login_started", `, "zoom_app": {}`, "/", nil},
		{"endpoint", ``, "/zoom_pkce/session", session},
		{"endpoint", ``, "/zoom_pkce/logout", session},
		{"endpoint", ``, "/zoom_pkce/logout", nil},
		{"endpoint", `, "programs": {"registration": true}`, "/zoom_pkce/programs", session},
		{"endpoint", `, "programs": {"registration": true}`, "/.well-known/oauth-authorization-server", nil},
		{"other_host", ``, "http://foreign.example/", nil},
		{"fragment_page", `, "keep_fragment": true`, "/", nil},
	} {
		p := provision(t, test.options)
		cookies := ""
		if test.cookies != nil {
			cookies = test.cookies(p)
		}
		before := counts(t)
		p.open(test.target, cookies)
		for name, n := range counts(t) {
			if counted := n - before[name]; strings.HasPrefix(name, "requests_total ") && (counted != 0) != (name == "requests_total "+test.decision) {
				t.Errorf("%+v: %s is counted %v times", test, name, counted)
			}
		}
	}
	inside, before := provision(t, zoomAppOptions), counts(t)["requests_total login_started"]
	if inside.open("/", "", insideZoom...); counts(t)["requests_total login_started"] != before+1 {
		t.Error("a sign-in inside Zoom is not counted")
	}
	// Steps that nobody sees are in the log, and a sign-in that came to nothing is counted.
	p := provision(t, `, "programs": {"client": [{"id": "cli", "redirect_uri": ["http://127.0.0.1/callback"]}]}`)
	calls := counts(t)["zoom_request_duration_seconds me 200"]
	if p.signIn(); counts(t)["zoom_request_duration_seconds me 200"] != calls+1 {
		t.Error("a call to Zoom is not counted")
	}
	lost := p.start("/zoom_pkce/login")
	failed := p.start("/zoom_pkce/login")
	declined := p.start((&program{provisioned: p, id: "cli"}).request())
	for message, test := range map[string]struct {
		target, cookies string
		login           outcome.Code
	}{
		"a sign-in was begun at Zoom and begins once more here":                    {"/zoom_pkce/callback?code=x", "", ""},
		"a callback belongs to no sign-in of this browser, which begins once more": {p.allowed(lost.authorize, "ada"), "", outcome.LoginExpired},
		"a sign-in failed and begins once more":                                    {strings.Replace(p.allowed(failed.authorize, "ada"), "code=", "code=x", 1), failed.cookies, outcome.CodeRefused},
		"a sign-in for a program was declined":                                     {strings.Replace(p.allowed(declined.authorize, "ada"), "code=", "error=access_denied&x=", 1), declined.cookies, outcome.Declined},
	} {
		before := counts(t)
		p.logs.TakeAll()
		p.open(test.target, test.cookies)
		if n := p.logs.FilterMessage(message).Len(); n != 1 {
			t.Errorf("%q is logged %d times", message, n)
		}
		if ended := "logins_total " + string(test.login); test.login != "" && counts(t)[ended] != before[ended]+1 {
			t.Errorf("%q is not counted as %s", message, test.login)
		}
	}
}

// The log hides what carries a credential in this configuration.
func TestHiddenInLogs(t *testing.T) {
	for options, want := range map[string]string{
		``:                            "X-Zoom-Zak",
		`, "zak": {"disabled": true}`: "",
		`, "obf": {"meeting_id": "{http.request.uri.query.meeting}"}`:                      "X-Zoom-Zak X-Zoom-Obf",
		`, "zak": {"disabled": true}, "backend": {"secret": ["` + testCookieSecret + `"]}`: "Authorization",
		`, "zak": {"disabled": true}` + programOptions:                                     "Authorization",
	} {
		if got := strings.Join(provision(t, options).site.hiddenInLogs().Headers[2:], " "); got != want {
			t.Errorf("%s: %q, want %q", options, got, want)
		}
	}
}
