package caddymodule

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
)

// formPost are the headers of a form that a person sends.
var formPost = []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Content-Type", "application/x-www-form-urlencoded"}

// Only a page load is sent to Zoom; who cannot be sent gets a page or a problem.
func TestVisitorsWithoutASession(t *testing.T) {
	const toZoom, page, problem, through = "to Zoom", "a page", "a problem", "the app"
	for mode, want := range map[string]map[string]string{
		"redirect": {"page load": toZoom, "script": problem, "form": page, "HEAD": problem},
		"page":     {"page load": page, "script": problem, "form": page, "HEAD": problem},
		"reject":   {"page load": page, "script": problem, "form": page, "HEAD": problem},
		"pass":     {"page load": through, "script": through, "form": through, "HEAD": through},
	} {
		p := provision(t, `, "unauthenticated": "`+mode+`"`)
		load := []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
		for name, r := range map[string]*http.Request{
			"page load": request(http.MethodGet, "/notes", "", load...),
			"script":    request(http.MethodGet, "/notes", "", "Sec-Fetch-Mode", "cors", "X-Zoom-User-Id", "eve"),
			"form":      request(http.MethodPost, "/notes", "a=b", formPost...),
			"HEAD":      request(http.MethodHead, "/notes", "", load...),
		} {
			got, headers := p.serve(r, "", nil)
			text := bodyOf(got)
			is := ""
			switch {
			case got.StatusCode == passed && headers.Get(standardUserIDHeader) == "":
				is = through
			case got.StatusCode == http.StatusSeeOther && strings.HasPrefix(got.Header.Get("Location"), p.zoom.URL) && len(got.Cookies()) == 1:
				is = toZoom
			case got.StatusCode == http.StatusUnauthorized && strings.HasPrefix(text, "<!DOCTYPE html>") && strings.Contains(got.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'"):
				is = page
			case got.StatusCode == http.StatusUnauthorized && codeOf(text) == "sign_in_required":
				is = problem
			}
			if is != want[name] || is != toZoom && len(got.Cookies()) > 0 {
				t.Errorf("%s, %s: %s to %q, want %s\n%s", mode, name, got.Status, got.Header.Get("Location"), want[name], text)
			}
			if link := `"/zoom_pkce/login?return_to=/notes"`; name != "form" && (is == page || is == problem) && !strings.Contains(text, link) {
				t.Errorf("%s, %s: no link leads back:\n%s", mode, name, text)
			}
			if name == "form" && is == page && (!strings.Contains(text, `href="/zoom_pkce/login" target="_blank"`) || strings.Contains(text, "/notes")) {
				t.Errorf("%s: a form that came too late:\n%s", mode, text)
			}
		}
	}
	p := provision(t, `, "zoom_app": {}`)
	form, _ := p.serve(request(http.MethodPost, "/notes", "", append(formPost, insideZoom...)...), "", nil)
	if text := bodyOf(form); strings.Contains(text, "_blank") {
		t.Errorf("a new window inside Zoom's client:\n%s", text)
	}
	framed, _ := p.serve(request(http.MethodPost, "/notes", "", append(formPost, "Sec-Fetch-Dest", "iframe")...), "", nil)
	if security := framed.Header.Get("Content-Security-Policy"); strings.Contains(security, "frame-ancestors") {
		t.Errorf("a form in a frame: %s", security)
	}
}

// Cookies that are worth nothing go with the next page, those that contradict each other at once.
func TestCookiesThatAreWorthNothing(t *testing.T) {
	p := provision(t, "")
	ada := p.signIn()
	p.post("/zoom_pkce/logout", "", ada)
	both := p.signIn() + "; " + p.signInAs("bob")
	for name, test := range map[string]struct {
		cookies string
		load    int // cookies dropped
		script  int
	}{
		"signed out elsewhere": {ada, 1, 0},
		"nobody's":             {p.site.manager.SessionCookieName() + "=x", 1, 0},
		"two users'":           {both, 2, 2}, // which browsers keep apart, as of before and after a change of same_site
		"none":                 {"", 0, 0},
	} {
		if got := p.open("/", test.cookies); got.StatusCode != http.StatusSeeOther || dropped(got) != test.load {
			t.Errorf("%s: %s, %d cookies dropped", name, got.Status, dropped(got))
		}
		if got, _ := p.fetch("/", test.cookies); got.StatusCode != http.StatusUnauthorized || dropped(got) != test.script {
			t.Errorf("%s, a script: %s, %d cookies dropped", name, got.Status, dropped(got))
		}
		if got, _ := p.fetch("/zoom_pkce/session", test.cookies); got.StatusCode != http.StatusUnauthorized || dropped(got) != test.script {
			t.Errorf("%s, session: %s, %d cookies dropped", name, got.Status, dropped(got))
		}
		if got := p.open("/zoom_pkce/logout", test.cookies); got.StatusCode != http.StatusOK || dropped(got) != test.load {
			t.Errorf("%s, logout: %s, %d cookies dropped", name, got.Status, dropped(got))
		}
	}
	open := p.beside(`, "unauthenticated": "pass"`)
	if got, headers := open.fetch("/", both); got.StatusCode != passed || dropped(got) != 2 || headers.Get("Cookie") != "" {
		t.Errorf("pass: %s, %d cookies dropped, the app got %v", got.Status, dropped(got), headers)
	}
}

// A record that cannot be read is no reason to sign anybody out, in whatever mode.
func TestStoreInTrouble(t *testing.T) {
	p := provision(t, "")
	ada := p.signIn()
	if err := p.Cleanup(); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"redirect", "page", "reject", "pass"} {
		q := p.beside(`, "unauthenticated": "` + mode + `"`)
		q.site.store = &brokenStore{Store: q.site.store, reads: true}
		for _, target := range []string{"/", "/zoom_pkce/logout", "/zoom_pkce/session"} {
			got := q.open(target, ada)
			if got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" || len(got.Cookies()) > 0 {
				t.Errorf("%s, %s: %s with %v", mode, target, got.Status, got.Header)
			}
		}
		if status, answer := q.post("/zoom_pkce/logout", "", ada); status != http.StatusServiceUnavailable || codeOf(answer) != "store_unavailable" {
			t.Errorf("%s, signing out: %d %s", mode, status, answer)
		}
		if err := q.Cleanup(); err != nil {
			t.Fatal(err)
		}
	}
	lost := provision(t, withSecret)
	bob := lost.signInAs("bob")
	lost.restarted()
	lost.site.store = &brokenStore{Store: lost.site.store, mangles: true}
	if got := lost.open("/", bob); got.StatusCode != http.StatusServiceUnavailable || len(got.Cookies()) > 0 || !strings.Contains(bodyOf(got), "cannot open your stored sign-in") {
		t.Errorf("a record that does not open: %s", got.Status)
	}
	if line := lost.logs.FilterMessage("refused a request").All(); len(line) != 1 || !strings.Contains(fmt.Sprint(line[0].ContextMap()["advice"]), "add the secret that the record was sealed with") {
		t.Errorf("the log has %v", line)
	}
	if got := p.beside("").open("/zoom_pkce/login", ""); got.StatusCode != http.StatusSeeOther {
		t.Errorf("when it is over: %s", got.Status)
	}
	if got := p.beside("").open("/", ada); got.StatusCode != passed {
		t.Errorf("when it is over: %s", got.Status)
	}
}

