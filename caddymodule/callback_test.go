package caddymodule

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/bodies"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestCallbackRefuses(t *testing.T) {
	bothWays(t, "", testCallbackRefuses)
}

func testCallbackRefuses(t *testing.T, p *provisioned) {
	t.Helper()
	back, cookies := p.approve("/")
	u, err := url.Parse(back)
	if err != nil {
		t.Fatal(err)
	}
	state, code := "state="+u.Query().Get("state"), "code="+u.Query().Get("code")
	for query, want := range map[string]outcome.Code{
		"%zz&" + state + "&" + code:           outcome.BadCallback,
		state + "&" + state + "&" + code:      outcome.BadCallback,
		state + "&" + code + "&" + code:       outcome.BadCallback,
		state:                                 outcome.BadCallback,
		state + "&code=":                      outcome.BadCallback,
		"error=access_denied":                 outcome.Declined,
		"error=access_denied&state=x&" + code: outcome.Declined,
	} {
		r := httptest.NewRequest(http.MethodGet, "/zoom_pkce/callback?"+query, nil)
		got, _ := p.serve(r, cookies, nil)
		if text := bodyOf(got); codeOf(text) != string(want) || cookiesOf(got) != "" {
			t.Errorf("%s: got %s %s, cookies %q", query, got.Status, text, cookiesOf(got))
		}
	}
	// The login is as good as before, in this browser only (RFC 6749, section 10.12).
	if stray := p.open(back, ""); !strings.HasPrefix(stray.Header.Get("Location"), p.zoom.URL) {
		t.Errorf("another browser is sent to %q", stray.Header.Get("Location"))
	}
	if p.zoom.Count(zoomtest.CallCode) != 0 {
		t.Error("a code was exchanged for a callback that was refused")
	}
	signedIn := p.open(back, cookies)
	if signedIn.Header.Get("Location") != "/" {
		t.Fatalf("the callback: %s to %q", signedIn.Status, signedIn.Header.Get("Location"))
	}
	if n := dropped(signedIn); n != 1 {
		t.Errorf("%d cookies were dropped, want that of the login: %q", n, signedIn.Header["Set-Cookie"])
	}
	// A reload of the callback, and another tab that was slower.
	if again := p.open(back, cookiesOf(signedIn)); again.Header.Get("Location") != "/" {
		t.Errorf("a reload is sent to %q", again.Header.Get("Location"))
	}
	start := cookiesOf(p.open("/zoom_pkce/callback?code=x", ""))
	if slower := p.open(back, cookies+"; "+cookiesOf(signedIn)+"; "+start); slower.Header.Get("Location") != "/" || p.zoom.Count(zoomtest.CallCode) != 1 || dropped(slower) != 2 {
		t.Errorf("a slower tab is sent to %q, %d cookies dropped", slower.Header.Get("Location"), dropped(slower))
	}
	// Who was signed in before this login began may sign in as somebody else.
	to := p.open("/zoom_pkce/login", cookiesOf(signedIn))
	bob := p.open(p.allowed(to.Header.Get("Location"), "bob"), cookiesOf(to)+"; "+cookiesOf(signedIn))
	if _, headers := p.fetch("/", cookiesOf(bob)); headers.Get(standardUserIDHeader) != "bob" {
		t.Errorf("signed in as %q", headers.Get(standardUserIDHeader))
	}
}

