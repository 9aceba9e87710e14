package pages

import (
	"net/http"
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
			Security{HTTPS: true, style: "'sha256-a'", script: "'sha256-b'", FormAction: []string{"https://www.example.com"}},
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
	SetSecurityHeaders(h, Security{HTTPS: true})
	if got := h["Strict-Transport-Security"]; len(got) != 1 || got[0] != "max-age=63072000; preload" {
		t.Errorf("got %q", got)
	}
}
