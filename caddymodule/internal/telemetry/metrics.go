// Package telemetry is what operators watch: metrics, events for Caddy's handlers, and
// spans of calls to Zoom and to the session store. It counts what it is told; it never
// sees a request.
package telemetry

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// Metrics are made once in a process, so that counts survive reloads, and
// registered anew with the registry of each configuration. All labels have
// closed sets of values. Those of counters are there from the start: a rate over one
// that appears with its first failure misses that failure. A histogram is many
// series for each value, so its calls and statuses come when they are met.
var Metrics = newMetrics()

// MetricSet holds the metrics of this process.
type MetricSet struct {
	logins          *prometheus.CounterVec
	refreshes       *prometheus.CounterVec
	zakFetches      *prometheus.CounterVec
	zoomDuration    *prometheus.HistogramVec
	requests        *prometheus.CounterVec
	rejectedCookies *prometheus.CounterVec
	programs        *prometheus.CounterVec
	backendTokens   *prometheus.CounterVec
	storeErrors     *prometheus.CounterVec
	ZAKAge          prometheus.Histogram

	SignedIn  prometheus.Counter // the hot one of requests
	decisions map[string]prometheus.Counter
}

// What became of a request, beside the codes of refusals.
const (
	decisionSignedIn    = "signed_in"
	DecisionUnprotected = "unprotected"
	DecisionAnonymous   = "anonymous"
	DecisionLogin       = "login_started"
	DecisionEndpoint    = "endpoint"
	DecisionOtherHost   = "other_host"    // sent to the same page on a host we know
	DecisionFragment    = "fragment_page" // sent on to the login by a script
)

// loginOutcomes are the codes that a sign-in can end with.
var loginOutcomes = []outcome.Code{
	outcome.Declined, outcome.BadCallback, outcome.LoginExpired, outcome.CookiesMissing, outcome.BadRequest, outcome.TooManyLogins,
	outcome.CodeRefused, outcome.ZoomMisconfigured, outcome.MissingScope, outcome.ZoomNonsense,
	outcome.ZoomUnavailable, outcome.ZoomRateLimited, outcome.StoreUnavailable,
}

// rejectedToken, before the reason, is the outcome of a token that was worth nothing.
const rejectedToken = "rejected_"

var rejectedTokens = []string{
	rejectedToken + "unopenable", rejectedToken + "expired", rejectedToken + "foreign", rejectedToken + "no_access_token",
	rejectedToken + "ended", rejectedToken + "client", rejectedToken + "off",
}

// backendOutcomes are the codes that a back end can be refused with.
var backendOutcomes = []outcome.Code{
	outcome.SignInRequired, outcome.BadSignature, outcome.BadRequest, outcome.NotFound, outcome.NotAllowed,
	outcome.MissingScope, outcome.ZoomMisconfigured, outcome.ZoomNonsense, outcome.ZoomUnavailable, outcome.ZoomRateLimited,
	outcome.ZAKUnavailable, outcome.StoreUnavailable,
}

func newMetrics() *MetricSet {
	counter := func(name, help, label string, values ...string) *prometheus.CounterVec {
		vec := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "caddy", Subsystem: "zoom_pkce", Name: name, Help: help}, []string{label})
		for _, value := range values {
			vec.WithLabelValues(value)
		}
		return vec
	}
	var codes []string
	for _, c := range outcome.All() {
		codes = append(codes, string(c))
	}
	decisions := append([]string{
		decisionSignedIn, DecisionUnprotected, DecisionAnonymous, DecisionLogin, DecisionEndpoint, DecisionOtherHost, DecisionFragment,
	}, codes...)
	endings := []string{"ok"}
	for _, c := range loginOutcomes {
		endings = append(endings, string(c))
	}
	m := &MetricSet{
		decisions: make(map[string]prometheus.Counter, len(decisions)),
		logins:    counter("logins_total", "Sign-ins that ended, by outcome.", "outcome", endings...),
		refreshes: counter("refreshes_total", "Refreshes of access tokens, by outcome.", "outcome",
			"ok", "unsaved", "superseded", "invalid_grant", "failed", "store"),
		zakFetches: counter("zak_fetches_total", "Fetches of ZAKs, by outcome.", "outcome",
			"ok", "rate_limited", "missing_scope", "failed"),
		requests: counter("requests_total", "Requests, by what became of them.", "decision", decisions...),
		rejectedCookies: counter("rejected_cookies_total", "Session cookies that were worth nothing, by reason.", "reason",
			"unopenable", "expired", "ended", "ambiguous"),
		programs: counter("programs_total", "What became of programs and their tokens, by outcome.", "outcome",
			slices.Concat([]string{"allowed", "refreshed", "repeated", "ended", "revoked", "code_replayed", "refresh_replayed"}, rejectedTokens)...),
		storeErrors: counter("store_errors_total", "Failed accesses to the session store, by operation.", "operation",
			"read", "write", "secret"),
		backendTokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "caddy", Subsystem: "zoom_pkce", Name: "backend_tokens_total",
			Help: "Tokens that back ends have asked for, by kind and outcome.",
		}, []string{"kind", "outcome"}),
		zoomDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "caddy", Subsystem: "zoom_pkce", Name: "zoom_request_duration_seconds",
			Help:    "Duration of calls to Zoom, by call and status; status 0 is a call without an answer.",
			Buckets: []float64{.1, .25, .5, 1, 2.5, 10},
		}, []string{"call", "status"}),
		ZAKAge: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "caddy", Subsystem: "zoom_pkce", Name: "zak_age_seconds",
			Help:    "Age of the ZAKs handed on.",
			Buckets: []float64{1, 5, 15, 30, 45, 60, 120, 240, 3600},
		}),
	}
	for _, kind := range []string{"token", "zak", "obf", "bot"} {
		m.backendTokens.WithLabelValues(kind, "ok")
		for _, c := range backendOutcomes {
			m.backendTokens.WithLabelValues(kind, string(c))
		}
	}
	for _, decision := range decisions {
		m.decisions[decision] = m.requests.WithLabelValues(decision)
	}
	m.SignedIn = m.decisions[decisionSignedIn]
	return m
}

