package e2e

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// scrape reads a series from Caddy's own metrics endpoint.
func (b *browser) scrape(series string) float64 {
	b.w.t.Helper()
	a := b.do(b.request(http.MethodGet, "/metrics"))
	for line := range strings.Lines(a.body) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), series+" "); ok {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				b.w.t.Fatal(err)
			}
			return n
		}
	}
	b.w.t.Fatalf("%s is not among the metrics (status %d)", series, a.StatusCode)
	return 0
}

func TestMetricsSurviveReloads(t *testing.T) {
	const signIns = `caddy_zoom_pkce_logins_total{outcome="ok"}`
	const served = `caddy_zoom_pkce_requests_total{decision="signed_in"}`
	const calls = `caddy_zoom_pkce_zoom_request_duration_seconds_count{call="code",status="200"}`
	w := newWorld(t)
	config := func(n int) string {
		return w.caddyfile(fmt.Sprintf("header X-Load %d\nmetrics /metrics\nzoom_pkce /app* {\n%s\n}\nreverse_proxy /app* %s\n", n, w.options(), w.upstream.addr))
	}
	w.load(config(0))
	w.browser().signIn("/app", "user-bob") // the series of a call comes with the first one
	b := w.browser()
	before := map[string]float64{signIns: b.scrape(signIns), served: b.scrape(served), calls: b.scrape(calls)}
	b.signIn("/app", "user-ada")
	for n := range 5 {
		w.load(config(n + 1))
		if a := b.open("/app"); a.StatusCode != http.StatusOK {
			t.Fatalf("got %d\n%s", a.StatusCode, a.body)
		}
		if n == 2 {
			if err := w.tryLoad(w.caddyfile("zoom_pkce {\n" + w.options() + "allow {\nuser_id {env.ZOOM_PKCE_IS_NOT_SET}\n}\n}\n")); err == nil {
				t.Fatal("a broken configuration was loaded")
			}
		}
	}
	for series, more := range map[string]float64{signIns: 1, served: 6, calls: 1} {
		if got := b.scrape(series) - before[series]; got != more {
			t.Errorf("%s grew by %v, want %v", series, got, more)
		}
	}
}

// sums adds up the requests and the sign-ins that were counted.
func sums(t *testing.T) (requests, failedLogins float64) {
	for series, value := range counts(t) {
		if strings.HasPrefix(series, "requests_total{") {
			requests += value
		}
		if strings.HasPrefix(series, "logins_total{") && !strings.Contains(series, "=ok}") {
			failedLogins += value
		}
	}
	return requests, failedLogins
}

// Every request is counted once, and every sign-in that comes to nothing.
func TestEveryRequestIsCountedOnce(t *testing.T) {
	w := newWorld(t)
	_, port, _ := strings.Cut(w.addr, ":")
	w.load(w.caddyfileAt("http://:"+port, "@protected not path /open\nzoom_pkce @protected {\n"+w.options()+"page_tokens on\n}\nreverse_proxy "+w.upstream.addr))
	in, out := w.signedIn("user-ada"), w.browser()
	foreign := w.browserAt(strings.Replace(w.url, "127.0.0.1", "localhost", 1))
	login := w.browser()
	callback := login.consent(login.open("/"), "user-bob")
	declined := func() answer { return w.browser().open("/zoom_pkce/callback?error=access_denied&state=x") }
	for _, step := range []struct {
		name   string
		do     func() answer
		status int
		login  float64 // sign-ins that end here without a session
	}{
		{"a page", func() answer { return in.open("/") }, 200, 0},
		{"an open page", func() answer { return out.open("/open") }, 200, 0},
		{"a page of nobody", func() answer { return out.open("/") }, 303, 0},
		{"a fetch of nobody", func() answer { return out.fetch("GET", "/") }, 401, 0},
		{"a frame of nobody", func() answer { return out.open("/", "Sec-Fetch-Dest", "iframe") }, 401, 0},
		{"another host", func() answer { return foreign.open("/") }, 303, 0},
		{"the login", func() answer { return out.open("/zoom_pkce/login") }, 303, 0},
		{"a callback", func() answer { return login.open(callback) }, 303, 0},
		{"a bookmarked callback", func() answer { return login.open(callback) }, 303, 0},
		{"a callback of another browser", func() answer { return out.open(callback) }, 303, 1},
		{"a callback without anything", func() answer { return out.open("/zoom_pkce/callback") }, 400, 1},
		{"a callback without a state", func() answer { return out.open("/zoom_pkce/callback?code=x") }, 303, 0},
		{"a second one", func() answer { return out.open("/zoom_pkce/callback?code=x") }, 400, 1},
		{"declined", declined, 403, 1},
		{"the session", func() answer { return in.fetch("GET", "/zoom_pkce/session") }, 200, 0},
		{"a ZAK", func() answer { return in.fetch("POST", "/zoom_pkce/zak") }, 200, 0},
		{"a wrong method", func() answer { return in.fetch("PUT", "/zoom_pkce/zak") }, 405, 0},
		{"no endpoint", func() answer { return in.open("/zoom_pkce/x") }, 404, 0},
		{"the question to sign out", func() answer { return in.open("/zoom_pkce/logout") }, 200, 0},
		{"the sign-out", func() answer { return in.fetch("POST", "/zoom_pkce/logout", "Sec-Fetch-Site", "same-origin") }, 303, 0},
		{"signed out", func() answer { return in.open("/zoom_pkce/logout") }, 200, 0},
	} {
		requests, logins := sums(t)
		a := step.do()
		requests2, logins2 := sums(t)
		if a.StatusCode != step.status || requests2-requests != 1 || logins2-logins != step.login {
			t.Errorf("%s: %d, counted as %v requests and %v failed sign-ins; want %d, 1 and %v",
				step.name, a.StatusCode, requests2-requests, logins2-logins, step.status, step.login)
		}
	}
}

func TestFragmentPageIsCounted(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("keep_fragment on"))
	before, _ := sums(t)
	w.browser().open("/")
	if after, _ := sums(t); after != before+1 {
		t.Errorf("counted %v times", after-before)
	}
}
