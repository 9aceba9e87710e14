package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// A frame's session comes from its own window, once, and from nowhere else.
func TestFrameTickets(t *testing.T) {
	bothWays(t, `, "cookie": {"same_site": "none"}`, testFrameTickets)
	lax := provision(t, "")
	if status, answer := lax.post("/zoom_pkce/frame/ticket", "", lax.signIn()); status != http.StatusNotFound {
		t.Errorf("with same_site lax: %d %s", status, answer)
	}
}

func testFrameTickets(t *testing.T, p *provisioned) {
	t.Helper()
	cookies, key := p.signIn(), strings.Repeat("0f", 16)
	ask := func(cookies, body string) (ticket, kept string) {
		t.Helper()
		r := httptest.NewRequest(http.MethodPost, "/zoom_pkce/frame/ticket", strings.NewReader(body))
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Content-Type", "application/json")
		got, _ := p.serve(r, cookies, nil)
		var answer frameTicketAnswer
		if err := json.NewDecoder(got.Body).Decode(&answer); err != nil || got.StatusCode != http.StatusOK || answer.Ticket == "" {
			t.Fatalf("%s, %v", got.Status, err)
		}
		return answer.Ticket, cookiesOf(got)
	}
	quoted := func(ticket string) string { return fmt.Sprintf(`{"ticket": %q}`, ticket) }
	byMessage, none := ask(cookies, "")
	if none != "" {
		t.Errorf("without a key the cookies are %q", none)
	}
	_, byCookie := ask(cookies, `{"frame": "`+key+`"}`)
	for _, test := range []struct {
		name, target, body, cookies string
		status                      int
		code                        string
	}{
		{"a stranger's window", "ticket", ``, "", http.StatusUnauthorized, "sign_in_required"},
		{"a strange key", "ticket", `{"frame": "x"}`, cookies, http.StatusBadRequest, "bad_request"},
		{"no JSON", "ticket", `{`, cookies, http.StatusBadRequest, "bad_request"},
		{"no ticket", "redeem", `{}`, byCookie, http.StatusBadRequest, "bad_request"},
		{"a broken body", "redeem", `{`, byCookie, http.StatusBadRequest, "bad_request"},
		{"no ticket of ours", "redeem", quoted("x"), "", http.StatusBadRequest, "bad_request"},
		{"another key", "redeem", `{"frame": "` + strings.Repeat("1", 32) + `"}`, byCookie, http.StatusBadRequest, "bad_request"},
		{"by its message", "redeem", quoted(byMessage), "", http.StatusOK, ""},
		{"once more", "redeem", quoted(byMessage), "", http.StatusBadRequest, "login_expired"},
		{"by its cookie", "redeem", `{"frame": "` + key + `"}`, byCookie, http.StatusOK, ""},
		{"that once more", "redeem", `{"frame": "` + key + `"}`, byCookie, http.StatusBadRequest, "login_expired"},
	} {
		status, answer := p.post("/zoom_pkce/frame/"+test.target, test.body, test.cookies)
		if status != test.status || codeOf(answer) != test.code {
			t.Errorf("%s: %d %s", test.name, status, answer)
		}
		if test.status == http.StatusOK && !strings.Contains(answer, `"id":"ada"`) {
			t.Errorf("%s: the frame is told %s", test.name, answer)
		}
	}
	// A press in a frame may be a stolen click: its session gets no ticket.
	r := httptest.NewRequest(http.MethodPost, "/zoom_pkce/frame/redeem", strings.NewReader(quoted(first(ask(cookies, "")))))
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Content-Type", "application/json")
	got, _ := p.serve(r, "", nil)
	if status, answer := p.post("/zoom_pkce/frame/ticket", "", cookiesOf(got)); status != http.StatusForbidden || codeOf(answer) != "not_allowed" {
		t.Errorf("a frame's session: %d %s", status, answer)
	}
	var status int
	var answer string
	for range 30 { // each of which the store has to remember
		status, answer = p.post("/zoom_pkce/frame/redeem", quoted(first(ask(cookies, ""))), "")
	}
	if status != http.StatusTooManyRequests || codeOf(answer) != "too_many_logins" {
		t.Errorf("one frame after the other: %d %s", status, answer)
	}
}

// first is the first of two.
func first(a, _ string) string { return a }

