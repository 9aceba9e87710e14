package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// Matching in place leaves the request as it was.
func TestMatchEitherRestores(t *testing.T) {
	r := httptest.NewRequest("PUT", "/sent?a=1", nil)
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), httptest.NewRecorder(), nil)
	r.Method, r.RequestURI, r.URL.Path, r.URL.RawQuery = "GET", "/rewritten", "/rewritten", ""
	target := r.URL
	var seen []string
	match, err := matchEither(caddyhttp.MatcherSets{{matcherFunc(func(r *http.Request) bool {
		seen = append(seen, r.Method+" "+r.RequestURI+" "+r.URL.String())
		return false
	})}}, r)
	if want := []string{"GET /rewritten /rewritten", "PUT /sent?a=1 /sent?a=1"}; match || err != nil || !slices.Equal(seen, want) {
		t.Errorf("%v, %v: matched against %q, want %q", match, err, seen, want)
	}
	if got := r.Method + " " + r.RequestURI + " " + r.URL.String(); got != "GET /rewritten /rewritten" || r.URL != target {
		t.Errorf("left as %s", got)
	}
}

func TestMatchEitherTriesEachOnce(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*http.Request)
		match  string // the request that matches
		want   bool
		tried  int
	}{
		"as it was sent":      {func(*http.Request) {}, "GET /sent", true, 1},
		"none":                {func(*http.Request) {}, "GET /other", false, 1},
		"another path":        {func(r *http.Request) { r.URL.Path, r.RequestURI = "/other", "/other" }, "GET /sent", true, 2},
		"another method":      {func(r *http.Request) { r.Method = "HEAD" }, "GET /sent", true, 2},
		"that of a rewriting": {func(r *http.Request) { r.Method = "HEAD" }, "HEAD /sent", true, 1},
	} {
		r := caddyhttp.PrepareRequest(httptest.NewRequest("GET", "/sent", nil), caddy.NewReplacer(), httptest.NewRecorder(), nil)
		test.change(r)
		tried := 0
		match, err := matchEither(caddyhttp.MatcherSets{{matcherFunc(func(r *http.Request) bool {
			tried++
			return r.Method+" "+r.URL.Path == test.match
		})}}, r)
		if match != test.want || err != nil || tried != test.tried {
			t.Errorf("%s: %v, %v after %d", name, match, err, tried)
		}
	}
}

// A matcher that cannot tell opens nothing, whichever target it is asked about.
func TestMatchersInTrouble(t *testing.T) {
	p := provision(t, `, "protect": [{"path": ["/private"]}]`)
	for _, asked := range []string{"/rewritten;v", "/rewritten", "/sent", "/sent;v"} {
		trouble := errors.New("no answer about " + asked)
		p.site.protect = caddyhttp.MatcherSets{{failingMatcher{trouble, asked}}}
		w := httptest.NewRecorder()
		r := caddyhttp.PrepareRequest(httptest.NewRequest("GET", "/sent;v", nil), caddy.NewReplacer(), w, nil)
		r.URL.Path, r.RequestURI = "/rewritten;v", "/rewritten;v"
		err := p.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
			t.Errorf("the request went on without an answer about %s", asked)
			return nil
		}))
		if !errors.Is(err, trouble) {
			t.Errorf("the error is %v, want %v", err, trouble)
		}
	}
}

// Nor does one that cannot tell who gets what.
func TestMatchersOfKeysInTrouble(t *testing.T) {
	for name, trouble := range map[string]func(*site, caddyhttp.MatcherSets){
		"zak match":          func(s *site, m caddyhttp.MatcherSets) { s.zakFor = m },
		"access_token match": func(s *site, m caddyhttp.MatcherSets) { s.tokenFor = m },
	} {
		p := provision(t, "")
		ada := p.signIn()
		trouble(p.site, caddyhttp.MatcherSets{{failingMatcher{errors.New("no answer"), "/notes"}}})
		if got, headers := p.fetch("/notes", ada); got.StatusCode != http.StatusServiceUnavailable || headers != nil {
			t.Errorf("%s: %s, the app got %v", name, got.Status, headers)
		}
	}
}

// failingMatcher matches nothing and cannot tell about one path.
type failingMatcher struct {
	trouble error
	path    string
}

func (m failingMatcher) MatchWithError(r *http.Request) (bool, error) {
	if r.URL.Path == m.path {
		return false, m.trouble
	}
	return false, nil
}

