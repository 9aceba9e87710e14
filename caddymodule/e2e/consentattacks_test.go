package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// wantNoCode checks that an answer leads nobody to a program.
func (p *program) wantNoCode(what string, a answer) {
	p.w.t.Helper()
	location := a.Header.Get("Location")
	if strings.HasPrefix(location, p.redirect) || strings.Contains(location+a.body, "code=") || strings.Contains(a.Header.Get("Refresh"), p.redirect) {
		p.w.t.Errorf("%s: %d to %q\n%s", what, a.StatusCode, location, a.body)
	}
}

// Attack 1, the confused deputy: Zoom knows one app, and asks a user about it once.
// Whoever registers a client of their own must not get a code by a link that the user
// follows, whatever the user has allowed before.
func TestConfusedDeputy(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(programOptions))
	victim := w.signedIn("user-ada")
	honest := w.program()
	honest.id = honest.register()
	honest.signedInBy(victim)
	attacker := w.program()
	attacker.id = attacker.register() // by the same name, for the same redirect URI
	w.zoom.ResetCounts()
	for name, header := range map[string][]string{
		"a link":       {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-User", "?1"},
		"a redirect":   {"Sec-Fetch-Site", "cross-site"},
		"a frame":      {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Dest", "iframe"},
		"an image":     {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"},
		"a fetch":      {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Origin", "https://evil.example"},
		"a prefetch":   {"Sec-Fetch-Site", "cross-site", "Sec-Purpose", "prefetch"},
		"an old agent": {"Sec-Fetch-Site", "", "Sec-Fetch-Mode", "", "Sec-Fetch-Dest", ""},
	} {
		for _, p := range []*program{attacker, honest} {
			for _, change := range [][]string{nil, {"prompt", "none"}, {"approval_prompt", "auto"}, {"decision", "allow"}, {"skip_scope_selection", "true"}} {
				p.wantNoCode(fmt.Sprint(name, change), victim.open(p.request(change...), header...))
			}
		}
	}
	page := victim.open(attacker.request())
	if page.StatusCode != http.StatusOK || !strings.Contains(page.body, "unverified") {
		t.Errorf("%d\n%s", page.StatusCode, page.body)
	}
	attacker.redirected(victim.pressConsent(page, "deny"))
}

// Attack 2: the attacker begins, and has the victim sign in at Zoom. What comes of it
// counts in the attacker's browser alone, where it does not arrive.
func TestSignInOfTheVictimForTheAttacker(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(programOptions))
	p := w.program()
	for name, victim := range map[string]*browser{"signed in": w.signedIn("user-ada"), "signed out": w.browser()} {
		attacker := w.browser()
		callback := victim.consent(attacker.open(p.request()), "user-ada")
		a := victim.open(callback)
		p.wantNoCode("a victim who is "+name, a)
		if strings.Contains(a.Header.Get("Location"), "oauth/authorize?client_id=cli") {
			t.Errorf("a victim who is %s is sent to %s", name, a.Header.Get("Location"))
		}
		attacker.wantSignedOut()
		p.wantNoCode("the attacker", attacker.open(p.request()))
	}
	// The page that the attacker got is of no use to the victim, who shall press it.
	attacker, victim := w.signedIn("user-bob"), w.signedIn("user-ada")
	page := attacker.open(p.request())
	p.wantNoCode("the attacker's page", victim.pressConsent(page, "allow"))
}

// Attack 3: another site's page sends the form of the consent page, with a value that
// the attacker got, or none.
func TestForgedConsent(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(programOptions, "cookie {\nsame_site none\n}"))
	p, attacker, victim := w.program(), w.signedIn("user-bob"), w.signedIn("user-ada")
	theirs, hers := attacker.open(p.request()), victim.open(p.request())
	for name, header := range map[string][]string{
		"another site":          {"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
		"a neighbour":           {"Sec-Fetch-Site", "same-site", "Origin", "https://evil.example"},
		"no origin":             {"Sec-Fetch-Site", "cross-site", "Origin", "null"},
		"an agent of old":       {"Sec-Fetch-Site", "", "Sec-Fetch-Mode", "", "Sec-Fetch-Dest", "", "Origin", "https://evil.example"},
		"one that says nothing": {"Sec-Fetch-Site", "", "Sec-Fetch-Mode", "", "Sec-Fetch-Dest", "", "Origin", "", "Referer", "https://evil.example/"},
		"the site itself":       nil,
	} {
		p.wantNoCode(name+", the attacker's value", victim.pressConsent(theirs, "allow", header...))
		p.wantNoCode(name+", no value", victim.pressConsent(answer{hers.Response, `name="consent" value="x"`}, "allow", header...))
		if header != nil && name != "one that says nothing" {
			p.wantNoCode(name+", her own value", victim.pressConsent(hers, "allow", header...))
		}
	}
	p.exchange(p.redirected(victim.pressConsent(hers, "allow")).Get("code"))
}

// Attack 5: what waits for an answer leaves no cookies that pile up, and one tab does not
// spoil another's.
func TestConsentsLeaveNoCookies(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(programOptions))
	b, p := w.signedIn("user-ada"), w.program()
	before := b.cookieLine()
	var pages []answer
	for n := range 50 {
		page := b.open(p.request("state", fmt.Sprint("state ", n)))
		if len(page.Header["Set-Cookie"]) > 0 {
			t.Fatalf("page %d sets %q", n, page.Header["Set-Cookie"])
		}
		pages = append(pages, page)
	}
	if after := b.cookieLine(); after != before {
		t.Errorf("cookies: %q, before %q", after, before)
	}
	for n, page := range pages[:3] { // in the order in which they were opened, and the first ones last
		a := b.pressConsent(page, "allow")
		back, err := url.Parse(a.Header.Get("Location"))
		if err != nil || back.Query().Get("state") != fmt.Sprint("state ", n) || back.Query().Get("code") == "" {
			t.Errorf("tab %d: %d to %s", n, a.StatusCode, back)
		}
	}

	// Sign-ins that are begun for programs do not pile up either.
	b = w.browser()
	for n := range 50 {
		b.open(p.request("state", fmt.Sprint(n), "padding", strings.Repeat("x", 900)))
	}
	if line := b.cookieLine(); len(line) > 16<<10 {
		t.Errorf("%d bytes of cookies: %d of them", len(line), len(b.cookies()))
	}
}

// Attack 6: who may register a client must not have people sent to any site.
func TestRegistrationIsNoOpenRedirector(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(programOptions))
	b, p := w.signedIn("user-ada"), w.program()
	evil := []string{
		"https://evil.example/", "https://claude.ai@evil.example/", "https://claude.ai.evil.example/", "https://evil.example/https://claude.ai/", "https://claude.ai:8443/",
		"https://claude.ai\\@evil.example/", "https://evilclaude.ai/", "//evil.example/", "http://evil.example/", "http://localhost.evil.example/", "http://127.0.0.1@evil.example/",
		"javascript:alert(1)", "JAVASCRIPT:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)", "data:text/html,x", "myapp:/", "ms-settings:", "file:///etc/passwd", "vbscript:x", "blob:https://claude.ai/x",
	}
	r := b.request(http.MethodPost, "/zoom_pkce/oauth/register", "Content-Type", "application/json")
	setBody(r, `{"redirect_uris":["http://127.0.0.1/callback",`+strings.ReplaceAll(fmt.Sprintf("%q", evil)[1:], `" "`, `","`)+`}`)
	a := p.send(r)
	if a.StatusCode != http.StatusCreated || !strings.Contains(a.body, `"redirect_uris":["http://127.0.0.1/callback"]`) {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	_, p.id, _ = strings.Cut(a.body, `"client_id":"`)
	p.id, _, _ = strings.Cut(p.id, `"`)
	b.pressConsent(b.open(p.request()), "deny")
	for _, uri := range evil {
		for who, b := range map[string]*browser{"a user": b, "nobody": w.browser()} {
			// Neither a good request nor a bad one is answered there.
			for _, change := range []string{"code", "token"} {
				a := b.open(p.request("redirect_uri", uri, "response_type", change))
				if a.Header.Get("Location") != "" || a.StatusCode != http.StatusBadRequest {
					t.Errorf("%s, %s: %d to %q", who, uri, a.StatusCode, a.Header.Get("Location"))
				}
			}
		}
	}
}

// Attack 8: no page around it has the consent page's button pressed, and the policy that
// keeps its form at home lets the answer reach the program: browsers hold the whole way
// after the form to it.
func TestPolicyOfTheConsentPage(t *testing.T) {
	w := newWorld(t)
	// Where the site itself may be framed, too.
	w.load(w.site("zoom_app", `programs {
		client all https://app.example.org/callback com.example.all:/signed-in http://127.0.0.1/callback http://localhost/callback http://[::1]/callback
		registration on
	}`))
	b, p := w.signedIn("user-ada"), w.program()
	p.id = "all"
	for redirect, form := range map[string]string{
		"https://app.example.org/callback": "", // it may redirect on, to a scheme of the program's
		"http://[::1]:4000/callback":       "", // no source of a policy names it
		"com.example.all:/signed-in":       "form-action 'self' com.example.all:",
		"http://127.0.0.1:4000/callback":   "form-action 'self' http://127.0.0.1:4000",
		"http://localhost:4000/callback":   "form-action 'self' http://localhost:4000",
	} {
		page := b.open(p.request("redirect_uri", redirect))
		var got string
		policy := strings.Split(page.Header.Get("Content-Security-Policy"), "; ")
		for _, directive := range policy {
			if strings.HasPrefix(directive, "form-action") {
				got = directive
			}
		}
		if page.StatusCode != http.StatusOK || got != form {
			t.Errorf("%s: %d with %q, want %q", redirect, page.StatusCode, got, form)
		}
		if last := policy[len(policy)-1]; last != "frame-ancestors 'none'" {
			t.Errorf("%s: %q", redirect, last)
		}
	}
	if list := b.open("/zoom_pkce/programs"); !strings.Contains(list.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("the list: %q", list.Header.Get("Content-Security-Policy"))
	}
}

// Attack 16: the page comes after the sign-in at Zoom. That sign-in, begun by whichever
// program, gives it nothing, and leaves nothing of it behind.
func TestSignInAloneGivesAProgramNothing(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(programOptions))
	b, p := w.browser(), w.program()
	p.id = p.register()
	back := b.open(b.consent(b.open(p.request()), "user-ada"))
	p.wantNoCode("signed in", back)
	p.wantNoCode("asked", b.open(back.Header.Get("Location")))
	b.wantUser("user-ada")
	if list := b.open("/zoom_pkce/programs"); !strings.Contains(list.body, "No program can use this site in your name.") {
		t.Errorf("the list: %s", list.body)
	}
	if got := b.open("/").received(t).Header.Get("X-Zoom-Client-Id"); got != "" {
		t.Errorf("the app is told of %q", got)
	}
}
