package telemetry

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// gather returns every series of a metric set with its value, histograms with
// their count.
func gather(t *testing.T, m *MetricSet) map[string]float64 {
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
	series := gather(t, newMetrics())
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
	for _, c := range loginOutcomes {
		want = append(want, "caddy_zoom_pkce_logins_total{outcome="+string(c)+"}")
	}
	for _, name := range want {
		if value, ok := series[name]; !ok || value != 0 {
			t.Errorf("%s: there: %v, value %v, want 0", name, ok, value)
		}
	}
	for name := range series {
		if strings.Contains(name, "zoom_request_duration") {
			t.Errorf("%s is there before Zoom was called", name)
		}
	}
}

func TestMetricsStayBounded(t *testing.T) {
	m := newMetrics()
	before := len(gather(t, m))
	for status := range 1200 {
		m.zoomCall(zoomapi.CallZAK, status-100, time.Millisecond)
	}
	m.Count("something nobody has heard of")
	series := gather(t, m)
	if len(series) != before+len(zoomStatuses) {
		t.Errorf("%d series became %d", before, len(series))
	}
	for status, want := range map[int]float64{200: 100 + 300 - 3, 201: 1, 204: 1, 300: 100, 403: 1, 404: 1, 504: 1, 429: 1, 401: 1, 500: 0} {
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
		{zoompkce.Event{Kind: zoompkce.EventProgramAllowed}, "programs_total{outcome=allowed}"},
		{zoompkce.Event{Kind: zoompkce.EventProgramRefresh, Outcome: "ok"}, "programs_total{outcome=refreshed}"},
		{zoompkce.Event{Kind: zoompkce.EventProgramRefresh, Outcome: "repeated"}, "programs_total{outcome=repeated}"},
		{zoompkce.Event{Kind: zoompkce.EventProgramEnded, Outcome: "revoked"}, "programs_total{outcome=revoked}"},
		{zoompkce.Event{Kind: zoompkce.EventTokenRejected, Outcome: "expired"}, "programs_total{outcome=rejected_expired}"},
		{zoompkce.Event{Kind: zoompkce.EventSignedOut}, ""},
	} {
		t.Run(string(test.event.Kind)+" "+test.event.Outcome, func(t *testing.T) {
			m := newMetrics()
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

func TestMetricsCountWhatTheDirectiveTells(t *testing.T) {
	m := newMetrics()
	m.Count(DecisionLogin)
	m.SignedIn.Inc()
	m.LoginEnded(outcome.Declined)
	m.BackendToken("zak", "ok")
	m.BackendToken("obf", string(outcome.BadSignature))
	m.ZAKAge.Observe(1)
	series := gather(t, m)
	for _, name := range []string{
		"requests_total{decision=login_started}", "requests_total{decision=signed_in}", "logins_total{outcome=declined}",
		"backend_tokens_total{kind=zak,outcome=ok}", "backend_tokens_total{kind=obf,outcome=bad_signature}", "zak_age_seconds{}",
	} {
		if value := series["caddy_zoom_pkce_"+name]; value != 1 {
			t.Errorf("%s: %v", name, value)
		}
		delete(series, "caddy_zoom_pkce_"+name)
	}
	for name, value := range series {
		if value != 0 || strings.Contains(name, "decision=}") {
			t.Errorf("%s: %v", name, value)
		}
	}
	for _, name := range []string{"token,outcome=ok", "bot,outcome=ok", "token,outcome=not_allowed", "bot,outcome=zoom_unavailable"} {
		if _, ok := series["caddy_zoom_pkce_backend_tokens_total{kind="+name+"}"]; !ok {
			t.Errorf("%s is not there from the start", name)
		}
	}
}

// Dashboards are drawn from these.
func TestBuckets(t *testing.T) {
	registry, m := prometheus.NewRegistry(), newMetrics()
	m.zoomCall(zoomapi.CallMe, 200, time.Second)
	if err := m.Register(registry); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, family := range families {
		var bounds []float64
		for _, bucket := range family.GetMetric()[0].GetHistogram().GetBucket() {
			bounds = append(bounds, bucket.GetUpperBound())
		}
		if bounds != nil {
			got[strings.TrimPrefix(family.GetName(), "caddy_zoom_pkce_")] = fmt.Sprint(bounds)
		}
	}
	want := map[string]string{
		"zoom_request_duration_seconds": "[0.1 0.25 0.5 1 2.5 10]", "zak_age_seconds": "[1 5 15 30 45 60 120 240 3600]",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

// A configuration registers them anew; what is in the way is told.
func TestRegister(t *testing.T) {
	m, registry := newMetrics(), prometheus.NewRegistry()
	for range 2 {
		if err := m.Register(registry); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Register(nil); err != nil {
		t.Error(err)
	}
	taken := prometheus.NewRegistry()
	taken.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "caddy_zoom_pkce_logins_total", Help: "Something else."}))
	if err := m.Register(taken); err == nil {
		t.Error("another metric of the name is not in the way")
	}
}
