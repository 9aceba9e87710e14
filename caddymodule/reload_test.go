package caddymodule

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// thorough reports whether tests may take as long as the numbers they prove.
func thorough() bool { return os.Getenv("ZOOM_PKCE_E2E") == "1" || os.Getenv("CI") != "" }

// signedIn is a browser of a user who has signed in.
func (w *world) signedIn(userID string) *browser {
	w.t.Helper()
	b := w.browser()
	if a := b.signIn("/", userID); a.StatusCode != http.StatusOK {
		w.t.Fatalf("signing in: got %d\n%s", a.StatusCode, a.body)
	}
	return b
}

// wantUser checks that a page load arrives upstream as the user's.
func (b *browser) wantUser(userID string) {
	b.w.t.Helper()
	a := b.open("/")
	if a.StatusCode != http.StatusOK {
		b.w.t.Fatalf("got %d to %q, want the page of %s\n%s", a.StatusCode, a.Header.Get("Location"), userID, a.body)
	}
	if got := a.received(b.w.t).Header.Get("X-Zoom-User-Id"); got != userID {
		b.w.t.Fatalf("the request arrived as %q, want %s", got, userID)
	}
}

// wantSignedOut checks that a page load is sent to Zoom.
func (b *browser) wantSignedOut() {
	b.w.t.Helper()
	if a := b.open("/"); a.StatusCode != http.StatusSeeOther {
		b.w.t.Fatalf("got %d, want a redirect to Zoom\n%s", a.StatusCode, a.body)
	}
}

// cookieLine is the browser's Cookie header.
func (b *browser) cookieLine() string {
	r := b.request(http.MethodGet, "/")
	for _, c := range b.jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	return r.Header.Get("Cookie")
}

// eventually waits for something that another goroutine does.
func eventually(t *testing.T, what string, limit time.Duration, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain for %s", limit, what)
		}
	}
}

// plain is a client that knows nothing of cookies.
var plain = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}

// hit sends one request and tells what is wrong with the answer.
func hit(client *http.Client, url, cookies, userID string) error {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Cookie", cookies)
	resp, err := doAgain(client, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	line, err := bufio.NewReader(resp.Body).ReadString(0)
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d: %s", resp.StatusCode, line)
	}
	if !strings.Contains(line, `"X-Zoom-User-Id":["`+userID+`"]`) {
		return fmt.Errorf("the request did not arrive as %s: %w %s", userID, err, line)
	}
	return nil
}

func counted(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}

// traffic sends requests until it is stopped, at a steady rate.
type traffic struct {
	stop   context.CancelFunc
	done   sync.WaitGroup
	count  atomic.Int64
	failed atomic.Int64
	first  atomic.Pointer[string]
}

// traffic sends a number of requests a second, in turns for each browser, half of
// them on new connections. Browsers are of the user of the same place.
func (w *world) traffic(perSecond int, url string, browsers []*browser, users []string) *traffic {
	ctx, cancel := context.WithCancel(context.Background())
	t := &traffic{stop: cancel}
	kept := &http.Transport{MaxIdleConnsPerHost: 64}
	clients := []*http.Client{{Transport: kept, Timeout: 20 * time.Second}, plain}
	cookies := make([]string, len(browsers))
	for i, b := range browsers {
		cookies[i] = b.cookieLine()
	}
	t.done.Go(func() {
		defer kept.CloseIdleConnections()
		tick := time.NewTicker(time.Second / time.Duration(perSecond))
		defer tick.Stop()
		var hits sync.WaitGroup
		defer hits.Wait()
		for i := 0; ; i++ {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			hits.Go(func() {
				who := i % len(cookies)
				t.count.Add(1)
				if err := hit(clients[i/len(cookies)%2], url, cookies[who], users[who]); err != nil {
					t.failed.Add(1)
					text := err.Error()
					t.first.CompareAndSwap(nil, &text)
				}
			})
		}
	})
	return t
}

