package logformat_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/logformat"
)

// leaks are the places of a log in JSON where secrets stand.
func leaks(t *testing.T, logged string) (places []string) {
	for line := range strings.Lines(logged) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if entry["msg"] == "handled request" && (entry["status"] == nil || entry["duration"] == nil || entry["size"] == nil) {
			t.Errorf("an access log line without what it is for: %s", line)
		}
		for what := range strings.SplitSeq(line, marker+"-") {
			if what, _, found := strings.Cut(what, "-"); found && !strings.HasPrefix(what, "{") {
				places = append(places, fmt.Sprintf("%v %v: %s", entry["level"], entry["msg"], what))
			}
		}
	}
	slices.Sort(places)
	return slices.Compact(places)
}

const customHeader = "X-Custom-Token"

// Caddy's own format shows them all; without this the tests below could not fail.
func TestCaddyLeaks(t *testing.T) {
	l := newLeaky(t)
	l.load("json", customHeader)
	got := leaks(t, l.visit())
	for _, want := range []string{
		"warn " + aborted + ": token", "warn " + aborted + ": zak", "warn " + aborted + ": obf", "warn " + aborted + ": context",
		"warn " + aborted + ": code", "warn " + aborted + ": custom",
		"warn stderr: token", "warn stderr: zak", "warn stderr: code",
		"debug upstream roundtrip: token", "debug upstream roundtrip: cookie", "debug roundtrip: zak", "debug roundtrip: code",
		"debug adjusted config: token", "debug rewrote request: zak", "debug rewrote request: code", "info handled request: code", "info handled request: context",
		"info handled request: cookie", "info handled request: challenge", "info handled request: zak",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("Caddy does not show %q any more, or this test sees nothing", want)
		}
	}
	if t.Failed() {
		t.Logf("shown:\n%s", strings.Join(got, "\n"))
	}
}

func TestNothingLeaks(t *testing.T) {
	t.Cleanup(logformat.Register(logformat.Names{Headers: []string{customHeader}}))
	for name, format := range map[string]string{
		"json": "zoom_pkce", "console": "zoom_pkce console", "wrapped": "filter {\nwrap zoom_pkce\nfoo delete\n}",
	} {
		t.Run(name, func(t *testing.T) {
			l := newLeaky(t)
			l.load(format, customHeader)
			logged := l.visit()
			if i := strings.Index(logged, marker); i >= 0 {
				t.Errorf("shown: ...%s...", logged[max(0, i-300):min(len(logged), i+50)])
			}
			for _, stays := range []string{"theirs=stays", "a=b&state=REDACTED&code=REDACTED", "https://zoom.us/oauth/authorize?state=REDACTED"} {
				if !strings.Contains(logged, stays) {
					t.Errorf("%q is gone", stays)
				}
			}
			if name != "console" {
				leaks(t, logged) // each line is JSON and whole
			}
		})
	}
}

// A reload renames the header while a download runs. Its end is logged by the
// former configuration, under the former name.
func TestNothingLeaksAfterAReload(t *testing.T) {
	l := newLeaky(t)
	release := logformat.Register(logformat.Names{Headers: []string{"X-Former-Token"}})
	l.load("zoom_pkce", "X-Former-Token")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	resp := l.start(ctx, transports(t)["HTTP/1.1"], "/app/endless")
	defer logformat.Register(logformat.Names{Headers: []string{"X-Latter-Token"}})()
	l.load("zoom_pkce", "X-Latter-Token")
	release()
	leave(resp, cancel)
	if logged := l.await(aborted, 1); strings.Contains(logged, marker) || !strings.Contains(logged, `"X-Former-Token":["REDACTED"]`) {
		t.Errorf("the end of the download shows its token:\n%s", logged)
	}
}
