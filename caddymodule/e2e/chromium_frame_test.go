package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	devtools "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// TestFrame embeds the app in a page of another site: 127.0.0.1, the hosts below
// localhost, and the browser's word on whose cookies are whose.
func TestFrame(t *testing.T) {
	for _, cookies := range []struct {
		name    string
		mode    int  // Chromium's cookie_controls_mode
		blocked bool // what a frame sees of its site's other cookies is for the visitor to say
	}{
		{"third-party cookies allowed", 0, false},
		{"third-party cookies blocked", 1, true},
	} {
		t.Run(cookies.name, func(t *testing.T) {
			c := startChromium(t, fmt.Sprintf(`{"profile":{"cookie_controls_mode":%d,"block_third_party_cookies":%v}}`, cookies.mode, cookies.blocked))
			t.Run("the window signs the frame in", func(t *testing.T) { frameSignsIn(t, c.owner(t)) })
			t.Run("the window is cut off", func(t *testing.T) { frameCutOff(t, c.owner(t), cookies.blocked) })
			t.Run("a third site gets nothing", func(t *testing.T) { frameThirdSite(t, c.owner(t)) })
			t.Run("a frame signs out by itself", func(t *testing.T) { frameSignsOut(t, c.owner(t)) })
		})
	}
}

const sameSiteNone = "cookie {\nsame_site none\n}"

// newFrameWorld is an app that may be embedded.
func newFrameWorld(t *testing.T, options ...string) *world {
	w := newWorld(t)
	w.upstream.pages("")
	w.load(w.site(append(options, sameSiteNone)...))
	return w
}

