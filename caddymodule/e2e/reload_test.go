package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// TestReloadUnderLoad reloads once a second while visitors work and sign in.
// Every third configuration fails; the storage of a configuration that is gone
// answers nothing.
func TestReloadUnderLoad(t *testing.T) {
	w := newWorld(t)
	site := w.site("refresh_margin 2s", "session {\nsync_interval 300ms\n}", "zak {\nmax_age 1s\n}")
	good := changed(t, site, w.onTestStorage)
	bad := [][]byte{
		changed(t, site, func(c map[string]any) { w.onTestStorage(c); failingAt(c, "provision") }),
		changed(t, site, func(c map[string]any) { w.onTestStorage(c); failingAt(c, "start") }),
	}
	w.loadJSON(good)
	// Tokens end all the time, so that refreshes are under way in every reload.
	w.zoom.AccessTokenLifetime = 5 * time.Second
	users := []string{"user-ada", "user-bob", "user-0", "user-1", "user-2", "user-3"}
	var browsers []*browser
	for _, id := range users {
		w.zoom.AddUser(zoomtest.User{ID: id})
		browsers = append(browsers, w.signedIn(id))
	}
	seconds := 5
	if testkit.Thorough() {
		seconds = 60
	}
	traffic := w.traffic(200, w.url, browsers, users)
	w.zoom.AddUser(zoomtest.User{ID: "user-new"})
	ctx, cancel := context.WithCancel(t.Context())
	var signingIn sync.WaitGroup
	signIns := 0
	signingIn.Go(func() {
		for ; ctx.Err() == nil; signIns++ {
			if a := w.browser().signIn("/", "user-new"); a.StatusCode != http.StatusOK {
				t.Errorf("a sign-in ended with %d\n%s", a.StatusCode, a.body)
			}
		}
	})
	for i := range seconds {
		time.Sleep(time.Second)
		if i%3 == 2 {
			if err := caddy.Load(bad[i/3%2], true); err == nil || !strings.Contains(err.Error(), errFailingApp.Error()) {
				t.Errorf("a configuration that cannot load: %v", err)
			}
			continue
		}
		w.loadJSON(good)
	}
	cancel()
	signingIn.Wait()
	traffic.end(t, 50*seconds)
	if signIns < seconds {
		t.Errorf("only %d sign-ins", signIns)
	}
	if n := w.zoom.Count(zoomtest.CallRefresh); n < len(users) {
		t.Errorf("only %d refreshes", n)
	}
	for i, b := range browsers {
		b.wantUser(users[i])
	}
}

// TestRequestsOutliveTheirConfiguration: requests that come to the handler when
// its configuration is gone and its storage answers nothing any more. A
// handler ahead of ours had held them up; streams of HTTP/2 come late, too.
func TestRequestsOutliveTheirConfiguration(t *testing.T) {
	w := newWorld(t)
	arrived, release := make(chan struct{}, 8), make(chan struct{})
	guard := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Hold") != "" {
			arrived <- struct{}{}
			<-release
		}
	}))
	defer guard.Close()
	directives := fmt.Sprintf("forward_auth %s {\nuri /\n}\nzoom_pkce {\n%ssession {\nsync_interval 20ms\n}\n}\nreverse_proxy %s",
		guard.Listener.Addr(), w.options(), w.upstream.addr)
	config := changed(t, w.caddyfile(directives), w.onTestStorage)
	w.loadJSON(config)
	ada, bob := w.signedIn("user-ada"), w.browser()
	callback := bob.consent(bob.open("/late"), "user-bob")
	logins := counted(t, "logins_total{outcome=ok}")

	type late struct {
		a    answer
		what string
	}
	answers := make(chan late)
	send := func(what string, b *browser, target string) {
		r := b.request(http.MethodGet, target, append([]string{"X-Hold", "1"}, navigate...)...)
		go func() {
			resp, err := b.client.Do(r)
			if err != nil {
				answers <- late{answer{&http.Response{}, err.Error()}, what}
				return
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			answers <- late{answer{resp, string(body)}, what}
		}()
		<-arrived
	}
	send("page", ada, "/")
	send("callback", bob, callback)
	for range 2 {
		w.loadJSON(config)
	}
	close(release)
	for range 2 {
		switch l := <-answers; {
		case l.what == "page" && l.a.StatusCode != http.StatusOK:
			t.Errorf("a visitor's late request: got %d\n%s", l.a.StatusCode, l.a.body)
		case l.what == "callback" && (l.a.StatusCode != http.StatusSeeOther || l.a.Header.Get("Location") != "/late"):
			t.Errorf("a late callback: got %d\n%s", l.a.StatusCode, l.a.body)
		}
	}
	if got := counted(t, "logins_total{outcome=ok}"); got != logins+1 {
		t.Errorf("logins counted: %v, want %v", got, logins+1)
	}
	bob.wantUser("user-bob")

	// Without a successor there is no store to ask.
	release = make(chan struct{})
	send("page", ada, "/")
	pending := w.browser()
	send("callback", pending, pending.consent(pending.open("/"), "user-bob"))
	w.load(w.caddyfile("respond gone"))
	close(release)
	for range 2 {
		l := <-answers
		if l.what == "page" && l.a.StatusCode == http.StatusOK {
			continue // from memory
		}
		if l.a.StatusCode != http.StatusServiceUnavailable || l.a.Header.Get("Retry-After") == "" {
			t.Errorf("a late %s without a successor: got %d, want 503 with Retry-After\n%s", l.what, l.a.StatusCode, l.a.body)
		}
	}
	if n := w.zoom.Count(zoomtest.CallCode); n != 2 {
		t.Errorf("%d codes were spent, want 2: one could not be used", n)
	}
}