// end stops the traffic, all of which must have been answered properly.
func (t *traffic) end(tb testing.TB, least int) {
	tb.Helper()
	t.stop()
	t.done.Wait()
	if n := t.failed.Load(); n > 0 {
		tb.Errorf("%d of %d requests failed, the first: %s", n, t.count.Load(), *t.first.Load())
	}
	if n := t.count.Load(); n < int64(least) {
		tb.Errorf("only %d requests were sent, that proves little", n)
	}
	tb.Logf("%d requests", t.count.Load())
}

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
	if thorough() {
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
	logins := counted(t, metrics.logins.WithLabelValues("ok"))

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
	if got := counted(t, metrics.logins.WithLabelValues("ok")); got != logins+1 {
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

func TestReferencesToState(t *testing.T) {
	w := newWorld(t)
	id := zoompkce.AppID(w.zoom.URL, testClientID)
	references := func(want int) {
		t.Helper()
		if n, ok := states.References(id); n != want || ok != (want > 0) {
			t.Errorf("%d references to the state, want %d", n, want)
		}
	}
	references(0)
	if err := w.tryLoad(strings.Replace(w.site(), "client_id", "unknown", 1)); err == nil {
		t.Error("a wrong configuration was loaded")
	}
	references(0)
	adapted, err := adapt(w.site())
	if err != nil {
		t.Fatal(err)
	}
	var config caddy.Config
	if err := caddy.StrictUnmarshalJSON(adapted, &config); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(&config); err != nil {
		t.Fatal(err)
	}
	references(0)
	if entries, err := os.ReadDir(w.storage); err != nil || len(entries) > 0 {
		t.Errorf("validating left %v in the storage (%v)", entries, err)
	}

	w.load(w.site())
	references(1)
	b := w.signedIn("user-ada")
	for range 10 {
		w.load(w.site())
		references(1)
	}
	b.wantUser("user-ada")
	twice := w.caddyfile(fmt.Sprintf("zoom_pkce /a/* {\n%s}\nroute /b/* {\nzoom_pkce {\n%s}\n}\nreverse_proxy %s",
		w.options(), w.options(), w.upstream.addr))
	w.load(twice)
	references(2)
	for _, at := range []string{"provision", "start"} {
		for range 3 {
			if err := caddy.Load(changed(t, w.site(), func(c map[string]any) { failingAt(c, at) }), true); err == nil {
				t.Errorf("an app that fails at %s was loaded", at)
			}
			references(2)
		}
	}
	// The second handler fails, the first has its state already.
	disagreeing := strings.Replace(twice, "route /b/* {\nzoom_pkce {\n", "route /b/* {\nzoom_pkce {\ncookie {\nname other\n}\n", 1)
	if err := w.tryLoad(disagreeing); err == nil || !strings.Contains(err.Error(), "disagree") {
		t.Errorf("handlers that disagree: %v", err)
	}
	references(2)
	w.load(w.site())
	references(1)
	b.wantUser("user-ada")
	w.load(w.caddyfile("respond hello"))
	references(0)
	w.load(w.site())
	references(1)
	b.wantUser("user-ada")
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	references(0)
}

func TestReloadKeepsCachesAndCounters(t *testing.T) {
	w := newWorld(t)
	config := changed(t, w.site(), w.onTestStorage)
	w.loadJSON(config)
	b := w.signedIn("user-ada")
	signedIn := counted(t, metrics.signedIn)
	zaks := w.zoom.Count(zoomtest.CallZAK)
	pending := w.browser()
	callback := pending.consent(pending.open("/pending"), "user-bob")

	var loads atomic.Int64
	trouble(t, func(_ context.Context, operation string) error {
		if operation == "load" {
			loads.Add(1)
		}
		return nil
	})
	w.loadJSON(config)
	b.wantUser("user-ada")
	if got := counted(t, metrics.signedIn); got != signedIn+1 {
		t.Errorf("signed-in requests counted: %v, want %v", got, signedIn+1)
	}
	if n := w.zoom.Count(zoomtest.CallZAK) - zaks; n != 0 {
		t.Errorf("%d ZAK calls after the reload: the ZAK was forgotten", n)
	}
	// The generated secret is read again, the user is not.
	if n := loads.Load(); n > 1 {
		t.Errorf("%d reads of the storage after the reload: the user was forgotten", n)
	}
	if a := pending.open(callback); a.Header.Get("Location") != "/pending" {
		t.Errorf("a login that was pending during the reload ended with %d\n%s", a.StatusCode, a.body)
	}
	pending.wantUser("user-bob")

	families, err := func() (n int, err error) {
		ctx := caddy.ActiveContext()
		got, err := ctx.GetMetricsRegistry().Gather()
		for _, family := range got {
			if strings.HasPrefix(family.GetName(), "caddy_zoom_pkce_") {
				n++
			}
		}
		return n, err
	}()
	if err != nil || families != 8 {
		t.Errorf("%d families of metrics after the reload, want 8 (%v)", families, err)
	}
}

const (
	oldSecret = "an-old-cookie-secret-of-32-bytes-or-more"
	newSecret = "a-new-cookie-secret-of-32-bytes-or-more"
)

func secrets(list ...string) string {
	return "cookie {\nsecret " + strings.Join(list, " ") + "\n}"
}

// TestRotatingTheSecret is the way from one cookie secret to the next.
func TestRotatingTheSecret(t *testing.T) {
	w := newWorld(t)
	sync := "session {\nsync_interval 200ms\n}"
	w.load(w.site(sync, secrets(oldSecret)))
	users := []string{"user-ada", "user-bob"}
	browsers := []*browser{w.signedIn("user-ada"), w.signedIn("user-bob")}
	stale := browsers[0].cookieLine()
	traffic := w.traffic(100, w.url, browsers, users)
	for _, list := range [][]string{{oldSecret, newSecret}, {newSecret, oldSecret}} {
		pending := w.browser()
		callback := pending.consent(pending.open("/"), "user-bob")
		w.load(w.site(sync, secrets(list...)))
		if a := pending.open(callback); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/" {
			t.Errorf("a login that was pending during the rotation ended with %d", a.StatusCode)
		}
		time.Sleep(500 * time.Millisecond)
	}
	traffic.end(t, 50)
	late := w.signedIn("user-ada") // with the new secret
	w.load(w.site(sync, secrets(newSecret)))
	late.wantUser("user-ada")
	if err := hit(plain, w.url, stale, "user-ada"); err == nil || !strings.Contains(err.Error(), "status 401") {
		t.Errorf("a cookie of the withdrawn secret, which was cached: %v", err)
	}
}

// TestUnopenableRecordsStay signs in a user whose record is sealed with a
// secret that is lost.
func TestUnopenableRecordsStay(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(secrets(oldSecret)))
	b := w.signedIn("user-ada")
	w.load(w.site(secrets(newSecret)))
	other := w.browser()
	a := other.open(other.consent(other.open("/"), "user-ada"))
	if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
		t.Errorf("signing in: got %d, want 503 with Retry-After\n%s", a.StatusCode, a.body)
	}
	if log := w.logged(); !strings.Contains(log, "which is not among the cookie secrets") ||
		!strings.Contains(log, "DELETE /zoom_pkce/apps/") {
		t.Error("the log does not name the key and the way out")
	}
	w.load(w.site(secrets(oldSecret)))
	b.wantUser("user-ada")
	for _, sites := range runningApps() {
		if _, err := sites[0].manager.EndUser(t.Context(), "user-ada", time.Time{}); err != nil {
			t.Error(err)
		}
	}
	b.wantSignedOut()
}

