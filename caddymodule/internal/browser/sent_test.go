package browser

import (
	"context"
	"net/http"
	"net/url"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// changed returns r as handlers before ours leave it, with what was sent in its context.
func changed(r *http.Request, change func(*http.Request)) *http.Request {
	r = r.WithContext(context.WithValue(r.Context(), caddyhttp.OriginalRequestCtxKey, *r))
	change(r)
	return r
}

func TestSent(t *testing.T) {
	r := requestWith("POST")
	r.URL = &url.URL{Path: "/sent"}
	if SentURL(r).Path != "/sent" || SentMethod(r) != "POST" {
		t.Errorf("outside of Caddy: %s %s", SentMethod(r), SentURL(r))
	}
	r = changed(r, func(r *http.Request) { r.Method, r.URL = "GET", &url.URL{Path: "/rewritten"} })
	if SentURL(r).Path != "/sent" || SentMethod(r) != "POST" {
		t.Errorf("after rewrites: %s %s", SentMethod(r), SentURL(r))
	}
}
