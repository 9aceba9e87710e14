package pages

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
)

const (
	testSignIn  = "/zoom_pkce/login?return_to=%2Fmeet%2F42"
	testSignOut = "https://zoom.us/signout"
)

var testDetails = Details{
	RequestID: "7d9f", SignInURL: testSignIn, RetryURL: "/meet/42",
	Scopes:      []string{"user:read:zak"},
	Credentials: []string{"client_id", "client_secret"},
	RedirectURI: "https://app.example.com/zoom_pkce/callback",
}

// show returns what a visitor gets of p.
func show(t *testing.T, p Page) (html, policy string) {
	t.Helper()
	w := httptest.NewRecorder()
	p.Write(w, 418, Security{}, 0)
	if w.Code != 418 {
		t.Errorf("status %d", w.Code)
	}
	if got := w.Header().Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("content type %q", got)
	}
	if got := w.Header().Get("Content-Length"); got != strconv.Itoa(w.Body.Len()) {
		t.Errorf("%s bytes are announced, and %d come", got, w.Body.Len())
	}
	return w.Body.String(), w.Header().Get("Content-Security-Policy")
}

func allPages() map[string]Page {
	who := Account{"Ada Lovelace", "ada@example.org", "u1"}
	pages := map[string]Page{
		"sign in":        signInPage("7d9f", testSignIn),
		"unsaved form":   UnsavedFormPage("7d9f", testSignIn),
		"framed sign in": FramedSignInPage("7d9f", testSignIn, "/meet/42", FrameScript{}),
		"not allowed":    NotAllowedPage("7d9f", who, testSignOut, testSignIn),
		"sign out":       SignOutPage("7d9f", who, "/zoom_pkce/logout", "/"),
		"signed out":     SignedOutPage("7d9f", testSignIn, testSignOut),
	}
	for _, c := range outcome.All() {
		pages[string(c)] = ForCode(c, testDetails)
	}
	return pages
}

func TestEveryPage(t *testing.T) {
	for name, p := range allPages() {
		t.Run(name, func(t *testing.T) {
			body, policy := show(t, p)
			for _, want := range []string{
				`<html lang="en">`, `name="viewport"`, "<title>" + p.Title + "</title>", "<h1>" + p.Title + "</h1>",
				html.EscapeString(p.Message), `<svg class="mark"`,
			} {
				if !strings.Contains(body, want) {
					t.Errorf("%q is missing", want)
				}
			}
			// Who is only to sign in has nothing to ask anybody about.
			if quotes := strings.Contains(body, "<code>7d9f</code>"); quotes == (p.Code == outcome.SignInRequired) {
				t.Errorf("asks to mention the request: %v", quotes)
			}
			if n := strings.Count(body, `class="button"`); n != 1 {
				t.Errorf("%d ways on stand out, want 1", n)
			}
			if told := strings.Contains(body, "<code>"+string(p.Code)+"</code>"); p.Code != "" && told == (p.Code == outcome.SignInRequired) {
				t.Errorf("tells the code: %v", told)
			}
			if m := regexp.MustCompile(`(?i)<script|<link|<img|<iframe|\sstyle=|\son[a-z]+=|@import|url\(`).FindString(body); m != "" {
				t.Errorf("contains %q", m)
			}
			if strings.Contains(policy, "script-src") || strings.Contains(policy, "unsafe") {
				t.Errorf("policy %q", policy)
			}
			checkHash(t, body, policy, "style")
		})
	}
}

// checkHash checks that the policy lets exactly the page's own element through.
func checkHash(t *testing.T, html, policy, element string) {
	t.Helper()
	found := regexp.MustCompile(`(?s)<`+element+`[^>]*>(.*?)</`+element+`>`).FindAllStringSubmatch(html, -1)
	if len(found) != 1 {
		t.Fatalf("%d %s elements", len(found), element)
	}
	sum := sha256.Sum256([]byte(found[0][1]))
	if want := element + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "';"; !strings.Contains(policy, want) {
		t.Errorf("policy %q lacks %q", policy, want)
	}
}

