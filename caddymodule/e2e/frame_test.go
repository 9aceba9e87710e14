package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const frameKey = "0123456789abcdef0123456789abcdef"

// frameWindow is the address of the window that a frame below lms.example opens.
const frameWindow = "/zoom_pkce/login?by=https%3A%2F%2Flms.example&frame=" + frameKey

// ticket is what a window is given.
func (a answer) ticket(t *testing.T) string {
	t.Helper()
	var got struct{ Ticket string }
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.StatusCode != http.StatusOK || got.Ticket == "" {
		t.Fatalf("no ticket: %d %s", a.StatusCode, a.body)
	}
	return got.Ticket
}

func quoted(name, value string) string { return `{"` + name + `":"` + value + `"}` }

func TestFrameTicketEndpoints(t *testing.T) {
	w := newWorld(t)
	w.load(w.behindTLS(sameSiteNone))
	window, frame := w.browserAt(siteOrigin), w.browserAt(siteOrigin)
	if got := window.fetch("POST", "/zoom_pkce/frame/ticket").problem(t).Code; got != "sign_in_required" {
		t.Errorf("signed out: got %s", got)
	}
	window.signIn("/", "user-ada")
	ticket := window.fetch("POST", "/zoom_pkce/frame/ticket").ticket(t)

	a := frame.post("frame/redeem", quoted("ticket", ticket))
	if a.StatusCode != http.StatusOK || !strings.Contains(a.body, `"id":"user-ada"`) || strings.Contains(a.body, ticket) {
		t.Fatalf("redeeming: got %d %s", a.StatusCode, a.body)
	}
	if c := a.Cookies()[0]; len(a.Cookies()) != 1 || !strings.HasSuffix(attributes(c), "|none|secure|httponly|partitioned") || len(c.Value) > 256 {
		t.Errorf("the frame's cookie is %v", c)
	}
	frame.wantUser("user-ada")
	window.wantUser("user-ada")

	for name, refused := range map[string]struct {
		a    answer
		code string
	}{
		"a second use":               {w.browserAt(siteOrigin).post("frame/redeem", quoted("ticket", ticket)), "login_expired"},
		"no ticket":                  {frame.post("frame/redeem", "{}"), "bad_request"},
		"nonsense":                   {frame.post("frame/redeem", quoted("ticket", "x")), "bad_request"},
		"no JSON":                    {frame.post("frame/redeem", "x"), "bad_request"},
		"a key that keeps no ticket": {frame.post("frame/redeem", quoted("frame", frameKey)), "bad_request"},
		"a frame asks for a ticket":  {frame.fetch("POST", "/zoom_pkce/frame/ticket"), "not_allowed"},
		"no key":                     {window.post("frame/ticket", quoted("frame", "x; Domain=example.com")), "bad_request"},
		"a foreign window":           {window.fetch("POST", "/zoom_pkce/frame/ticket", "Sec-Fetch-Site", "cross-site"), "cross_site"},
		"a foreign frame":            {frame.fetch("POST", "/zoom_pkce/frame/redeem", "Sec-Fetch-Site", "same-site"), "cross_site"},
	} {
		if len(refused.a.Cookies()) != 0 {
			t.Errorf("%s: cookies %v", name, refused.a.Cookies())
		}
		if got := refused.a.problem(t).Code; got != refused.code {
			t.Errorf("%s: got %s, want %s", name, got, refused.code)
		}
	}
}

// Where the window was cut off from its frame the ticket lies in a cookie for a minute,
// which the frame sees once it may see the cookies of its site.
func TestKeptFrameTicket(t *testing.T) {
	w := newWorld(t)
	w.load(w.behindTLS(sameSiteNone))
	window, frame := w.browserAt(siteOrigin), w.browserAt(siteOrigin)
	window.signIn("/", "user-ada")
	a := window.post("frame/ticket", quoted("frame", frameKey))
	a.ticket(t)
	c := a.Cookies()[0]
	if !strings.HasSuffix(c.Name, "_frame_"+frameKey) || !strings.HasSuffix(attributes(c), "|none|secure|httponly") || c.MaxAge != 60 {
		t.Errorf("the ticket is kept as %v", c)
	}
	frame.jar.SetCookies(frame.request("GET", "/").URL, []*http.Cookie{c})
	if a := frame.post("frame/redeem", quoted("frame", strings.Repeat("0", 32))); a.StatusCode != http.StatusBadRequest {
		t.Errorf("another frame gets %d", a.StatusCode)
	}
	if a := frame.post("frame/redeem", quoted("frame", frameKey)); a.StatusCode != http.StatusOK || len(a.Cookies()) != 2 {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	frame.wantUser("user-ada")
	if line := frame.cookieLine(); strings.Contains(line, frameKey) {
		t.Errorf("the ticket is kept on: %s", line)
	}
	if got := frame.open("/").received(t).Header.Get("Cookie"); got != "" {
		t.Errorf("the app sees %q", got)
	}
}

func TestFrameTicketAndAllow(t *testing.T) {
	w := newWorld(t)
	w.load(w.behindTLS(sameSiteNone))
	window := w.browserAt(siteOrigin)
	window.signIn("/", "user-ada")
	ticket := window.fetch("POST", "/zoom_pkce/frame/ticket").ticket(t)
	w.load(w.behindTLS(sameSiteNone, "allow {\nuser_id user-bob\n}"))
	for name, a := range map[string]answer{
		"ticket": window.fetch("POST", "/zoom_pkce/frame/ticket"),
		"redeem": w.browserAt(siteOrigin).post("frame/redeem", quoted("ticket", ticket)),
		"window": window.open(frameWindow),
	} {
		if a.StatusCode != http.StatusForbidden {
			t.Errorf("%s: got %d %s", name, a.StatusCode, a.body)
		}
	}
}

func TestFrameWindow(t *testing.T) {
	w := newWorld(t)
	w.load(w.behindTLS(sameSiteNone, "zoom_app"))
	b := w.browserAt(siteOrigin)
	start := b.open(frameWindow)
	declined, err := w.zoom.Decline(t.Context(), b.open(frameWindow).Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	// Who tries again after a failure comes back to the frame's window, too.
	if a := b.open(declined); !strings.Contains(a.body, `href="/zoom_pkce/login?by=https%3A%2F%2Flms.example&amp;frame=`+frameKey) {
		t.Errorf("the way on from a failure leads elsewhere: %s", a.body)
	}
	back := b.open(b.consent(start, "user-ada"))
	wantRedirect(t, back, frameWindow)
	a := b.open(frameWindow)
	for _, want := range []string{"https://lms.example", "ada@example.com", `data-frame="` + frameKey + `"`, `data-endpoint="/zoom_pkce/frame/ticket"`} {
		if a.StatusCode != http.StatusOK || !strings.Contains(a.body, want) {
			t.Errorf("got %d, %q is missing from %s", a.StatusCode, want, a.body)
		}
	}
	if policy := a.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "frame-ancestors 'none'") || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", a.Header)
	}
	if len(a.Cookies()) != 0 || strings.Contains(a.body, `"ticket"`) {
		t.Error("something was handed over before a press")
	}
	// In a frame it is the page that opens it.
	if a := b.open(frameWindow, "Sec-Fetch-Dest", "iframe"); a.StatusCode != http.StatusUnauthorized || strings.Contains(a.body, frameKey) {
		t.Errorf("framed: got %d %s", a.StatusCode, a.body)
	}
}

