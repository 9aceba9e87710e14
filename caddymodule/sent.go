package caddymodule

import (
	"net/http"
	"net/url"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// sentURL is the URL as the visitor sent it: rewrite, try_files, uri and
// handle_path have done their work before us.
func sentURL(r *http.Request) *url.URL {
	if sent, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		return sent.URL
	}
	return r.URL
}

// sentMethod is the method the visitor used; the directive "method" can change it.
func sentMethod(r *http.Request) string {
	if sent, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		return sent.Method
	}
	return r.Method
}
