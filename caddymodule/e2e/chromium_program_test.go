package e2e

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestBrowserOfAProgram is what the user of a program sees, in a real browser: the
// policy of the consent page has to let its form lead to the program.
func TestBrowserOfAProgram(t *testing.T) {
	c := startChromium(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *world, *program, *tab)
	}{
		{"allows by a click, and sees it in the list", consentByClick},
		{"allows by keyboard", consentByKeyboard},
		{"does not allow", consentDenied},
		{"declines at Zoom", consentDeclinedAtZoom},
		{"has a narrow screen", consentOnNarrowScreen},
		{"has a program whose server redirects on", consentThatIsRedirectedOn},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.load(w.site(programOptions))
			p := w.program()
			listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				fmt.Fprintf(w, "<p id=app>%s</p>", html.EscapeString(r.URL.RawQuery))
			}))
			t.Cleanup(listener.Close)
			p.redirect = listener.URL + "/callback"
			b := c.person(t).tab()
			b.open(w.url + p.request())
			test.run(t, w, p, b)
		})
	}
}

// told is what the program is told where the browser is now.
func (p *program) told(b *tab) url.Values {
	b.t.Helper()
	b.wait("#app")
	query, err := url.ParseQuery(b.text("#app"))
	if err != nil || !strings.HasPrefix(b.location(), p.redirect+"?") || query.Get("iss") != p.w.url || query.Get("state") != "the state" {
		b.t.Fatalf("at %s", b.location())
	}
	return query
}

// The buttons are ours: Zoom's page has one that allows, too.
const (
	allowButton = `form[action$="/oauth/consent"] button[value=allow]`
	denyButton  = `form[action$="/oauth/consent"] button[value=deny]`
)

func consentByClick(t *testing.T, w *world, p *program, b *tab) {
	b.allow("user-ada", allowButton)
	if got := b.text("h1"); got != "Allow cli?" {
		t.Errorf("the page asks %q", got)
	}
	b.click(allowButton)
	p.exchange(p.told(b).Get("code"))
	p.wantUser("user-ada")
	b.open(w.url + "/zoom_pkce/programs")
	if got := b.text("main"); !strings.Contains(got, "cli") || !strings.Contains(got, "127.0.0.1:") {
		t.Errorf("the list says %q", got)
	}
	b.click(`form[action$="/programs/end"] button`)
	b.wait("main:not(:has(form)) > p")
	if got := b.text("main"); !strings.Contains(got, "No program") {
		t.Errorf("the list says %q", got)
	}
	p.wantDead()
}

func consentByKeyboard(t *testing.T, _ *world, p *program, b *tab) {
	b.allow("user-ada", allowButton)
	// The link to the list comes first, then the button.
	b.do("pressing keys", chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	p.exchange(p.told(b).Get("code"))
	p.wantUser("user-ada")
}

func consentDenied(t *testing.T, _ *world, p *program, b *tab) {
	b.allow("user-ada", denyButton)
	b.click(denyButton)
	if got := p.told(b); got.Get("error") != "access_denied" || got.Has("code") {
		t.Errorf("told %v", got)
	}
}

func consentDeclinedAtZoom(t *testing.T, _ *world, p *program, b *tab) {
	b.click("button[value=decline]")
	if got := p.told(b); got.Get("error") != "access_denied" || got.Has("code") {
		t.Errorf("told %v", got)
	}
}

func consentOnNarrowScreen(t *testing.T, _ *world, p *program, b *tab) {
	b.do("narrowing the screen", chromedp.EmulateViewport(320, 568))
	b.allow("user-ada", allowButton)
	wide, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("document.documentElement.scrollWidth > innerWidth"))
	if err != nil || wide {
		t.Errorf("the page is wider than the screen: %v, %v", wide, err)
	}
	b.click(allowButton)
	p.exchange(p.told(b).Get("code"))
}

// Attack 8, from the other side: browsers hold every redirect after the form to its policy,
// which must not keep a code from a server that sends the browser on to its program.
func consentThatIsRedirectedOn(t *testing.T, w *world, p *program, b *tab) {
	app := p.redirect
	server := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, app+"?"+r.URL.RawQuery, http.StatusFound)
	}))
	t.Cleanup(server.Close)
	p.redirect = server.URL + "/callback"
	w.load(w.site("headers {\nclient X-Zoom-Client-Id\n}\nprograms {\nclient cli " + p.redirect + "\n}"))
	b.open(w.url + p.request())
	b.allow("user-ada", allowButton)
	b.click(allowButton)
	b.wait("#app")
	got, err := url.ParseQuery(b.text("#app"))
	if err != nil || !strings.HasPrefix(b.location(), app) || got.Get("iss") != w.url {
		t.Fatalf("at %s", b.location())
	}
	p.exchange(got.Get("code"))
	p.wantUser("user-ada")
}
