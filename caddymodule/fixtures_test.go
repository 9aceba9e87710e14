package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

const (
	testClientID     = "AbCdEfGhIjKlMnOpQrStU"
	testClientSecret = "a-client-secret-that-no-log-may-show"
	testCookieSecret = "Lq3vQ9xZ_t1RrC8mWb0yJ5nKpE7uDgAiSoHfV2XwTzM"
)

// testClientKey is a private key in PEM.
var testClientKey = func() string {
	key, err := zoomapi.GenerateClientKey()
	if err != nil {
		panic(err)
	}
	return key
}()

// adapt makes JSON of a Caddyfile.
func adapt(text string) ([]byte, error) {
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	return adapted, err
}

// provisioned is a handler that Caddy has provisioned, before an app of one line, and its
// Zoom. It serves without a server, so that a test of what it lets in takes milliseconds;
// what needs a real Caddy is tested in e2e.
type provisioned struct {
	*Handler
	t    *testing.T
	zoom *zoomtest.Server
	ctx  caddy.Context
	logs *observer.ObservedLogs

	options string           // in JSON
	then    []*provisioned   // further directives of the site
	app     http.HandlerFunc // nil: it answers with the status passed
}

const (
	testOrigin   = "https://app.example.com"
	testOtherApp = "another-app-of-the-same-zoom"
)

// newZoom is a Zoom that knows two apps and two users.
func newZoom(t *testing.T) *zoomtest.Server {
	zoom := zoomtest.NewServer()
	t.Cleanup(zoom.Close)
	for _, id := range []string{testClientID, testOtherApp} {
		zoom.AddApp(zoomtest.App{ClientID: id, ClientSecret: testClientSecret, RedirectURIs: []string{
			"http://localhost/zoom_pkce/callback", "http://localhost/other/callback", "http://127.0.0.1/zoom_pkce/callback", testOrigin + "/zoom_pkce/callback", testOrigin + "/page#/route",
		}})
	}
	zoom.AddUser(zoomtest.User{
		ID: "ada", AccountID: "account", Email: "ada@example.com", Verified: 1, DisplayName: "Ada Løvelace",
	})
	zoom.AddUser(zoomtest.User{ID: "bob", AccountID: "account", Email: "bob@example.com"})
	return zoom
}

// handlerJSON is a handler for http://localhost with further options.
func handlerJSON(zoom *zoomtest.Server, options string) string {
	return `{"handler": "zoom_pkce", "client_id": "` + testClientID + `", "client_secret": "` + testClientSecret + `", "oauth_url": "` + zoom.URL + `",
		"redirect_uri": ["http://localhost/zoom_pkce/callback"]` + options + `}`
}

// testConfig is a configuration with a storage of its own.
func testConfig(t *testing.T) *caddy.Config {
	t.Helper()
	root, err := json.Marshal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &caddy.Config{
		Admin:      &caddy.AdminConfig{Disabled: true},
		StorageRaw: json.RawMessage(`{"module": "file_system", "root": ` + string(root) + `}`),
	}
}

// provision sets up a handler for http://localhost with further options in JSON.
func provision(t *testing.T, options string) *provisioned {
	t.Helper()
	ctx, err := caddy.ProvisionContext(testConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	return (&provisioned{t: t, zoom: newZoom(t), ctx: ctx}).beside(options)
}

// beside sets up another handler of the same configuration.
func (p *provisioned) beside(options string) *provisioned {
	p.t.Helper()
	h, err := p.load(options)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		if err := h.Cleanup(); err != nil {
			p.t.Error(err)
		}
	})
	core, logs := observer.New(zap.DebugLevel)
	h.site.logger = zap.New(core)
	return &provisioned{Handler: h, t: p.t, zoom: p.zoom, ctx: p.ctx, logs: logs, options: options}
}

func (p *provisioned) load(options string) (*Handler, error) {
	raw := strings.Replace(handlerJSON(p.zoom, options), `"handler": "zoom_pkce", `, "", 1)
	module, err := p.ctx.LoadModuleByID("http.handlers.zoom_pkce", json.RawMessage(raw))
	if err != nil {
		return nil, err
	}
	return module.(*Handler), nil
}

