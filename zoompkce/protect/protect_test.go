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
	"testing/synctest"
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
	b.keeps(b.t, 1)
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

func TestSignInAndOut(t *testing.T) {
	b := newWorld(t).browser()
	b.signIn("/notes?of=today")
	page := b.open("/notes?of=today")
	if page.wants(t, http.StatusOK); page.body != "/notes?of=today of Ada Lovelace" || page.Header.Get("Cache-Control") != "private" {
		t.Errorf("the page is %q, Cache-Control %q", page.body, page.Header.Get("Cache-Control"))
	}
	link := b.do(http.MethodGet, "/zoom/logout")
	if link.wants(t, http.StatusMethodNotAllowed); link.Header.Get("Allow") != http.MethodPost {
		t.Errorf("signing out allows %q", link.Header.Get("Allow"))
	}
	b.do(http.MethodPost, "/zoom/logout", "Origin", "https://evil.example").wants(t, http.StatusForbidden)
	b.open("/").wants(t, http.StatusOK)
	twin := b.twin()
	b.do(http.MethodPost, "/zoom/logout", "Origin", site).leadsTo(t, "/")
	b.keeps(t, 0)
	twin.fetch("/").wants(t, http.StatusUnauthorized)
	twin.keeps(t, 0) // of a session that is over
	b.atZoom("/")
}

// What brings the session cookie is for the visitor alone, whatever the app says of it:
// a shared cache would hand the session to everybody. It comes only with what shows that
// the visitor is there.
func TestRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newWorld(t, func(cfg *zoompkce.ManagerConfig) { cfg.IdleTimeout = 10 * time.Second }).browser()
		b.signIn("/")
		page := []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
		for _, c := range []struct {
			path, want string
			status     int
			headers    []string
		}{
			{"/a.js?cache=public", "private", http.StatusOK, page},
			{"/a.js?cache=public", "private", http.StatusOK, []string{"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Site", "same-origin"}},
			{"/empty?cache=public", "private", http.StatusOK, page},
			{"/ok?cache=public", "private", http.StatusOK, page},
			{"/made?cache=public", "private", http.StatusCreated, page},
			{"/stream?cache=public", "private", http.StatusOK, page},
			{"/?cache=no-store", "no-store", http.StatusOK, page},
		} {
			for try := 0; ; try++ {
				foreign := b.do(http.MethodGet, c.path, "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Site", "cross-site")
				got := b.do(http.MethodGet, c.path, c.headers...)
				got.wants(t, c.status)
				if got.Header.Get("X-Late") != "" {
					t.Error("the headers wait for what comes after a flush")
				}
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
	})
}

func TestSessionInUseLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newWorld(t).browser()
		b.signIn("/")
		if again := b.open("/"); len(again.Cookies()) != 0 {
			t.Errorf("a new session is given the cookies %v", again.Cookies())
		}
		for range 3 {
			time.Sleep(20 * time.Hour) // it would end after a day without use
			b.open("/").wants(t, http.StatusOK)
		}
	})
}

// Every refusal says what to do, and nobody keeps it.
func TestRefusals(t *testing.T) {
	b := newWorld(t, generated).browser()
	check := func(got answer, status int, sentence, retryAfter string) {
		t.Helper()
		if got.wants(t, status); !strings.HasPrefix(got.body, sentence) {
			t.Errorf("%d says %q", status, got.body)
		}
		if got.Header.Get("Cache-Control") != "no-store" || got.Header.Get("Retry-After") != retryAfter {
			t.Errorf("%d has the headers %v", status, got.Header)
		}
	}
	b.store.broken = true
	check(b.open("/"), http.StatusServiceUnavailable, "Who is signed in cannot be found out now.", "5")
	check(b.open("/zoom/callback?state=x&code=y"), http.StatusServiceUnavailable, "Who is signed in cannot be found out now.", "5")
	check(b.do(http.MethodPost, "/zoom/logout", "Origin", site), http.StatusServiceUnavailable, "Who is signed in cannot be found out now.", "5")
	b.store.broken = false
	check(b.open("/zoom/callback"), http.StatusBadRequest, "This sign-in cannot be finished.", "")
	check(b.fetch("/"), http.StatusUnauthorized, "Sign in first:", "")
	check(b.do(http.MethodPost, "/zoom/logout", "Origin", "https://evil.example"), http.StatusForbidden, "Nobody was signed in or out.", "")
	check(b.do(http.MethodGet, "/zoom/logout"), http.StatusMethodNotAllowed, "This address takes another method.", "")
	authorize, err := url.Parse(b.atZoom("/"))
	if err != nil {
		t.Fatal(err)
	}
	check(b.open("/zoom/callback?code=x&state="+authorize.Query().Get("state")), http.StatusBadGateway, "Zoom did not sign you in.", "")
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
	again.leadsTo(t, w.zoom.URL+"/oauth/authorize?")
	forgetful := w.browser()
	forgetful.open(victim.approve(again.Header.Get("Location"))).wants(t, http.StatusBadRequest)
	if !errors.Is(w.why[len(w.why)-1], zoompkce.ErrLoginUnknown) {
		t.Errorf("refused for %v", w.why)
	}
}

func TestCallbackOfAnotherHandler(t *testing.T) {
	w := newWorld(t)
	w.mux.Handle("/other/", w.handler(site+"/other/callback"))
	b := w.browser()
	back := strings.Replace(b.approve(b.atZoom("/")), "/zoom/", "/other/", 1)
	b.open(back).leadsTo(t, w.zoom.URL+"/oauth/authorize?")
}

// Who signs in while an operator ends all their sessions has to do so once more.
func TestSignedOutMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		w.browser().signIn("/")
		end := func() {
			t.Helper()
			time.Sleep(time.Minute)
			if ended, err := w.manager.EndUser(t.Context(), "ada", time.Now()); err != nil || !ended {
				t.Fatal(ended, err)
			}
			time.Sleep(time.Second)
		}
		back := b.approve(b.atZoom("/notes"))
		end()
		again := b.open(back)
		again.leadsTo(t, w.zoom.URL+"/oauth/authorize?")
		b.keeps(t, 1)
		w.browser().signIn("/")
		back = b.approve(again.Header.Get("Location"))
		end()
		b.open(back).wants(t, http.StatusBadGateway) // and not for ever
		b.keeps(t, 0)
	})
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
	b.keeps(t, 0) // the code may have been used: that login is over
	b.atZoom("/")
}

func TestTwoTabs(t *testing.T) {
	b := newWorld(t).browser()
	first, second := b.atZoom("/one"), b.atZoom("/two")
	b.open(b.approve(first)).wants(t, http.StatusSeeOther)
	before := b.zoom.Count(zoomtest.CallCode)
	back := b.approve(second)
	b.open(back).leadsTo(t, "/two")
	b.keeps(t, 1)
	b.open(back).leadsTo(t, "/") // a reload
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

func TestStoreTroubleOfVisitors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newWorld(t).browser()
		b.signIn("/")
		time.Sleep(2 * time.Hour)
		b.store.broken = true
		b.open("/").wants(t, http.StatusServiceUnavailable)
		b.fetch("/").wants(t, http.StatusServiceUnavailable)
		b.store.broken = false
		time.Sleep(time.Minute)
		b.open("/").wants(t, http.StatusOK)
	})
}

func TestNewRefuses(t *testing.T) {
	for _, uri := range []string{
		"", "/callback", "https://app.example.com", "https://app.example.com/", "https://app.example.com/a/../b",
		"://", "https://app.example.com/a?b=c", "https://app.example.com/zoom/logout", "https://app.example.com/a%62",
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
