package telemetry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

func TestNoSpanWithoutTracing(t *testing.T) {
	if _, span := startSpan(t.Context(), "nothing"); span != nil {
		t.Error("a span without a request that is traced")
	}
	endSpan(nil, errors.New("no span to end"))
}

// A call to Zoom is measured, traced or not, and its span tells what an operator asks
// Zoom's support about.
func TestTraceZoom(t *testing.T) {
	_, done := TraceZoom(t.Context(), zoomapi.CallMe)
	before := zoomCalls(t)
	done(429, &zoomapi.Error{TrackingID: "WEB_1"})
	if after := zoomCalls(t); after != before+1 {
		t.Errorf("%d calls, then %d", before, after)
	}
	for name, test := range map[string]struct {
		status int
		err    error
		want   string
		code   codes.Code
	}{
		"good":           {200, nil, "http.response.status_code=200", codes.Unset},
		"no answer":      {0, errors.New("down"), "", codes.Error},
		"refused":        {429, fmt.Errorf("asking: %w", &zoomapi.Error{TrackingID: "WEB_1"}), "http.response.status_code=429 zoom.tracking_id=WEB_1", codes.Error},
		"refused, no id": {400, &zoomapi.Error{}, "http.response.status_code=400", codes.Error},
	} {
		recorder := tracetest.NewSpanRecorder()
		ctx, _ := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("test").Start(t.Context(), "request")
		ctx, done := TraceZoom(ctx, zoomapi.CallZAK)
		done(test.status, test.err)
		ended := recorder.Ended()
		if len(ended) != 1 || ended[0].Name() != "zoom zak" || ended[0].SpanKind() != trace.SpanKindClient || !trace.SpanFromContext(ctx).SpanContext().Equal(ended[0].SpanContext()) {
			t.Fatalf("%s: %v", name, ended)
		}
		var attributes []string
		for _, a := range ended[0].Attributes() {
			attributes = append(attributes, string(a.Key)+"="+a.Value.String())
		}
		if got := strings.Join(attributes, " "); got != test.want || ended[0].Status().Code != test.code {
			t.Errorf("%s: %s, %v", name, got, ended[0].Status())
		}
	}
}

// zoomCalls is how often me was answered with 429.
func zoomCalls(t *testing.T) int {
	return int(gather(t, Metrics)["caddy_zoom_pkce_zoom_request_duration_seconds{call=me,status=429}"])
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

// provingStore is a store that has another way to prove itself.
type provingStore struct{ brokenStore }

func (s provingStore) Prove(context.Context, string, []byte, time.Time) error { return s.err }

func TestSpanOfAProof(t *testing.T) {
	prove := func(store zoompkce.Store) ([]sdktrace.ReadOnlySpan, error) {
		recorder := tracetest.NewSpanRecorder()
		ctx, _ := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("test").Start(t.Context(), "request")
		err := TracedStore{Store: store}.Prove(ctx, "k", nil, time.Time{})
		return recorder.Ended(), err
	}
	full := errors.New("full")
	for want, code := range map[error]codes.Code{nil: codes.Unset, full: codes.Error} {
		if spans, err := prove(provingStore{brokenStore{err: want}}); !errors.Is(err, want) || len(spans) != 1 || spans[0].Status().Code != code {
			t.Errorf("got %v, %v", err, spans)
		}
	}
	if spans, err := prove(brokenStore{}); !errors.Is(err, errors.ErrUnsupported) || len(spans) != 0 {
		t.Errorf("of a store without: %v, %v", err, spans)
	}
}
