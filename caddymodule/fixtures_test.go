package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

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
}

// provision sets up a handler for http://localhost with further options in JSON.
func provision(t *testing.T, options string) *provisioned {
	t.Helper()
	zoom := zoomtest.NewServer()
	t.Cleanup(zoom.Close)
	zoom.AddApp(zoomtest.App{
		ClientID: testClientID, ClientSecret: testClientSecret, RedirectURIs: []string{"http://localhost/zoom_pkce/callback"},
	})
	zoom.AddUser(zoomtest.User{
		ID: "ada", AccountID: "account", Email: "ada@example.com", Verified: 1, DisplayName: "Ada Løvelace",
	})
	root, err := json.Marshal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := caddy.ProvisionContext(&caddy.Config{
		Admin:      &caddy.AdminConfig{Disabled: true},
		StorageRaw: json.RawMessage(`{"module": "file_system", "root": ` + string(root) + `}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	module, err := ctx.LoadModuleByID("http.handlers.zoom_pkce", json.RawMessage(`{
		"client_id": "`+testClientID+`", "client_secret": "`+testClientSecret+`", "oauth_url": "`+zoom.URL+`",
		"redirect_uri": ["http://localhost/zoom_pkce/callback"]`+options+`}`))
	if err != nil {
		t.Fatal(err)
	}
	h := module.(*Handler)
	t.Cleanup(func() {
		if err := h.Cleanup(); err != nil {
			t.Error(err)
		}
	})
	return &provisioned{h, t, zoom}
}

// passed is the app's status, which no refusal has.
const passed = http.StatusTeapot

// serve answers a request as a visitor with these cookies sends it, after change has
// rewritten it. The app says what headers it got.
func (p *provisioned) serve(r *http.Request, cookies string, change func(*http.Request)) (got *http.Response, headers http.Header) {
	p.t.Helper()
	r.Host = "localhost"
	if cookies != "" {
		r.Header.Set("Cookie", cookies)
	}
	w := httptest.NewRecorder()
	repl := caddy.NewReplacer()
	r = caddyhttp.PrepareRequest(r, repl, w, nil)
	if change != nil {
		change(r)
	}
	err := p.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		headers = r.Header.Clone()
		w.WriteHeader(passed)
		return nil
	}))
	if failed, ok := errors.AsType[caddyhttp.HandlerError](err); ok && !p.site.errorPages {
		code, _ := repl.GetString("http.zoom_pkce.error")
		w.WriteHeader(failed.StatusCode) // as handle_errors would
		_, _ = fmt.Fprintf(w, `{"code": %q}`, code)
	} else if err != nil {
		p.t.Fatal(err)
	}
	return w.Result(), headers
}

// bothWays runs a test with the directive's own error pages, and with those of the site.
func bothWays(t *testing.T, options string, test func(t *testing.T, p *provisioned)) {
	t.Run("error pages", func(t *testing.T) { test(t, provision(t, options)) })
	t.Run("handle_errors", func(t *testing.T) { test(t, provision(t, options+`, "error_pages": false`)) })
}

// open is a page load.
func (p *provisioned) open(target, cookies string) *http.Response {
	p.t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	got, _ := p.serve(r, cookies, nil)
	return got
}

// approve signs Ada in at Zoom and returns the address of the callback, and the cookies
// of the browser.
func (p *provisioned) approve(page string) (callback, cookies string) {
	p.t.Helper()
	to := p.open(page, "")
	back, err := p.zoom.SignIn(p.t.Context(), to.Header.Get("Location"), "ada")
	if err != nil {
		p.t.Fatal(err)
	}
	return back, cookiesOf(to)
}

// signIn returns the cookies of a signed-in visitor.
func (p *provisioned) signIn() string {
	p.t.Helper()
	back, cookies := p.approve("/zoom_pkce/login?return_to=/notes%3Fof%3Dtoday")
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
