package protect_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/memstore"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/protect"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// brokenStore is a store that can fail.
type brokenStore struct {
	zoompkce.Store
	broken bool
}

func (s *brokenStore) Load(ctx context.Context, key string) ([]byte, string, error) {
	if s.broken {
		return nil, "", errors.New("the disk is gone")
	}
	return s.Store.Load(ctx, key)
}

func (s *brokenStore) Swap(ctx context.Context, key, old string, value []byte, expires time.Time) (string, error) {
	if s.broken {
		return "", errors.New("the disk is full")
	}
	return s.Store.Swap(ctx, key, old, value, expires)
}

// site is where the app is, and callback where Zoom sends visitors back.
const (
	site     = "http://localhost"
	callback = site + "/zoom/callback"
)

// world is an app behind a Handler, and Zoom, without a network.
type world struct {
	t       *testing.T
	zoom    *zoomtest.Server
	mux     *http.ServeMux
	store   *brokenStore
	manager *zoompkce.Manager
	// why holds the reasons of what was refused.
	why []error
}

func newWorld(t *testing.T, changes ...func(*zoompkce.ManagerConfig)) *world {
	w := &world{t: t, zoom: zoomtest.NewUnstartedServer(), mux: http.NewServeMux(), store: &brokenStore{Store: memstore.New()}}
	t.Cleanup(w.zoom.Close)
	w.zoom.AddApp(zoomtest.App{
		ClientID: "my-app", ClientSecret: "my-secret", RedirectURIs: []string{callback, site + "/other/callback"},
	})
	w.zoom.AddUser(zoomtest.User{ID: "ada", DisplayName: "Ada Lovelace"})
	client, err := zoomapi.NewClient(zoomapi.Config{
		ClientID: "my-app", ClientSecret: "my-secret", OAuthURL: w.zoom.URL, APIURL: w.zoom.URL, HTTPClient: w.zoom.Client(),
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := zoompkce.ManagerConfig{
		Client: client, Store: w.store, Cookies: zoompkce.CookieConfig{Insecure: true},
		Secrets: [][]byte{[]byte("a secret of the tests, 32 bytes long")},
	}
	for _, change := range changes {
		change(&cfg)
	}
	if w.manager, err = zoompkce.NewManager(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.manager.Close)
	w.mux.Handle("/", w.handler(callback))
	return w
}

// generated is a manager that keeps its secret in the store.
func generated(cfg *zoompkce.ManagerConfig) { cfg.Secrets = nil }

func (w *world) handler(redirectURI string) http.Handler {
	t := w.t
	handler, err := protect.New(w.manager, redirectURI, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if said := r.URL.Query().Get("cache"); said != "" {
			w.Header().Set("Cache-Control", said)
			w.Header().Set("CDN-Cache-Control", "max-age=60")
		}
		switch r.URL.Path {
		case "/empty":
			return
		case "/ok":
			w.WriteHeader(http.StatusOK)
		case "/made":
			w.WriteHeader(http.StatusCreated)
		case "/stream":
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			w.Header().Set("X-Late", "1")
		}
		_, _ = io.WriteString(w, r.RequestURI+" of "+protect.Session(r.Context()).Profile().Name)
	}))
	if err != nil {
		w.t.Fatal(err)
	}
	refuse := handler.Refuse
	handler.Refuse = func(rw http.ResponseWriter, r *http.Request, status int, reason error) {
		w.why = append(w.why, reason)
		refuse(rw, r, status, reason)
	}
	return handler
}

// flushing sends the headers when it is flushed, as a server does.
type flushing struct{ http.ResponseWriter }

func (w flushing) Flush() { w.WriteHeader(http.StatusOK) }

// browser keeps cookies and follows no redirect.
func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	server := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.mux.ServeHTTP(flushing{rw}, r) })
	return &browser{w, &http.Client{Jar: jar, Transport: zoomtest.NewTransport(server), CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}}
}

type browser struct {
	*world
	client *http.Client
}

type answer struct {
	*http.Response
	body string
}

func (b *browser) do(method, address string, headers ...string) answer {
	b.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = site + address
	}
	r, err := http.NewRequest(method, address, http.NoBody)
	if err != nil {
		b.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{response, string(body)}
}

func (b *browser) open(address string) answer {
	b.t.Helper()
	return b.do(http.MethodGet, address, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")
}

// fetch is a script's request.
func (b *browser) fetch(address string) answer {
	b.t.Helper()
	return b.do(http.MethodGet, address, "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty")
}

// cookies are those that the browser has.
func (b *browser) cookies() []*http.Cookie {
	b.t.Helper()
	u, err := url.Parse(site)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.client.Jar.Cookies(u)
}

// forget has the browser lose a cookie.
func (b *browser) forget(name string) {
	b.t.Helper()
	u, err := url.Parse(site)
	if err != nil {
		b.t.Fatal(err)
	}
	b.client.Jar.SetCookies(u, []*http.Cookie{{Name: name, Path: "/", MaxAge: -1}})
}

// twin is a browser with the same cookies.
func (b *browser) twin() *browser {
	b.t.Helper()
	u, err := url.Parse(site)
	if err != nil {
		b.t.Fatal(err)
	}
	twin := b.browser()
	twin.client.Jar.SetCookies(u, b.cookies())
	return twin
}

// keeps tells how many cookies a browser is to have.
func (b *browser) keeps(t *testing.T, cookies int) {
	t.Helper()
	if got := b.cookies(); len(got) != cookies {
		t.Errorf("the browser keeps the cookies %v, want %d", got, cookies)
	}
}

// atZoom opens a page and returns where Zoom asks the visitor.
func (b *browser) atZoom(page string) string {
	b.t.Helper()
	to := b.open(page)
	if to.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to.Header.Get("Location"), b.zoom.URL+"/oauth/authorize?") {
		b.t.Fatalf("%s: %s to %q, want Zoom's page", page, to.Status, to.Header.Get("Location"))
	}
	return to.Header.Get("Location")
}

// approve signs Ada in at Zoom and returns the address of the callback.
func (b *browser) approve(authorize string) string {
	b.t.Helper()
	back, err := b.zoom.SignIn(b.t.Context(), authorize, "ada")
	if err != nil {
		b.t.Fatal(err)
	}
	return back
}

func (b *browser) signIn(page string) {
	b.t.Helper()
	if to := b.open(b.approve(b.atZoom(page))); to.StatusCode != http.StatusSeeOther || to.Header.Get("Location") != page {
		b.t.Fatalf("the callback: %s to %q, want %q", to.Status, to.Header.Get("Location"), page)
	}
	b.keeps(b.t, 2) // the session, and for a while how many sign-ins there were
}

// leadsTo checks where a redirect leads that no cache keeps and no Referer tells of.
func (a answer) leadsTo(t *testing.T, address string) {
	t.Helper()
	if a.wants(t, http.StatusSeeOther); !strings.HasPrefix(a.Header.Get("Location"), address) {
		t.Errorf("%s: sent to %q, want %q", a.Request.URL, a.Header.Get("Location"), address)
	}
	if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("%s: the redirect has the headers %v", a.Request.URL, a.Header)
	}
}

func (a answer) wants(t *testing.T, status int) {
	t.Helper()
	if a.StatusCode != status {
		t.Errorf("%s %s: %s, want %d", a.Request.Method, a.Request.URL, a.Status, status)
	}
}