// A sign-out is asked for by a page of the site; it ends this browser's session, or everything.
func TestLogout(t *testing.T) {
	p := provision(t, "")
	asked := p.open("/zoom_pkce/logout", p.signIn())
	if text := bodyOf(asked); asked.StatusCode != http.StatusOK || !strings.Contains(text, "Ada Løvelace") || !strings.Contains(text, `action="/zoom_pkce/logout"`) || strings.Contains(text, "disconnect") {
		t.Errorf("%s\n%s", asked.Status, text)
	}
	if got := p.open("/zoom_pkce/logout", ""); !strings.Contains(bodyOf(got), p.zoom.URL+"/logout") {
		t.Errorf("signed out: %s", got.Status)
	}
	for name, test := range map[string]struct {
		options, target, body string
		lands                 string
		everything            bool
	}{
		"this browser":                 {``, "", "", "/zoom_pkce/logout", false},
		"to a page of the site":        {`, "after_logout": "/bye"`, "", "", "/bye", false},
		"everything, by its button":    {`, "after_logout": "https://www.example.com/bye"`, "", "disconnect=1", "https://www.example.com/bye", true},
		"everything, by its address":   {``, "?disconnect=1", "", "/zoom_pkce/logout", true},
		"what is no such wish":         {``, "?disconnect=0", "disconnect=yes", "/zoom_pkce/logout", false},
		"everything, with both wishes": {``, "?disconnect=1", "disconnect=1", "/zoom_pkce/logout", true},
	} {
		p := provision(t, test.options)
		ada, other := p.signIn(), p.signIn()
		if status, _ := p.post("/zoom_pkce/logout", "", ada, "Sec-Fetch-Site", "cross-site"); status != http.StatusForbidden {
			t.Errorf("%s: another site signs out: %d", name, status)
		}
		got, _ := p.serve(request(http.MethodPost, "/zoom_pkce/logout"+test.target, test.body), ada, nil)
		if got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != test.lands || dropped(got) != 2 { // with that of the loop breaker
			t.Errorf("%s: %s to %q, %d cookies dropped", name, got.Status, got.Header.Get("Location"), dropped(got))
		}
		if left, _ := p.fetch("/", ada); left.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: who has signed out gets %s", name, left.Status)
		}
		if left, _ := p.fetch("/", other); (left.StatusCode == passed) == test.everything {
			t.Errorf("%s: another browser gets %s", name, left.Status)
		}
	}
	kept := provision(t, `, "after_logout": "https://www.example.com/bye", "backend": {"secret": ["`+testCookieSecret+`"], "keep_grants": "1h"}`)
	asked = kept.open("/zoom_pkce/logout", kept.signIn())
	if text := bodyOf(asked); !strings.Contains(text, `name="disconnect"`) || !strings.Contains(asked.Header.Get("Content-Security-Policy"), "form-action 'self' https://www.example.com;") {
		t.Errorf("%s\n%s", asked.Header.Get("Content-Security-Policy"), text)
	}
	programs := provision(t, `, "programs": {"registration": true}, "after_logout": "/bye"`)
	asked = programs.open("/zoom_pkce/logout", programs.signIn())
	if text := bodyOf(asked); !strings.Contains(text, `name="disconnect"`) || !strings.Contains(asked.Header.Get("Content-Security-Policy"), "form-action 'self';") {
		t.Errorf("%s\n%s", asked.Header.Get("Content-Security-Policy"), text)
	}
	if status, answer := p.post("/zoom_pkce/logout", strings.Repeat("x", 65<<10), p.signIn()); status != http.StatusBadRequest {
		t.Errorf("a long form: %d %s", status, answer)
	}
}