func TestFrameWindowAt(t *testing.T) {
	key := strings.Repeat("0f", 16)
	most := "https://" + strings.Repeat("a", maxAncestors-len("https://"))
	for _, test := range []struct {
		sameSite, key, by string
		want              int // origins, 0: no window of a frame
	}{
		{"none", key, "https://a.example", 1},
		{"none", key, "https://a.example,http://b.example:8080", 2},
		{"none", key, most, 1},
		{"none", key, most + "a", 0},
		{"none", key, "", 0},
		{"none", key, "null", 0},
		{"none", key, "https://a.example,", 0},
		{"none", key, "https://a.example/", 0},
		{"none", key, "https://eve@a.example", 0},
		{"none", key, "https://", 0},
		{"none", key, "https://a.example:x", 0},
		{"none", key[1:], "https://a.example", 0},
		{"none", key + "0", "https://a.example", 0},
		{"none", strings.ToUpper(key), "https://a.example", 0},
		{"none", "", "https://a.example", 0},
		{"lax", key, "https://a.example", 0},
	} {
		h := minimalHandler()
		h.Cookie = &Cookie{SameSite: test.sameSite}
		s := &site{settings: mustResolve(t, h)}
		window, ok := s.frameWindowAt(url.Values{"frame": {test.key}, "by": {test.by}})
		if ok != (test.want > 0) || len(window.by) != test.want {
			t.Errorf("%+v: %+v, %v", test, window, ok)
		}
	}
}

// frameWindowURL is the address of a window that a frame inside https://outer.example opens.
func frameWindowURL() string {
	return "/zoom_pkce/login?" + url.Values{"frame": {strings.Repeat("0f", 16)}, "by": {"https://outer.example"}}.Encode()
}

// The window of a frame signs in, comes back, and names who would get the session.
func TestFrameWindow(t *testing.T) {
	const none = `, "cookie": {"same_site": "none"}`
	p := provision(t, none)
	to := p.open(frameWindowURL(), "")
	if back := p.open(p.allowed(to.Header.Get("Location"), "ada"), cookiesOf(to)); back.Header.Get("Location") != frameWindowURL() {
		t.Errorf("the sign-in leads to %q", back.Header.Get("Location"))
	}
	ada := p.signIn()
	before := counts(t)
	shown := p.open(frameWindowURL(), ada)
	if n := counts(t)["requests_total endpoint"] - before["requests_total endpoint"]; n != 1 {
		t.Errorf("counted %v times", n)
	}
	text := bodyOf(shown)
	for _, want := range []string{"https://outer.example", "Ada Løvelace", "ada@example.com", "/zoom_pkce/frame/ticket", strings.Repeat("0f", 16)} {
		if !strings.Contains(text, want) {
			t.Errorf("the window does not show %s:\n%s", want, text)
		}
	}
	if shown.StatusCode != http.StatusOK || !strings.Contains(shown.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("%s with %v", shown.Status, shown.Header)
	}
	inside := p.beside(none + `, "zoom_app": {}`) // whose other pages Zoom may show
	if got := inside.open(frameWindowURL(), ada); !strings.Contains(got.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("the window of a Zoom App: %v", got.Header)
	}
	if lost := p.open(frameWindowURL(), p.looped(1, 0)); !strings.HasPrefix(lost.Header.Get("Location"), p.zoom.URL) || len(lost.Cookies()) != 2 {
		t.Errorf("a sign-in that was lost: %s, cookies %v", lost.Status, lost.Cookies())
	}
	if lost := p.open(frameWindowURL(), p.looped(6, 5)); lost.StatusCode != http.StatusTooManyRequests ||
		!strings.Contains(bodyOf(lost), `href="`+strings.ReplaceAll(frameWindowURL(), "&", "&amp;")+`"`) {
		t.Errorf("a sign-in that is lost again and again: %s", lost.Status)
	}
	// A browser that seems to be two users' is nobody's, until it has forgotten both.
	two := p.open(frameWindowURL(), ada+"; "+p.signInAs("bob"))
	if !strings.HasPrefix(two.Header.Get("Location"), p.zoom.URL) || dropped(two) != 2 || two.Cookies()[0].Partitioned == two.Cookies()[1].Partitioned {
		t.Errorf("two sessions: %s, %d cookies dropped: %q", two.Status, dropped(two), two.Header["Set-Cookie"])
	}
	p.beside(none)
	barred := p.beside(none + `, "allow": {"user_id": ["bob"]}`)
	if got := barred.open(frameWindowURL(), ada); got.StatusCode != http.StatusForbidden || !strings.Contains(bodyOf(got), "Ada Løvelace") {
		t.Errorf("who is not allowed: %s", got.Status)
	}
	fresh := p.restarted()
	fresh.site.store = &brokenStore{Store: fresh.site.store, reads: true}
	if got := fresh.open(frameWindowURL(), ada); got.StatusCode != http.StatusServiceUnavailable || len(got.Cookies()) > 0 {
		t.Errorf("the store in trouble: %s with %v", got.Status, got.Header)
	}
}

