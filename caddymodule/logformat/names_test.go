package logformat_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/logformat"
)

// shown reports whether the logs show the value of a header.
func shown(t *testing.T, header string) bool {
	t.Helper()
	return strings.Contains(encode(t, newEncoder(t, ""), "", zap.Object("headers", headers(header, marker))), marker)
}

// A reload that renames a header: requests of the former configuration end
// when they like, so both names stay hidden.
func TestReleasedNamesStayHidden(t *testing.T) {
	if !shown(t, "X-Before") || !shown(t, "X-After") {
		t.Fatal("hidden before anybody named them")
	}
	releaseBefore := logformat.Register(logformat.Names{Headers: []string{"X-Before"}})
	releaseTwin := logformat.Register(logformat.Names{Headers: []string{"x-before"}})
	releaseAfter := logformat.Register(logformat.Names{Headers: []string{"X-After"}})
	for _, step := range []func(){func() {}, releaseBefore, releaseBefore, releaseTwin, releaseAfter} {
		step()
		if shown(t, "X-Before") || shown(t, "X-After") {
			t.Fatal("shown")
		}
	}
}

// However often a process is reloaded with new names, it keeps a bounded number
// of them. Those in use, and the standard ones, are never among the forgotten.
func TestReleasedNamesAreBounded(t *testing.T) {
	defer logformat.Register(logformat.Names{Headers: []string{"X-Held"}})()
	logformat.Register(logformat.Names{Headers: []string{"X-Old", "X-Held", "X-Zoom-Zak"}})()
	for i := range 256 {
		if shown(t, "X-Old") {
			t.Fatalf("forgotten after %d others", i)
		}
		logformat.Register(logformat.Names{Headers: []string{fmt.Sprint("X-Renamed-", i)}})()
	}
	if !shown(t, "X-Old") {
		t.Error("256 others were released after it, and it is still kept")
	}
	for _, name := range []string{"X-Held", "X-Zoom-Zak", "X-Renamed-0", "X-Renamed-255"} {
		if shown(t, name) {
			t.Errorf("%s is shown", name)
		}
	}
}

// One name that comes and goes does not push out another.
func TestReleasedNamesCountOnce(t *testing.T) {
	logformat.Register(logformat.Names{Headers: []string{"X-Patient"}})()
	for range 300 {
		logformat.Register(logformat.Names{Headers: []string{"X-Coming-And-Going"}})()
	}
	if shown(t, "X-Patient") {
		t.Error("forgotten")
	}
}

// Logs are written while configurations come and go.
func TestRegisterWhileLogging(t *testing.T) {
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 100 {
				logformat.Register(logformat.Names{Headers: []string{fmt.Sprint("X-Busy-", i)}, CookiePrefixes: []string{"busy"}})()
			}
		})
		all.Go(func() {
			e := newEncoder(t, "")
			for range 100 {
				if line := encode(t, e, "", zap.Object("headers", headers("X-Zoom-Zak", marker))); strings.Contains(line, marker) {
					t.Errorf("shown: %s", line)
				}
			}
		})
	}
	all.Wait()
}
