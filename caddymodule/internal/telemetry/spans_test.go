package telemetry

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

func TestNoSpanWithoutTracing(t *testing.T) {
	if _, span := startSpan(t.Context(), "nothing"); span != nil {
		t.Error("a span without a request that is traced")
	}
	endSpan(nil, errors.New("no span to end"))
}

// brokenStore fails with err.
type brokenStore struct {
	zoompkce.Store
	err error
}

func (s brokenStore) Load(context.Context, string) ([]byte, string, error) { return nil, "", s.err }
func (s brokenStore) Swap(context.Context, string, string, []byte, time.Time) (string, error) {
	return "", s.err
}

func TestSpansOfStoreTrouble(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		want codes.Code
	}{
		{"nothing there", zoompkce.ErrNotFound, codes.Unset},
		{"somebody was faster", zoompkce.ErrConflict, codes.Unset},
		{"closed", zoompkce.ErrStoreClosed, codes.Error},
	} {
		t.Run(test.name, func(t *testing.T) {
			recorder := tracetest.NewSpanRecorder()
			provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
			ctx, span := provider.Tracer("test").Start(t.Context(), "request")
			store := TracedStore{Store: brokenStore{err: test.err}}
			if _, _, err := store.Load(ctx, "k"); !errors.Is(err, test.err) {
				t.Errorf("load: %v", err)
			}
			if _, err := store.Swap(ctx, "k", "", nil, time.Time{}); !errors.Is(err, test.err) {
				t.Errorf("swap: %v", err)
			}
			below := recorder.Ended()
			span.End()
			if len(below) != 2 {
				t.Fatalf("%d spans, want 2", len(below))
			}
			for _, span := range below {
				if span.Status().Code != test.want {
					t.Errorf("%s: %v, want %v", span.Name(), span.Status(), test.want)
				}
			}
		})
	}
}