// A ticket is for visitors who may be here, and a cookie with one is gone once it is redeemed.
func TestFrameTicketsOfThoseAllowed(t *testing.T) {
	const none = `, "cookie": {"same_site": "none"}`
	p := provision(t, none)
	barred := p.beside(none + `, "allow": {"user_id": ["bob"]}`)
	ada, key := p.signIn(), strings.Repeat("0f", 16)
	ask := func(from *provisioned, endpoint, body, cookies string) *http.Response {
		got, _ := from.serve(request(http.MethodPost, "/zoom_pkce/frame/"+endpoint, body, "Sec-Fetch-Site", "same-origin", "Content-Type", "application/json"), cookies, nil)
		return got
	}
	kept := ask(p, "ticket", `{"frame": "`+key+`"}`, ada)
	cookies := kept.Cookies()
	if len(cookies) != 1 || !strings.HasSuffix(cookies[0].Name, "_frame_"+key) || cookies[0].Partitioned || cookies[0].MaxAge != 60 {
		t.Errorf("the ticket is kept as %v", cookies)
	}
	if got := ask(barred, "ticket", "", ada); got.StatusCode != http.StatusForbidden {
		t.Errorf("who is not allowed asks for a ticket: %s", got.Status)
	}
	if got := ask(barred, "redeem", `{"frame": "`+key+`"}`, cookiesOf(kept)); got.StatusCode != http.StatusForbidden || len(got.Cookies()) > 0 {
		t.Errorf("who is not allowed redeems a ticket: %s", got.Status)
	}
	opened := ask(p, "redeem", `{"frame": "`+key+`"}`, cookiesOf(kept))
	if opened.StatusCode != http.StatusOK || dropped(opened) != 1 || len(opened.Cookies()) != 2 || opened.Cookies()[1].Partitioned {
		t.Errorf("redeemed: %s, cookies %v", opened.Status, opened.Cookies())
	}
	if got, _ := p.fetch("/", cookiesOf(opened)); got.StatusCode != passed {
		t.Errorf("the frame's session: %s", got.Status)
	}
	// A key beside a ticket is of no account.
	var answer frameTicketAnswer
	if err := json.Unmarshal([]byte(bodyOf(ask(p, "ticket", "", ada))), &answer); err != nil {
		t.Fatal(err)
	}
	both := ask(p, "redeem", `{"frame": "`+key+`", "ticket": "`+answer.Ticket+`"}`, cookiesOf(kept))
	if both.StatusCode != http.StatusOK || dropped(both) != 0 {
		t.Errorf("a ticket and a key: %s, cookies %v", both.Status, both.Cookies())
	}
}

// A page in a frame asks to sign in in a window of its own; where frames have cookies of
// their own, a script takes the sign-in over from there.
func TestFramedPages(t *testing.T) {
	for _, sameSite := range []string{"lax", "none"} {
		for _, target := range []string{"/notes", "/zoom_pkce/login?return_to=/notes"} {
			for _, mode := range []string{"redirect", "page", "reject"} {
				p := provision(t, `, "unauthenticated": "`+mode+`", "cookie": {"same_site": "`+sameSite+`"}`)
				got := p.open(target, "", "Sec-Fetch-Dest", "iframe")
				text := bodyOf(got)
				if got.StatusCode != http.StatusUnauthorized || !strings.Contains(text, `href="/zoom_pkce/login?return_to=/notes" target="_blank"`) || len(got.Cookies()) > 0 {
					t.Errorf("same_site %s, %s, %s: %s\n%s", sameSite, target, mode, got.Status, text)
				}
				if strings.Contains(got.Header.Get("Content-Security-Policy"), "frame-ancestors") {
					t.Errorf("same_site %s, %s, %s: %v", sameSite, target, mode, got.Header)
				}
				if scripted := strings.Contains(text, "/zoom_pkce/frame/redeem"); scripted != (sameSite == "none") {
					t.Errorf("same_site %s, %s, %s: a script is there: %v", sameSite, target, mode, scripted)
				}
			}
		}
	}
}

