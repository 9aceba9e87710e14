package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/pages"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// Tests run against a real Caddy, loaded in process. There is one Caddy in a
// process, so tests of this package do not run in parallel.

const (
	testClientID     = "AbCdEfGhIjKlMnOpQrStU"
	testClientSecret = "a-client-secret-that-no-log-may-show"
)

// world is a simulated Zoom, an upstream and a Caddy with zoom_pkce between.
type world struct {
	t        testing.TB
	zoom     *zoomtest.Server
	upstream *upstream
	addr     string // of Caddy
	url      string // of Caddy
	storage  string
	logs     string // file of Caddy's logs
}

// newWorld starts everything but Caddy, on a port that stays the same when
// Caddy is loaded again.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, zoom: zoomtest.NewServer(), upstream: newUpstream(t), storage: t.TempDir()}
	t.Cleanup(w.zoom.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.addr = listener.Addr().String()
	listener.Close()
	w.url = "http://" + w.addr
	w.logs = t.TempDir() + "/caddy.log"
	w.registerAt(w.url + "/zoom_pkce/callback")
	w.zoom.AddUser(zoomtest.User{ID: "user-ada", AccountID: "account-1", Email: "ada@example.com", Verified: 1, DisplayName: "Ada Lovelace"})
	w.zoom.AddUser(zoomtest.User{ID: "user-bob", AccountID: "account-2", Email: "bob@example.org", Verified: 1, DisplayName: "Bob"})
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(w.logged())
		}
	})
	return w
}

// registerAt registers the redirect URIs of the app at Zoom, and no others.
func (w *world) registerAt(uris ...string) {
	w.zoom.AddApp(zoomtest.App{ClientID: testClientID, ClientSecret: testClientSecret, RedirectURIs: uris})
}

// logged is the end of what Caddy has logged.
func (w *world) logged() string {
	logs, err := os.ReadFile(w.logs)
	if err != nil {
		return err.Error()
	}
	return string(logs[max(0, len(logs)-20_000):])
}

// options are the subdirectives every site needs.
func (w *world) options() string {
	return fmt.Sprintf("client_id %s\nclient_secret %s\nredirect_uri %s/zoom_pkce/callback\noauth_url %s\napi_url %s\n",
		testClientID, testClientSecret, w.url, w.zoom.URL, w.zoom.URL)
}

// site is a Caddyfile of one site with zoom_pkce in front of the upstream.
func (w *world) site(options ...string) string {
	return w.caddyfile(fmt.Sprintf("zoom_pkce {\n%s%s\n}\nreverse_proxy %s\n",
		w.options(), strings.Join(options, "\n"), w.upstream.addr))
}

// caddyfile is a Caddyfile of one site with the directives given.
func (w *world) caddyfile(directives string) string {
	return w.caddyfileAt("http://"+w.addr, directives)
}