// A page load on a host without a redirect URI goes to the first that has one, unless a
// proxy has only rewritten the name.
func TestForeignHosts(t *testing.T) {
	p := provision(t, "")
	first := p.open("http://foreign.example/notes?a=b", "")
	if first.Header.Get("Location") != "http://localhost/notes?a=b" || len(first.Cookies()) != 1 || first.Cookies()[0].MaxAge != 10 {
		t.Fatalf("%s to %q, cookies %v", first.Status, first.Header.Get("Location"), first.Cookies())
	}
	toZoom := func(got *http.Response) bool { return strings.HasPrefix(got.Header.Get("Location"), p.zoom.URL) }
	if got := p.open("http://Foreign.example/notes", cookiesOf(first)); !toZoom(got) || !strings.Contains(got.Header.Get("Location"), url.QueryEscape("http://localhost/zoom_pkce/callback")) {
		t.Errorf("a proxy that rewrites Host: %s to %q", got.Status, got.Header.Get("Location"))
	}
	second := p.open("http://another.example/notes", cookiesOf(first))
	if second.Header.Get("Location") != "http://localhost/notes" {
		t.Errorf("another name: %s to %q", second.Status, second.Header.Get("Location"))
	}
	if got := p.open("http://third.example/notes", cookiesOf(second)); !toZoom(got) {
		t.Errorf("a third name: %s to %q", got.Status, got.Header.Get("Location"))
	}
	if got := p.open("http://foreign.example/zoom_pkce/login", ""); got.Header.Get("Location") != "http://localhost/zoom_pkce/login" {
		t.Errorf("login: %s to %q", got.Status, got.Header.Get("Location"))
	}
	if got, _ := p.fetch("http://foreign.example/notes", ""); got.StatusCode != http.StatusUnauthorized || len(got.Cookies()) > 0 {
		t.Errorf("a script: %s, cookies %v", got.Status, got.Cookies())
	}
	domain := provision(t, `, "redirect_uri": ["https://app.example.com/zoom_pkce/callback"], "cookie": {"domain": "example.com"}`)
	for _, host := range []string{"other.example.com", "Example.com:8443"} {
		if got := domain.open("http://"+host+"/notes", ""); !strings.HasPrefix(got.Header.Get("Location"), domain.zoom.URL) {
			t.Errorf("%s: %s to %q", host, got.Status, got.Header.Get("Location"))
		}
	}
	if got := domain.open("http://notexample.com/notes", ""); got.Header.Get("Location") != "https://app.example.com/notes" {
		t.Errorf("a host that ends alike: %s to %q", got.Status, got.Header.Get("Location"))
	}
}