// A code that Zoom refuses is worth one more try, and an error of Zoom's ends the login.
func TestCallbackTriesAgainOnce(t *testing.T) {
	bothWays(t, "", func(t *testing.T, p *provisioned) {
		withCode := func(back, code string) string {
			u, err := url.Parse(back)
			if err != nil {
				t.Fatal(err)
			}
			u.RawQuery = url.Values{"state": u.Query()["state"], code: {"access_denied"}}.Encode()
			return u.String()
		}
		back, cookies := p.approve("/notes")
		again := p.open(withCode(back, "code"), cookies)
		if !strings.HasPrefix(again.Header.Get("Location"), p.zoom.URL) {
			t.Fatalf("%s to %q", again.Status, again.Header.Get("Location"))
		}
		authorize := again.Header.Get("Location")
		back, err := p.zoom.SignIn(t.Context(), authorize, "ada")
		if err != nil {
			t.Fatal(err)
		}
		if last := p.open(withCode(back, "code"), cookiesOf(again)); last.StatusCode != http.StatusBadGateway {
			t.Errorf("the second code that Zoom refused: %s", last.Status)
		}
		// Not in this browser: it keeps no cookies.
		if lost := p.open(back, ""); lost.StatusCode != http.StatusBadRequest {
			t.Errorf("a second callback without its login: %s", lost.Status)
		}
		back, cookies = p.approve("/notes")
		declined := p.open(withCode(back, "error"), cookies)
		if n := dropped(declined); declined.StatusCode != http.StatusForbidden || n != 1 {
			t.Errorf("declined: %s, %d cookies dropped", declined.Status, n)
		}
	})
}

// A callback without a state begins a sign-in of this browser's own, once.
func TestCallbackWithoutState(t *testing.T) {
	bothWays(t, "", testCallbackWithoutState)
}

func testCallbackWithoutState(t *testing.T, p *provisioned) {
	t.Helper()
	first := p.open("/zoom_pkce/callback?code=x", "")
	if !strings.HasPrefix(first.Header.Get("Location"), p.zoom.URL) || p.zoom.Count(zoomtest.CallCode) != 0 {
		t.Fatalf("%s to %q", first.Status, first.Header.Get("Location"))
	}
	if second := p.open("/zoom_pkce/callback?code=x", cookiesOf(first)); second.StatusCode != http.StatusBadRequest {
		t.Errorf("a second one gets %s", second.Status)
	}
	back, err := p.zoom.SignIn(t.Context(), first.Header.Get("Location"), "ada")
	if err != nil {
		t.Fatal(err)
	}
	if lost := p.open(back, ""); lost.StatusCode != http.StatusBadRequest {
		t.Errorf("a browser that keeps nothing gets %s", lost.Status)
	}
	signedIn := p.open(back, cookiesOf(first))
	if n := dropped(signedIn); signedIn.Header.Get("Location") != "/" || n != 2 {
		t.Errorf("%s, %d cookies dropped: %q", signedIn.Status, n, signedIn.Header["Set-Cookie"])
	}
}

// startedAt is a browser on its way to Zoom.
type startedAt struct{ authorize, cookies string }

// start begins a sign-in that leads back to a page.
func (p *provisioned) start(page string) startedAt {
	p.t.Helper()
	to := p.open(page, "")
	return startedAt{to.Header.Get("Location"), cookiesOf(to)}
}

// A login is redeemed on the host where it began, and nowhere else.
func TestCallbackOnAnotherHost(t *testing.T) {
	p := provision(t, `, "redirect_uri": ["http://localhost/zoom_pkce/callback", "http://127.0.0.1/zoom_pkce/callback"]`)
	back, cookies := p.approve("/notes")
	got := p.open(strings.Replace(back, "localhost", "127.0.0.1", 1), cookies)
	if !strings.HasPrefix(got.Header.Get("Location"), p.zoom.URL) || dropped(got) != 1 || p.zoom.Count(zoomtest.CallCode) != 0 {
		t.Errorf("%s to %q, %d cookies dropped", got.Status, got.Header.Get("Location"), dropped(got))
	}
	again := strings.Replace(p.allowed(got.Header.Get("Location"), "ada"), "localhost", "127.0.0.1", 1)
	if got := p.open(again, cookiesOf(got)); got.Header.Get("Location") != "/notes" {
		t.Errorf("the one that began there leads to %q", got.Header.Get("Location"))
	}
}