// caddyfileAt is the same for a site of another address, on our port.
func (w *world) caddyfileAt(address, directives string) string {
	return fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https off
	storage file_system %q
	log default {
		output file %q {
			roll_disabled
		}
		level DEBUG
	}
}
%s {
	bind 127.0.0.1
	log
	%s
}
`, w.storage, w.logs, address, directives)
}

// load (re)loads Caddy.
func (w *world) load(caddyfile string) {
	w.t.Helper()
	if err := w.tryLoad(caddyfile); err != nil {
		w.t.Fatalf("loading Caddy: %v\n%s", err, caddyfile)
	}
}

func (w *world) tryLoad(caddyfile string) error {
	adapted, err := adapt(caddyfile)
	if err != nil {
		return err
	}
	defer awaitHandover()
	return caddy.Load(adapted, true)
}

func adapt(caddyfile string) ([]byte, error) {
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	return adapted, err
}

// visitor keeps cookies as a browser does, and follows no redirect by itself.
type visitor struct {
	w      *world
	origin string
	client *http.Client
	jar    http.CookieJar
}

func (w *world) browser() *visitor { return w.browserAt(w.url) }

// browserAt is a browser at a site that Caddy serves by plain http for a load
// balancer that ends TLS.
func (w *world) browserAt(origin string) *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	b := &visitor{w: w, origin: origin, jar: jar}
	b.client = &http.Client{
		Jar:           jar,
		Timeout:       30 * time.Second,
		Transport:     loadBalancer{w.addr},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return b
}

// loadBalancer takes requests for any https host to Caddy.
type loadBalancer struct{ addr string }

var direct = &http.Transport{DisableKeepAlives: true}

func (l loadBalancer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	r.URL.Scheme, r.URL.Host = "http", l.addr
	return direct.RoundTrip(r)
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body string
}

func (b *visitor) do(r *http.Request) answer {
	b.w.t.Helper()
	resp, err := doAgain(b.client, r)
	if err != nil {
		b.w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		b.w.t.Fatal(err)
	}
	return answer{resp, string(body)}
}

// doAgain does what a client does whose connection is closed instead of
// answered. During a reload net/http closes connections whose request it has
// read after Shutdown, before any handler sees it, whatever Caddy serves.
func doAgain(client *http.Client, r *http.Request) (resp *http.Response, err error) {
	for range 5 {
		resp, err = client.Do(r)
		lost := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
		if !lost || r.Body != nil && r.GetBody == nil {
			break
		}
		if r.GetBody != nil {
			r.Body, _ = r.GetBody()
		}
	}
	return resp, err
}

func (b *visitor) request(method, target string, header ...string) *http.Request {
	b.w.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = b.origin + target
	}
	r, err := http.NewRequest(method, target, nil)
	if err != nil {
		b.w.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

var navigate = []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "none", "Accept", "text/html"}

// open loads a page, as by typing its address. A header given replaces one of
// a page load.
func (b *visitor) open(target string, header ...string) answer {
	b.w.t.Helper()
	return b.do(b.request(http.MethodGet, target, append(append([]string{}, navigate...), header...)...))
}

// fetch is a request of the page's own script.
func (b *visitor) fetch(method, target string, header ...string) answer {
	b.w.t.Helper()
	return b.do(b.request(method, target, append([]string{
		"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-origin", "Origin", b.origin,
	}, header...)...))
}

// signIn opens a page, goes through Zoom as the user, and returns what the
// visitor sees at last.
func (b *visitor) signIn(target, userID string) answer {
	b.w.t.Helper()
	callback := b.consent(b.open(target), userID)
	a := b.open(callback)
	if a.StatusCode != http.StatusSeeOther {
		b.w.t.Fatalf("callback: got %d, want 303\n%s", a.StatusCode, a.body)
	}
	return b.open(a.Header.Get("Location"))
}

// consent does at Zoom what a person does there, and returns the way back.
func (b *visitor) consent(a answer, userID string) (callback string) {
	b.w.t.Helper()
	location := a.Header.Get("Location")
	if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(location, b.w.zoom.URL+"/oauth/authorize") {
		b.w.t.Fatalf("got %d to %q, want a redirect to Zoom\n%s", a.StatusCode, location, a.body)
	}
	callback, err := b.w.zoom.SignIn(context.Background(), location, userID)
	if err != nil {
		b.w.t.Fatal(err)
	}
	return callback
}

// cookies are the names of the cookies the browser has for Caddy.
func (b *visitor) cookies() (names []string) {
	u, err := url.Parse(b.origin)
	if err != nil {
		b.w.t.Fatal(err)
	}
	for _, c := range b.jar.Cookies(u) {
		names = append(names, c.Name)
	}
	return names
}

// sessionCookie is the session cookie as a Cookie header.
func (b *visitor) sessionCookie() string {
	b.w.t.Helper()
	u, err := url.Parse(b.origin)
	if err != nil {
		b.w.t.Fatal(err)
	}
	for _, c := range b.jar.Cookies(u) {
		if _, rest, _ := strings.Cut(c.Name, "zoom_pkce_"); len(rest) == 8 {
			return c.Name + "=" + c.Value
		}
	}
	b.w.t.Fatalf("no session cookie among %q", b.cookies())
	return ""
}

// received is what the upstream got, as the answer tells.
func (a answer) received(t testing.TB) received {
	t.Helper()
	var got received
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatalf("status %d, not the upstream's answer: %v\n%s", a.StatusCode, err, a.body)
	}
	return got
}

// problem is the problem+json of an answer.
func (a answer) problem(t testing.TB) (p pages.Problem) {
	t.Helper()
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("status %d with content type %q, want problem+json\n%s", a.StatusCode, got, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
