package logformat_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/logformat"
)

// spelled is a header's name in one of the spellings that servers behind, or
// Caddy's log, take for it.
func spelled(name string, spelling uint64) string {
	name = []string{"", "", "HTTP_", "Trailer:"}[spelling%4] + name
	b := []byte(name)
	for i, c := range b {
		bit := spelling >> (2 + i%60)
		switch {
		case c == '-':
			b[i] = "-_.-"[bit%4]
		case bit%2 == 1 && 'a' <= c && c <= 'z':
			b[i] -= 'a' - 'A'
		case bit%2 == 1 && 'A' <= c && c <= 'Z':
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}

// inURL is a value as it can stand in a query without being encoded.
func inURL(value string) string {
	return strings.Map(func(c rune) rune {
		if c <= ' ' || strings.ContainsRune(`&#"<>`, c) {
			return -1
		}
		return c
	}, value)
}

// Whatever a value is, whatever stands around it and however the name is
// spelled: no header, parameter or cookie that is hidden survives, in any shape.
func FuzzNothingHiddenSurvives(f *testing.F) {
	f.Cleanup(logformat.Register(logformat.Names{Headers: []string{"X-My-Token", "Authorization"}, CookiePrefixes: []string{"acme"}}))
	f.Add("token", "/cb?a=b", "&c=d", uint64(0))
	f.Add("%26code%3D", "return_to=%2Fcb%3F", "%2526", uint64(1<<40))
	f.Add("eyJhbGciOiJIUzI1NiJ9.eyJh", `Get "http://`, `": EOF`, uint64(7))
	f.Add("a'b,c=d", "%25", "=", ^uint64(0))
	encoders := []zapcore.Encoder{
		newEncoder(f, ""), newEncoder(f, `{"format":"console"}`), newEncoder(f, `{"format":"filter","fields":{"a":{"filter":"delete"}}}`),
	}
	names := []string{"X-Zoom-Access-Token", "X-Zoom-Zak", "X-Zoom-Obf", "X-Zoom-App-Context", "X-My-Token", "Authorization"}
	parameters := []string{"code", "state", "signature", "token", "access_token", "refresh_token", "client_secret", "code_verifier", "zak"}
	cookies := []string{"zoom_pkce_0a1b2c3d", "__Host-zoom_pkce_0a1b2c3d_11223344", "__Secure-acme_0a1b2c3d"}
	f.Fuzz(func(t *testing.T, value, before, after string, spelling uint64) {
		if strings.Contains(before+after+value, marker[1:]) {
			t.Skip()
		}
		pick := func(from []string) string { return from[spelling%uint64(len(from))] }
		name := spelled(pick(names), spelling)
		secret := marker + value + marker
		plain := before + pick([]string{"?", "&", ";", "#", "%3F", "%2526"}) + pick(parameters) + "=" + inURL(secret) + "&" + after
		encoded := before + "?" + pick(parameters) + "=" + url.QueryEscape(secret) + "&" + after
		cookie := before + "; " + pick(cookies) + "=" + inURL(secret) + "; " + after
		texts := caddyhttp.LoggableStringArray{plain, encoded, cookie, "JWT " + jwt}
		fields := []zap.Field{
			zap.Object("headers", headers(name, secret, name, after)),
			zap.Dict("env", zap.String(name, secret), zap.String("QUERY_STRING", pick(parameters)+"="+inURL(secret))),
			zap.Any("header", http.Header{name: {secret}, "Referer": texts}),
			zap.ByteString(name, []byte(secret)),
			zap.Strings(name, []string{secret}),
			zap.Array("texts", texts),
			zap.Strings("strings", texts),
			zap.String("uri", plain), zap.String("location", encoded), zap.String("cookie", cookie),
		}
		for _, e := range encoders {
			with := e.Clone()
			for _, field := range fields {
				field.AddTo(with)
			}
			for _, line := range []string{encode(t, e, plain, fields...), encode(t, with, cookie)} {
				if i := strings.Index(line, marker); i >= 0 {
					t.Errorf("%q as %s: shown: %s", value, name, line[max(0, i-80):min(len(line), i+40)])
				}
			}
		}
	})
}
