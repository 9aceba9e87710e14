package logformat_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const bare = `{"format":"json","level_key":"","time_key":"","message_key":""}`

// oneOfEach are fields of every kind.
func oneOfEach() []zap.Field {
	return []zap.Field{
		zap.String("s", "?code="+marker), zap.Bool("b", true), zap.Complex128("c128", 1i), zap.Complex64("c64", 2i),
		zap.Duration("d", time.Second), zap.Float64("f64", .5), zap.Float32("f32", .25), zap.Int("i", -1), zap.Int64("i64", -64),
		zap.Int32("i32", -32), zap.Int16("i16", -16), zap.Int8("i8", -8), zap.Time("t", time.Unix(7, 0)), zap.Uint("u", 1),
		zap.Uint64("u64", 64), zap.Uint32("u32", 32), zap.Uint16("u16", 16), zap.Uint8("u8", 8), zap.Uintptr("p", 9),
		zap.Binary("zak", []byte(marker)), zap.ByteString("bytes", []byte("?state="+marker)), zap.Reflect("r", []int{1, 2}),
		zap.Strings("a", []string{"x", "?code=" + marker}), zap.Object("o", headers("X-Zoom-Zak", marker)),
		zap.Namespace("n"), zap.Int("last", 1),
	}
}

// What a logger has for all its entries is written as what one entry has, whatever
// comes after what, and no other logger has it.
func TestFieldsOfALogger(t *testing.T) {
	fields := oneOfEach()
	for n := range len(fields) + 1 {
		e := newEncoder(t, bare)
		logger := e.Clone()
		for _, f := range fields[:n] {
			f.AddTo(logger)
		}
		child, other := logger.Clone(), logger.Clone()
		zap.Int("other", 1).AddTo(other)
		for _, f := range fields[n:] {
			f.AddTo(child)
		}
		want := encode(t, e, "", fields...)
		if got := encode(t, child, ""); got != want || strings.Contains(got, marker) {
			t.Fatalf("%d before:\ngot  %swant %s", n, got, want)
		}
		if got, want := encode(t, logger, "", zap.Int("x", 1)), encode(t, e, "", append(fields[:n:n], zap.Int("x", 1))...); got != want {
			t.Fatalf("of %d:\ngot  %swant %s", n, got, want)
		}
		if got := strings.TrimSpace(encode(t, e, "")); got != "{}" {
			t.Fatalf("a logger without fields writes %s", got)
		}
	}
}

// proxied is a request as Caddy's proxy makes a logger of it.
func proxied() (*http.Request, zap.Field) {
	r := httptest.NewRequest(http.MethodGet, "/page", nil)
	vars := map[string]any{caddyhttp.ClientIPVarKey: "192.0.2.7"}
	r = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, vars))
	for _, name := range []string{"Accept", "User-Agent", "X-Forwarded-For", "X-Zoom-User-Id", "X-Zoom-Zak"} {
		r.Header.Set(name, marker+" of "+name)
	}
	return r, zap.Object("request", caddyhttp.LoggableHTTPRequest{Request: r})
}

// An entry shows a request as it was when its logger was made.
func TestRequestOfALogger(t *testing.T) {
	e := newEncoder(t, bare)
	r, field := proxied()
	want := encode(t, e, "", field)
	logger := e.Clone()
	field.AddTo(logger)
	r.Method = http.MethodPut
	r.Header.Del("Accept")
	r.Header["X-Zoom-User-Id"][0] = "another"
	// The proxy writes entries from other goroutines, too: to read the variables then would be a race.
	caddyhttp.SetVar(r.Context(), caddyhttp.ClientIPVarKey, "another")
	got := encode(t, logger, "")
	if len(got) != len(want) || strings.Contains(got, "another") || strings.Contains(got, "PUT") || !strings.Contains(got, "of Accept") {
		t.Errorf("got  %swant %s", got, want)
	}
	if strings.Contains(got, "of X-Zoom-Zak") {
		t.Errorf("%s", got)
	}
}

// What Caddy does with a request that it logs nothing of, with its own encoder and with ours.
func loggersOfARequest(tb testing.TB) map[string]func() {
	_, field := proxied()
	all := make(map[string]func())
	for name, encoder := range map[string]zapcore.Encoder{
		"caddy": zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), "zoom_pkce": newEncoder(tb, ""),
	} {
		logger := zap.New(zapcore.NewCore(encoder, zapcore.AddSync(io.Discard), zap.WarnLevel))
		all[name] = func() {
			logger.With(zap.String("upstream", "127.0.0.1:80"), zap.Duration("duration", time.Second), field).With(zap.Int("read", 3)).Debug("")
		}
	}
	return all
}

func TestALoggerOfARequestAllocatesLess(t *testing.T) {
	all := loggersOfARequest(t)
	ours, theirs := testing.AllocsPerRun(1000, all["zoom_pkce"]), testing.AllocsPerRun(1000, all["caddy"])
	if ours >= theirs {
		t.Errorf("%v allocations, without the encoder %v", ours, theirs)
	}
}

func BenchmarkLoggerOfARequest(b *testing.B) {
	for name, request := range loggersOfARequest(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				request()
			}
		})
	}
}