func TestPageContents(t *testing.T) {
	signIn := `href="/zoom_pkce/login?return_to=%2Fmeet%2F42"`
	tests := []struct {
		name string
		p    Page
		want []string
	}{
		{"many programs", ManyProgramsPage("/again"), []string{"<h1>Too many programs at a time</h1>", "Please try again in a moment.", `href="/again"`}},
		{"missing scope", ForCode(outcome.MissingScope, testDetails), []string{"<code>user:read:zak</code>", signIn}},
		{"misconfigured", ForCode(outcome.ZoomMisconfigured, testDetails), []string{
			"<code>client_id</code>", "<code>client_secret</code>", "<code>https://app.example.com/zoom_pkce/callback</code>", signIn,
		}},
		{"unavailable", ForCode(outcome.ZoomUnavailable, testDetails), []string{`href="/meet/42"`, "try again in a moment"}},
		{"unopenable", ForCode(outcome.StoreUnavailable, Details{RetryURL: "/meet/42", Unopenable: true}), []string{
			`href="/meet/42"`, "cannot open your stored sign-in", "Only its operator",
		}},
		{"nothing here", ForCode(outcome.NotFound, testDetails), []string{`href="/meet/42">Go to the start page`}},
		{"declined", ForCode(outcome.Declined, testDetails), []string{"ask your Zoom administrator", signIn}},
		{"too many logins", ForCode(outcome.TooManyLogins, testDetails), []string{"cookies", "http://", "Caddy servers", signIn}},
		{"cookies", ForCode(outcome.CookiesMissing, testDetails), []string{"Cookies are turned off", signIn}},
		{"framed", FramedSignInPage("r", testSignIn, "/meet/42", FrameScript{}), []string{
			signIn + ` target="_blank" rel="noopener"`, `second" href="/meet/42">Reload`, "come back and reload",
		}},
		{"unsaved form", UnsavedFormPage("r", "/zoom_pkce/login"), []string{
			"Your session is over", "What you sent was not saved.", `href="/zoom_pkce/login" target="_blank" rel="noopener"`, "in a new tab", string(marks[markWait]),
		}},
		{"not allowed", NotAllowedPage("r", Account{"Ada", "ada@example.org", "u1"}, testSignOut, testSignIn), []string{
			"<bdi>Ada</bdi>", "<bdi>ada@example.org</bdi>", `href="https://zoom.us/signout" target="_blank"`, signIn, "first sign out at Zoom",
		}},
		{"not allowed, no name but an address", NotAllowedPage("r", Account{"", "ada@example.org", "u1"}, testSignOut, testSignIn), []string{"<bdi>ada@example.org</bdi>"}},
		{"not allowed, no address but a name", NotAllowedPage("r", Account{"Ada", "", "u1"}, testSignOut, testSignIn), []string{"<bdi>Ada</bdi>"}},
		{"not allowed, no name", NotAllowedPage("r", Account{UserID: "u1"}, testSignOut, testSignIn), []string{"<code>u1</code>"}},
		{"sign out", SignOutPage("r", Account{"Ada", "", "u1"}, "/zoom_pkce/logout", "/"), []string{
			`<form method="post" action="/zoom_pkce/logout"><button class="button" type="submit">`, "<bdi>Ada</bdi>", `second" href="/"`,
		}},
		{"sign out or disconnect", SignOutPage("r", Account{}, "/zoom_pkce/logout", "/").WithDisconnect(), []string{
			`name="disconnect" value="1">Disconnect from Zoom</button></form>`, "may go on using your Zoom account",
		}},
		{"signed out", SignedOutPage("r", testSignIn, testSignOut), []string{signIn, `href="https://zoom.us/signout"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			html, _ := show(t, tt.p)
			for _, want := range tt.want {
				if !strings.Contains(html, want) {
					t.Errorf("%q is missing from %s", want, html[strings.Index(html, "<main>"):])
				}
			}
		})
	}
}

func TestPagesSurviveHostileValues(t *testing.T) {
	evil := []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'-alert(1)-'`, "</style><script>alert(1)</script>",
		"\u202egnitrevni", "\x00\xff", `{{.Title}}`, "{env.HOME}", strings.Repeat("A", 1<<20),
	}
	for _, text := range evil {
		d := Details{RequestID: text, SignInURL: testSignIn, Scopes: []string{text}, Credentials: []string{text}, RedirectURI: text}
		for _, p := range []Page{
			NotAllowedPage(text, Account{text, text, text}, testSignOut, testSignIn),
			SignOutPage(text, Account{text, text, text}, "/zoom_pkce/logout", "/"),
			ForCode(outcome.MissingScope, d), ForCode(outcome.ZoomMisconfigured, d),
		} {
			html, _ := show(t, p)
			if strings.Contains(html, "<script") || strings.Contains(html, "<img") || strings.Count(html, "<style>") != 1 {
				t.Errorf("%.40q got into the page", text)
			}
			if len(html) > 16<<10 {
				t.Errorf("%.40q makes a page of %d bytes", text, len(html))
			}
			if !strings.HasSuffix(html, "</html>\n") {
				t.Errorf("%.40q cuts the page short", text)
			}
		}
	}
}

// Texts from elsewhere have an end, at a character, and no control characters.
func TestShorten(t *testing.T) {
	a := strings.Repeat("a", 300)
	for text, want := range map[string]string{
		a: a, a + "a": a + "…", a[1:] + "ä": a[1:] + "…", a[2:] + "ä": a[2:] + "ä", "a\r\nb\x00c\u2028d\u2029e\x7f": "abcde", "\xffa": "\uFFFDa", "": "",
	} {
		if got := Shorten(text); got != want {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// What has no value has no label either.
func TestFacts(t *testing.T) {
	html, _ := show(t, Page{Facts: []fact{{Label: "Nothing", Values: []string{"", "\x00"}}, {Label: "Something", Values: []string{"", "x"}}}})
	if strings.Contains(html, "Nothing") || strings.Count(html, "<dt>") != 1 || strings.Count(html, "<dd>") != 1 {
		t.Errorf("got %s", html)
	}
}

func TestPageOfABusySite(t *testing.T) {
	w := httptest.NewRecorder()
	if (Page{}).Write(w, 503, Security{}, 0); w.Header().Get("Retry-After") != "5" {
		t.Errorf("%v", w.Header())
	}
}

// A page that cannot be made leaves no half of it.
func TestPageThatCannotBeMade(t *testing.T) {
	w := httptest.NewRecorder()
	writeHTML(w, 200, "base.html", struct{ Title string }{"a title"}, Security{})
	if w.Code != 500 || !strings.Contains(w.Body.String(), "could not be shown") || strings.Contains(w.Body.String(), "a title") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	defer func() {
		if recover() == nil {
			t.Error("a file that is missing was found")
		}
	}()
	newInline("missing.js")
}

func TestInClientPage(t *testing.T) {
	write := func(p InClient) (html, policy string) {
		w := httptest.NewRecorder()
		p.Authorize, p.Registered = "/p/authorize", "https://app.example/cb"
		p.Write(w, Security{FrameAncestors: "https://zoom.us"})
		if w.Code != 200 {
			t.Errorf("status %d, of which Zoom's client makes what it likes", w.Code)
		}
		return w.Body.String(), w.Header().Get("Content-Security-Policy")
	}
	html, policy := write(InClient{Next: "/meet/42"})
	script := regexp.MustCompile(`(?s)data-next="/meet/42">(.*)</script>`).FindStringSubmatch(html)
	if script == nil {
		t.Fatalf("no script in %s", html)
	}
	sum := sha256.Sum256([]byte(script[1]))
	want := "script-src https://appssdk.zoom.us/sdk.min.js 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; connect-src 'self';"
	if !strings.Contains(policy, want) || !strings.Contains(policy, "frame-ancestors https://zoom.us") {
		t.Errorf("policy %s, want %s", policy, want)
	}
	for _, words := range []string{"<h1>Signing you in</h1>", `src="https://appssdk.zoom.us/sdk.min.js"`, `data-authorize="/p/authorize"`, `id="ways" hidden`} {
		if !strings.Contains(html, words) {
			t.Errorf("%q is missing in %s", words, html)
		}
	}
	html, _ = write(InClient{Wait: true, Next: "//evil.example"})
	for _, words := range []string{"<h1>Sign in to continue</h1>", "sign in with your Zoom account", `data-next=""`, `data-wait="yes"`} {
		if !strings.Contains(html, words) {
			t.Errorf("%q is missing in %s", words, html)
		}
	}
}

func TestPageLinks(t *testing.T) {
	tests := []struct {
		href string
		safe bool
	}{
		{"/", true},
		{"/x?return_to=%2F%2Fevil.example", true},
		{"https://zoom.us/signout", true},
		{"http://127.0.0.1:8080/x", true},
		{"http://localhost/x", true},
		{"http://[::1]:80/", true},
		{"", false},
		{"x", false},
		{"//evil.example", false},
		{"/a b", false},
		{`/\evil.example`, false},
		{"/\t/evil.example", false},
		{"/x\x7f", false},
		{"http://evil.example", false},
		{"http://localhost.evil.example", false},
		{"https://zoom.us@evil.example/", false},
		{"https:evil.example", false},
		{"javascript:alert(1)", false},
		{" javascript:alert(1)", false},
		{"data:text/html,x", false},
	}
	for _, tt := range tests {
		html, _ := show(t, Page{Form: way{Href: tt.href, Label: "go"}, Ways: []way{{Href: tt.href, Label: "go"}}})
		if n := strings.Count(html, ">go</"); (n == 2) != tt.safe || n == 1 {
			t.Errorf("%q: %d links", tt.href, n)
		}
	}
}

// Where fragments are kept a page has the script that completes its links, and no other.
func TestKeepFragment(t *testing.T) {
	p := signInPage("", testSignIn)
	p.KeepFragment = "/zoom_pkce/login"
	html, policy := show(t, p)
	checkHash(t, html, policy, "script")
	if !strings.Contains(html, `<script data-login="/zoom_pkce/login">`) {
		t.Error("the script is not told where the login is")
	}
	framed := FramedSignInPage("", testSignIn, "/", FrameScript{Endpoint: "/zoom_pkce/frame/redeem"})
	framed.KeepFragment = p.KeepFragment
	html, policy = show(t, framed)
	checkHash(t, html, policy, "script")
}

func TestHop(t *testing.T) {
	w := httptest.NewRecorder()
	KeepFragmentHop("/zoom_pkce/login?return_to=%2Fx%22%3E").Write(w, 200, Security{})
	html, policy := w.Body.String(), w.Header().Get("Content-Security-Policy")
	checkHash(t, html, policy, "style")
	checkHash(t, html, policy, "script")
	for _, want := range []string{
		`data-next="/zoom_pkce/login?return_to=%2Fx%22%3E"`, `href="/zoom_pkce/login?return_to=%2Fx%22%3E"`,
	} {
		if !strings.Contains(html, want) {
			t.Errorf("%q is missing from %s", want, html[strings.Index(html, "<main"):])
		}
	}
	for _, next := range []string{"//evil.example", "https://evil.example", "javascript:alert(1)", ""} {
		w := httptest.NewRecorder()
		KeepFragmentHop(next).Write(w, 200, Security{})
		if html := w.Body.String(); !strings.Contains(html, `data-next="/"`) || strings.Contains(html, "evil") {
			t.Errorf("%q: %s", next, html)
		}
	}
}
