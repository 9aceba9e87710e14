package e2e

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/redistest"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// fleets runs a test on each kind of shared storage.
func fleets(t *testing.T, test func(t *testing.T, w *world, store string)) {
	t.Run("caddy storage", func(t *testing.T) { test(t, newWorld(t), "caddy") })
	t.Run("redis", func(t *testing.T) {
		redis := redistest.Start(t)
		test(t, newWorld(t), "redis "+redis.URL())
	})
}

// TestFleet has two Caddys that know of each other by their storage only.
func TestFleet(t *testing.T) {
	fleets(t, func(t *testing.T, w *world, store string) {
		const syncInterval = time.Second
		site := w.site("refresh_margin 1ms", "session {\nstore "+store+"\nsync_interval 1s\n}", "webhook {\nsecret_token token\n}")
		children := []*child{w.begin(site), w.begin(site)}
		for _, c := range children {
			c.await()
		}

		// None has a secret yet; all their first requests come at once.
		var first sync.WaitGroup
		states := make([]answer, 8)
		browsers := make([]*browser, len(states))
		for i := range states {
			browsers[i] = w.browser().at(children[i%2])
			first.Go(func() { states[i] = browsers[i].open("/") })
		}
		first.Wait()
		// Each login is finished at the other Caddy.
		w.tokensLive(2 * time.Second)
		for i, b := range browsers[:4] {
			callback := b.consent(states[i], "user-ada")
			b.at(children[(i+1)%2])
			if a := b.open(callback); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/" {
				t.Fatalf("a login begun at another Caddy: got %d\n%s", a.StatusCode, a.body)
			}
			b.wantUser("user-ada")
			b.at(children[i%2]).wantUser("user-ada")
		}
		cookies := make([]string, 4)
		for i := range cookies {
			cookies[i] = browsers[i].cookieLine()
		}

		// All at once with an expired token.
		w.tokensLive(time.Hour)
		time.Sleep(2100 * time.Millisecond)
		before := w.zoom.Count(zoomtest.CallRefresh)
		clients := []*http.Client{children[0].client(), children[1].client()}
		var requests sync.WaitGroup
		start := make(chan struct{})
		failed := make(chan error, 1000)
		for i := range 1000 {
			requests.Go(func() {
				<-start
				if err := hit(clients[i%2], w.url, cookies[i/2%4], "user-ada"); err != nil {
					failed <- err
				}
			})
		}
		close(start)
		requests.Wait()
		if n := len(failed); n > 0 {
			t.Errorf("%d of 1000 requests failed, the first: %v", n, <-failed)
		}
		if n := w.zoom.Count(zoomtest.CallRefresh) - before; n != 1 {
			t.Errorf("%d refreshes for 1000 requests with an expired token, want 1", n)
		}

		// The end of a session is seen everywhere.
		seen := func(what string, b *browser) {
			t.Helper()
			began := time.Now()
			testkit.Eventually(t, what+" to be seen by the other Caddy", 10*time.Second, func() bool {
				return b.open("/").StatusCode == http.StatusSeeOther
			})
			if took := time.Since(began); took > syncInterval+time.Second {
				t.Errorf("%s was seen after %s", what, took)
			}
		}
		out := browsers[0]
		copied := w.browser().at(children[1])
		copied.jar.SetCookies(out.request("GET", "/").URL, out.jar.Cookies(out.request("GET", "/").URL))
		copied.wantUser("user-ada")
		if a := out.at(children[0]).fetch(http.MethodPost, "/zoom_pkce/logout"); a.StatusCode >= 400 {
			t.Fatalf("signing out: got %d\n%s", a.StatusCode, a.body)
		}
		out.wantSignedOut()
		seen("the sign-out", copied)
		browsers[1].at(children[1]).wantUser("user-ada")

		w.zoom.AddApp(zoomtest.App{
			ClientID: testClientID, ClientSecret: testClientSecret, RedirectURIs: []string{w.url + "/zoom_pkce/callback"},
			WebhookURL: w.url + "/zoom_pkce/webhook", WebhookSecret: "token",
		})
		w.zoom.WebhookClient = children[0].client()
		resp, err := w.zoom.Deauthorize(t.Context(), testClientID, "user-ada")
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("deauthorizing: %v, %v", resp, err)
		}
		browsers[3].at(children[0]).wantSignedOut()
		seen("the deauthorization", browsers[1])
	})
}

// TestKilledNeighbour kills one of two Caddys on one Redis under load.
func TestKilledNeighbour(t *testing.T) {
	redis := redistest.Start(t)
	w := newWorld(t)
	// Tokens are refreshed when half of their life is over, by whoever is first.
	// In a thorough run the victim may die with a lease: it runs out after 3
	// seconds, and whoever has met it tries again after 5.
	site := w.site("zoom_timeout 1s",
		"session {\nstore redis "+redis.URL()+"\nsync_interval 500ms\n}", "zak {\nmax_age 1s\n}")
	life, rounds := 4*time.Second, 1
	if testkit.Thorough() {
		life, rounds = 16*time.Second, 4
	}
	victim, other := w.begin(site), w.begin(site)
	victim.await()
	other.await()
	w.tokensLive(life)
	var browsers []*browser
	var users []string
	for _, id := range []string{"user-1", "user-2", "user-3", "user-4", "user-5", "user-6"} {
		w.zoom.AddUser(zoomtest.User{ID: id})
		b := w.browser().at(victim)
		if a := b.signIn("/", id); a.StatusCode != http.StatusOK {
			t.Fatalf("signing in: got %d\n%s", a.StatusCode, a.body)
		}
		browsers, users = append(browsers, b), append(users, id)
	}
	for range rounds {
		notNoticed := w.traffic(100, "http://"+other.addr, browsers, users)
		killed := w.traffic(100, "http://"+victim.addr, browsers, users)
		if testkit.Thorough() {
			// One of the two is just about to spend a refresh token. A token that
			// Zoom has given to a process that is killed is lost, so the others,
			// which are refreshed in the same moment, are given time to be saved.
			w.zoom.Fail(zoomtest.CallRefresh, 1, zoomtest.Hang())
			before := w.zoom.Count(zoomtest.CallRefresh)
			testkit.Eventually(t, "a refresh", life, func() bool { return w.zoom.Count(zoomtest.CallRefresh) > before })
			time.Sleep(400 * time.Millisecond)
		} else {
			time.Sleep(life / 4)
		}
		victim.kill()
		killed.stop()
		killed.done.Wait()
		time.Sleep(life - life/8)
		notNoticed.end(t, 200)
		victim = w.begin(site).await()
	}
}