// What an app fails with is for the handlers of the site.
func TestErrorsOfTheApp(t *testing.T) {
	p := provision(t, `, "protect": [{"path": ["/private"]}], "webhook": {"hand_on": true, "secret_token": ["`+testWebhookSecret+`"]}`)
	anybody := p.beside(`, "unauthenticated": "pass"`)
	trouble := errors.New("the app has failed")
	fails := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return trouble })
	behind := caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error { return anybody.ServeHTTP(w, r, fails) })
	visitor, timestamp := []string{"Cookie", p.signIn()}, fmt.Sprint(time.Now().Unix())
	const event = `{"event": "x", "event_ts": 1, "payload": {}}`
	for name, test := range map[string]struct {
		at      *provisioned
		app     caddyhttp.Handler
		r       *http.Request
		private string
	}{
		"what is protected": {p, fails, request(http.MethodGet, "/private", "", visitor...), "private"},
		"what is not":       {p, fails, request(http.MethodGet, "/public", "", visitor...), ""},
		"nobody's page":     {anybody, fails, request(http.MethodGet, "/", ""), ""},
		"an event": {p, behind, request(http.MethodPost, "/zoom_pkce/webhook", event, "X-Zm-Request-Timestamp", timestamp,
			"X-Zm-Signature", zoomtest.WebhookSignature(testWebhookSecret, timestamp, []byte(event))), ""},
	} {
		w := httptest.NewRecorder()
		err := test.at.ServeHTTP(w, caddyhttp.PrepareRequest(test.r, caddy.NewReplacer(), w, nil), test.app)
		if got := w.Header().Get("Cache-Control"); !errors.Is(err, trouble) || got != test.private {
			t.Errorf("%s: the error is %v, what is answered then is %q", name, err, got)
		}
	}
}

type matcherFunc func(*http.Request) bool

func (f matcherFunc) MatchWithError(r *http.Request) (bool, error) { return f(r), nil }

func TestProtects(t *testing.T) {
	p := provision(t, `, "protect": [{"path": ["/private/*"]}, {"method": ["PUT"]}, {"path": ["/both/*"], "method": ["DELETE"]}]`)
	tests := map[string]struct {
		method, target string
		change         func(*http.Request)
		protected      bool
	}{
		"what is not protected":       {"GET", "/public", nil, false},
		"what is protected":           {"GET", "/private/x", nil, true},
		"a protected method":          {"PUT", "/public", nil, true},
		"an escaped letter":           {"GET", "/%70rivate/x", nil, true},
		"a path parameter":            {"GET", "/private;v=1/x", nil, true},
		"dots with a parameter":       {"GET", "/public/..;/private/x", nil, true},
		"a backslash":                 {"GET", `/private\x`, nil, true},
		"escaped twice":               {"GET", "/%2570rivate/x", nil, true},
		"an escaped slash":            {"GET", "/public/..%2fprivate/x", nil, true},
		"too long to be read":         {"GET", "/public;" + strings.Repeat("a", 2<<10), nil, true},
		"long, with one reading only": {"GET", "/public/" + strings.Repeat("a", 2<<10), nil, false},
		"another reading is public":   {"GET", "/public;v=1/x", nil, false},
		"rewritten to a public page": {"GET", "/private/x", func(r *http.Request) {
			r.URL.Path, r.RequestURI = "/public", "/public"
		}, true},
		"a reading of it rewritten": {"GET", "/private;v/x", func(r *http.Request) {
			r.URL.Path, r.RequestURI = "/public", "/public"
		}, true},
		"rewritten to a protected page": {"GET", "/public", func(r *http.Request) {
			r.URL.Path, r.RequestURI = "/private/x", "/private/x"
		}, true},
		"rewritten to a reading": {"GET", "/public", func(r *http.Request) {
			r.URL.Path, r.RequestURI = "/private;v/x", "/private;v/x"
		}, true},
		"rewritten between public pages": {"GET", "/public", func(r *http.Request) {
			r.URL.Path, r.RequestURI = "/other", "/other"
		}, false},
		"a method that was rewritten": {"PUT", "/public", func(r *http.Request) { r.Method = "GET" }, true},
		"that of an ambiguous path":   {"PUT", "/public;v", func(r *http.Request) { r.Method = "GET" }, true},
		"a method and a reading":      {"DELETE", "/both;v/x", func(r *http.Request) { r.Method = "GET" }, true},
		"sent without a path":         {"GET", "http://localhost", func(r *http.Request) { r.URL.Path = "/public" }, true},
		"no path of its own":          {"GET", "/public", func(r *http.Request) { r.URL.Path = "" }, true},
		"all of the server": {"OPTIONS", "/public", func(r *http.Request) {
			r.URL.Path, r.RequestURI = "*", "*"
		}, true},
		"an opaque target": {"GET", "/public", func(r *http.Request) { r.URL.Opaque = "x:private" }, true},
	}
	for name, test := range tests {
		got, _ := p.serve(httptest.NewRequest(test.method, test.target, nil), "", test.change)
		want := passed
		if test.protected {
			want = http.StatusUnauthorized
		}
		if got.StatusCode != want {
			t.Errorf("%s: got %s, want %d", name, got.Status, want)
		}
	}
}

