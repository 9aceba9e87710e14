package caddymodule

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// insideZoom are the headers of a page load in Zoom's client.
var insideZoom = []string{"User-Agent", "Mozilla/5.0 ZoomWebKit/537.36 (KHTML, like Gecko) ZoomApps/1.0"}

const zoomAppOptions = `, "zoom_app": {"redirect_uri": ["https://app.example.com/page#/route"], "sign_in_from_context": true, "open_in_client": true}`

// Zoom's client must not be sent to zoom.us: there a page of ours signs in.
func TestPagesInsideZoom(t *testing.T) {
	const own, further = "http://localhost/zoom_pkce/callback", "https://app.example.com/page#/route"
	zoom := func(referer string) []string { return []string{"Sec-Fetch-Dest", "iframe", "Referer", referer} }
	for _, test := range []struct {
		mode, target string
		headers      []string
		inside       bool
		next         string
	}{
		{"redirect", "/notes", insideZoom, true, ""},
		{"page", "/notes", insideZoom, true, ""},
		{"reject", "/notes", insideZoom, false, ""},
		{"redirect", "/notes", []string{appContextHeader, "x"}, true, ""},
		{"redirect", "/notes", nil, false, ""},
		{"redirect", "/notes", zoom("https://app.zoom.us/wc"), true, ""},
		{"redirect", "/notes", zoom("https://x.zoomgov.com/wc"), true, ""},
		{"redirect", "/notes", zoom("https://Zoom.us/"), true, ""},
		{"redirect", "/notes", zoom("http://app.zoom.us/wc"), false, ""},
		{"redirect", "/notes", zoom("https://evilzoom.us/"), false, ""},
		{"redirect", "/notes", zoom("https://zoom.us:x/"), false, ""},
		{"redirect", "/notes", []string{"Referer", "https://zoom.us/"}, false, ""},
		{"redirect", "/zoom_pkce/login?return_to=/notes", insideZoom, true, "/notes"},
		{"redirect", "/zoom_pkce/login?return_to=/notes", zoom("https://zoom.us/"), true, "/notes"},
		{"redirect", "/zoom_pkce/login?return_to=/notes", zoom("https://evil.example/"), false, ""},
		{"redirect", "/zoom_pkce/callback?code=x", insideZoom, true, "/"},
	} {
		p := provision(t, zoomAppOptions+`, "unauthenticated": "`+test.mode+`"`)
		got := p.open(test.target, "", test.headers...)
		text := bodyOf(got)
		if inside := strings.Contains(text, `data-authorize="/zoom_pkce/app/authorize" data-authorized="/zoom_pkce/app/onauthorized"`); inside != test.inside {
			t.Errorf("%+v: %s\n%s", test, got.Status, text)
		}
		if !test.inside {
			continue
		}
		for _, want := range []string{`data-registered="` + further + " " + own + `"`, `data-next="` + test.next + `"`} {
			if !strings.Contains(text, want) {
				t.Errorf("%+v: without %s:\n%s", test, want, text)
			}
		}
		if waits := strings.Contains(text, "data-wait"); waits != (test.mode == "page") {
			t.Errorf("%+v: waits %v", test, waits)
		}
		if ancestors := got.Header.Get("Content-Security-Policy"); got.StatusCode != http.StatusOK || !strings.Contains(ancestors, "frame-ancestors 'self' https://zoom.us https://*.zoom.us") {
			t.Errorf("%+v: %s, %s", test, got.Status, ancestors)
		}
		framed := slices.Contains(test.headers, "iframe")
		if embedded := got.Header.Get("Cross-Origin-Embedder-Policy") + got.Header.Get("Cross-Origin-Resource-Policy"); (embedded == "require-corpcross-origin") != framed {
			t.Errorf("%+v: embedded by %q", test, embedded)
		}
	}
	p := provision(t, zoomAppOptions)
	if got := p.open("/notes", p.looped(6, 5), insideZoom...); got.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a sign-in that is lost again and again: %s", got.Status)
	}
	if got := p.open("/notes", p.looped(1, 0), insideZoom...); got.StatusCode != http.StatusOK || len(got.Cookies()) != 1 {
		t.Errorf("a sign-in that was lost: %s, cookies %v", got.Status, got.Cookies())
	}
	if got := p.open("http://foreign.example/notes", "", insideZoom...); got.Header.Get("Location") != "http://localhost/notes" {
		t.Errorf("a foreign host: %s to %q", got.Status, got.Header.Get("Location"))
	}
	for _, test := range []struct {
		options string
		want    string
	}{
		{zoomAppOptions + `, "redirect_uri": ["https://app.example.com/zoom_pkce/callback"]`, "max-age=31536000"},
		{`, "redirect_uri": ["https://app.example.com/zoom_pkce/callback"]`, ""},
		{zoomAppOptions, ""},
	} {
		if got := provision(t, test.options).open("https://app.example.com/notes", ""); got.Header.Get("Strict-Transport-Security") != test.want {
			t.Errorf("%s: HSTS is %q", test.options, got.Header.Get("Strict-Transport-Security"))
		}
	}
}