// Sign-ins that are lost as soon as the browser comes back end on a page that says why.
func TestLostSignIns(t *testing.T) {
	p := provision(t, "")
	name := p.site.manager.Cookie("loop", "", 0).Name
	now := time.Now().Unix()
	for value, want := range map[string]string{ // what is counted then, "": nothing, "stop": the end
		"":                                "",
		fmt.Sprintf("%d.1.0", now):        fmt.Sprintf("%d.1.1", now),
		fmt.Sprintf("%d.1.1", now):        "",
		fmt.Sprintf("%d.5.4", now):        fmt.Sprintf("%d.5.5", now),
		fmt.Sprintf("%d.6.5", now):        "stop",
		fmt.Sprintf("%d.6.5", now-15):     "stop",
		fmt.Sprintf("%d.6.5", now-45):     "",
		fmt.Sprintf("%d.6.5", now+60):     "",
		fmt.Sprintf("%d.6", now):          "",
		"x":                               "",
		fmt.Sprintf("%d.%028d.0", now, 6): "",
	} {
		got := p.open("/", name+"="+value)
		counted := ""
		for _, cookie := range got.Cookies() {
			if cookie.Name == name {
				counted = cookie.Value
				if cookie.MaxAge != 30 {
					t.Errorf("%s is kept for %d s", value, cookie.MaxAge)
				}
			}
		}
		if got.StatusCode == http.StatusTooManyRequests && strings.Contains(bodyOf(got), outcome.TooManyLogins.Title()) {
			counted = "stop"
		}
		if counted != want {
			t.Errorf("%q: %s, counted as %q, want %q", value, got.Status, counted, want)
		}
	}
	// Each sign-in is counted from the first.
	for value, want := range map[string]string{fmt.Sprintf("%d.2.1", now-5): fmt.Sprintf("%d.3.1", now-5), "": fmt.Sprintf("=%d", now/1000)} {
		back, cookies := p.approve("/")
		got := p.open(back, cookies+"; "+name+"="+value)
		if !strings.Contains(cookiesOf(got), name+"=") || !strings.Contains(cookiesOf(got), want) {
			t.Errorf("%q: the cookies are %q", value, cookiesOf(got))
		}
	}
}

