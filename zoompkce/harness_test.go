package zoompkce_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

const callbackURI = "https://app.example/zoom_pkce/callback"

// world is a simulated Zoom and a session store, for any number of processes.
type world struct {
	*testing.T
	zoom  *zoomtest.Server
	app   *zoomtest.App
	store *testStore

	mu        sync.Mutex
	transport http.RoundTripper // to Zoom
	issued    []string          // access tokens
	refresh   string            // the last refresh token
}

// carrier is a function as a transport.
type carrier func(*http.Request) (*http.Response, error)

func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) { return c(r) }

// RoundTrip carries the processes' calls, and notes the tokens that Zoom gives.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	transport := w.transport
	w.mu.Unlock()
	res, err := transport.RoundTrip(r)
	if err == nil && r.URL.Path == "/oauth/token" {
		res.Body = &tokenReader{ReadCloser: res.Body, world: w}
	}
	return res, err
}

// through has the calls to Zoom carried by f from now on.
func (w *world) through(f carrier) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.transport = f
}

type tokenReader struct {
	io.ReadCloser
	read  []byte
	world *world
}

func (r *tokenReader) Read(b []byte) (int, error) {
	n, err := r.ReadCloser.Read(b)
	r.read = append(r.read, b[:n]...)
	return n, err
}

func (r *tokenReader) Close() error {
	var answer struct {
		Token   string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if json.Unmarshal(r.read, &answer) == nil && answer.Token != "" {
		r.world.mu.Lock()
		r.world.issued = append(r.world.issued, answer.Token)
		r.world.refresh = answer.Refresh
		r.world.mu.Unlock()
	}
	return r.ReadCloser.Close()
}

// live counts the access tokens that have been given and that Zoom still takes.
func (w *world) live() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, token := range w.issued {
		if _, _, ok := w.zoom.ValidateAccessToken(token); ok {
			n++
		}
	}
	return n
}

var (
	firstSecret  = bytes.Repeat([]byte("first secret "), 4)
	secondSecret = bytes.Repeat([]byte("second secret "), 4)
)

// bubble runs a test with a clock of its own: sleeping costs nothing, and
// nothing is left to chance but what a test leaves open.
func bubble(t *testing.T, test func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		test(w)
	})
}

func newWorld(t testing.TB) *world {
	inner, _ := t.(*testing.T)
	w := &world{T: inner, zoom: zoomtest.NewUnstartedServer(), store: newTestStore()}
	t.Cleanup(w.zoom.Close)
	w.transport = w.zoom.Client().Transport
	w.app = w.zoom.AddApp(zoomtest.App{ClientSecret: "app-secret", RedirectURIs: []string{callbackURI}})
	for _, id := range []string{"ada", "bob"} {
		w.zoom.AddUser(zoomtest.User{ID: id, AccountID: "acc", Email: id + "@example.com", Verified: 1, FirstName: id})
	}
	return w
}

// process is one process of those that share the store.
type process struct {
	*world
	*zoompkce.Manager
	state *zoompkce.Memory

	mu     sync.Mutex
	events []zoompkce.Event
}

func (w *world) process(change ...func(*zoompkce.ManagerConfig)) *process {
	w.Helper()
	return w.processWith(w, change...)
}

func (w *world) processWith(t testing.TB, change ...func(*zoompkce.ManagerConfig)) *process {
	t.Helper()
	p := &process{world: w, state: zoompkce.NewMemory()}
	p.Manager = w.manager(t, p, change...)
	t.Cleanup(func() {
		p.Close()
		p.state.Close()
	})
	return p
}

// reload replaces the process's manager, as a change of configuration does.
func (p *process) reload(change ...func(*zoompkce.ManagerConfig)) (old *zoompkce.Manager) {
	p.Helper()
	old = p.Manager
	p.Manager = p.manager(p, p, change...)
	return old
}