// In trouble with the store, a login is kept for when it is over, and nobody is signed out.
func TestCallbackWithTheStoreInTrouble(t *testing.T) {
	p := provision(t, withSecret)
	p.signIn()
	back, cookies := p.approve("/notes")
	calls := p.zoom.Count(zoomtest.CallCode)
	for name, test := range map[string]struct {
		target, cookies string
		writes          bool // only those fail
	}{
		"a session that cannot be read": {back, cookies + "; " + p.signInAs("bob"), false},
		"a store that takes nothing":    {back, cookies, true},
		"a stray callback":              {"/zoom_pkce/callback?state=x&code=y", p.signInAs("bob"), false},
	} {
		fresh := p.restarted()
		fresh.site.store = &brokenStore{Store: fresh.site.store, reads: !test.writes, writes: true}
		got := fresh.open(test.target, test.cookies)
		if got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" || len(got.Cookies()) > 0 {
			t.Errorf("%s: %s with %v", name, got.Status, got.Header)
		}
	}
	if n := p.zoom.Count(zoomtest.CallCode) - calls; n != 2 { // those of Bob
		t.Errorf("%d codes were exchanged", n)
	}
	if got := p.restarted().open(back, cookies); got.Header.Get("Location") != "/notes" {
		t.Errorf("when it is over: %s to %q", got.Status, got.Header.Get("Location"))
	}
}

// One more try is all that a browser without its login gets, so that nothing loops.
func TestStrayCallbacks(t *testing.T) {
	p := provision(t, "")
	lost := p.start("/zoom_pkce/login?return_to=/notes")
	again := p.open(p.allowed(lost.authorize, "ada"), "")
	if !strings.HasPrefix(again.Header.Get("Location"), p.zoom.URL) {
		t.Fatalf("without its cookie: %s to %q", again.Status, again.Header.Get("Location"))
	}
	restarted := p.allowed(again.Header.Get("Location"), "ada")
	if got := p.open(restarted, ""); got.StatusCode != http.StatusBadRequest || !strings.Contains(bodyOf(got), outcome.CookiesMissing.Title()) {
		t.Errorf("a browser that keeps nothing: %s", got.Status)
	}
	if got := p.open(restarted, cookiesOf(again)); got.Header.Get("Location") != "/" {
		t.Errorf("one that does: %s to %q", got.Status, got.Header.Get("Location"))
	}
	if got := p.open("/zoom_pkce/callback?state=x&code=y", p.signIn()); got.Header.Get("Location") != "/" {
		t.Errorf("who is signed in, from a bookmark: %s to %q", got.Status, got.Header.Get("Location"))
	}
}

// What Zoom says of the new token decides whether the sign-in is tried once more.
func TestSignInThatFails(t *testing.T) {
	for name, test := range map[string]struct {
		call  zoomtest.Call
		fault http.Handler
		again bool
		want  outcome.Code // of the page, in the end
	}{
		"the code is refused":      {zoomtest.CallCode, zoomtest.Status(400, `{"error": "invalid_grant", "reason": "x"}`), true, outcome.CodeRefused},
		"the token is refused":     {zoomtest.CallMe, zoomtest.Status(401, `{"code": 124, "message": "Invalid access token."}`), true, outcome.CodeRefused},
		"there is no such user":    {zoomtest.CallMe, zoomtest.Status(404, `{"code": 1001, "message": "User does not exist"}`), true, outcome.CodeRefused},
		"the client is refused":    {zoomtest.CallCode, zoomtest.Status(401, `{"error": "invalid_client", "reason": "x"}`), false, outcome.ZoomMisconfigured},
		"Zoom cannot be reached":   {zoomtest.CallCode, zoomtest.Status(503, ""), false, outcome.ZoomUnavailable},
		"Zoom does not say who":    {zoomtest.CallMe, zoomtest.Status(503, ""), false, outcome.ZoomUnavailable},
		"Zoom answers with a page": {zoomtest.CallCode, zoomtest.HTML(), false, outcome.ZoomNonsense},
		"there are too many of us": {zoomtest.CallMe, zoomtest.RateLimited("60", false), false, outcome.ZoomRateLimited},
	} {
		p := provision(t, "")
		p.zoom.Fail(test.call, -1, test.fault)
		at := p.start("/notes")
		got := p.open(p.allowed(at.authorize, "ada"), at.cookies)
		if again := strings.HasPrefix(got.Header.Get("Location"), p.zoom.URL); again != test.again {
			t.Errorf("%s: %s to %q", name, got.Status, got.Header.Get("Location"))
		} else if again {
			got = p.open(p.allowed(got.Header.Get("Location"), "ada"), cookiesOf(got))
		}
		if text := bodyOf(got); got.StatusCode != test.want.Status() || !strings.Contains(text, test.want.Title()) ||
			test.want.HelpsToSignIn() && !strings.Contains(text, "/zoom_pkce/login?return_to=/notes") {
			t.Errorf("%s: %s\n%s", name, got.Status, text)
		}
		if strings.Contains(cookiesOf(got), p.site.manager.SessionCookieName()+"=") {
			t.Errorf("%s: signed in", name)
		}
	}
}