// A sign-in leads back to the page it began on, which is never one that signs in, and
// never off the site.
func TestWhereASignInLeads(t *testing.T) {
	fragment := "/notes#" + strings.Repeat("f", 1024-len("/notes"))
	for _, test := range []struct{ options, wish, want string }{
		{``, "", "/"},
		{``, "/notes?a=b", "/notes?a=b"},
		{``, "https://evil.example/", "/"},
		{``, "//evil.example", "/"},
		{``, "/zoom_pkce/logout", "/"},
		{``, "/zoom_pkce/callback", "/"},
		{``, "/zoom_pkce/programs", "/"},
		{`, "programs": {"registration": true}`, "/zoom_pkce/programs", "/zoom_pkce/programs"},
		{`, "programs": {"registration": true}`, "/zoom_pkce/programs/end", "/"},
		{``, "/zoom_pkcee", "/zoom_pkcee"},
		{``, "/zoom_pkce", "/zoom_pkce"},
		{``, "/notes#top", "/notes"},
		{`, "keep_fragment": true`, "/notes#top", "/notes#top"},
		{`, "keep_fragment": true`, "/notes#", "/notes"},
		{`, "keep_fragment": true`, "/notes#a b<\"`>\x7fé%41%zz%", "/notes#a%20b%3C%22%60%3E%7F%C3%A9%41%25zz%25"},
		{`, "keep_fragment": true`, fragment[:len(fragment)-2], fragment[:len(fragment)-2]},
		{`, "keep_fragment": true`, fragment[:len(fragment)-1], fragment[:len(fragment)-1]},
		{`, "keep_fragment": true`, fragment, "/notes"},
		{`, "cookie": {"domain": "localhost"}`, "http://other.localhost/notes", "http://other.localhost/notes"},
		{`, "cookie": {"domain": "localhost"}`, "http://evil.example/notes", "/"},
		{`, "cookie": {"domain": "localhost"}`, "https://other.localhost/notes", "/"},
	} {
		p := provision(t, test.options)
		at := p.start("/zoom_pkce/login?return_to=" + url.QueryEscape(test.wish))
		if got := p.open(p.allowed(at.authorize, "ada"), at.cookies); got.Header.Get("Location") != test.want {
			t.Errorf("%s, %q: %q, want %q", test.options, test.wish, got.Header.Get("Location"), test.want)
		}
	}
	for name, headers := range map[string][]string{"a script": {"Sec-Fetch-Mode", "cors"}, "a prefetch": {"Purpose", "prefetch"}} {
		p := provision(t, "")
		if got := p.open("/zoom_pkce/login", "", headers...); got.StatusCode != http.StatusBadRequest || len(got.Cookies()) > 0 {
			t.Errorf("%s: %s, cookies %v", name, got.Status, got.Cookies())
		}
		if got, _ := p.fetch("/zoom_pkce/login", ""); got.StatusCode != http.StatusSeeOther {
			t.Errorf("an older browser: %s", got.Status)
		}
	}
	p := provision(t, `, "keep_fragment": true`)
	if got := p.open("/notes?a=b", ""); got.StatusCode != http.StatusOK || !strings.Contains(bodyOf(got), `"/zoom_pkce/login?return_to=%2Fnotes%3Fa%3Db"`) || len(got.Cookies()) > 0 {
		t.Errorf("keep_fragment: %s", got.Status)
	}
	domain := provision(t, `, "cookie": {"domain": "localhost"}, "redirect_uri": ["http://localhost/zoom_pkce/callback"]`)
	for page, want := range map[string]string{"http://other.localhost/notes": "http://other.localhost/notes", "http://LOCALHOST/notes": "http://localhost/notes"} {
		at := domain.start(page)
		if got := domain.open(domain.allowed(at.authorize, "ada"), at.cookies); got.Header.Get("Location") != want {
			t.Errorf("a host of the cookie's domain: %q", got.Header.Get("Location"))
		}
	}
}