// passed is the app's status, which no refusal has.
const passed = http.StatusTeapot

// serve answers a request as a visitor with these cookies sends it, after change has
// rewritten it. The app says what headers it got.
func (p *provisioned) serve(r *http.Request, cookies string, change func(*http.Request)) (got *http.Response, headers http.Header) {
	p.t.Helper()
	if r.Host == "example.com" {
		r.Host = "localhost"
	}
	if cookies != "" {
		r.Header.Set("Cookie", cookies)
	}
	w := httptest.NewRecorder()
	repl := caddy.NewReplacer()
	r = caddyhttp.PrepareRequest(r, repl, w, nil)
	if change != nil {
		change(r)
	}
	err := p.through(w, r, func(w http.ResponseWriter, r *http.Request) {
		headers = r.Header.Clone()
		if p.app != nil {
			p.app(w, r)
			return
		}
		w.WriteHeader(passed)
	})
	if failed, ok := errors.AsType[caddyhttp.HandlerError](err); ok && !p.site.errorPages {
		code, _ := repl.GetString("http.zoom_pkce.error")
		w.WriteHeader(failed.StatusCode) // as handle_errors would
		_, _ = fmt.Fprintf(w, `{"code": %q}`, code)
	} else if err != nil {
		p.t.Fatal(err)
	}
	return w.Result(), headers
}

// through has all directives of the site serve a request, and then an app.
func (p *provisioned) through(w http.ResponseWriter, r *http.Request, app http.HandlerFunc) error {
	next := caddyhttp.Handler(caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		app(w, r)
		return nil
	}))
	for _, further := range slices.Backward(p.then) {
		behind := next
		next = caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error { return further.ServeHTTP(w, r, behind) })
	}
	return p.ServeHTTP(w, r, next)
}

// bothWays runs a test with the directive's own error pages, and with those of the site.
func bothWays(t *testing.T, options string, test func(t *testing.T, p *provisioned)) {
	t.Run("error pages", func(t *testing.T) { test(t, provision(t, options)) })
	t.Run("handle_errors", func(t *testing.T) { test(t, provision(t, options+`, "error_pages": false`)) })
}

