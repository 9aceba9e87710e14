package e2e

import (
	"net/http"
	"slices"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func init() {
	caddy.RegisterModule(new(spanHandler))
	httpcaddyfile.RegisterHandlerDirective("test_span", func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return new(spanHandler), nil
	})
}

// spanRecorder is where the spans below spanHandler go: its tracer provider is
// nobody else's.
var spanRecorder = tracetest.NewSpanRecorder()

var spanProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spanRecorder))

// spanHandler gives a request a span, as Caddy's tracing directive does.
type spanHandler struct{}

func (*spanHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_span", New: func() caddy.Module { return new(spanHandler) }}
}

func (*spanHandler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	ctx, span := spanProvider.Tracer("test").Start(r.Context(), "request "+r.URL.Path)
	defer span.End()
	return next.ServeHTTP(w, r.WithContext(ctx))
}

// recordedSpans returns the spans that ended below a request, and the span of
// the request itself.
func recordedSpans(request string) (below []sdktrace.ReadOnlySpan, of sdktrace.ReadOnlySpan) {
	ended := spanRecorder.Ended()
	for _, span := range ended {
		if span.Name() == request {
			of = span
		}
	}
	for _, span := range ended {
		if of != nil && span.Parent().SpanID() == of.SpanContext().SpanID() {
			below = append(below, span)
		}
	}
	return below, of
}

func TestSpansOfASignIn(t *testing.T) {
	w := newWorld(t)
	w.load(w.caddyfile("route {\ntest_span\nzoom_pkce {\n" + w.options() + "\n}\nreverse_proxy " + w.upstream.addr + "\n}\n"))
	b := w.browser()
	spanRecorder.Reset()
	b.signIn("/spans", "user-ada")

	var names []string
	below, _ := recordedSpans("request /zoom_pkce/callback")
	for _, span := range below {
		names = append(names, span.Name())
		if span.Status().Code == codes.Error {
			t.Errorf("%s: %v", span.Name(), span.Status())
		}
		for _, attribute := range span.Attributes() {
			if attribute.Key == "http.response.status_code" && attribute.Value.AsInt64() != http.StatusOK {
				t.Errorf("%s: status %v", span.Name(), attribute.Value.AsInt64())
			}
		}
	}
	for _, want := range []string{"zoom code", "zoom me", "session store load", "session store swap"} {
		if !slices.Contains(names, want) {
			t.Errorf("no span %q among %q", want, names)
		}
	}
	if below, _ := recordedSpans("request /spans"); !slices.ContainsFunc(below, func(s sdktrace.ReadOnlySpan) bool { return s.Name() == "zoom zak" }) {
		t.Errorf("the fetch of the ZAK has no span below its request")
	}
}

func TestSpanOfARefusedCall(t *testing.T) {
	w := newWorld(t)
	w.load(w.caddyfile("route {\ntest_span\nzoom_pkce {\n" + w.options() + "\n}\nreverse_proxy " + w.upstream.addr + "\n}\n"))
	b := w.browser()
	spanRecorder.Reset()
	w.zoom.Fail(zoomtest.CallZAK, -1, zoomtest.Status(400, `{"code":1001,"message":"User not exist: user-ada."}`, "X-Zm-Trackingid", "v=2.0;rid=WEB_42"))
	b.signIn("/refused", "user-ada")
	below, _ := recordedSpans("request /refused")
	for _, span := range below {
		if span.Name() != "zoom zak" {
			continue
		}
		if span.Status().Code != codes.Error {
			t.Errorf("status %v, want an error", span.Status())
		}
		for _, attribute := range span.Attributes() {
			if attribute.Key == "zoom.tracking_id" && attribute.Value.AsString() == "v=2.0;rid=WEB_42" {
				return
			}
		}
		t.Fatalf("no tracking id in %v", span.Attributes())
	}
	t.Fatal("no span of the call")
}
