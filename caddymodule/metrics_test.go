package caddymodule

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/telemetry"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// gather returns every series of a metric set with its value, histograms with
// their count.
func gather(t *testing.T, m *telemetry.MetricSet) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := m.Register(registry); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := make(map[string]float64)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, label := range metric.GetLabel() {
				labels = append(labels, label.GetName()+"="+label.GetValue())
			}
			name := family.GetName() + "{" + strings.Join(labels, ",") + "}"
			series[name] = metric.GetCounter().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	return series
}

func TestMetricsAreThereBeforeAnythingHappens(t *testing.T) {
	series := gather(t, telemetry.NewMetrics())
	want := []string{"caddy_zoom_pkce_zak_age_seconds{}", "caddy_zoom_pkce_logins_total{outcome=ok}"}
	for _, outcome := range []string{"ok", "unsaved", "superseded", "invalid_grant", "failed", "store"} {
		want = append(want, "caddy_zoom_pkce_refreshes_total{outcome="+outcome+"}")
	}
	for _, outcome := range []string{"ok", "rate_limited", "missing_scope", "failed"} {
		want = append(want, "caddy_zoom_pkce_zak_fetches_total{outcome="+outcome+"}")
	}
	for _, reason := range []string{"unopenable", "expired", "ended", "ambiguous"} {
		want = append(want, "caddy_zoom_pkce_rejected_cookies_total{reason="+reason+"}")
	}
	for _, operation := range []string{"read", "write", "secret"} {
		want = append(want, "caddy_zoom_pkce_store_errors_total{operation="+operation+"}")
	}
	for _, decision := range []string{"signed_in", "unprotected", "anonymous", "login_started", "endpoint", "other_host", "fragment_page"} {
		want = append(want, "caddy_zoom_pkce_requests_total{decision="+decision+"}")
	}
	for _, c := range outcome.All() {
		want = append(want, "caddy_zoom_pkce_requests_total{decision="+string(c)+"}")
	}
	for _, c := range telemetry.LoginOutcomes {
		want = append(want, "caddy_zoom_pkce_logins_total{outcome="+string(c)+"}")
	}
	for _, call := range []string{"code", "refresh", "revoke", "me", "zak", "obf"} {
		for _, status := range []string{"0", "200", "401", "429", "503"} {
			want = append(want, "caddy_zoom_pkce_zoom_request_duration_seconds{call="+call+",status="+status+"}")
		}
	}
	for _, name := range want {
		if value, ok := series[name]; !ok || value != 0 {
			t.Errorf("%s: there: %v, value %v, want 0", name, ok, value)
		}
	}
}

func TestMetricsStayBounded(t *testing.T) {
	m := telemetry.NewMetrics()
	before := len(gather(t, m))
	for status := range 1200 {
		m.ZoomCall(zoomapi.CallZAK, status-100, time.Millisecond)
	}
	m.Count("something nobody has heard of")
	series := gather(t, m)
	if len(series) != before {
		t.Errorf("%d series became %d", before, len(series))
	}
	for status, want := range map[int]float64{429: 1, 401: 1, 500: 0} {
		name := fmt.Sprintf("caddy_zoom_pkce_zoom_request_duration_seconds{call=zak,status=%d}", status)
		if status == 500 {
			want = 0 // all that is odd and large, and 501, 505 to 599
			for odd := 500; odd < 1100; odd++ {
				if odd != 502 && odd != 503 && odd != 504 {
					want++
				}
			}
		}
		if series[name] != want {
			t.Errorf("%s is %v, want %v", name, series[name], want)
		}
	}
}

func TestMetricsCountWhatTheManagerTells(t *testing.T) {
	for _, test := range []struct {
		event zoompkce.Event
		want  string
	}{
		{zoompkce.Event{Kind: zoompkce.EventSignedIn}, "logins_total{outcome=ok}"},
		{zoompkce.Event{Kind: zoompkce.EventRefresh, Outcome: "invalid_grant"}, "refreshes_total{outcome=invalid_grant}"},
		{zoompkce.Event{Kind: zoompkce.EventZAK, Outcome: "rate_limited"}, "zak_fetches_total{outcome=rate_limited}"},
		{zoompkce.Event{Kind: zoompkce.EventCookieRejected, Outcome: "unopenable"}, "rejected_cookies_total{reason=unopenable}"},
		{zoompkce.Event{Kind: zoompkce.EventCookieRejected}, ""}, // no cookie is no rejected cookie
		{zoompkce.Event{Kind: zoompkce.EventStoreError, Outcome: "reading a user record"}, "store_errors_total{operation=read}"},
		{zoompkce.Event{Kind: zoompkce.EventStoreError, Outcome: "signing in"}, "store_errors_total{operation=write}"},
		{zoompkce.Event{Kind: zoompkce.EventStoreError, Outcome: "loading the generated cookie secret"}, "store_errors_total{operation=secret}"},
		{zoompkce.Event{Kind: zoompkce.EventSignedOut}, ""},
	} {
		t.Run(string(test.event.Kind)+" "+test.event.Outcome, func(t *testing.T) {
			m := telemetry.NewMetrics()
			m.Observe(test.event)
			var counted []string
			for name, value := range gather(t, m) {
				if value != 0 {
					counted = append(counted, strings.TrimPrefix(name, "caddy_zoom_pkce_")+" "+strconv.FormatFloat(value, 'g', -1, 64))
				}
			}
			want := []string{test.want + " 1"}
			if test.want == "" {
				want = nil
			}
			if !slices.Equal(counted, want) {
				t.Errorf("counted %q, want %q", counted, want)
			}
		})
	}
}

// scrape reads a series from Caddy's own metrics endpoint.
func (b *visitor) scrape(series string) float64 {
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
	for series, value := range gather(t, telemetry.Metrics) {
		if strings.HasPrefix(series, "caddy_zoom_pkce_requests_total{") {
			requests += value
		}
		if strings.HasPrefix(series, "caddy_zoom_pkce_logins_total{") && !strings.Contains(series, "=ok}") {
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
