package e2e

import (
	"fmt"
	"html"
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"
)

// A service worker that passes navigations on makes their destination "empty" and
// leaves redirects to the browser.
func browserServiceWorker(t *testing.T, c *chromium) {
	w := newWorld(t)
	w.upstream.serveWith(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/sw.js" {
			rw.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(rw, `addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => event.respondWith(fetch(event.request)));`)
			return
		}
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(rw, `<!DOCTYPE html><title>app</title><h1 id="app">%s for %s, as %s</h1><p id="out"></p><script>
navigator.serviceWorker.register("/sw.js");
const claimed = () => navigator.serviceWorker.controller && (document.getElementById("out").className = "done");
navigator.serviceWorker.addEventListener("controllerchange", claimed);
claimed();
</script><style>#out.done::after { content: "claimed" }</style>`,
			html.EscapeString(r.RequestURI), r.Header.Get("X-Zoom-User-Id"), r.Header.Get("Sec-Fetch-Dest"))
	})
	w.load(w.caddyfile(fmt.Sprintf("zoom_pkce /app/* {\n%s}\nreverse_proxy %s\n", w.options(), w.upstream.addr)))
	b := c.person(t).tab()
	b.open(w.url + "/")
	b.wait("#out.done")
	b.open(w.url + "/app/page?x=1")
	b.allow("user-ada", "#app")
	b.wantLocation(w.url + "/app/page?x=1")
	b.open(w.url + "/app/page?x=2")
	if got := b.text("#app"); got != "/app/page?x=2 for user-ada, as empty" {
		t.Errorf("the page says %q; did the worker not see it?", got)
	}
}

// The session ends while a form is filled in: the person is told, signs in in
// another tab, and sends the form once more.
func browserLateForm(t *testing.T, c *chromium) {
	w := newWorld(t)
	w.upstream.serveWith(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.Header.Get("X-Zoom-User-Id") == "" {
			t.Error("the app got a form of nobody")
		}
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(rw, `<!DOCTYPE html><title>app</title><h1 id="app">%s of %s: %s</h1>
<form method="post" action="/app/save"><input name="text" value="a long text"><button>Save</button></form>`,
			r.Method, r.Header.Get("X-Zoom-User-Id"), html.EscapeString(r.FormValue("text")))
	})
	w.load(w.caddyfile(fmt.Sprintf("zoom_pkce /app/* {\n%s}\nreverse_proxy %s\n", w.options(), w.upstream.addr)))
	p := c.person(t)
	b := p.tab()
	b.open(w.url + "/form")
	b.click("form button")
	b.wait(".mark")
	if title, told := b.text("h1"), b.text("main"); title != "Your session is over" {
		t.Errorf("the page says %q: %s", title, told)
	}
	b.click(".ways a[target=_blank]") // opens a tab; what happens there is done in one of ours
	other := p.tab()
	other.open(w.url + "/zoom_pkce/login")
	other.allow("user-ada", "#app")
	b.do("reloading", chromedp.Reload())
	b.wait("#app")
	if got := b.text("#app"); got != "POST of user-ada: a long text" {
		t.Errorf("sent once more, the app says %q", got)
	}
}
