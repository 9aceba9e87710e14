package e2e

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// With the format that the documentation gives, no log of Caddy's shows a
// code, a state or a token, at any level and whatever app is behind. Without
// it each of these logs does, which the second run makes sure of.
func TestLogFormatKeepsSecretsOut(t *testing.T) {
	example, err := os.ReadFile("../../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"OPERATING.md":      snippetWith(t, "format zoom_pkce\n", "\tlog {\n\t\tformat zoom_pkce\n\t}\n\tzoom_pkce"),
		"Caddyfile.example": string(example),
	} {
		t.Run(name, func(t *testing.T) {
			if shown := secretsInLogs(t, text); len(shown) > 0 {
				t.Errorf("in spite of the format:\n%s", strings.Join(shown, "\n"))
			}
		})
		t.Run(name+" without it", func(t *testing.T) {
			shown := secretsInLogs(t, strings.ReplaceAll(text, "\t\tformat zoom_pkce\n", ""))
			for _, want := range []string{
				"http.log.error: code in request>uri", "http.log.error: state in request>uri",
				"http.log.error: signature in request>uri", "http.log.access: signature in request>uri",
				"http.handlers.rewrite: signature in uri",
				"http.log.access: code in request>uri", "http.log.access: state in request>uri",
				"http.log.access: state in resp_headers>Location", "http.log.access: app context in request>headers>X-Zoom-App-Context",
				"http.handlers.rewrite: code in uri", "http.handlers.rewrite: code in request>uri",
				"http.handlers.reverse_proxy: access token in request>headers>X-Zoom-Access-Token",
				"http.handlers.reverse_proxy: ZAK in request>headers>X-Zoom-Zak",
				"http.handlers.reverse_proxy: OBF in request>headers>X-Zoom-Obf",
				"http.reverse_proxy.transport.fastcgi: access token in env>HTTP_X_ZOOM_ACCESS_TOKEN",
				"http.reverse_proxy.transport.fastcgi: ZAK in env>HTTP_X_ZOOM_ZAK",
				"http.reverse_proxy.transport.fastcgi: OBF in env>HTTP_X_ZOOM_OBF",
				"http.reverse_proxy.transport.fastcgi: app context in env>HTTP_X_ZOOM_APP_CONTEXT",
				"http.reverse_proxy.transport.fastcgi: code in env>QUERY_STRING",
				"http.reverse_proxy.transport.fastcgi: code in env>REQUEST_URI",
			} {
				if !slices.Contains(shown, want) {
					t.Errorf("not %q: that is nothing to keep out, or this test sees nothing", want)
				}
			}
			if t.Failed() {
				t.Logf("shown:\n%s", strings.Join(shown, "\n"))
			}
		})
	}
}

// secretsInLogs runs a documented Caddyfile with the apps that make Caddy log
// most, and returns which logger shows which secret where.
func secretsInLogs(t *testing.T, text string) (shown []string) {
	w := newWorld(t)
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "index.php"), "")
	php := newFastCGI(t, w.upstream)
	options := []string{backendOptions(), "error_pages off", "obf {\nmeeting_id 123456789\n}"}
	known := make(knownSecrets)
	for _, site := range []string{
		"", // as it stands: nothing handles errors
		"rewrite /zoom_pkce/* /elsewhere\nreverse_proxy " + w.upstream.addr,
		"root * " + root + "\nphp_fastcgi " + php + "\nhandle_errors {\nrewrite * /index.php\nphp_fastcgi " + php + "\n}",
	} {
		w.load(w.documented(t, text, site, options...))
		b := w.browser()
		callback := b.consent(b.open("/meeting/1"), "user-ada")
		known.callback(t, callback)
		w.zoom.Fail(zoomtest.CallCode, 1, zoomtest.Status(http.StatusServiceUnavailable, ""))
		if a := b.open(callback); a.StatusCode != http.StatusServiceUnavailable && site == "" {
			t.Fatalf("a code that Zoom does not take: got %d", a.StatusCode)
		}
		callback = b.consent(b.open("/meeting/1"), "user-ada")
		known.callback(t, callback)
		b.open(callback)
		signed := signedURL("zak?user_id=user-ada")
		known.add("signature", signed[strings.LastIndex(signed, "=")+1:])
		b.open(signed)
		b.open(signed + "0")
		const appContext = "what-the-client-of-zoom-says"
		got := b.open("/meeting/1", "X-Zoom-App-Context", appContext).received(t).Header
		for what, name := range map[string]string{
			"access token": "X-Zoom-Access-Token", "ZAK": "X-Zoom-Zak", "OBF": "X-Zoom-Obf", "app context": "X-Zoom-App-Context",
		} {
			if got.Get(name) == "" {
				t.Fatalf("the app behind got no %s: %v", name, got)
			}
			known.add(what, got.Get(name))
		}
	}
	logs, err := os.ReadFile(w.logs)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool)
	for line := range strings.Lines(string(logs)) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		logger, _ := entry["logger"].(string)
		for _, of := range []string{"http.log.access", "http.log.error"} {
			if strings.HasPrefix(logger, of) {
				logger = of
			}
		}
		known.find(entry, logger+": ", "", found)
	}
	for line := range found {
		shown = append(shown, line)
	}
	slices.Sort(shown)
	return shown
}

// find notes which secrets a part of a log line shows, and in which field, as
// filters call it.
func (s knownSecrets) find(part any, prefix, field string, found map[string]bool) {
	switch part := part.(type) {
	case map[string]any:
		for key, value := range part {
			s.find(value, prefix, strings.TrimPrefix(field+">"+key, ">"), found)
		}
	case []any:
		for _, value := range part {
			s.find(value, prefix, field, found)
		}
	case string:
		for value, what := range s {
			if strings.Contains(part, value) {
				found[prefix+what+" in "+field] = true
			}
		}
	}
}

// newFastCGI serves an upstream as PHP is served, and returns its address.
func newFastCGI(t *testing.T, u *upstream) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() { _ = fcgi.Serve(listener, http.HandlerFunc(u.serve)) }()
	return listener.Addr().String()
}