// Register makes the metrics part of a configuration's registry.
func (m *MetricSet) Register(registry *prometheus.Registry) error {
	if registry == nil {
		return nil
	}
	for _, c := range []prometheus.Collector{
		m.logins, m.refreshes, m.zakFetches, m.zoomDuration, m.requests, m.rejectedCookies, m.programs, m.backendTokens,
		m.storeErrors, m.ZAKAge,
	} {
		if err := registry.Register(c); err != nil && !errors.As(err, new(prometheus.AlreadyRegisteredError)) {
			return err
		}
	}
	return nil
}

// Count counts a request that was not simply let through.
func (m *MetricSet) Count(decision string) {
	if counter, ok := m.decisions[decision]; ok {
		counter.Inc()
	}
}

// LoginEnded counts a sign-in that came to nothing.
func (m *MetricSet) LoginEnded(c outcome.Code) { m.logins.WithLabelValues(string(c)).Inc() }

// BackendToken counts what became of a token that a back end has asked for: ok, or the
// code of a refusal.
func (m *MetricSet) BackendToken(kind, ending string) {
	m.backendTokens.WithLabelValues(kind, ending).Inc()
}

// Observe counts what the session manager tells.
func (m *MetricSet) Observe(e zoompkce.Event) {
	switch e.Kind {
	case zoompkce.EventSignedIn:
		m.logins.WithLabelValues("ok").Inc()
	case zoompkce.EventRefresh:
		m.refreshes.WithLabelValues(e.Outcome).Inc()
	case zoompkce.EventZAK:
		m.zakFetches.WithLabelValues(e.Outcome).Inc()
	case zoompkce.EventCookieRejected:
		if e.Outcome != "" {
			m.rejectedCookies.WithLabelValues(e.Outcome).Inc()
		}
	case zoompkce.EventProgramAllowed:
		m.programs.WithLabelValues("allowed").Inc()
	case zoompkce.EventProgramRefresh:
		if e.Outcome == "ok" {
			e.Outcome = "refreshed"
		}
		m.programs.WithLabelValues(e.Outcome).Inc()
	case zoompkce.EventProgramEnded:
		m.programs.WithLabelValues(e.Outcome).Inc()
	case zoompkce.EventTokenRejected:
		m.programs.WithLabelValues(rejectedToken + e.Outcome).Inc()
	case zoompkce.EventStoreError:
		operation := "write"
		switch {
		case strings.Contains(e.Outcome, "secret"):
			operation = "secret"
		case strings.HasPrefix(e.Outcome, "reading"):
			operation = "read"
		}
		m.storeErrors.WithLabelValues(operation).Inc()
	}
}

// zoomStatuses are the statuses that calls to Zoom are counted by; 0 is a call
// without an answer. Who answers decides on the status, so all others are
// counted as the first of their hundred: a label must not grow with what a
// remote says.
var zoomStatuses = []int{0, 200, 201, 204, 300, 400, 401, 403, 404, 429, 500, 502, 503, 504}

// zoomCall measures a call to Zoom.
func (m *MetricSet) zoomCall(call zoomapi.Call, status int, took time.Duration) {
	if !slices.Contains(zoomStatuses, status) {
		status = min(max(status/100, 2), 5) * 100
	}
	m.zoomDuration.WithLabelValues(string(call), strconv.Itoa(status)).Observe(took.Seconds())
}
