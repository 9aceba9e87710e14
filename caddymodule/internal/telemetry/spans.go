package telemetry

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// startSpan begins a span below the one of the request, with the tracer
// provider of that one: whether and where to there is tracing is for Caddy's
// `tracing` directive to say.
func startSpan(ctx context.Context, name string) (context.Context, trace.Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.SpanContext().IsValid() {
		return ctx, nil
	}
	return parent.TracerProvider().Tracer("zoom_pkce").Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient))
}

func endSpan(span trace.Span, err error) {
	if span == nil {
		return
	}
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}

// TraceZoom measures a call to Zoom.
func TraceZoom(ctx context.Context, call zoomapi.Call) (context.Context, func(int, error)) {
	began := time.Now()
	ctx, span := startSpan(ctx, "zoom "+string(call))
	return ctx, func(status int, err error) {
		Metrics.zoomCall(call, status, time.Since(began))
		if span != nil && status != 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", status))
		}
		if zoom, ok := errors.AsType[*zoomapi.Error](err); ok && span != nil && zoom.TrackingID != "" {
			span.SetAttributes(attribute.String("zoom.tracking_id", zoom.TrackingID))
		}
		endSpan(span, err)
	}
}

// TracedStore is a session store with spans.
type TracedStore struct{ zoompkce.Store }

// Load implements [zoompkce.Store].
func (s TracedStore) Load(ctx context.Context, key string) ([]byte, string, error) {
	ctx, span := startSpan(ctx, "session store load")
	value, version, err := s.Store.Load(ctx, key)
	endSpan(span, storeTrouble(err))
	return value, version, err
}

// Swap implements [zoompkce.Store].
func (s TracedStore) Swap(ctx context.Context, key, old string, value []byte, expires time.Time) (string, error) {
	ctx, span := startSpan(ctx, "session store swap")
	version, err := s.Store.Swap(ctx, key, old, value, expires)
	endSpan(span, storeTrouble(err))
	return version, err
}

// Prove implements [zoompkce.Prover], if the store does.
func (s TracedStore) Prove(ctx context.Context, key string, value []byte, expires time.Time) error {
	prover, ok := s.Store.(zoompkce.Prover)
	if !ok {
		return errors.ErrUnsupported
	}
	ctx, span := startSpan(ctx, "session store prove")
	err := prover.Prove(ctx, key, value, expires)
	endSpan(span, err)
	return err
}

// storeTrouble drops the errors that are ordinary answers of a store.
func storeTrouble(err error) error {
	if errors.Is(err, zoompkce.ErrNotFound) || errors.Is(err, zoompkce.ErrConflict) {
		return nil
	}
	return err
}

// Interface guards
var (
	_ zoompkce.Store  = TracedStore{}
	_ zoompkce.Prover = TracedStore{}
)