// request is what a script of a page sends. Pairs of headers follow.
func request(method, target, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// fetch is a request of a script, and what the app got of it.
func (p *provisioned) fetch(target, cookies string, headers ...string) (*http.Response, http.Header) {
	p.t.Helper()
	return p.serve(request(http.MethodGet, target, "", headers...), cookies, nil)
}

// open is a page load.
func (p *provisioned) open(target, cookies string, headers ...string) *http.Response {
	p.t.Helper()
	got, _ := p.fetch(target, cookies, append([]string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, headers...)...)
	return got
}

// approve signs Ada in at Zoom and returns the address of the callback, and the cookies
// of the browser.
func (p *provisioned) approve(page string) (callback, cookies string) {
	p.t.Helper()
	to := p.open(page, "")
	return p.allowed(to.Header.Get("Location"), "ada"), cookiesOf(to)
}

// allowed is where Zoom sends a user who has allowed the app.
func (p *provisioned) allowed(authorize, user string) (callback string) {
	p.t.Helper()
	back, err := p.zoom.SignIn(p.t.Context(), authorize, user)
	if err != nil {
		p.t.Fatal(err)
	}
	return back
}

// signIn returns the cookies of a signed-in visitor.
func (p *provisioned) signIn() string {
	p.t.Helper()
	back, cookies := p.approve(p.site.pathPrefix + "/login?return_to=/notes%3Fof%3Dtoday")
	to := p.open(back, cookies)
	if to.StatusCode != http.StatusSeeOther || to.Header.Get("Location") != "/notes?of=today" {
		p.t.Fatalf("the callback: %s to %q", to.Status, to.Header.Get("Location"))
	}
	return cookiesOf(to)
}

// cookiesOf are the cookies that a browser has after an answer.
func cookiesOf(answer *http.Response) string {
	var pairs []string
	for _, cookie := range answer.Cookies() {
		if cookie.MaxAge >= 0 {
			pairs = append(pairs, cookie.Name+"="+cookie.Value)
		}
	}
	return strings.Join(pairs, "; ")
}

// dropped is how many cookies an answer has a browser forget.
func dropped(answer *http.Response) (n int) {
	for _, cookie := range answer.Cookies() {
		if cookie.MaxAge < 0 {
			n++
		}
	}
	return n
}

// bodyOf is the text of an answer.
func bodyOf(answer *http.Response) string {
	text, _ := io.ReadAll(answer.Body)
	return string(text)
}

// signInAs returns the cookies of another browser.
func (p *provisioned) signInAs(user string) string {
	p.t.Helper()
	to := p.open("/zoom_pkce/login", "")
	signedIn := p.open(p.allowed(to.Header.Get("Location"), user), cookiesOf(to))
	return cookiesOf(signedIn)
}

// restarted is the handler in another process, which remembers nothing.
func (p *provisioned) restarted() *provisioned {
	p.t.Helper()
	if err := p.Cleanup(); err != nil {
		p.t.Fatal(err)
	}
	*p = *p.beside(p.options)
	return p
}

// brokenStore is a session store in trouble.
type brokenStore struct {
	zoompkce.Store
	reads, writes bool        // fail
	mangles       bool        // what it has
	down          atomic.Bool // both
	calls         atomic.Int64
}

var errBroken = errors.New("the store is broken")

func (s *brokenStore) Load(ctx context.Context, key string) ([]byte, string, error) {
	s.calls.Add(1)
	if s.reads || s.down.Load() {
		return nil, "", errBroken
	}
	value, version, err := s.Store.Load(ctx, key)
	if s.mangles && len(value) > 0 {
		value[len(value)-1] ^= 1
	}
	return value, version, err
}

func (s *brokenStore) Swap(ctx context.Context, key, old string, value []byte, expires time.Time) (string, error) {
	s.calls.Add(1)
	if s.writes || s.down.Load() {
		return "", errBroken
	}
	return s.Store.Swap(ctx, key, old, value, expires)
}

// looped is the cookie of a browser whose sign-ins were lost as it came back.
func (p *provisioned) looped(signedIn, lost int) string {
	cookie := p.site.manager.Cookie("loop", fmt.Sprintf("%d.%d.%d", time.Now().Unix(), signedIn, lost), loopWindow)
	return cookie.Name + "=" + cookie.Value
}

// post sends a body to an endpoint as a page of the site does, and returns the status
// and the answer. Pairs of headers follow.
func (p *provisioned) post(target, body, cookies string, headers ...string) (status int, answer string) {
	p.t.Helper()
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
	if body == "" {
		r.Body = http.NoBody // as net/http has it
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	got, _ := p.serve(r, cookies, nil)
	text, err := io.ReadAll(got.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return got.StatusCode, string(text)
}

// authorizeInside is what the page inside Zoom's client does for a user, and the body with
// which it comes back.
func (p *provisioned) authorizeInside(user, page string) (body map[string]string, cookies string) {
	p.t.Helper()
	got, _ := p.serve(request(http.MethodPost, "/zoom_pkce/app/authorize", "", "Sec-Fetch-Site", "same-origin"), "", nil)
	var challenge inClientChallenge
	if err := json.Unmarshal([]byte(bodyOf(got)), &challenge); err != nil || got.StatusCode != http.StatusOK {
		p.t.Fatalf("%s, %v", got.Status, err)
	}
	event, err := p.zoom.InClientAuthorize(testClientID, user, challenge.CodeChallenge, challenge.State, page)
	if err != nil {
		p.t.Fatal(err)
	}
	return map[string]string{"code": event.Code, "state": event.State, "redirectUri": event.RedirectURI}, cookiesOf(got)
}

// codeOf is the code of a problem.
func codeOf(answer string) string {
	var problem struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal([]byte(answer), &problem)
	return problem.Code
}