// Who declines is told so, and the log tells only words that RFC 6749 has.
func TestDeclined(t *testing.T) {
	p := provision(t, "")
	for word, logged := range map[string]string{
		"access_denied": "the error word is access_denied", "invalid_scope": "the error word is invalid_scope", "<eve>": "the error word is none of RFC 6749",
	} {
		at := p.start("/notes")
		back, err := url.Parse(p.allowed(at.authorize, "ada"))
		if err != nil {
			t.Fatal(err)
		}
		back.RawQuery = url.Values{"state": back.Query()["state"], "error": {word}}.Encode()
		p.logs.TakeAll()
		got := p.open(back.String(), at.cookies)
		if text := bodyOf(got); got.StatusCode != http.StatusForbidden || !strings.Contains(text, "/zoom_pkce/login?return_to=/notes") || strings.Contains(text, "eve") {
			t.Errorf("%s: %s\n%s", word, got.Status, text)
		}
		if lines := p.logs.FilterMessage("refused a request").All(); len(lines) != 1 || lines[0].ContextMap()["error"] != logged {
			t.Errorf("%s: %v", word, lines)
		}
	}
}

// Who was signed out by an operator while signing in tries once more.
func TestSignedOutMeanwhile(t *testing.T) {
	p := provision(t, "")
	at := p.start("/notes")
	back := p.allowed(at.authorize, "ada")
	p.zoom.RevokeUser(testClientID, "ada")
	time.Sleep(1100 * time.Millisecond) // a login's time is counted in seconds
	if _, err := p.site.manager.EndUser(t.Context(), "ada", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if got := p.open(back, at.cookies); !strings.HasPrefix(got.Header.Get("Location"), p.zoom.URL) {
		t.Errorf("%s to %q", got.Status, got.Header.Get("Location"))
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
		if tracked := fields["zoom_tracking_id"] == "the-tracking-id"; tracked != (test.event.Err == error(zoom)) {
			t.Errorf("%+v: %v", test.event, fields)
		}
	}
	// Each request may be one that the store has no answer for.
	p.logs.TakeAll()
	for range 100 {
		p.site.observe(zoompkce.Event{Kind: zoompkce.EventStoreError, Outcome: "writing", Err: errBroken})
	}
	if n := p.logs.Len(); n == 0 || n > 30 {
		t.Errorf("%d of 100 lines", n)
	}
}

// Whoever fills the memory for bodies leaves others theirs, and is asked to come again.
func TestBodiesWhereMemoryIsShort(t *testing.T) {
	p := provision(t, `, "meeting_sdk": {}, "page_tokens": true, "webhook": {"secret_token": ["`+testWebhookSecret+`"]}`)
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