// Who is kept out is told who they are; the log says what may be missing.
func TestWhoIsKeptOut(t *testing.T) {
	p := provision(t, `, "allow": {"email": ["bob@example.com"], "email_domain": ["example.org"]}, "unauthenticated": "pass"`)
	for user, missing := range map[string]bool{"bob": true, "ada": false} { // Bob's address is not verified
		cookies := p.signInAs(user)
		p.logs.TakeAll()
		got := p.open("/", cookies)
		text := bodyOf(got)
		if got.StatusCode != http.StatusForbidden || !strings.Contains(text, p.zoom.URL+"/logout") || !strings.Contains(text, `"/zoom_pkce/login"`) {
			t.Errorf("%s: %s\n%s", user, got.Status, text)
		}
		line := p.logs.FilterField(zap.String("code", "not_allowed")).All()
		if len(line) != 1 || line[0].Level != zap.WarnLevel || strings.Contains(fmt.Sprint(line[0].ContextMap()["error"]), "user:read:user") != missing ||
			!strings.Contains(text, line[0].ContextMap()["request_id"].(string)) {
			t.Errorf("%s: the log has %v, the page\n%s", user, line, text)
		}
	}
	ids := p.beside(`, "allow": {"user_id": ["eve"]}`)
	ids.open("/", p.signInAs("bob"))
	if line := ids.logs.FilterField(zap.String("code", "not_allowed")).All(); len(line) != 1 || strings.Contains(fmt.Sprint(line[0].ContextMap()), "user:read:user") {
		t.Errorf("the log has %v", line)
	}
}

// A session lives on while its visitor is there: by page loads and requests of its pages.
func TestSessionsLiveOn(t *testing.T) {
	p := provision(t, `, "session": {"idle_timeout": "2s"}`)
	barred := p.beside(`, "session": {"idle_timeout": "2s"}, "allow": {"user_id": ["bob"]}`)
	ada := p.signIn()
	renewed := func(got *http.Response) bool {
		return strings.Contains(cookiesOf(got), p.site.manager.SessionCookieName()+"=")
	}
	first, _ := p.fetch("/zoom_pkce/session", ada)
	if renewed(first) {
		t.Error("renewed at once")
	}
	var answer sessionAnswer
	if err := json.Unmarshal([]byte(bodyOf(first)), &answer); err != nil || !answer.Authenticated || answer.User != (sessionUser{"ada", "account", "ada@example.com", "Ada Løvelace"}) ||
		time.Until(answer.ExpiresAt) > 2*time.Second || time.Until(answer.ExpiresAt) < 0 {
		t.Errorf("%+v, %v", answer, err)
	}
	time.Sleep(250 * time.Millisecond)
	for name, test := range map[string]struct {
		target  string
		headers []string
		want    bool
	}{
		"a page load":         {"/", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, true},
		"a script":            {"/", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Site", "same-origin"}, true},
		"an image elsewhere":  {"/", []string{"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Site", "cross-site"}, false},
		"the session's state": {"/zoom_pkce/session", nil, true},
	} {
		if got, _ := p.fetch(test.target, ada, test.headers...); renewed(got) != test.want {
			t.Errorf("%s: renewed is %v", name, !test.want)
		}
	}
	for _, target := range []string{"/", "/zoom_pkce/session"} {
		if got := barred.open(target, ada); got.StatusCode != http.StatusForbidden || renewed(got) {
			t.Errorf("who may not be here: %s", got.Status)
		}
	}
}