// What no script of ours has written is a plain sign-in.
func TestNoFrameWindow(t *testing.T) {
	w := newWorld(t)
	w.load(w.behindTLS(sameSiteNone))
	b := w.browserAt(siteOrigin)
	b.signIn("/", "user-ada")
	for name, query := range map[string]url.Values{
		"no key":             {"by": {"https://lms.example"}},
		"short key":          {"frame": {"abc"}, "by": {"https://lms.example"}},
		"key with a newline": {"frame": {frameKey[:31] + "\n"}, "by": {"https://lms.example"}},
		"nobody around":      {"frame": {frameKey}},
		"a page without one": {"frame": {frameKey}, "by": {"https://lms.example,null"}},
		"a path":             {"frame": {frameKey}, "by": {"https://lms.example/x"}},
		"a text":             {"frame": {frameKey}, "by": {"your bank"}},
		"a user":             {"frame": {frameKey}, "by": {"https://bank.example@lms.example"}},
		"too long":           {"frame": {frameKey}, "by": {"https://" + strings.Repeat("a", 600)}},
	} {
		a := b.open("/zoom_pkce/login?" + query.Encode())
		if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), w.zoom.URL) {
			t.Errorf("%s: got %d %q", name, a.StatusCode, a.Header.Get("Location"))
		}
	}
}

// With SameSite=Lax a frame is signed out anyway.
func TestLaxHasNoFrames(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	b := w.browser()
	b.signIn("/", "user-ada")
	for _, name := range []string{"frame/ticket", "frame/redeem"} {
		if a := b.post(name, "{}"); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: got %d", name, a.StatusCode)
		}
	}
	if a := b.open(frameWindow); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the window: got %d", a.StatusCode)
	}
	if a := w.browser().open("/", "Sec-Fetch-Dest", "iframe"); strings.Contains(a.body, "<script") {
		t.Errorf("the page in the frame has a script: %s", a.body)
	}
}

// A window whose session is lost each time does not go round for ever.
func TestFrameWindowIsNoLoop(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(sameSiteNone))
	w.browser().goesRound(t, frameWindow)
}

// A frame's session lets nobody give a program what the user has, nor see or end what was given.
func TestFramesAllowNoPrograms(t *testing.T) {
	w := newWorld(t)
	w.load(w.behindTLS(sameSiteNone + "\nprograms {\nclient cli http://127.0.0.1/callback\n}"))
	window, frame := w.browserAt(siteOrigin), w.browserAt(siteOrigin)
	window.signIn("/", "user-ada")
	frame.post("frame/redeem", quoted("ticket", window.fetch("POST", "/zoom_pkce/frame/ticket").ticket(t)))
	frame.wantUser("user-ada")
	for _, target := range []string{
		"/zoom_pkce/programs",
		"/zoom_pkce/oauth/authorize?response_type=code&client_id=cli&redirect_uri=http%3A%2F%2F127.0.0.1%3A8000%2Fcallback&code_challenge_method=S256&code_challenge=" + strings.Repeat("c", 43),
	} {
		if a := window.open(target); a.StatusCode != http.StatusOK || strings.Contains(a.body, "oauth/authorize?client_id") {
			t.Errorf("%s in the window: got %d", target, a.StatusCode)
		}
		if a := frame.open(target); a.StatusCode == http.StatusOK || strings.Contains(a.body, "ada@example.com") {
			t.Errorf("%s in the frame: got %d\n%s", target, a.StatusCode, a.body)
		}
	}
}
