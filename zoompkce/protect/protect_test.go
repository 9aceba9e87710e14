package protect_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
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

// world is an app behind a Handler, and Zoom.
type world struct {
	t     *testing.T
	zoom  *zoomtest.Server
	site  *httptest.Server
	store *brokenStore
	// why holds the reasons of what was refused.
	why []error
}

func newWorld(t *testing.T) *world { return newWorldWith(t, 0) }

func newWorldWith(t *testing.T, idle time.Duration) *world {
	w := &world{t: t, zoom: zoomtest.NewServer(), store: &brokenStore{Store: memstore.New()}}
	t.Cleanup(w.zoom.Close)
	mux := http.NewServeMux()
	w.site = httptest.NewServer(mux)
	t.Cleanup(w.site.Close)
	callback := w.site.URL + "/zoom/callback"
	w.zoom.AddApp(zoomtest.App{ClientID: "my-app", ClientSecret: "my-secret", RedirectURIs: []string{callback}})
	w.zoom.AddUser(zoomtest.User{ID: "ada", DisplayName: "Ada Lovelace"})
	client, err := zoomapi.NewClient(zoomapi.Config{
		ClientID: "my-app", ClientSecret: "my-secret", OAuthURL: w.zoom.URL, APIURL: w.zoom.URL,
	})
	if err != nil {
		t.Fatal(err)
	}
	manager, err := zoompkce.NewManager(zoompkce.ManagerConfig{
		Client: client, Store: w.store, Cookies: zoompkce.CookieConfig{Insecure: true}, IdleTimeout: idle,
		Secrets: [][]byte{[]byte("a secret of the tests, 32 bytes long")},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(manager.Close)
	handler, err := protect.New(manager, callback, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if said := r.URL.Query().Get("cache"); said != "" {
			w.Header().Set("Cache-Control", said)
			w.Header().Set("CDN-Cache-Control", "max-age=60")
		}
		if r.URL.Path == "/empty" {
			return
		}
		_, _ = io.WriteString(w, r.RequestURI+" of "+protect.Session(r.Context()).Profile().Name)
	}))
	if err != nil {
		t.Fatal(err)
	}
	refuse := handler.Refuse
	handler.Refuse = func(rw http.ResponseWriter, r *http.Request, status int, reason error) {
		w.why = append(w.why, reason)
		refuse(rw, r, status, reason)
	}
	mux.Handle("/", handler)
	return w
}