// around is a page of another site, with a frame.
func around(t *testing.T, host, src string) (url string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!DOCTYPE html><title>around</title><iframe width="700" height="600" src="%s"></iframe>`, src)
	}))
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "127.0.0.1", host, 1)
}

// target finds a frame or a window of the browser, and attaches to it.
func (b *tab) target(kind, prefix string) *tab {
	b.t.Helper()
	var found target.ID
	testkit.Eventually(b.t, "a target of the type "+kind+" at "+prefix, browserPatience, func() bool {
		infos, err := chromedp.Targets(b.ctx)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, info := range infos {
			if info.Type == kind && strings.HasPrefix(info.URL, prefix) {
				found = info.TargetID
			}
		}
		return found != ""
	})
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithTargetID(found))
	b.t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		b.t.Fatal("attaching: ", err)
	}
	return &tab{b.t, ctx}
}

// frame is the app in a page of another site, signed out, and the page around it.
func (w *world) frame(p *person, host string) (frame *tab, around string) {
	p.t.Helper()
	b := p.tab()
	around = aroundPage(w, host)
	b.open(around + "/")
	frame = b.target("iframe", w.url+"/in/"+host)
	frame.wait(".ways")
	return frame, around
}

func aroundPage(w *world, host string) string {
	return around(w.t.(*testing.T), host, w.url+"/in/"+host)
}

// press presses the window's button as soon as it may be pressed.
func (b *tab) press() {
	b.t.Helper()
	b.do("waiting for the button", chromedp.WaitEnabled(chromedp.CSS("#go")))
	b.click("#go")
}

func (b *tab) wantText(selector, want string) {
	b.t.Helper()
	if got := b.text(selector); got != want {
		b.t.Errorf("%s says %q, want %q", selector, got, want)
	}
}

// waitText waits for words in a tab that is behind another, which draws nothing.
func (b *tab) waitText(selector, want string) {
	b.t.Helper()
	testkit.Eventually(b.t, fmt.Sprintf("%s to say %q", selector, want), browserPatience, func() bool { return b.text(selector) == want })
}

func frameSignsIn(t *testing.T, p *person) {
	w := newFrameWorld(t)
	frame, page := w.frame(p, "embedder.localhost")
	frame.click(".ways a")
	window := frame.target("page", w.zoom.URL)
	window.allow("user-ada", "#go")
	if got := window.text("dl"); !strings.Contains(got, page) || !strings.Contains(got, "Ada") {
		t.Errorf("the window names %q, want %s", got, page)
	}
	// Nothing is handed over before a press, and a window that has just come to the front
	// takes none.
	window.do("waiting for the button", chromedp.WaitEnabled(chromedp.CSS("#go")))
	frame.wantText("h1", "Sign in to continue")
	off, err := chromedp.Run(window.ctx, chromedp.Evaluate[bool](`dispatchEvent(new Event("focus")), document.getElementById("go").disabled`))
	if err != nil || !off {
		t.Errorf("a window that comes to the front takes a press at once: %v", err)
	}
	window.press()
	frame.wait("#app")
	frame.wantText("#app", "/in/embedder.localhost for user-ada")

	// The window's own session takes the visitor there at once; one site's frame is not
	// another's.
	other, page := w.frame(p, "other.localhost")
	other.click(".ways a")
	again := other.target("page", w.url+"/zoom_pkce/login")
	again.wait("#go")
	if got := again.text("dl"); !strings.Contains(got, page) {
		t.Errorf("the window names %q, want %s", got, page)
	}
	again.press()
	other.wait("#app")
	if n := w.zoom.Count(zoomtest.CallCode); n != 1 {
		t.Errorf("%d exchanges, want 1", n)
	}
}

// cutOff is a page on the way to Zoom that cuts the window off from who opened it.
func (w *world) cutOff(t *testing.T) (authorizeURL string) {
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		rw.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
		fmt.Fprintf(rw, `<!DOCTYPE html><script>location.replace(%q + location.search)</script>`, w.zoom.URL+"/oauth/authorize")
	}))
	t.Cleanup(server.Close)
	return server.URL + "/oauth/authorize"
}

func frameCutOff(t *testing.T, p *person, blocked bool) {
	w := newWorld(t)
	w.upstream.pages("")
	w.load(w.site("authorize_url "+w.cutOff(t), sameSiteNone))
	frame, page := w.frame(p, "embedder.localhost")
	frame.click(".ways a")
	window := frame.target("page", w.zoom.URL)
	window.allow("user-ada", "#go")
	if cut, err := chromedp.Run(window.ctx, chromedp.Evaluate[bool]("window.opener === null")); err != nil || !cut {
		t.Fatal("the window was not cut off:", err)
	}
	frame.click(".ways a.second")
	if has, err := chromedp.Run(frame.ctx, chromedp.Evaluate[bool]("document.hasStorageAccess()", chromedp.EvalAwaitPromise)); err != nil || has == blocked {
		t.Fatalf("the browser lets the frame see other cookies: %v, %v", has, err)
	}
	if blocked {
		p.allowCookies(page, w.url)
	}
	frame.click(".ways a.second") // too early
	frame.waitText("#message", "The new window has not given its answer yet.")
	window.press()
	window.waitText("#message", "Done. Go back to the page you came from and press Continue there.")
	// A frame of a third site, even one that may see the cookies, has another key.
	third, thirdPage := w.frame(p, "third.localhost")
	p.allowCookies(thirdPage, w.url)
	if got := third.redeem(`{"frame":"` + strings.Repeat("0", 32) + `"}`); got != 400 {
		t.Errorf("a third site's frame gets %d", got)
	}
	frame.click(".ways a.second")
	frame.wait("#app")
	frame.wantText("#app", "/in/embedder.localhost for user-ada")
}

// allowCookies answers the browser's question whether a frame may see the cookies of its
// site.
func (p *person) allowCookies(around, framed string) {
	p.t.Helper()
	b := chromedp.FromContext(p.ctx)
	if _, err := chromedp.CallBrowser(p.ctx, devtools.SetPermission, devtools.SetPermissionParams{
		Permission: &devtools.PermissionDescriptor{Name: "storage-access"}, Setting: devtools.PermissionSettingGranted,
		Origin: around, EmbeddedOrigin: framed, BrowserContextID: b.BrowserContextID,
	}); err != nil {
		p.t.Fatal("allowing cookies: ", err)
	}
}

// redeem is what a script of the app could do.
func (b *tab) redeem(body string) int {
	b.t.Helper()
	status, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](fmt.Sprintf(
		`document.requestStorageAccess().catch(() => 0).then(() => fetch("/zoom_pkce/frame/redeem", {method: "POST", body: %q})).then(a => a.status)`, body),
		chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Error("redeeming: ", err)
	}
	return status
}

// A third site that opens the window itself, under another's name, gets no ticket,
// and neither does its frame.
func frameThirdSite(t *testing.T, p *person) {
	w := newFrameWorld(t)
	window := w.url + "/zoom_pkce/login?by=http://trusted.example&frame=" + strings.Repeat("0", 32)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(rw, `<!DOCTYPE html><title>third</title><p id="got">nothing</p><button id="open">open</button>
<iframe id="frame" width="700" height="500" src="%s/in/frame"></iframe><script>
onmessage = (event) => { document.getElementById("got").textContent = JSON.stringify(event.data); };
document.getElementById("open").onclick = () => { open(%q); setInterval(() => {
	document.getElementById("frame").contentWindow.postMessage({frame: %q, ticket: "x"}, "*");
}, 100); };
</script>`, w.url, window, strings.Repeat("0", 32))
	}))
	t.Cleanup(server.Close)
	third := p.tab()
	third.open(strings.Replace(server.URL, "127.0.0.1", "third.localhost", 1))
	frame := third.target("iframe", w.url)
	frame.wait(".ways")
	third.click("#open")
	opened := third.target("page", w.zoom.URL)
	opened.allow("user-ada", "#go")
	before := w.upstream.requests.Load()
	opened.press()
	third.do("waiting", chromedp.Sleep(500*time.Millisecond))
	third.wantText("#got", "nothing")
	frame.wantText("#message", "This site asks you to sign in with your Zoom account.")
	frame.click(".ways a.second")
	frame.do("waiting", chromedp.Sleep(300*time.Millisecond))
	frame.wantText("h1", "Sign in to continue")
	if got := w.upstream.requests.Load(); got != before {
		t.Error("the frame got to the app")
	}
}

func frameSignsOut(t *testing.T, p *person) {
	w := newFrameWorld(t)
	frame, _ := w.frame(p, "embedder.localhost")
	frame.click(".ways a")
	window := frame.target("page", w.zoom.URL)
	window.allow("user-ada", "#go")
	window.press()
	frame.wait("#app")
	frame.do("signing out", chromedp.Evaluate[chromedp.Void](
		`fetch("/zoom_pkce/logout", {method: "POST", redirect: "manual"}).then(() => location.reload())`, chromedp.EvalAwaitPromise))
	frame.wait(".ways")
	b := p.tab()
	b.open(w.url + "/page")
	b.wantText("#app", "/page for user-ada")
}