// A reload that happens while Zoom works on a refresh: the answer is the only
// valid token, and belongs to the user, not to the configuration.
func TestReloadKeepsRunningRefreshes(t *testing.T) {
	w := newWorld(t)
	config := changed(t, w.site("refresh_margin 1ms"), w.onTestStorage)
	w.loadJSON(config)
	w.zoom.AccessTokenLifetime = time.Second
	b := w.signedIn("user-ada")
	w.zoom.Advance(0) // orders the writes of the field
	w.zoom.AccessTokenLifetime = time.Hour
	w.zoom.Advance(0)
	time.Sleep(1100 * time.Millisecond)
	refreshes := w.zoom.Count(zoomtest.CallRefresh)

	gate := w.zoom.Hold(zoomtest.CallRefresh, zoomtest.After)
	cookies := b.cookieLine()
	answers := make(chan error, 2)
	ask := func() { answers <- hit(plain, w.url, cookies, "user-ada") }
	go ask()
	<-gate.Arrived()
	reloaded := make(chan error)
	go func() { reloaded <- caddy.Load(config, true) }()
	time.Sleep(200 * time.Millisecond)
	go ask()
	time.Sleep(200 * time.Millisecond)
	gate.Release()
	for range 2 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	if err := <-reloaded; err != nil {
		t.Error(err)
	}
	if n := w.zoom.Count(zoomtest.CallRefresh) - refreshes; n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
	// It was saved: another process would find it.
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	w.loadJSON(config)
	b.wantUser("user-ada")
	if n := w.zoom.Count(zoomtest.CallRefresh) - refreshes; n != 1 {
		t.Errorf("%d refreshes after a restart, want 1", n)
	}
}

func TestReloadKeepsCachesAndCounters(t *testing.T) {
	w := newWorld(t)
	config := changed(t, w.site(secrets(oldSecret)), w.onTestStorage)
	w.loadJSON(config)
	b := w.signedIn("user-ada")
	signedIn := counted(t, "requests_total{decision=signed_in}")
	zaks := w.zoom.Count(zoomtest.CallZAK)
	pending := w.browser()
	callback := pending.consent(pending.open("/pending"), "user-bob")

	// Whoever was forgotten could not be read again.
	trouble(t, func(_ context.Context, operation string) error {
		if operation == "load" {
			return errors.New("connection refused by the storage")
		}
		return nil
	})
	w.loadJSON(config)
	b.wantUser("user-ada")
	noTrouble()
	if got := counted(t, "requests_total{decision=signed_in}"); got != signedIn+1 {
		t.Errorf("signed-in requests counted: %v, want %v", got, signedIn+1)
	}
	if n := w.zoom.Count(zoomtest.CallZAK) - zaks; n != 0 {
		t.Errorf("%d ZAK calls after the reload: the ZAK was forgotten", n)
	}
	if a := pending.open(callback); a.Header.Get("Location") != "/pending" {
		t.Errorf("a login that was pending during the reload ended with %d\n%s", a.StatusCode, a.body)
	}
	pending.wantUser("user-bob")

	families := make(map[string]bool)
	for series := range counts(t) {
		name, _, _ := strings.Cut(series, "{")
		families[name] = true
	}
	if len(families) != 10 {
		t.Errorf("%d families of metrics after the reload, want 10", len(families))
	}
}
