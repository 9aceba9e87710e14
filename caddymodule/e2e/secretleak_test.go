package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// knownSecrets collects everything that no log may show.
type knownSecrets map[string]string // by value: what it is

func (s knownSecrets) add(what, value string) {
	if len(value) >= 8 {
		s[value] = what
	}
}

func (s knownSecrets) cookies(t *testing.T, list []*http.Cookie) {
	for _, c := range list {
		s.add("cookie "+c.Name, c.Value)
	}
}

func (s knownSecrets) callback(t *testing.T, callback string) {
	t.Helper()
	u, err := url.Parse(callback)
	if err != nil {
		t.Fatal(err)
	}
	s.add("code", u.Query().Get("code"))
	s.add("state", u.Query().Get("state"))
}

// At debug level, on every path, no log of ours shows a token, a code, a
// verifier, a cookie, a key or a secret. Caddy's own logs are held to the same,
// but for two things OPERATING.md tells of: access logs and the rewrite logger have the
// callback's query, and reverse_proxy logs what it sends on.
func TestNoSecretIsLogged(t *testing.T) {
	w := newWorld(t)
	const cookieSecret, webhookSecret = "cookie-secret-0123456789-0123456789", "webhook-secret-0123456789"
	options := func(more ...string) string {
		return w.site(append([]string{
			"cookie {\nsecret " + cookieSecret + "\n}", "page_tokens on", "meeting_sdk", "zoom_app", "webhook {\nsecret_token " + webhookSecret + "\n}",
			"obf {\nmeeting_id {http.request.uri.query.meeting}\n}", "zoom_timeout 500ms", "refresh_margin 1s",
		}, more...)...)
	}
	w.load(options("zak {\nmax_age 0\n}"))
	known := knownSecrets{testClientSecret: "client secret", cookieSecret: "cookie secret", webhookSecret: "webhook secret"}
	b := w.browser()
	visit := func(a answer) answer {
		known.cookies(t, a.Cookies())
		return a
	}
	upstream := func(a answer) {
		if a.StatusCode == http.StatusOK && strings.HasPrefix(a.body, "{") {
			h := a.received(t).Header
			known.add("access token", h.Get("X-Zoom-Access-Token"))
			known.add("ZAK", h.Get("X-Zoom-Zak"))
			known.add("OBF", h.Get("X-Zoom-Obf"))
		}
	}
	signIn := func(user string) answer {
		callback := b.consent(visit(b.open("/page")), user)
		known.callback(t, callback)
		return visit(b.open(callback))
	}

	// Sign-ins that succeed, fail and go astray.
	signIn("user-ada")
	upstream(visit(b.open("/?meeting=123456789")))
	for _, h := range []http.Handler{
		zoomtest.Status(400, `{"reason":"Invalid authorization code LEAKEDREASON","error":"invalid_grant"}`), zoomtest.HTML(), zoomtest.ResetConn(),
		zoomtest.Hang(), zoomtest.Redirect("http://127.0.0.1:1/?code=LEAKEDREASON"), zoomtest.Status(200, `{"access_token":"LEAKEDREASON\n"}`),
		zoomtest.Status(400, "LEAKEDREASON"), zoomtest.Huge(2 << 20),
	} {
		for _, call := range []zoomtest.Call{zoomtest.CallCode, zoomtest.CallMe} {
			fresh := w.browser()
			a := visit(fresh.open("/page"))
			callback := fresh.consent(a, "user-bob")
			known.callback(t, callback)
			w.zoom.Fail(call, 1, h)
			visit(fresh.open(callback))
			w.zoom.Restore(zoomtest.CallAny)
			visit(fresh.open(callback))
		}
	}
	known.add("reason", "LEAKEDREASON")
	visit(b.open("/zoom_pkce/callback?code=LEAKEDREASON&state=LEAKEDREASON"))
	visit(b.open("/zoom_pkce/callback?code=LEAKEDREASON"))
	visit(b.open("/zoom_pkce/callback?error=LEAKEDREASON&error_description=LEAKEDREASON"))
	visit(w.browser().open("/", "Cookie", b.sessionCookie()[:60]+"LEAKEDREASON"))

	bodies := map[string]string{
		"obf": `{"meeting_id":"123456789"}`, "signature": `{"meetingNumber":"123456789","role":1}`,
		"app/onauthorized": `{"code":"LEAKEDREASON","state":"LEAKEDREASON"}`, "webhook": `{"plainToken":"LEAKEDREASON"}`,
	}
	for _, path := range []string{"zak", "obf", "signature", "app/authorize", "app/onauthorized", "webhook", "session", "logout", "nothing"} {
		for _, method := range []string{"GET", "POST"} {
			r := b.request(method, "/zoom_pkce/"+path, "Sec-Fetch-Site", "same-origin", "Origin", w.url, "Content-Type", "application/json")
			if method == "POST" && path == "logout" {
				continue
			}
			if body := bodies[path]; method == "POST" {
				r.Body = io.NopCloser(strings.NewReader(body))
			}
			a := visit(b.do(r))
			var fields map[string]any
			if json.Unmarshal([]byte(a.body), &fields) == nil {
				for _, name := range []string{"zak", "obf_token", "signature", "codeChallenge", "state"} {
					value, _ := fields[name].(string)
					known.add(name, value)
				}
			}
		}
	}
	// Refreshes, keys and their failures.
	for _, h := range []http.Handler{nil, zoomtest.Status(500, "LEAKEDREASON"), zoomtest.Status(400, `{"reason":"LEAKEDREASON","error":"invalid_client"}`)} {
		w.zoom.RevokeAccessTokens(testClientID, "user-ada")
		if h != nil {
			w.zoom.Fail(zoomtest.CallRefresh, 1, h)
		}
		upstream(b.open("/?meeting=987654321"))
		w.zoom.Restore(zoomtest.CallAny)
	}
	w.load(options("error_pages off"))
	visit(b.open("/zoom_pkce/callback?code=LEAKEDREASON&state=x&state=y"))
	upstream(visit(b.open("/")))
	visit(b.fetch("POST", "/zoom_pkce/logout"))
	for _, call := range []zoomtest.Call{zoomtest.CallCode, zoomtest.CallRefresh, zoomtest.CallRevoke} {
		for _, r := range w.zoom.Requests(call) {
			for _, name := range []string{"code", "code_verifier", "refresh_token", "token"} {
				known.add(name, r.Form.Get(name))
			}
			known.add("credentials", strings.TrimPrefix(r.Header.Get("Authorization"), "Basic "))
		}
	}

	kinds := make(map[string]bool)
	for _, what := range known {
		kinds[strings.Fields(what)[0]] = true
	}
	for _, kind := range []string{"access", "ZAK", "OBF", "code", "state", "cookie", "code_verifier", "refresh_token", "token", "credentials", "zak", "signature", "codeChallenge"} {
		if !kinds[kind] {
			t.Errorf("the test knows no %s", kind)
		}
	}
	checkLogs(t, w.logs, known)
}

func checkLogs(t *testing.T, file string, known knownSecrets) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ours, reported := 0, make(map[string]bool)
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var entry struct{ Logger, Msg string }
		if err := json.Unmarshal(lines.Bytes(), &entry); err != nil {
			t.Fatalf("%v: %s", err, lines.Text())
		}
		if strings.HasPrefix(entry.Logger, "http.handlers.zoom_pkce") || entry.Logger == "zoom_pkce" {
			ours++
		}
		if entry.Logger == "http.handlers.reverse_proxy" {
			continue
		}
		for value, what := range known {
			inQuery := strings.HasPrefix(entry.Logger, "http.log") && (what == "code" || what == "state" || what == "reason")
			if strings.Contains(lines.Text(), value) && !inQuery && !reported[entry.Logger+what] {
				reported[entry.Logger+what] = true
				t.Errorf("%s shows the %s: %.300s", entry.Logger, what, lines.Text())
			}
		}
	}
	if err := lines.Err(); err != nil || ours < 30 {
		t.Errorf("%d lines of ours, %v", ours, err)
	}
}
