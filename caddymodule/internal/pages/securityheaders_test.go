package pages

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
)

func TestSetSecurityHeaders(t *testing.T) {
	tests := []struct {
		name      string
		options   Security
		policy    string
		transport string
	}{
		{
			"plain",
			Security{},
			"default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'", "",
		},
		{
			"page",
			Security{HSTS: true, style: "'sha256-a'", script: "'sha256-b'", FormAction: []string{"https://www.example.com"}},
			"default-src 'none'; style-src 'sha256-a'; script-src 'sha256-b'; base-uri 'none'; form-action 'self' https://www.example.com; frame-ancestors 'none'",
			"max-age=31536000",
		},
		{
			"framed by some",
			Security{FrameAncestors: "'self' https://*.zoom.us"},
			"default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self' https://*.zoom.us", "",
		},
		{
			"framed by anybody",
			Security{FrameAncestors: FrameAnywhere},
			"default-src 'none'; base-uri 'none'; form-action 'self'", "",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{"Cache-Control": {"public"}, "Content-Security-Policy": {"default-src *"}}
			SetSecurityHeaders(h, tt.options)
			for key, want := range map[string]string{
				"Cache-Control":             "no-store",
				"Content-Security-Policy":   tt.policy,
				"Strict-Transport-Security": tt.transport,
				"X-Content-Type-Options":    "nosniff",
				"Referrer-Policy":           "same-origin",
			} {
				if got := h.Get(key); got != want {
					t.Errorf("%s is %q, want %q", key, got, want)
				}
			}
		})
	}
}

// The operator may have promised more than we do.
func TestSetSecurityHeadersKeepsTransportSecurity(t *testing.T) {
	h := http.Header{"Strict-Transport-Security": {"max-age=63072000; preload"}}
	SetSecurityHeaders(h, Security{HSTS: true})
	if got := h["Strict-Transport-Security"]; len(got) != 1 || got[0] != "max-age=63072000; preload" {
		t.Errorf("got %q", got)
	}
}

func TestSharedCacheFieldsAreDropped(t *testing.T) {
	kept := http.Header{
		"Cache-Control": {"max-age=1"}, "Age": {"1"}, "Xcdn-Cache-Control": {"x"}, "Cdn-Cache-Control-X": {"x"}, "Surrogate-Key": {"k"}, "X-Accel-Buffering": {"no"},
	}
	h := kept.Clone()
	for _, name := range []string{
		"CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "Vercel-CDN-Cache-Control", "X-A-Cdn-Cache-Control",
		"Surrogate-Control", "Edge-Control", "X-Accel-Expires",
	} {
		h.Add(name, "public, max-age=600")
		h.Add(name, "max-age=60")
		h[strings.ToLower(name)] = []string{"public"} // as a handler may write it
	}
	DropSharedCacheFields(h)
	if !reflect.DeepEqual(h, kept) {
		t.Errorf("left: %q", h)
	}
	h = http.Header{"Cdn-Cache-Control": {"public"}}
	if SetSecurityHeaders(h, Security{}); h["Cdn-Cache-Control"] != nil {
		t.Error("an answer of ours speaks to shared caches")
	}
}