func (w *world) manager(t testing.TB, p *process, change ...func(*zoompkce.ManagerConfig)) *zoompkce.Manager {
	t.Helper()
	client, err := zoomapi.NewClient(zoomapi.Config{
		ClientID: w.app.ClientID, ClientSecret: w.app.ClientSecret, OAuthURL: w.zoom.URL, HTTPClient: &http.Client{Transport: w},
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := zoompkce.ManagerConfig{
		Client: client, Store: w.store, Memory: p.state, Secrets: [][]byte{firstSecret}, Observe: p.observe,
	}
	for _, f := range change {
		f(&cfg)
	}
	m, err := zoompkce.NewManager(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (p *process) observe(e zoompkce.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, e)
}

// told is all events so far.
func (p *process) told() []zoompkce.Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.events)
}

// outcomes returns the outcomes of the events of one kind, in their order.
func (p *process) outcomes(kind zoompkce.EventKind) (list []string) {
	for _, e := range p.told() {
		if e.Kind == kind {
			list = append(list, e.Outcome)
		}
	}
	return list
}

// browser keeps cookies. It may be used with any process.
type browser struct{ cookies map[string]string }

func newBrowser() *browser { return &browser{map[string]string{}} }

func (b *browser) set(cookies ...*http.Cookie) {
	for _, c := range cookies {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
}

func (b *browser) header() []string {
	var pairs []string
	for name, value := range b.cookies {
		pairs = append(pairs, name+"="+value)
	}
	slices.Sort(pairs)
	return []string{strings.Join(pairs, "; ")}
}

// begin begins a login and has the user consent to it.
func (p *process) begin(b *browser, user string) (l *zoompkce.Login, code string) {
	p.Helper()
	l, cookies, err := p.BeginLogin(ctx, b.header(), zoompkce.LoginRequest{RedirectURI: callbackURI, ReturnURL: "/"})
	if err != nil {
		p.Fatal(err)
	}
	b.set(cookies...)
	return l, p.consent(l, user)
}

func (p *process) consent(l *zoompkce.Login, user string) (code string) {
	p.Helper()
	callback, err := p.zoom.SignIn(ctx, p.AuthorizeURL(l), user)
	if err != nil {
		p.Fatal(err)
	}
	u, err := url.Parse(callback)
	if err != nil {
		p.Fatal(err)
	}
	return u.Query().Get("code")
}

func (p *process) finish(b *browser, l *zoompkce.Login, code string) error {
	in, err := p.SignIn(ctx, l, code, b.header())
	if err == nil {
		b.set(in.Cookie, p.DropLogin(l))
	}
	return err
}

func (p *process) signIn(user string) *browser {
	p.Helper()
	b := newBrowser()
	l, code := p.begin(b, user)
	if err := p.finish(b, l, code); err != nil {
		p.Fatal(err)
	}
	return b
}

func (p *process) session(b *browser) *zoompkce.Session {
	p.Helper()
	s, err := p.Session(ctx, b.header())
	if err != nil {
		p.Fatalf("session: %v", err)
	}
	return s
}

// token is what a request of the browser gets.
func (p *process) token(b *browser) (string, error) { return tokenFrom(p.Manager, b) }

func tokenFrom(m *zoompkce.Manager, b *browser) (string, error) {
	s, err := m.Session(ctx, b.header())
	if err != nil {
		return "", err
	}
	return m.AccessToken(ctx, s)
}

// works checks that the browser is signed in with a token Zoom takes.
func (p *process) works(b *browser) string {
	p.Helper()
	token, err := p.token(b)
	if err != nil {
		p.Fatalf("access token: %v", err)
	}
	if _, _, ok := p.zoom.ValidateAccessToken(token); !ok {
		p.Fatal("Zoom does not take the access token")
	}
	return token
}

func (p *process) signedOut(b *browser) *zoompkce.NoSessionError {
	p.Helper()
	_, err := p.token(b)
	none, ok := errors.AsType[*zoompkce.NoSessionError](err)
	if !ok {
		p.Fatalf("not signed out: %v", err)
	}
	return none
}

func (p *process) storeTrouble(b *browser) *zoompkce.StoreError {
	p.Helper()
	_, err := p.token(b)
	trouble, ok := errors.AsType[*zoompkce.StoreError](err)
	if !ok {
		p.Fatalf("not trouble with the store: %v", err)
	}
	return trouble
}

func (w *world) calls(call zoomtest.Call, want int) {
	w.Helper()
	if got := w.zoom.Count(call); got != want {
		w.Errorf("%d %s calls, want %d", got, call, want)
	}
}

// took checks that f takes no longer than limit.
func (w *world) took(limit time.Duration, f func()) {
	w.Helper()
	began := time.Now()
	f()
	if d := time.Since(began); d > limit {
		w.Errorf("took %v, at most %v is allowed", d, limit)
	}
}

func contextWithCancel() (context.Context, context.CancelFunc) { return context.WithCancel(ctx) }

func toExpiry() { time.Sleep(time.Hour) }

var ctx = context.Background()