// browser keeps cookies and follows no redirect.
func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &browser{w, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error {
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
		address = b.site.URL + address
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
}

func (a answer) wants(t *testing.T, status int) {
	t.Helper()
	if a.StatusCode != status {
		t.Errorf("%s %s: %s, want %d", a.Request.Method, a.Request.URL, a.Status, status)
	}
}

func TestSignInAndOut(t *testing.T) {
	b := newWorld(t).browser()
	b.signIn("/notes?of=today")
	page := b.open("/notes?of=today")
	if page.wants(t, http.StatusOK); page.body != "/notes?of=today of Ada Lovelace" || page.Header.Get("Cache-Control") != "private" {
		t.Errorf("the page is %q, Cache-Control %q", page.body, page.Header.Get("Cache-Control"))
	}
	b.do(http.MethodGet, "/zoom/logout").wants(t, http.StatusMethodNotAllowed)
	b.do(http.MethodPost, "/zoom/logout", "Origin", "https://evil.example").wants(t, http.StatusForbidden)
	b.open("/").wants(t, http.StatusOK)
	b.do(http.MethodPost, "/zoom/logout", "Origin", b.site.URL).wants(t, http.StatusSeeOther)
	b.atZoom("/")
}

// What brings the session cookie is for the visitor alone, whatever the app says of it:
// a shared cache would hand the session to everybody. It comes only with what shows that
// the visitor is there.
func TestRenewal(t *testing.T) {
	b := newWorldWith(t, 10*time.Second).browser()
	b.signIn("/")
	page := []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	for _, c := range []struct {
		path, want string
		headers    []string
	}{
		{"/a.js?cache=public", "private", page},
		{"/a.js?cache=public", "private", []string{"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Site", "same-origin"}},
		{"/empty?cache=public", "private", page},
		{"/?cache=no-store", "no-store", page},
	} {
		for try := 0; ; try++ {
			foreign := b.do(http.MethodGet, c.path, "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Site", "cross-site")
			got := b.do(http.MethodGet, c.path, c.headers...)
			got.wants(t, http.StatusOK)
			if len(foreign.Cookies()) > 0 || foreign.Header.Get("CDN-Cache-Control") == "" {
				t.Fatalf("%s, for another site: %v", c.path, foreign.Header)
			}
			if len(got.Cookies()) == 0 && try < 100 {
				time.Sleep(20 * time.Millisecond)
				continue
			}
			if len(got.Cookies()) != 1 || got.Header.Get("Cache-Control") != c.want || got.Header.Get("CDN-Cache-Control") != "" {
				t.Errorf("%s: %v", c.path, got.Header)
			}
			break
		}
	}
}

func TestOnlyPageLoadsGoToZoom(t *testing.T) {
	b := newWorld(t).browser()
	for name, headers := range map[string][]string{
		"a fetch":               {"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"},
		"a fetch that is loose": {"Accept", "*/*"},
		"a frame":               {"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"},
		"a page loaded ahead":   {"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Purpose", "prefetch"},
	} {
		got := b.do(http.MethodGet, "/", headers...)
		if got.StatusCode != http.StatusUnauthorized || len(got.Cookies()) != 0 || strings.Contains(got.body, "Ada") {
			t.Errorf("%s: %s, cookies %v", name, got.Status, got.Cookies())
		}
	}
	b.do(http.MethodPost, "/", "Accept", "text/html").wants(t, http.StatusUnauthorized)
	b.do(http.MethodGet, "/", "Accept", "text/html,*/*").wants(t, http.StatusSeeOther)
}

func TestCallbackOfAnotherBrowser(t *testing.T) {
	w := newWorld(t)
	mallory, victim := w.browser(), w.browser()
	stolen := mallory.approve(mallory.atZoom("/"))

	again := victim.open(stolen) // login CSRF: the victim is to be signed in as somebody else
	if again.wants(t, http.StatusSeeOther); !strings.HasPrefix(again.Header.Get("Location"), w.zoom.URL) {
		t.Fatalf("sent to %q, want Zoom", again.Header.Get("Location"))
	}
	forgetful := w.browser()
	forgetful.open(victim.approve(again.Header.Get("Location"))).wants(t, http.StatusBadRequest)
	if !errors.Is(w.why[len(w.why)-1], zoompkce.ErrLoginUnknown) {
		t.Errorf("refused for %v", w.why)
	}
}

func TestCallbacksThatSignNobodyIn(t *testing.T) {
	b := newWorld(t).browser()
	authorize, err := url.Parse(b.atZoom("/"))
	if err != nil {
		t.Fatal(err)
	}
	state := "state=" + authorize.Query().Get("state")
	for _, query := range []string{
		"", "code=x", state, state + "&code=x&code=y", state + "&code=x&error=access_denied", state + "&" + state + "&code=x",
	} {
		b.open("/zoom/callback?"+query).wants(t, http.StatusBadRequest)
	}
	b.do(http.MethodPost, "/zoom/callback?"+state+"&code=x").wants(t, http.StatusMethodNotAllowed)
	b.open("/zoom/callback?"+state+"&error=access_denied").wants(t, http.StatusForbidden)
	b.open("/zoom/callback?"+state+"&code=x").wants(t, http.StatusSeeOther) // that login is over: another one begins
	b.atZoom("/")
}

func TestCodeThatZoomRefuses(t *testing.T) {
	b := newWorld(t).browser()
	authorize, err := url.Parse(b.atZoom("/"))
	if err != nil {
		t.Fatal(err)
	}
	b.open("/zoom/callback?code=x&state="+authorize.Query().Get("state")).wants(t, http.StatusBadGateway)
	b.atZoom("/")
}

func TestTwoTabs(t *testing.T) {
	b := newWorld(t).browser()
	first, second := b.atZoom("/one"), b.atZoom("/two")
	b.open(b.approve(first)).wants(t, http.StatusSeeOther)
	before := b.zoom.Count(zoomtest.CallCode)
	if to := b.open(b.approve(second)); to.Header.Get("Location") != "/two" {
		t.Errorf("the second tab is sent to %q", to.Header.Get("Location"))
	}
	if calls := b.zoom.Count(zoomtest.CallCode); calls != before {
		t.Errorf("a code that nobody needs was exchanged")
	}
}

func TestStoreTrouble(t *testing.T) {
	b := newWorld(t).browser()
	back := b.approve(b.atZoom("/"))
	b.store.broken = true
	b.open(back).wants(t, http.StatusServiceUnavailable)
	b.store.broken = false
	b.open(back).wants(t, http.StatusSeeOther) // the login was kept
	b.open("/").wants(t, http.StatusOK)
}

func TestNewRefuses(t *testing.T) {
	for _, uri := range []string{
		"", "/callback", "https://app.example.com", "https://app.example.com/", "https://app.example.com/a/../b",
		"https://app.example.com/a?b=c", "https://app.example.com/zoom/logout", "https://app.example.com/a%62",
	} {
		if _, err := protect.New(new(zoompkce.Manager), uri, http.NotFoundHandler()); err == nil {
			t.Errorf("%q is accepted", uri)
		}
	}
	if _, err := protect.New(nil, "https://app.example.com/callback", http.NotFoundHandler()); err == nil {
		t.Error("a handler without a manager")
	}
}

func TestSessionOfNobody(t *testing.T) {
	if s := protect.Session(t.Context()); s != nil {
		t.Errorf("a request that no handler let through has the session %v", s)
	}
}
