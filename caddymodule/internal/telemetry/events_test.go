package telemetry

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// listener handles events of a name, one after the other.
type listener func(event caddy.Event)

func (l listener) Handle(_ context.Context, event caddy.Event) error {
	l(event)
	return nil
}

// queueFor returns a queue whose signed_in events are heard, and the lines it logs.
func queueFor(t *testing.T, heard listener) (*EventQueue, *observer.ObservedLogs) {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	app := new(caddyevents.App)
	if err := app.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	if err := app.On("zoom_pkce.signed_in", heard); err != nil {
		t.Fatal(err)
	}
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.DebugLevel)
	return NewEventQueue(ctx, app, zap.New(core)), logs
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard []any
		q, logs := queueFor(t, func(event caddy.Event) { heard = append(heard, event.Data["user_id"]) })
		if !q.Emit("signed_in", map[string]any{"user_id": "before"}) {
			t.Error("closed before it was started")
		}
		q.Start()
		for _, name := range []string{"signed_in", "signed_out", "signed_in"} {
			if !q.Emit(name, map[string]any{"user_id": name}) {
				t.Error("closed")
			}
		}
		began := time.Now()
		if q.Close(); time.Since(began) != 0 || fmt.Sprint(heard) != "[before signed_in signed_in]" || logs.Len() != 0 {
			t.Errorf("after %v: heard %v, logged %v", time.Since(began), heard, logs.All())
		}
		if q.Emit("signed_in", nil) {
			t.Error("open after its end")
		}
		q.Close() // once more
	})
}

// Handlers that are too slow hold up nobody, and the end no longer than a few seconds.
func TestSlowHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		heard := 0
		q, logs := queueFor(t, func(caddy.Event) { <-free; heard++ })
		q.Start()
		q.Emit("signed_in", nil)
		synctest.Wait()
		for range 1025 {
			if !q.Emit("signed_in", nil) {
				t.Fatal("closed")
			}
		}
		if n := logs.FilterMessageSnippet("dropped an event").FilterField(zap.String("event", "zoom_pkce.signed_in")).Len(); n != 1 {
			t.Errorf("%d dropped", n)
		}
		began := time.Now()
		if q.Close(); time.Since(began) != 5*time.Second || logs.FilterMessageSnippet("still running").Len() != 1 {
			t.Errorf("closed after %v: %v", time.Since(began), slices.Collect(func(yield func(string) bool) {
				for _, line := range logs.All() {
					yield(line.Message)
				}
			}))
		}
		close(free)
		if synctest.Wait(); heard != 1025 {
			t.Errorf("%d heard", heard)
		}
	})
}