// What an app is told of a visitor comes from Zoom, never from the client.
func TestOnlyZoomTellsWhoIsThere(t *testing.T) {
	p := provision(t, `, "protect": [{"path": ["/private"]}], "headers": {"access_token": {"name": "Authorization", "scheme": "Bearer"}}`)
	cookies := p.signIn()
	told := map[string]string{
		"X-Zoom-User-Id": "ada", "X-Zoom-Account-Id": "account", "X-Zoom-User-Email": "ada@example.com", "X-Zoom-User-Name": "Ada L%C3%B8velace",
	}
	for _, page := range []string{"/private", "/public"} {
		r := httptest.NewRequest(http.MethodGet, page, nil)
		r.Header = http.Header{
			"X-Zoom-User-Id": {"eve"}, "X_zoom_user_id": {"eve"}, "X.zoom-User-Name": {"Eve"}, "Authorization": {"Bearer eve"}, "X-Other": {"1"},
		}
		got, headers := p.serve(r, "theme=dark; "+cookies, nil)
		if got.StatusCode != passed || headers.Get("X-Other") != "1" || headers.Get("Cookie") != "theme=dark" {
			t.Fatalf("%s: %s, the app got %v", page, got.Status, headers)
		}
		token, bearer := strings.CutPrefix(headers.Get("Authorization"), "Bearer ")
		if _, user, ok := p.zoom.ValidateAccessToken(token); page == "/private" && (!bearer || !ok || user != "ada") {
			t.Errorf("the app got the token %q", headers.Get("Authorization"))
		} else if page == "/public" && (bearer || token != "") {
			t.Errorf("a public page is given %q", headers.Get("Authorization"))
		}
		for name, value := range told {
			if page == "/public" {
				value = ""
			}
			if headers.Get(name) != value {
				t.Errorf("%s: %s is %q, want %q", page, name, headers.Get(name), value)
			}
		}
		if len(headers["X_zoom_user_id"])+len(headers["X.zoom-User-Name"]) > 0 {
			t.Errorf("%s: the app got %v", page, headers)
		}
	}
}

func TestAllowKeepsOut(t *testing.T) {
	for _, test := range []struct {
		allow string
		want  int
	}{
		{`{"user_id": ["ada"]}`, passed},
		{`{"email_domain": ["example.com"]}`, passed},
		{`{"user_id": ["bob"], "account_id": ["other"]}`, http.StatusForbidden},
	} {
		p := provision(t, `, "allow": `+test.allow)
		cookies := p.signIn()
		got, _ := p.serve(httptest.NewRequest(http.MethodGet, "/", nil), cookies, nil)
		if got.StatusCode != test.want {
			t.Errorf("allow %s: %s", test.allow, got.Status)
		}
		if page := p.open("/", cookies); page.StatusCode != test.want {
			t.Errorf("allow %s: a page load gets %s", test.allow, page.Status)
		}
	}
}

func TestPlaceholdersTellOfTheVisitor(t *testing.T) {
	repl := caddy.NewReplacer()
	want := func(when, name, text string) {
		t.Helper()
		if got, ok := repl.GetString(name); got != text || !ok {
			t.Errorf("%s: %s is %q, %v, want %q", when, name, got, ok, text)
		}
	}
	// A basic_auth before us has let somebody in.
	repl.Set("http.auth.user.id", "gatekeeper")
	v := new(visit)
	v.identify(repl, zoomapi.Profile{ID: "ada", AccountID: "account", Email: "ada@example.com", Name: "{env.HOME}"})
	want("after an earlier gate", "http.auth.user.id", "ada")
	want("first", "http.auth.user.account_id", "account")
	want("first", "http.auth.user.email", "ada@example.com")
	if got := repl.ReplaceAll("{http.auth.user.name}", ""); got != "{env.HOME}" {
		t.Errorf("a name was replaced once more: %q", got)
	}
	if _, ok := repl.GetString("http.auth.user.other"); ok {
		t.Error("a placeholder that nobody promised")
	}
	v.identify(repl, zoomapi.Profile{ID: "bob"})
	want("a second directive", "http.auth.user.id", "bob")
	want("a second directive", "http.auth.user.email", "")
	repl.Set("http.auth.user.id", "later")
	want("a later handler", "http.auth.user.id", "later")
}

