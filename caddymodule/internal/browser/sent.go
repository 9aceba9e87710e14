package browser

import (
	"net/http"
	"net/url"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// SentURL is the URL as the visitor sent it: rewrite, try_files, uri and
// handle_path have done their work before us.
func SentURL(r *http.Request) *url.URL {
	if sent, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		return sent.URL
	}
	return r.URL
}

// SentMethod is the method the visitor used; the directive "method" can change it.
func SentMethod(r *http.Request) string {
	if sent, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		return sent.Method
	}
	return r.Method
}
