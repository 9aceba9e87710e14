package logformat_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/logging"
	"go.uber.org/zap"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/logformat"
)

// marker begins every value that no log may show.
const marker = "S3CRET"

// newEncoder is the encoder as a configuration makes it.
func newEncoder(t testing.TB, wrap string) *logformat.Encoder {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	e := new(logformat.Encoder)
	if wrap != "" {
		e.WrappedRaw = json.RawMessage(wrap)
	}
	if err := e.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	return e
}

// encode is one line of the log.
func encode(t testing.TB, e zapcore.Encoder, message string, fields ...zap.Field) string {
	t.Helper()
	line, err := e.EncodeEntry(zapcore.Entry{Message: message, Time: time.Unix(1, 0)}, fields)
	if err != nil {
		t.Fatal(err)
	}
	defer line.Free()
	return line.String()
}

// headers are a request's or an answer's, as Caddy logs them.
func headers(pairs ...string) caddyhttp.LoggableHTTPHeader {
	h := caddyhttp.LoggableHTTPHeader{Header: make(http.Header), ShouldLogCredentials: true}
	for i := 0; i < len(pairs); i += 2 {
		h.Header[pairs[i]] = append(h.Header[pairs[i]], pairs[i+1])
	}
	return h
}

const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJjbGllbnRzbSJ9." + marker

var errBroken = errors.New("broken")

