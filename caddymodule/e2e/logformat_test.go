package e2e

import (
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/logformat"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// opaqueZAK does not look like a token: what hides it is the name of its header.
const opaqueZAK = "a-key-of-zoom-that-no-log-may-show"

// leakyUpstream cuts its answer to /cut, and never ends that to /endless.
func leakyUpstream(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/cut":
		w.Header().Set("Content-Length", "100000")
		_, _ = w.Write(make([]byte, 1000))
		_ = http.NewResponseController(w).Flush()
		time.Sleep(50 * time.Millisecond) // so that Caddy has begun to answer
		panic(http.ErrAbortHandler)
	case "/endless":
		for range 10_000 {
			if _, err := w.Write(make([]byte, 32<<10)); err != nil {
				return
			}
		}
	}
}

// formatted writes all logs in a format; other tests look for what our own loggers
// show, and so do without zoom_pkce.
func formatted(config, format string) string {
	return strings.Replace(config, "level DEBUG", "level WARN\nformat "+format, 1)
}

// download begins a download that does not end, and returns what ends it.
func (b *browser) download() (leave func()) {
	b.w.t.Helper()
	ctx, cancel := context.WithCancel(b.w.t.Context())
	resp, err := b.client.Do(b.request(http.MethodGet, "/endless", navigate...).WithContext(ctx))
	if err != nil {
		b.w.t.Fatal(err)
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 1000)
	return func() {
		cancel()
		resp.Body.Close()
	}
}

// awaitCuts returns the log once that many transfers have broken off.
func (w *world) awaitCuts(n int) string {
	w.t.Helper()
	var logs []byte
	testkit.Eventually(w.t, "broken transfers in the log", 20*time.Second, func() bool {
		logs, _ = os.ReadFile(w.logs)
		return strings.Count(string(logs), "aborting with incomplete response") >= n
	})
	return string(logs)
}

// A transfer that breaks off makes reverse_proxy log the request that it sent, at
// level WARN. Its tokens do not show, by whatever names a site has them.
func TestCutTransfersShowNoToken(t *testing.T) {
	for name, test := range map[string]struct {
		options []string // of a directive each
		shown   string   // the name of the ZAK's header
	}{
		"default names": {[]string{""}, "X-Zoom-Zak"},
		"names of one's own": {[]string{
			"headers {\naccess_token X-My-Token\n}\nzak {\nheader X-My-Zak\n}\nobf {\nmeeting_id 123456789\nheader X-My-Obf\n}",
		}, "X-My-Zak"},
		"several directives": {[]string{"zak off", "zak {\nheader X-Second-Zak\n}"}, "X-Second-Zak"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.zoom.Fail(zoomtest.CallZAK, -1, zoomtest.Status(http.StatusOK, `{"token":"`+opaqueZAK+`"}`))
			site := "route {\n"
			for _, options := range test.options {
				site += "zoom_pkce {\n" + w.options() + options + "\n}\n"
			}
			site = w.caddyfile(site + "reverse_proxy " + w.upstream.addr + "\n}")
			w.load(formatted(site, "json"))
			b := w.signedIn("user-ada")
			known := knownSecrets{opaqueZAK: "ZAK"}
			for name, values := range b.open("/").received(t).Header {
				if strings.Contains(name, "Token") || strings.Contains(name, "Obf") {
					known.add(name, values[0])
				}
			}
			w.upstream.serveWith(leakyUpstream)
			cutBothWays := func() {
				resp, err := b.client.Do(b.request(http.MethodGet, "/cut", navigate...))
				if err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				b.download()()
			}
			cutBothWays()
			for value, what := range known {
				if !strings.Contains(w.awaitCuts(2), value) {
					t.Errorf("Caddy does not log the %s any more, or this test sees nothing", what)
				}
			}
			if err := os.Truncate(w.logs, 0); err != nil {
				t.Fatal(err)
			}
			w.load(formatted(site, "zoom_pkce"))
			cutBothWays()
			logged := w.awaitCuts(2)
			for value, what := range known {
				if strings.Contains(logged, value) {
					t.Errorf("the log shows the %s", what)
				}
			}
			if !strings.Contains(logged, `"`+test.shown+`":["REDACTED"]`) {
				t.Errorf("no %s in the log:\n%s", test.shown, logged)
			}
		})
	}
}

// A download outlives the configuration that it began under, and the name that
// its token had there.
func TestCutTransferAfterAReloadShowsNoToken(t *testing.T) {
	w := newWorld(t)
	w.zoom.Fail(zoomtest.CallZAK, -1, zoomtest.Status(http.StatusOK, `{"token":"`+opaqueZAK+`"}`))
	w.load(formatted(w.site("zak {\nheader X-Former-Zak\n}"), "zoom_pkce"))
	b := w.signedIn("user-ada")
	w.upstream.serveWith(leakyUpstream)
	leave := b.download()
	w.load(formatted(w.site("zak {\nheader X-Latter-Zak\n}"), "zoom_pkce"))
	w.load(formatted(w.site("zak {\nheader X-Last-Zak\n}"), "zoom_pkce"))
	leave()
	if logged := w.awaitCuts(1); strings.Contains(logged, opaqueZAK) || !strings.Contains(logged, `"X-Former-Zak":["REDACTED"]`) {
		t.Errorf("the end of the download shows its ZAK:\n%s", logged)
	}
}

// A load without the format in any log says so, once whatever the number of
// directives and apps.
func TestLoadWarnsOfReadableLogs(t *testing.T) {
	w := newWorld(t)
	site := w.caddyfile("route {\nzoom_pkce {\n" + w.options() + "}\nzoom_pkce {\n" + w.options() + "}\n}")
	w.load(site)
	if lines := w.logLines(logformat.Missing); len(lines) != 1 || lines[0]["level"] != "warn" {
		t.Errorf("logged as %v, want one warning", lines)
	}
	w.load(strings.Replace(site, "level DEBUG", "format filter {\nwrap zoom_pkce\nfoo delete\n}", 1))
	if lines := w.logLines(logformat.Missing); len(lines) != 1 {
		t.Errorf("with the format it is said again: %v", lines)
	}
	w.load(site)
	if lines := w.logLines(logformat.Missing); len(lines) != 2 {
		t.Errorf("after a load without it, it was said %d times, want twice", len(lines))
	}
}
