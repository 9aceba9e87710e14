package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
)

// forSharedCaches are fields that overrule Cache-Control at caches of many.
var forSharedCaches = []string{"CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "Surrogate-Control", "X-Accel-Expires", "Edge-Control"}

func speakToCaches(h http.Header) {
	h.Set("Cache-Control", "public, max-age=600")
	for _, name := range forSharedCaches {
		h.Set(name, "max-age=600")
	}
}

func wantSilence(t *testing.T, what string, h http.Header) {
	t.Helper()
	for _, name := range forSharedCaches {
		if got := h.Values(name); len(got) > 0 {
			t.Errorf("%s: %s: %q", what, name, got)
		}
	}
}

func TestNoSharedCacheKeepsAProtectedPage(t *testing.T) {
	w := newWorld(t)
	w.upstream.serveWith(func(rw http.ResponseWriter, r *http.Request) {
		speakToCaches(rw.Header())
		switch r.URL.Path {
		case "/app/flushed":
			_ = http.NewResponseController(rw).Flush()
		case "/app/hinted":
			rw.Header().Set("Link", "</a.css>; rel=preload")
			rw.WriteHeader(http.StatusEarlyHints)
		case "/app/missing":
			rw.WriteHeader(http.StatusNotFound)
		case "/app/socket":
			rw.Header().Set("Connection", "Upgrade")
			rw.Header().Set("Upgrade", "websocket")
			rw.WriteHeader(http.StatusSwitchingProtocols)
			return
		}
		fmt.Fprint(rw, "body")
	})
	w.load(w.caddyfile(fmt.Sprintf(`@all path /app/* /caddy/*
	header /caddy/* CDN-Cache-Control "max-age=600"
	header /caddy/nothing Cache-Control "public, max-age=600"
	zoom_pkce @all {
		%s
	}
	respond /caddy/respond ok
	error /caddy/error 404
	@answered not path /caddy/nothing
	reverse_proxy @answered %s
	handle_errors {
		respond "handled"
	}
`, w.options(), w.upstream.addr)))
	b := w.browser()
	wantSilence(t, "a redirect of ours", b.open("/caddy/respond").Header)
	wantSilence(t, "a problem of ours", b.fetch("GET", "/caddy/respond").Header)
	b.signIn("/app/", "user-ada")
	for _, target := range []string{"/app/", "/app/flushed", "/app/hinted", "/app/missing", "/caddy/respond", "/caddy/error", "/caddy/nothing"} {
		r := b.request(http.MethodGet, target, navigate...)
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
				wantSilence(t, target+", 103", http.Header(h))
				return nil
			},
		}))
		a := b.do(r)
		wantSilence(t, target, a.Header)
		if got := strings.Join(a.Header.Values("Cache-Control"), ", "); !strings.Contains(got, "private") {
			t.Errorf("%s: Cache-Control %q", target, got)
		}
	}
	c := w.dial()
	c.send("GET /app/socket HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nCookie: %s\r\n\r\n", w.addr, b.sessionCookie())
	switched := c.response()
	wantSilence(t, "101", switched.Header)
	if switched.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("the handshake got %d", switched.StatusCode)
	}
	w.endSwitched(c, "/app/socket")
	// What is open to all is the app's business.
	if got := b.open("/open").Header.Get("CDN-Cache-Control"); got != "max-age=600" {
		t.Errorf("of an open page CDN-Cache-Control is %q", got)
	}
}

// A header directive that changes finished answers has the last word. That is told at the
// start, and only where it is so.
func TestStartWarnsOfAHeaderThatMakesAnswersPublic(t *testing.T) {
	for header, public := range map[string]bool{
		"-Server\nCache-Control \"public, max-age=60\"": true, // deferred because of the field that goes
		"Cache-Control \"public, max-age=60\"":          false,
	} {
		w := newWorld(t)
		w.load(w.caddyfile("header {\n" + header + "\n}\nzoom_pkce {\n" + w.options() + "}\nrespond ok\n"))
		answer := w.browser().fetch("GET", "/zoom_pkce/session")
		if got := answer.Header.Get("Cache-Control") != "no-store"; got != public {
			t.Errorf("%q: %v", header, answer.Header)
		}
		lines := w.logLines("a header directive around zoom_pkce changes Cache-Control of finished answers, of this address for example: " +
			"shared caches may keep what is for one visitor alone; write the field in a header directive without - and > and defer")
		if told := len(lines) == 1 && fmt.Sprint(lines[0]["addresses"]) == "["+w.url+"/zoom_pkce/session]"; told != public {
			t.Errorf("%q: told %v", header, lines)
		}
	}
}