// longAgo does something in the year 2000.
func longAgo(t *testing.T, do func()) { synctest.Test(t, func(*testing.T) { do() }) }

// A code that the page brings signs in once, in the browser that asked for it.
func TestInClientSignIn(t *testing.T) { bothWays(t, zoomAppOptions, testInClientSignIn) }

func testInClientSignIn(t *testing.T, p *provisioned) {
	t.Helper()
	const home = "https://app.example.com/page#/route"
	come := func(body map[string]string, cookies string) (*http.Response, string) {
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := p.serve(request(http.MethodPost, "/zoom_pkce/app/onauthorized", string(raw), "Sec-Fetch-Site", "same-origin", "Content-Type", "application/json"), cookies, nil)
		return got, bodyOf(got)
	}
	with := func(body map[string]string, name, value string) map[string]string {
		changed := maps.Clone(body)
		changed[name] = value
		return changed
	}
	p.start("/")
	var stale map[string]string
	var staleCookies string
	longAgo(t, func() { stale, staleCookies = p.authorizeInside("ada", home) })
	body, cookies := p.authorizeInside("ada", home)
	p.logs.TakeAll()
	for _, test := range []struct {
		name    string
		body    map[string]string
		cookies string
		code    outcome.Code
		dropped int
	}{
		{"no code", with(body, "code", ""), cookies, outcome.BadRequest, 0},
		{"a code that is none", with(body, "code", strings.Repeat("x", 513)), cookies, outcome.BadRequest, 0},
		{"a page of somebody else's", with(body, "redirectUri", "https://evil.example/?secret"), cookies, outcome.BadRequest, 0},
		{"another browser", body, "", outcome.CookiesMissing, 0},
		{"another state", with(body, "state", "x"), cookies, outcome.CookiesMissing, 0},
		{"of long ago", stale, staleCookies, outcome.LoginExpired, 1},
		{"good", body, cookies, "", 1},
		{"once more", body, cookies, outcome.CodeRefused, 1},
	} {
		got, text := come(test.body, test.cookies)
		if codeOf(text) != string(test.code) || dropped(got) != test.dropped {
			t.Errorf("%s: %s %s, %d cookies dropped", test.name, got.Status, text, dropped(got))
		}
		if test.code != "" && strings.Contains(cookiesOf(got), p.site.manager.SessionCookieName()+"=") {
			t.Errorf("%s: signed in", test.name)
		}
		if test.code == "" {
			if session, _ := p.fetch("/", cookiesOf(got)); session.StatusCode != passed || !strings.Contains(text, `"id":"ada"`) || len(got.Cookies()) != 3 {
				t.Errorf("%s: %s %s, cookies %v", test.name, session.Status, text, got.Cookies())
			}
		}
	}
	for _, line := range p.logs.All() {
		if text, _ := line.ContextMap()["error"].(string); strings.Contains(text, "secret") {
			t.Errorf("the log has %s", text)
		}
	}
	if lines := p.logs.FilterField(zap.String("code", string(outcome.BadRequest))).All(); len(lines) != 3 || !strings.Contains(fmt.Sprint(lines[2].ContextMap()["error"]), "evil.example") {
		t.Errorf("the bad requests are logged as %v", lines)
	}
	// A code of the greatest length is Zoom's to judge. What it says decides.
	for name, test := range map[string]struct {
		call  zoomtest.Call
		fault http.Handler
		code  outcome.Code
	}{
		"a long code":           {},
		"the token is refused":  {zoomtest.CallMe, zoomtest.Status(401, `{"code": 124, "message": "Invalid access token."}`), outcome.CodeRefused},
		"there is no such user": {zoomtest.CallMe, zoomtest.Status(404, `{"code": 1001, "message": "User does not exist"}`), outcome.CodeRefused},
	} {
		body, cookies := p.authorizeInside("ada", home)
		if test.fault == nil {
			body, test.code = with(body, "code", strings.Repeat("x", 512)), outcome.CodeRefused
		} else {
			p.zoom.Fail(test.call, -1, test.fault)
		}
		if got, text := come(body, cookies); codeOf(text) != string(test.code) {
			t.Errorf("%s: %s %s", name, got.Status, text)
		}
		p.zoom.Restore(zoomtest.CallAny)
	}
	body, cookies = p.authorizeInside("bob", "http://localhost/zoom_pkce/callback")
	if got, text := come(with(body, "redirectUri", ""), cookies); got.StatusCode != http.StatusOK {
		t.Errorf("without a page: %s %s", got.Status, text)
	}
	body, cookies = p.authorizeInside("ada", home)
	p.site.store = &brokenStore{Store: p.site.store, writes: true}
	if got, text := come(body, cookies); codeOf(text) != string(outcome.StoreUnavailable) || len(got.Cookies()) > 0 {
		t.Errorf("the store in trouble: %s, cookies %v", text, got.Cookies())
	}
}