// A name is given so that decodeURIComponent gives it back, and HTTP drops nothing of it.
func TestEncodeHeaderText(t *testing.T) {
	for text, want := range map[string]string{
		"":             "",
		"Ada Lovelace": "Ada Lovelace",
		"a b":          "a b",
		" a  b ":       "%20a  b%20",
		" ":            "%20",
		"!~":           "!~",
		"100%":         "100%25",
		"a\x7fb\r\n":   "a%7Fb%0D%0A",
		"Løve":         "L%C3%B8ve",
	} {
		if got := encodeHeaderText(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

// controlled is a response writer with everything that
// http.ResponseController knows.
type controlled struct {
	http.ResponseWriter
	calls []string
}

func (c *controlled) called(by string) error { c.calls = append(c.calls, by); return errBroken }

func (c *controlled) FlushError() error { return c.called("flush") }

func (c *controlled) SetReadDeadline(time.Time) error { return c.called("read deadline") }

func (c *controlled) SetWriteDeadline(time.Time) error { return c.called("write deadline") }

func (c *controlled) EnableFullDuplex() error { return c.called("full duplex") }

func TestResponseControllerReachesTheConnection(t *testing.T) {
	inner := &controlled{ResponseWriter: httptest.NewRecorder()}
	rc := http.NewResponseController(newPrivateWriter(inner))
	for name, err := range map[string]error{
		"flush": rc.Flush(), "read deadline": rc.SetReadDeadline(time.Time{}),
		"write deadline": rc.SetWriteDeadline(time.Time{}), "full duplex": rc.EnableFullDuplex(),
	} {
		if !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(inner.calls) != 4 {
		t.Errorf("reached: %q", inner.calls)
	}
	if got := inner.Header().Get("Cache-Control"); got != "private" {
		t.Errorf("flushed with Cache-Control %q", got)
	}
}

func TestAnswersArePrivate(t *testing.T) {
	for status, want := range map[int]string{http.StatusEarlyHints: "", http.StatusSwitchingProtocols: "private", http.StatusOK: "private"} {
		rec := httptest.NewRecorder()
		rec.Header().Set("CDN-Cache-Control", "max-age=60")
		newPrivateWriter(rec).WriteHeader(status)
		if got := rec.Header(); got.Get("Cache-Control") != want || got.Get("CDN-Cache-Control") != "" {
			t.Errorf("%d: %v", status, got)
		}
	}
	for name, tt := range map[string]struct {
		upstream []string
		want     string
	}{
		"nothing said":         {nil, "private"},
		"public":               {[]string{"public, max-age=60"}, "public, max-age=60|private"},
		"no-store":             {[]string{"no-store"}, "no-store"},
		"private":              {[]string{"max-age=1, Private"}, "max-age=1, Private"},
		"private fields only":  {[]string{`private="set-cookie"`}, `private="set-cookie"|private`},
		"in the second line":   {[]string{"max-age=1", "no-store"}, "max-age=1|no-store"},
		"a word that holds it": {[]string{"x-private"}, "x-private|private"},
	} {
		rec := httptest.NewRecorder()
		w := newPrivateWriter(rec)
		w.Header()["Cache-Control"] = tt.upstream
		w.WriteHeader(http.StatusEarlyHints)
		fmt.Fprint(w, "body")
		if got := strings.Join(rec.Header()["Cache-Control"], "|"); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
		copied := httptest.NewRecorder()
		copied.Header()["Cache-Control"] = tt.upstream
		if _, err := newPrivateWriter(copied).ReadFrom(strings.NewReader("body")); err != nil {
			t.Error(err)
		}
		if got := strings.Join(copied.Header()["Cache-Control"], "|"); got != tt.want || copied.Body.String() != "body" {
			t.Errorf("%s, copied: %q, want %q", name, got, tt.want)
		}
	}
}

// Where fragments are kept, the pages have the script that takes them along. It loads a
// page anew, so the answer to a form has none.
func TestPagesKeepFragments(t *testing.T) {
	for _, tt := range []struct {
		options, method string
		kept            bool
	}{
		{`, "unauthenticated": "page", "keep_fragment": true`, http.MethodGet, true},
		{`, "unauthenticated": "page", "keep_fragment": true`, http.MethodPost, false},
		{`, "unauthenticated": "page"`, http.MethodGet, false},
	} {
		load := request(tt.method, "/notes", "", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")
		got, _ := provision(t, tt.options).serve(load, "", nil)
		text := bodyOf(got)
		if !strings.Contains(text, "</html>") || strings.Contains(text, `<script data-login="/zoom_pkce/login">`) != tt.kept {
			t.Errorf("%s %s: %s", tt.method, tt.options, text)
		}
	}
}
