package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// With error_pages off every refusal goes to handle_errors, with the status and
// code that the page would have.
func TestErrorPagesOff(t *testing.T) {
	pages, errors := newWorld(t), newWorld(t)
	run := func(w *world, options string) []string {
		options += "\nallow {\nuser_id user-ada\n}\nzoom_timeout 1s"
		w.load(w.caddyfile(fmt.Sprintf("zoom_pkce {\n%s%s\n}\nreverse_proxy %s\n"+
			"handle_errors {\nheader X-Handled yes\nrespond \"<code>{http.zoom_pkce.error}</code> {http.error.status_code}\"\n}\n",
			w.options(), options, w.upstream.addr)))
		var got []string
		note := func(what string, a answer) {
			c := ""
			if _, rest, ok := strings.Cut(a.body, "<code>"); ok && !strings.Contains(a.Header.Get("Content-Type"), "json") {
				for part := range strings.SplitSeq(rest, "<code>") {
					if text, _, _ := strings.Cut(part, "</code>"); statusOf[text] != 0 {
						c = text
					}
				}
			} else if strings.Contains(a.body, ">Sign in with Zoom</a>") {
				c = "sign_in_required" // which nobody is asked to quote
			} else if strings.Contains(a.Header.Get("Content-Type"), "json") {
				c = a.problem(w.t).Code
			}
			got = append(got, fmt.Sprintf("%s: %d %s, Allow %q, Retry-After %q, cookies %d", what, a.StatusCode, c,
				a.Header.Get("Allow"), a.Header.Get("Retry-After"), len(a.Cookies())))
			if strings.Contains(options, "error_pages off") && (a.Header.Get("X-Handled") != "yes" || a.Header.Get("Cache-Control") != "no-store") {
				w.t.Errorf("%s did not go to handle_errors: %q", what, a.Header)
			}
		}
		b := w.browser()
		note("fetch", b.fetch("GET", "/"))
		note("frame", b.open("/", "Sec-Fetch-Dest", "iframe"))
		note("unknown endpoint", b.open("/zoom_pkce/nothing"))
		note("method", b.fetch("POST", "/zoom_pkce/session"))
		note("cross-site", b.do(b.request("POST", "/zoom_pkce/logout", "Origin", "https://evil.example")))
		note("no code", b.open("/zoom_pkce/callback"))
		note("declined", b.open("/zoom_pkce/callback?error=x"))
		state := stateOf(w.t, b.open("/zoom_pkce/callback?code=x"))
		note("no cookie", w.browser().open("/zoom_pkce/callback?code=x&state="+state))
		note("fetch of login", b.fetch("GET", "/zoom_pkce/login"))
		for _, f := range []struct {
			what string
			h    http.Handler
		}{
			{"misconfigured", zoomtest.Status(400, `{"reason":"Invalid client_id or client_secret","error":"invalid_client"}`)},
			{"nonsense", zoomtest.HTML()},
			{"unavailable", zoomtest.Status(503, "")},
			{"rate limited", zoomtest.RateLimited("7", false)},
		} {
			callback := b.consent(b.open("/"), "user-ada")
			w.zoom.Fail(zoomtest.CallCode, 1, f.h)
			note(f.what, b.open(callback))
		}
		other := w.browser()
		other.consentAndReturn("/", "user-bob")
		note("not allowed", other.open("/"))
		return got
	}
	want, got := run(pages, ""), run(errors, "error_pages off")
	for i := range want {
		if want[i] != got[i] {
			t.Errorf("\npage:  %s\nerror: %s", want[i], got[i])
		}
	}
	t.Log(strings.Join(want, "\n"))
}

// What handle_errors makes of an error behind the directive is the visitor's own.
func TestHandledErrorsArePrivate(t *testing.T) {
	w := newWorld(t)
	w.load(w.caddyfile("zoom_pkce {\n" + w.options() + "}\nerror 404\nhandle_errors {\nrespond \"page for {http.auth.user.id}\"\n}\n"))
	b := w.browser()
	b.signIn("/zoom_pkce/login", "user-ada")
	a := b.open("/")
	if got := a.Header.Values("Cache-Control"); a.body != "page for user-ada" || len(got) != 1 || got[0] != "private" {
		t.Errorf("%q with Cache-Control %q", a.body, got)
	}
}

// handle_errors sees requests after they were scrubbed, headers and trailers.
func TestHandleErrorsSeesNothingForged(t *testing.T) {
	w := newWorld(t)
	w.load(w.caddyfile(fmt.Sprintf("zoom_pkce {\n%serror_pages off\n}\nrespond ok\nhandle_errors {\nreverse_proxy %s\n}\n",
		w.options(), w.upstream.addr)))
	c := w.dial()
	c.send("POST /x HTTP/1.1\r\nHost: %s\r\nConnection: close, X-Zoom-Zak\r\nX-Zoom-User-Id: forged\r\nX-Zoom-Zak: forged\r\nX-Zoom-Zak-Error: forged\r\n"+
		"Cookie: %s=forged; theme=dark\r\nTrailer: X-Zoom-Zak, X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"+
		"4\r\nbody\r\n0\r\nX-Zoom-Zak: forged\r\nX_Zoom_Zak: forged\r\nX-Zoom-User-Id: forged\r\nX-Sum: 1\r\n\r\n", w.addr, w.loginCookieName())
	resp := c.response()
	got := answer{resp, readAll(t, resp)}.received(t)
	if s := fmt.Sprintf("%v %v", got.Header, got.Trailer); strings.Contains(s, "forged") {
		t.Errorf("handle_errors got %s", s)
	}
	if got.Trailer.Get("X-Sum") != "1" || got.Header.Get("Cookie") != "theme=dark" || got.Body != "body" {
		t.Errorf("the rest was damaged: %+v", got)
	}
	if resp.StatusCode != http.StatusOK {
		t.Errorf("got %d", resp.StatusCode)
	}
}

// Whoever reads the page of a refused app has to compare its credentials, and their
// names are all that it shows of them.
func TestPageOfRefusedCredentials(t *testing.T) {
	w := newWorld(t)
	w.load(strings.Replace(w.site(), "client_secret "+testClientSecret, "client_secret the-secret-of-development", 1))
	b := w.browser()
	a := b.open(b.consent(b.open("/"), "user-ada"))
	for _, want := range []string{"<code>client_id</code>", "<code>client_secret</code>", "<code>" + w.url + "/zoom_pkce/callback</code>"} {
		if a.StatusCode != http.StatusBadGateway || !strings.Contains(a.body, want) {
			t.Errorf("%d, %q is missing:\n%s", a.StatusCode, want, a.body)
		}
	}
	if strings.Contains(a.body, "the-secret") {
		t.Errorf("the page shows the secret:\n%s", a.body)
	}
}