// An app context signs in who has signed in before, once, where a page opens.
func TestSignInFromContext(t *testing.T) {
	p := provision(t, zoomAppOptions)
	p.then = []*provisioned{p.beside("")}
	p.signIn()
	ada := func() string {
		return p.zoom.AppContext(testClientID, zoomtest.AppContext{UID: "ada", MID: "m", Typ: "meeting", Act: "a"})
	}
	once := ada()
	for _, test := range []struct {
		name    string
		context string
		headers []string
		want    int
	}{
		{"a script", once, []string{"Sec-Fetch-Mode", "cors"}, http.StatusUnauthorized},
		{"a frame", once, []string{"Sec-Fetch-Dest", "iframe"}, http.StatusOK},
		{"a page", once, nil, passed},
		{"a page, once more", once, nil, http.StatusOK},
		{"of nobody we know", p.zoom.AppContext(testClientID, zoomtest.AppContext{UID: "bob"}), nil, http.StatusOK},
		{"another app's", p.zoom.AppContext(testOtherApp, zoomtest.AppContext{UID: "ada"}), nil, http.StatusOK},
		{"no context", "x", nil, http.StatusOK},
	} {
		r := request(http.MethodGet, "/notes", "", append([]string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", appContextHeader, test.context}, test.headers...)...)
		got, headers := p.serve(r, "", nil)
		if got.StatusCode != test.want {
			t.Errorf("%s: %s", test.name, got.Status)
		}
		if opened := len(got.Cookies()) == 1 && headers.Get(standardUserIDHeader) == "ada"; opened != (test.want == passed) {
			t.Errorf("%s: cookies %v, the app got %v", test.name, got.Cookies(), headers)
		}
	}
	if n := p.logs.FilterMessage("refused an app context that has opened a session before").Len(); n != 1 {
		t.Errorf("%d lines tell of a second use", n)
	}
	if n := p.logs.FilterMessageSnippet("compare client_secret").FilterLevelExact(zap.WarnLevel).Len(); n != 2 {
		t.Errorf("%d lines tell of contexts that do not open", n)
	}
	p.open("/notes", "", appContextHeader, p.zoom.AppContext(testClientID, zoomtest.AppContext{UID: "ada", TS: time.Now().Add(-time.Hour)}))
	if n := p.logs.FilterMessage("ignored an old app context").FilterLevelExact(zap.DebugLevel).Len(); n != 1 {
		t.Errorf("%d lines tell of an old one", n)
	}
	if got, _ := p.serve(request(http.MethodGet, "/notes", "", "Accept", "text/html", appContextHeader, ada()), "", func(r *http.Request) {
		r.Header.Add(appContextHeader, ada())
	}); got.StatusCode != http.StatusOK {
		t.Errorf("two contexts: %s", got.Status)
	}
	if got := p.open("/notes", p.signIn()+"; "+p.signInAs("bob"), appContextHeader, ada()); got.StatusCode != passed || dropped(got) != 2 || got.Cookies()[2].MaxAge < 0 {
		t.Errorf("beside two sessions: %s, cookies %v", got.Status, got.Cookies())
	}
	p.then = nil
	fresh := p.restarted()
	fresh.site.store = &brokenStore{Store: fresh.site.store, reads: true}
	if got := fresh.open("/notes", "", appContextHeader, ada()); got.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("the store in trouble: %s", got.Status)
	}
	off := fresh.beside(`, "zoom_app": {}`)
	if got := off.open("/notes", "", appContextHeader, ada()); got.StatusCode != http.StatusOK {
		t.Errorf("without sign_in_from_context: %s", got.Status)
	}
}

// What Zoom's client says of the place is there as placeholders; what is not true is not.
func TestPlaceholdersOfTheAppContext(t *testing.T) {
	p := provision(t, zoomAppOptions)
	cookies := p.signIn()
	p.then = []*provisioned{p.beside(`, "client_id": "` + testOtherApp + `", "path_prefix": "/other", "redirect_uri": ["http://localhost/other/callback"],
		"unauthenticated": "pass", "zoom_app": {}, "zak": {"disabled": true}, "headers": {"access_token": {"disabled": true}, "user_id": {"disabled": true},
		"account_id": {"disabled": true}, "email": {"disabled": true}, "name": {"disabled": true}}`)}
	good := p.zoom.AppContext(testClientID, zoomtest.AppContext{UID: "ada", MID: "m", Typ: "meeting", Act: "a"})
	for context, want := range map[string]string{good: "ada m meeting a", "": "   ", "x": "   "} {
		got := ""
		p.app = func(_ http.ResponseWriter, r *http.Request) {
			got = r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).ReplaceKnown(
				"{http.zoom_pkce.app_context.uid} {http.zoom_pkce.app_context.mid} {http.zoom_pkce.app_context.typ} {http.zoom_pkce.app_context.act}", "")
		}
		p.fetch("/notes", cookies, appContextHeader, context)
		if got != want {
			t.Errorf("%.10s: %q, want %q", context, got, want)
		}
	}
}