// TestSwitchingTheStore by a reload means new sessions, and the old ones when
// it is switched back.
func TestSwitchingTheStore(t *testing.T) {
	w := newWorld(t)
	redis := startRedis(t)
	settings := "sync_interval 50ms\n"
	onFiles := w.site(secrets(oldSecret), "session {\n"+settings+"}")
	onRedis := w.site(secrets(oldSecret), "session {\nstore redis "+redis.url()+"\n"+settings+"}")
	w.load(onFiles)
	b := w.signedIn("user-ada")
	w.load(onRedis)
	eventually(t, "the sessions of the other store to end", 5*time.Second, func() bool {
		return b.open("/").StatusCode == http.StatusSeeOther
	})
	again := w.signedIn("user-bob")
	w.load(onRedis)
	again.wantUser("user-bob")
	w.load(onFiles)
	eventually(t, "the sessions of the other store to end", 5*time.Second, func() bool {
		return again.open("/").StatusCode == http.StatusSeeOther
	})
	w.signedIn("user-ada").wantUser("user-ada")
}

// TestTwoAppsInOneCaddy share nothing, and each survives the removal of the other.
func TestTwoAppsInOneCaddy(t *testing.T) {
	w := newWorld(t)
	const otherID = "AnotherClientIdOfZoom"
	w.zoom.AddApp(zoomtest.App{ClientID: otherID, ClientSecret: testClientSecret, RedirectURIs: []string{w.url + "/other/callback"}})
	other := strings.NewReplacer(testClientID, otherID, "/zoom_pkce/callback", "/other/callback").Replace(w.options()) +
		"path_prefix /other\nheaders {\nuser_id X-Other-User-Id\naccess_token X-Other-Token\naccount_id off\nemail off\nname off\n}\nzak off\n"
	first := fmt.Sprintf("zoom_pkce /a/* {\n%s}\n", w.options())
	second := fmt.Sprintf("zoom_pkce /b/* {\n%s}\n", other)
	proxy := "reverse_proxy " + w.upstream.addr
	w.load(w.caddyfile("route {\n" + first + second + proxy + "\n}"))
	b := w.browser()
	b.signIn("/a/", "user-ada")
	if got := b.signIn("/b/", "user-bob").received(t).Header; got.Get("X-Other-User-Id") != "user-bob" || got.Get("X-Zoom-User-Id") != "" {
		t.Errorf("the second app's page got %v", got)
	}
	if got := b.open("/a/").received(t).Header; got.Get("X-Zoom-User-Id") != "user-ada" || got.Get("X-Other-User-Id") != "" {
		t.Errorf("the first app's page got %v", got)
	}
	w.load(w.caddyfile("route {\n" + second + proxy + "\n}"))
	if n, _ := states.References(zoompkce.AppID(w.zoom.URL, testClientID)); n != 0 {
		t.Errorf("%d references to the state of the app that was removed", n)
	}
	if got := b.open("/b/").received(t).Header.Get("X-Other-User-Id"); got != "user-bob" {
		t.Errorf("the app that stayed has the user %q", got)
	}
}
