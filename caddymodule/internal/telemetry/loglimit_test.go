package telemetry_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/telemetry"
)

func TestLogLimit(t *testing.T) {
	var limit telemetry.LogLimit
	now := time.Unix(1_800_000_000, 0)
	flood := func(code string) (shown int, leftOut uint64) {
		for range 25 {
			left, ok := limit.Admit(code, now)
			if ok {
				shown++
			}
			leftOut += left
		}
		return shown, leftOut
	}
	for i, want := range []uint64{0, 15, 15} {
		if shown, left := flood("bad_request"); shown != 10 || left != want {
			t.Errorf("second %d: %d lines that tell of %d others, want 10 and %d", i, shown, left, want)
		}
		now = now.Add(time.Second)
	}
	if shown, left := flood("login_expired"); shown != 10 || left != 0 {
		t.Errorf("another code: %d lines, %d others", shown, left)
	}
	// A clock that is set back silences nobody.
	now = now.Add(-time.Hour)
	if left, ok := limit.Admit("bad_request", now); !ok || left != 15 {
		t.Errorf("an hour earlier: %d, %t", left, ok)
	}
}

// However many write at a time, no line is lost in the counts.
func TestLogLimitIsExact(t *testing.T) {
	var limit telemetry.LogLimit
	now := time.Unix(1_800_000_000, 0)
	var shown, leftOut atomic.Uint64
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 500 {
				left, ok := limit.Admit("bad_request", now)
				if ok {
					shown.Add(1)
				}
				leftOut.Add(left)
			}
		})
	}
	wg.Wait()
	left, ok := limit.Admit("bad_request", now.Add(time.Second))
	if got := leftOut.Load() + left; !ok || shown.Load() != 10 || got != 20*500-10 {
		t.Errorf("%d lines, which tell of %d others", shown.Load(), got)
	}
}
