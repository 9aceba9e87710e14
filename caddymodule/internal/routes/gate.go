package routes

import (
	"net/http"
	"net/url"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Gated reports whether a request for a path of a site may meet Caddy's own
// authentication, such as basic_auth, before it meets the handler.
func Gated(app *caddyhttp.App, find Finder, s *Site, path string) bool {
	for i := range s.RedirectURIs {
		uri, err := url.Parse(s.RedirectURIs[i].URI)
		if err != nil {
			continue
		}
		uri.Path, uri.RawPath = path, ""
		r, err := http.NewRequest(http.MethodGet, uri.String(), nil)
		if err != nil {
			continue
		}
		r.Host, r.RequestURI = s.RedirectURIs[i].Host, path
		walk := reachWalk{
			request: caddyhttp.PrepareRequest(r, caddy.NewReplacer(), nil, nil),
			find:    find, target: s, hostKnown: true, pathKnown: true, gate: new(bool),
		}
		if walk.arrives(app) && *walk.gate {
			return true
		}
	}
	return false
}