// Every kind of field, wherever a secret may stand in it. What is expected is
// the line without level, time and message.
func TestRedaction(t *testing.T) {
	defer logformat.Register(logformat.Names{
		Headers: []string{"Authorization", "X-My.Token", ""}, CookiePrefixes: []string{"acme", "my+app", "app|"},
	})()
	for name, test := range map[string]struct {
		field zap.Field
		want  string
	}{
		"token header":          {zap.Object("headers", headers("X-Zoom-Zak", marker)), `{"headers":{"X-Zoom-Zak":["REDACTED"]}}`},
		"several values":        {zap.Object("headers", headers("X-Zoom-Zak", marker, "X-Zoom-Zak", marker)), `{"headers":{"X-Zoom-Zak":["REDACTED"]}}`},
		"other case":            {zap.Object("headers", headers("x-zoom-OBF", marker)), `{"headers":{"x-zoom-OBF":["REDACTED"]}}`},
		"other spelling":        {zap.Object("headers", headers("X_Zoom.Access-Token", marker)), `{"headers":{"X_Zoom.Access-Token":["REDACTED"]}}`},
		"registered header":     {zap.Object("headers", headers("X-My-Token", marker)), `{"headers":{"X-My-Token":["REDACTED"]}}`},
		"Authorization":         {zap.Object("headers", headers("Authorization", "Bearer "+marker)), `{"headers":{"Authorization":["REDACTED"]}}`},
		"app context":           {zap.Object("headers", headers("X-Zoom-App-Context", marker)), `{"headers":{"X-Zoom-App-Context":["REDACTED"]}}`},
		"trailer":               {zap.Object("resp_headers", headers("Trailer:X-Zoom-Zak", marker)), `{"resp_headers":{"Trailer:X-Zoom-Zak":["REDACTED"]}}`},
		"error of a ZAK":        {zap.Object("headers", headers("X-Zoom-Zak-Error", "zak_unavailable")), `{"headers":{"X-Zoom-Zak-Error":["zak_unavailable"]}}`},
		"identity":              {zap.Object("headers", headers("X-Zoom-User-Id", "ada")), `{"headers":{"X-Zoom-User-Id":["ada"]}}`},
		"variable of FastCGI":   {zap.Dict("env", zap.String("HTTP_X_ZOOM_ZAK", marker)), `{"env":{"HTTP_X_ZOOM_ZAK":"REDACTED"}}`},
		"QUERY_STRING":          {zap.Dict("env", zap.String("QUERY_STRING", "code="+marker+"&a=b")), `{"env":{"QUERY_STRING":"code=REDACTED&a=b"}}`},
		"our cookies":           {zap.Object("headers", headers("Cookie", "a=b; __Host-zoom_pkce_0a1b2c3d="+marker+"; acme_0a1b2c3d_11223344="+marker+"; c=d")), `{"headers":{"Cookie":["a=b; __Host-zoom_pkce_0a1b2c3d=REDACTED; acme_0a1b2c3d_11223344=REDACTED; c=d"]}}`},
		"our Set-Cookie":        {zap.Object("headers", headers("Set-Cookie", "a=b", "Set-Cookie", "__Secure-acme_0a1b2c3d="+marker+"; Path=/")), `{"headers":{"Set-Cookie":["a=b","__Secure-acme_0a1b2c3d=REDACTED; Path=/"]}}`},
		"quoted cookie":         {zap.Object("headers", headers("Cookie", `a=b; zoom_pkce_0a1b2c3d="`+marker+`"; c=d`)), `{"headers":{"Cookie":["a=b; zoom_pkce_0a1b2c3d=REDACTED\"; c=d"]}}`},
		"cookies without blank": {zap.Object("headers", headers("Cookie", "a=b;zoom_pkce_0a1b2c3d="+marker+";c=d")), `{"headers":{"Cookie":["a=b;zoom_pkce_0a1b2c3d=REDACTED"]}}`},
		"odd cookie names":      {zap.Object("headers", headers("Cookie", "a=b; __Host-my+app_0a1b2c3d="+marker+"; app|_0a1b2c3d="+marker+"; c=d")), `{"headers":{"Cookie":["a=b; __Host-my+app_0a1b2c3d=REDACTED; app|_0a1b2c3d=REDACTED; c=d"]}}`},
		"similar cookies":       {zap.Object("headers", headers("Cookie", "acme_session=a; zoom_pkce_0a1b2c3dx=b; acme_0a1b2c3=c")), `{"headers":{"Cookie":["acme_session=a; zoom_pkce_0a1b2c3dx=b; acme_0a1b2c3=c"]}}`},
		"callback":              {zap.String("uri", "/cb?state="+marker+"&code="+marker), `{"uri":"/cb?state=REDACTED&code=REDACTED"}`},
		"signed URL":            {zap.String("uri", "/zoom_pkce/backend/zak?user_id=ada&expires=1&signature="+marker), `{"uri":"/zoom_pkce/backend/zak?user_id=ada&expires=1&signature=REDACTED"}`},
		"token":                 {zap.String("uri", "/revoke?token="+marker), `{"uri":"/revoke?token=REDACTED"}`},
		"odd value":             {zap.String("uri", "/cb?code='"+marker+",=?/%26"+marker+"#top"), `{"uri":"/cb?code=REDACTED#top"}`},
		"quoted value":          {zap.Error(fmt.Errorf("parsing %q", `code="`+marker+`"`)), `{"error":"parsing \"code=REDACTED\"\""}`},
		"state with semicolon":  {zap.String("uri", "/zoom_pkce/oauth/authorize?state=a;"+marker+"&scope=;"), `{"uri":"/zoom_pkce/oauth/authorize?state=REDACTED&scope=;"}`},
		"no value":              {zap.String("uri", "/cb?code=&state"), `{"uri":"/cb?code=&state"}`},
		"encoded name":          {zap.String("uri", "/cb?c%6Fde="+marker), `{"uri":"/cb?c%6Fde=REDACTED"}`},
		"URL in a URL":          {zap.String("uri", "/login?return_to=%2Fcb%3fa%3Db%26code%3D"+marker+"&c=d"), `{"uri":"/login?return_to=%2Fcb%3fa%3Db%26code%3DREDACTED&c=d"}`},
		"URL in a URL in a URL": {zap.String("uri", "/a?b=%2Fc%3Fd%3D%252Fcb%253Fstate%253D"+marker), `{"uri":"/a?b=%2Fc%3Fd%3D%252Fcb%253Fstate%253DREDACTED"}`},
		"fragment":              {zap.String("Location", "https://a/#access_token="+marker), `{"Location":"https://a/#access_token=REDACTED"}`},
		"Location of a sign-in": {zap.Object("resp_headers", headers("Location", "https://zoom.us/oauth/authorize?response_type=code&state="+marker+"&code_challenge="+marker)), `{"resp_headers":{"Location":["https://zoom.us/oauth/authorize?response_type=code&state=REDACTED&code_challenge=REDACTED"]}}`},
		"private-use scheme":    {zap.Object("resp_headers", headers("Location", "com.example.app:/cb?code="+marker)), `{"resp_headers":{"Location":["com.example.app:/cb?code=REDACTED"]}}`},
		"Referer":               {zap.Object("headers", headers("Referer", "https://a/cb?code="+marker)), `{"headers":{"Referer":["https://a/cb?code=REDACTED"]}}`},
		"code that is none":     {zap.String("error", "exit status: code=42, state=closed"), `{"error":"exit status: code=42, state=closed"}`},
		"code of ours":          {zap.String("code", "sign_in_required"), `{"code":"sign_in_required"}`},
		"URL in an error":       {zap.Error(&url.Error{Op: "Get", URL: "http://a/cb?code=" + marker, Err: errors.New("cut")}), `{"error":"Get \"http://a/cb?code=REDACTED\": cut"}`},
		"wrapped error":         {zap.Error(fmt.Errorf("posting %q: %w", "grant_type=refresh_token&refresh_token="+marker, errors.New("cut"))), `{"error":"posting \"grant_type=refresh_token&refresh_token=REDACTED\": cut"}`},
		"Stringer":              {zap.Stringer("url", &url.URL{Path: "/cb", RawQuery: "code=" + marker}), `{"url":"/cb?code=REDACTED"}`},
		"bytes":                 {zap.ByteString("uri", []byte("/cb?code="+marker)), `{"uri":"/cb?code=REDACTED"}`},
		"binary":                {zap.Binary("access_token", []byte(marker)), `{"access_token":"UkVEQUNURUQ="}`},
		"strings":               {zap.Strings("uris", []string{"/", "/cb?code=" + marker}), `{"uris":["/","/cb?code=REDACTED"]}`},
		"strings of a header":   {zap.Strings("X-Zoom-Zak", []string{marker}), `{"X-Zoom-Zak":["REDACTED"]}`},
		"objects in an array":   {zap.Objects("requests", []zapcore.ObjectMarshaler{headers("X-Zoom-Zak", marker)}), `{"requests":[{"X-Zoom-Zak":["REDACTED"]}]}`},
		"all in an array": {zap.Array("a", zapcore.ArrayMarshalerFunc(func(to zapcore.ArrayEncoder) error {
			to.AppendByteString([]byte("?code=" + marker))
			return errors.Join(
				to.AppendReflected(map[string]string{"zak": marker}),
				to.AppendReflected(nil),
				to.AppendArray(caddyhttp.LoggableStringArray{"?code=" + marker}),
			)
		})), `{"a":["?code=REDACTED",{"zak":"REDACTED"},null,["?code=REDACTED"]]}`},
		"inline":               {zap.Inline(headers("X-Zoom-Zak", marker)), `{"X-Zoom-Zak":["REDACTED"]}`},
		"dictionary":           {zap.Dict("a", zap.Dict("b", zap.String("c", "?code="+marker))), `{"a":{"b":{"c":"?code=REDACTED"}}}`},
		"reflected header":     {zap.Any("header", http.Header{"X-Zoom-Zak": {marker}, "Via": {"a"}}), `{"header":{"Via":["a"],"X-Zoom-Zak":"REDACTED"}}`},
		"reflected string":     {zap.Reflect("uri", "/cb?code="+marker), `{"uri":"/cb?code=REDACTED"}`},
		"configuration":        {zap.Reflect("http", json.RawMessage(`{"client_secret":"`+marker+`","headers":{"access_token":{"name":"X"}},"cookie":{"secret":["`+marker+`"]},"n":12345678901234567890}`)), `{"http":{"client_secret":"REDACTED","cookie":{"secret":"REDACTED"},"headers":{"access_token":{"name":"X"}},"n":12345678901234567890}}`},
		"URL of a store":       {zap.Reflect("store", json.RawMessage(`{"urls":["rediss://user:`+marker+`@redis:6379/0","redis://:`+marker+`@a"]}`)), `{"store":{"urls":["rediss://REDACTED@redis:6379/0","redis://REDACTED@a"]}}`},
		"URLs in a text":       {zap.String("x", "dial https://a/b@c http://a.example?@ redis://:p@"+marker+"@h: cut, mail a@b ://"), `{"x":"dial https://a/b@c http://a.example?@ redis://REDACTED@h: cut, mail a@b ://"}`},
		"two URLs, of two":     {zap.String("x", "redis://"+marker+"@a,redis://"+marker+"@b,redis://@c"), `{"x":"redis://REDACTED@a,redis://REDACTED@b,redis://@c"}`},
		"a URL without a host": {zap.String("x", "file:///a@b unix://"), `{"x":"file:///a@b unix://"}`},
		"a user of one letter": {zap.String("x", "://a redis://u@h"), `{"x":"://a redis://REDACTED@h"}`},
		"unchanged value":      {zap.Reflect("module", struct{ B, A int }{2, 1}), `{"module":{"B":2,"A":1}}`},
		"nothing":              {zap.Reflect("x", nil), `{"x":null}`},
		"no JSON":              {zap.Reflect("x", func() {}), `{"xError":"json: unsupported type: func()"}`},
		"JWT under a new name": {zap.Object("headers", headers("X-Renamed", "Bearer "+jwt)), `{"headers":{"X-Renamed":["Bearer REDACTED"]}}`},
		"almost a JWT":         {zap.String("x", "eyJhbGci.eyJhdWQi eyJ a.b.c"), `{"x":"eyJhbGci.eyJhdWQi eyJ a.b.c"}`},
		"text around a JWT":    {zap.String("x", "a "+jwt+" b"), `{"x":"a REDACTED b"}`},
		"two JWTs":             {zap.String("x", jwt+" "+jwt), `{"x":"REDACTED REDACTED"}`},
		"all of it encoded":    {zap.String("x", "?code%3D"+marker), `{"x":"?code%3DREDACTED"}`},
		"what is no escape":    {zap.String("uri", "/?a&%zz&%&%4&code="+marker), `{"uri":"/?a&%zz&%&%4&code=REDACTED"}`},
		"capitals":             {zap.String("uri", "/?ZAK="+marker+"&ACCESS_TOKEN="+marker), `{"uri":"/?ZAK=REDACTED&ACCESS_TOKEN=REDACTED"}`},
		"nines in a cookie":    {zap.Object("headers", headers("Cookie", "zoom_pkce_9a1b2c39="+marker)), `{"headers":{"Cookie":["zoom_pkce_9a1b2c39=REDACTED"]}}`},
		"one of a list":        {zap.Reflect("uris", []string{"?code=" + marker, "/"}), `{"uris":["?code=REDACTED","/"]}`},
		"unchanged list":       {zap.Reflect("module", struct{ B, A []int }{[]int{2, 1}, nil}), `{"module":{"B":[2,1],"A":null}}`},
		"broken object":        {zap.Object("o", zapcore.ObjectMarshalerFunc(func(zapcore.ObjectEncoder) error { return errBroken })), `{"o":{},"oError":"broken"}`},
		"broken array":         {zap.Array("a", zapcore.ArrayMarshalerFunc(func(zapcore.ArrayEncoder) error { return errBroken })), `{"a":[],"aError":"broken"}`},
		"broken in an array": {zap.Array("a", zapcore.ArrayMarshalerFunc(func(to zapcore.ArrayEncoder) error {
			return to.AppendObject(zapcore.ObjectMarshalerFunc(func(zapcore.ObjectEncoder) error { return errBroken }))
		})), `{"a":[{}],"aError":"broken"}`},
		"broken array in an array": {zap.Array("a", zapcore.ArrayMarshalerFunc(func(to zapcore.ArrayEncoder) error {
			return to.AppendArray(zapcore.ArrayMarshalerFunc(func(zapcore.ArrayEncoder) error { return errBroken }))
		})), `{"a":[[]],"aError":"broken"}`},
		"no JSON in an array": {zap.Array("a", zapcore.ArrayMarshalerFunc(func(to zapcore.ArrayEncoder) error {
			return to.AppendReflected(func() {})
		})), `{"a":[],"aError":"json: unsupported type: func()"}`},
		"numbers": {zap.Dict("o", zap.Int("status", 200), zap.Bool("b", true)), `{"o":{"status":200,"b":true}}`},
	} {
		t.Run(name, func(t *testing.T) {
			for wrap, encoder := range map[string]zapcore.Encoder{
				"json":       newEncoder(t, `{"format":"json","level_key":"","time_key":"","message_key":""}`),
				"filter":     newEncoder(t, `{"format":"filter","wrap":{"format":"json","level_key":"","time_key":"","message_key":""}}`),
				"itself":     newEncoder(t, `{"format":"zoom_pkce","wrap":{"format":"json","level_key":"","time_key":"","message_key":""}}`),
				"for always": newEncoder(t, `{"format":"json","level_key":"","time_key":"","message_key":""}`).Clone(),
			} {
				fields := []zap.Field{test.field}
				if wrap == "for always" { // as a logger's own fields are added
					test.field.AddTo(encoder)
					fields = nil
				}
				if got := strings.TrimSpace(encode(t, encoder, "", fields...)); got != test.want {
					t.Errorf("wrapping %s:\ngot  %s\nwant %s", wrap, got, test.want)
				}
			}
			if console := encode(t, newEncoder(t, `{"format":"console"}`), "hello", test.field); strings.Contains(console, marker) || !strings.Contains(console, "hello") {
				t.Errorf("console: %s", console)
			}
		})
	}
}