// What was begun at the Marketplace ends in Zoom's client, for who may be here.
func TestInstallationsEndInTheClient(t *testing.T) {
	const client = "zoomus://open"
	for _, test := range []struct {
		options, begin string
		answer         http.Handler
		want           string
	}{
		{zoomAppOptions, "/zoom_pkce/callback?code=x", zoomtest.Deeplink(client), client},
		{zoomAppOptions, "/zoom_pkce/callback?code=x", zoomtest.Status(http.StatusServiceUnavailable, ""), "/"},
		{zoomAppOptions, "/notes", zoomtest.Deeplink(client), "/notes"},
		{zoomAppOptions + `, "allow": {"user_id": ["bob"]}`, "/zoom_pkce/callback?code=x", zoomtest.Deeplink(client), "/"},
		{`, "zoom_app": {}`, "/zoom_pkce/callback?code=x", zoomtest.Deeplink(client), "/"},
		{``, "/zoom_pkce/callback?code=x", zoomtest.Deeplink(client), "/"},
	} {
		p := provision(t, test.options)
		p.zoom.Fail(zoomtest.CallDeeplink, -1, test.answer)
		to := p.open(test.begin, "")
		if got := p.open(p.allowed(to.Header.Get("Location"), "ada"), cookiesOf(to)); got.Header.Get("Location") != test.want || (p.logs.FilterMessageSnippet("client is not opened").Len() == 1) != (test.options == zoomAppOptions && test.want == "/") {
			t.Errorf("%s, %s: %s to %q, the log has %v", test.options, test.begin, got.Status, got.Header.Get("Location"), p.logs.All())
		}
	}
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

// A signature says what was asked for, in the bounds of the configuration, and is logged.
func TestWhatASignatureSays(t *testing.T) {
	p := provision(t, `, "meeting_sdk": {"expires_in": "1h"}`)
	ada := p.signIn()
	for body, want := range map[string]string{
		`{}`: `life 3600, meeting <nil>, role <nil>, mode <nil>`,
		`{"meetingNumber": "123456789", "role": 0, "expirationSeconds": 1800}`:   `life 1800, meeting 123456789, role 0, mode <nil>`,
		`{"meetingNumber": "123456789", "role": 1, "expirationSeconds": 172800}`: `life 3600, meeting 123456789, role 1, mode <nil>`,
		`{"videoWebRtcMode": 0}`: `life 3600, meeting <nil>, role <nil>, mode 0`,
		`{"videoWebRtcMode": 1}`: `life 3600, meeting <nil>, role <nil>, mode 1`,
	} {
		p.logs.TakeAll()
		var answer signatureAnswer
		_, text := p.post("/zoom_pkce/signature", body, ada)
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			t.Fatal(err)
		}
		if _, ok := p.zoom.ValidateSignature(answer.Signature); !ok || answer.SDKKey != testClientID {
			t.Errorf("%s: Zoom does not take %s", body, text)
		}
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(answer.Signature, ".")[1])
		if err != nil {
			t.Fatal(err)
		}
		var claims map[string]any
		if err := json.Unmarshal(payload, &claims); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("life %v, meeting %v, role %v, mode %v", claims["exp"].(float64)-claims["iat"].(float64), claims["mn"], claims["role"], claims["video_webrtc_mode"]); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
		lines := p.logs.FilterMessage("signed a meeting sdk signature").All()
		if len(lines) != 1 || lines[0].ContextMap()["user_id"] != "ada" || fmt.Sprint(lines[0].ContextMap()["role"]) != fmt.Sprint(claims["role"]) {
			t.Errorf("%s: the log has %v", body, lines)
		}
	}
	p.logs.TakeAll()
	p.post("/zoom_pkce/signature", `{"meetingNumber": "1", "role": 7}`, ada)
	if lines := p.logs.FilterMessage("refused a request").All(); len(lines) != 1 || lines[0].ContextMap()["error"] != "signature: bad meetingNumber, role" {
		t.Errorf("the log has %v", lines)
	}
}
