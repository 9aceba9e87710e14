package e2e

import (
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// counts are the directive's series among the metrics of the running
// configuration with their values, histograms with their count. The names are
// without the prefix that all have.
func counts(t testing.TB) map[string]float64 {
	t.Helper()
	ctx := caddy.ActiveContext()
	families, err := ctx.GetMetricsRegistry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := make(map[string]float64)
	for _, family := range families {
		name, ours := strings.CutPrefix(family.GetName(), "caddy_zoom_pkce_")
		if !ours {
			continue
		}
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, label := range metric.GetLabel() {
				labels = append(labels, label.GetName()+"="+label.GetValue())
			}
			series[name+"{"+strings.Join(labels, ",")+"}"] = metric.GetCounter().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	return series
}

// counted is the value of one series, which has to be there.
func counted(t testing.TB, series string) float64 {
	t.Helper()
	value, ok := counts(t)[series]
	if !ok {
		t.Fatalf("there is no series %s", series)
	}
	return value
}

// decisions is how many requests ended with a decision.
func decisions(t testing.TB, decision string) float64 {
	t.Helper()
	return counted(t, "requests_total{decision="+decision+"}")
}
