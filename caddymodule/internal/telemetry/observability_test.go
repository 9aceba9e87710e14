package telemetry

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

const observability = "../../../examples/observability/"

// dashboardQueries returns the queries of the Grafana dashboard, with what
// Grafana fills in.
func dashboardQueries(t *testing.T) (queries []string) {
	t.Helper()
	text, err := os.ReadFile(observability + "dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	filled := strings.NewReplacer("$__rate_interval", "1m", "$__range", "3h", "$job", ".*", "$instance", ".*")
	for _, panel := range dashboard.Panels {
		if len(panel.Targets) == 0 {
			t.Errorf("panel %q has no query", panel.Title)
		}
		for _, target := range panel.Targets {
			query := filled.Replace(target.Expr)
			if strings.Contains(query, "$") {
				t.Errorf("panel %q: unknown variable in %s", panel.Title, target.Expr)
			}
			queries = append(queries, query)
		}
	}
	if len(queries) < 10 {
		t.Errorf("only %d queries", len(queries))
	}
	return queries
}

var (
	usedMetric = regexp.MustCompile(`(caddy_zoom_pkce_\w+)(\{[^}]*\})?`)
	usedLabel  = regexp.MustCompile(`(\w+)(=~?)"([^"]*)"`)
)

// Alerts and dashboard ask for series that exist, or they would be silent for ever.
func TestAlertsAndDashboardAskForWhatExists(t *testing.T) {
	rules, err := os.ReadFile(observability + "alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]map[string][]string) // by metric and label
	m := newMetrics()
	for _, status := range zoomStatuses {
		m.zoomCall(zoomapi.CallZAK, status, time.Millisecond)
	}
	for series := range gather(t, m) {
		name, labels, _ := strings.Cut(strings.TrimSuffix(series, "}"), "{")
		if values[name] == nil {
			values[name] = make(map[string][]string)
		}
		for label := range strings.SplitSeq(labels, ",") {
			key, value, _ := strings.Cut(label, "=")
			values[name][key] = append(values[name][key], value)
		}
	}
	used := make(map[string]bool)
	for _, text := range append(dashboardQueries(t), string(rules)) {
		for _, use := range usedMetric.FindAllStringSubmatch(text, -1) {
			name := use[1]
			for _, suffix := range []string{"_bucket", "_count"} {
				if base, ok := strings.CutSuffix(name, suffix); ok {
					name = base
				}
			}
			labels, ok := values[name]
			if !ok {
				t.Errorf("there is no metric %s", use[1])
				continue
			}
			used[name] = true
			for _, label := range usedLabel.FindAllStringSubmatch(use[2], -1) {
				if label[1] == "job" || label[1] == "instance" {
					continue
				}
				for wanted := range strings.SplitSeq(label[3], "|") {
					pattern := regexp.MustCompile("^(?:" + wanted + ")$")
					if !slices.ContainsFunc(labels[label[1]], pattern.MatchString) {
						t.Errorf("%s never has %s=%q", name, label[1], wanted)
					}
				}
			}
		}
	}
	for name := range values {
		if !used[name] {
			t.Errorf("neither alerts nor dashboard use %s", name)
		}
	}
}

func TestPrometheusAcceptsTheExamples(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		testkit.Missing(t, "there is no promtool; it comes with prometheus")
	}
	var b strings.Builder
	b.WriteString("groups:\n  - name: dashboard\n    rules:\n")
	for i, query := range dashboardQueries(t) {
		fmt.Fprintf(&b, "      - record: query%d\n        expr: %q\n", i, query)
	}
	queries := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(queries, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"check", "config", observability + "prometheus.yml"},
		{"test", "rules", observability + "alerts_test.yml"},
		{"check", "rules", queries},
	} {
		if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