// What a line says about itself stays, but for a URL in the message.
func TestMessageAndNamespace(t *testing.T) {
	e := newEncoder(t, `{"format":"json","time_key":""}`)
	got := encode(t, e, `Get "http://a/cb?code=`+marker+`": cut`, zap.Namespace("a"), zap.Int("n", 1), zap.Namespace("b"), zap.String("uri", "?code="+marker))
	want := `{"level":"info","msg":"Get \"http://a/cb?code=REDACTED\": cut","a":{"n":1,"b":{"uri":"?code=REDACTED"}}}`
	if strings.TrimSpace(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Filters of Caddy's that are wrapped see headers as Caddy logs them.
func TestWrappedFilterSeesHeaders(t *testing.T) {
	e := newEncoder(t, `{"format":"filter","fields":{"headers>Cookie":{"filter":"cookie","actions":[{"type":"replace","name":"a","value":"gone"}]}}}`)
	got := encode(t, e, "", zap.Object("headers", headers("Cookie", "a=b; zoom_pkce_0a1b2c3d="+marker)))
	if want := `"Cookie":["a=gone; zoom_pkce_0a1b2c3d=REDACTED"]`; !strings.Contains(got, want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A line of the access log costs no allocation that Caddy's own encoder does
// not cost, but for a pool that the garbage collector has emptied.
func TestAllocations(t *testing.T) {
	h := headers("User-Agent", "curl/8", "Accept", "*/*; q=0.1", "Cookie", "a=b", "X-Zoom-Zak", "x")
	fields := []zap.Field{
		zap.Object("request", zapcore.ObjectMarshalerFunc(func(to zapcore.ObjectEncoder) error {
			to.AddString("uri", "/meeting/1?a=b")
			return to.AddObject("headers", h)
		})),
		zap.Int("status", 200), zap.Object("resp_headers", h),
	}
	allocations := func(e zapcore.Encoder) float64 {
		return testing.AllocsPerRun(200, func() {
			line, err := e.EncodeEntry(zapcore.Entry{}, fields)
			if err != nil {
				t.Fatal(err)
			}
			line.Free()
		})
	}
	plain := zapcore.NewJSONEncoder(zapcore.EncoderConfig{})
	if ours, theirs := allocations(newEncoder(t, "")), allocations(plain); ours > theirs+1 {
		t.Errorf("%v allocations a line, without the encoder %v", ours, theirs)
	}
}

// brokenEncoder fails whatever it is asked for.
type brokenEncoder struct{ zapcore.Encoder }

func init() {
	caddy.RegisterModule(brokenEncoder{})
	caddy.RegisterModule(notAnEncoder{})
}

func (brokenEncoder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.logging.encoders.broken", New: func() caddy.Module { return new(brokenEncoder) }}
}

func (brokenEncoder) EncodeEntry(zapcore.Entry, []zapcore.Field) (*buffer.Buffer, error) {
	return nil, errBroken
}

func (brokenEncoder) ConfigureDefaultFormat(caddy.WriterOpener) error { return errBroken }

type notAnEncoder struct{}

func (notAnEncoder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.logging.encoders.not_an_encoder", New: func() caddy.Module { return new(notAnEncoder) }}
}

func (*notAnEncoder) UnmarshalCaddyfile(*caddyfile.Dispenser) error { return nil }

// What a wrapped format cannot do is an error, not a line that is missing.
func TestErrorsOfTheWrapped(t *testing.T) {
	e := newEncoder(t, `{"format":"broken"}`)
	if _, err := e.EncodeEntry(zapcore.Entry{}, nil); !errors.Is(err, errBroken) {
		t.Errorf("encoding: %v", err)
	}
	if err := e.ConfigureDefaultFormat(caddy.StderrWriter{}); !errors.Is(err, errBroken) {
		t.Errorf("configuring: %v", err)
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	if err := (&logformat.Encoder{WrappedRaw: json.RawMessage(`{"format":"nonsense"}`)}).Provision(ctx); err == nil {
		t.Error("a format that there is not was loaded")
	}
}

// On a terminal people read, unless the configuration says otherwise.
func TestDefaultFormat(t *testing.T) {
	terminal, err := os.Open(os.DevNull) // a character device, as terminals are
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	stderr := os.Stderr
	os.Stderr = terminal
	defer func() { os.Stderr = stderr }()
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	os.Stderr = file
	e := newEncoder(t, "")
	if err := e.ConfigureDefaultFormat(caddy.StderrWriter{}); err != nil || !json.Valid([]byte(encode(t, e, "hello"))) {
		t.Errorf("stderr is a file: %v", err)
	}
	os.Stderr = terminal
	for _, test := range []struct {
		wrap   string
		writer caddy.WriterOpener
		isJSON bool
	}{
		{"", caddy.StderrWriter{}, false},
		{"", &logging.FileWriter{}, true},
		{`{"format":"zoom_pkce"}`, caddy.StdoutWriter{}, false},
		{`{"format":"json"}`, caddy.StderrWriter{}, true},
	} {
		e := newEncoder(t, test.wrap)
		if err := e.ConfigureDefaultFormat(test.writer); err != nil {
			t.Fatal(err)
		}
		line := encode(t, e, "hello", zap.String("uri", "?code="+marker))
		if json.Valid([]byte(line)) != test.isJSON || strings.Contains(line, marker) {
			t.Errorf("%s to %T: %s", test.wrap, test.writer, line)
		}
	}
}