// A request that Caddy makes of one it is serving is the same visitor's, where a site has
// templates; what it carries is worth nothing on a visitor's own.
func TestRequestsThatCaddyMakes(t *testing.T) {
	const private = `, "protect": [{"path": ["/private"]}]`
	type outer struct{ cookies, context string }
	for name, test := range map[string]struct {
		first, second string // directives of the site
		who           func(*provisioned) outer
		want          string // the user that a part of the page is for
	}{
		"a protected page": {``, ``, func(p *provisioned) outer { return outer{cookies: p.signIn()} }, "ada"},
		"a public page":    {private, private, func(p *provisioned) outer { return outer{cookies: p.signIn()} }, "ada"},
		"nobody":           {private, private, func(*provisioned) outer { return outer{} }, ""},
		"who comes with a context": {private, zoomAppOptions, func(p *provisioned) outer {
			p.signIn()
			return outer{context: p.zoom.AppContext(testClientID, zoomtest.AppContext{UID: "ada"})}
		}, "ada"},
	} {
		p := provision(t, test.first)
		p.site.app.includes = func() bool { return true }
		p.then = []*provisioned{p.beside(test.second)}
		who := test.who(p)
		var parts []string
		var keys []string
		p.app = func(_ http.ResponseWriter, r *http.Request) {
			made := request(http.MethodGet, "/private", "")
			made.Host, made.Header = "localhost", r.Header.Clone()
			keys = append(keys, made.Header.Get("X-Zoom-Pkce-Include"))
			made.Header.Set("Caddy-Templates-Include", "1")
			answer := httptest.NewRecorder()
			made = caddyhttp.PrepareRequest(made, caddy.NewReplacer(), answer, nil)
			user := ""
			if err := p.through(answer, made, func(_ http.ResponseWriter, r *http.Request) { user = r.Header.Get(standardUserIDHeader) }); err != nil {
				t.Error(err)
			}
			if user == "" && (answer.Code != http.StatusUnauthorized || len(answer.Result().Cookies()) > 0) {
				t.Errorf("%s: %d", name, answer.Code)
			}
			parts = append(parts, user)
		}
		headers := []string{"Accept", "text/html"}
		if who.context != "" {
			headers = append(headers, appContextHeader, who.context)
		}
		p.open("/", who.cookies, headers...)
		if len(parts) != 1 || parts[0] != test.want || keys[0] == "" {
			t.Errorf("%s: for %q", name, parts)
		}
		p.app = nil
		if got, headers := p.fetch("/private", "", "X-Zoom-Pkce-Include", keys[0]); got.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: a key that was shown opens the site for %v", name, headers)
		}
	}
	p := provision(t, private)
	p.site.app.includes = func() bool { return true }
	trouble := errors.New("the app has failed")
	w := httptest.NewRecorder()
	r := caddyhttp.PrepareRequest(request(http.MethodGet, "/", ""), caddy.NewReplacer(), w, nil)
	r.Host = "localhost"
	if err := p.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return trouble })); !errors.Is(err, trouble) {
		t.Errorf("the error is %v", err)
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

// Whoever an answer is for, no shared cache keeps it: of an app that writes nothing, of a
// page of an error, and where a cookie is deleted for somebody who passes without identity.
func TestAnswersOfNobodyArePrivate(t *testing.T) {
	p := provision(t, `, "unauthenticated": "pass"`)
	ada := p.signIn()
	both := ada + "; " + p.signInAs("bob")
	failed := func(r *http.Request) {
		*r = *r.WithContext(context.WithValue(r.Context(), caddyhttp.ErrorCtxKey, errors.New("the app has failed")))
	}
	p.app = func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("CDN-Cache-Control", "max-age=60") }
	for name, test := range map[string]struct {
		cookies string
		change  func(*http.Request)
		private bool
	}{
		"a visitor":          {ada, nil, true},
		"a visitor's error":  {ada, failed, true},
		"two visitors":       {both, nil, true},
		"a stranger":         {"", nil, false},
		"a stranger's error": {"", failed, false},
	} {
		got, _ := p.serve(request(http.MethodGet, "/", ""), test.cookies, test.change)
		if h := got.Header; (h.Get("Cache-Control") == "private") != test.private || (h.Get("CDN-Cache-Control") == "") != test.private {
			t.Errorf("%s: %v", name, h)
		}
	}
}

// Our endpoints are nobody's destination, in no spelling that a browser makes them of.
func TestWishedReturnURL(t *testing.T) {
	s := &site{settings: mustResolve(t, minimalHandler())}
	for wish, want := range map[string]string{
		"/a/b?c=/zoom_pkce/login":           "/a/b?c=/zoom_pkce/login",
		"/a/../b":                           "/a/../b",
		"/zoom_pkces/login":                 "/zoom_pkces/login",
		"/zoom_pkce/login":                  "/",
		"/zoom_pkce/callback?code=x":        "/",
		"/a/../zoom_pkce/login":             "/",
		"/a/%2e%2E/zoom_pkce/logout":        "/",
		"/./zoom_pkce/logout":               "/",
		`/a\..\zoom_pkce\logout`:            "/",
		"/zoom_pkce/./oauth/../login?x=y#z": "/",
		"/a/..//zoom_pkce/login":            "/",
	} {
		if got := s.wishedReturnURL(wish); got != want {
			t.Errorf("%s: %s, want %s", wish, got, want)
		}
	}
}
