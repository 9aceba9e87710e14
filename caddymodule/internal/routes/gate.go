package routes

import "github.com/caddyserver/caddy/v2/modules/caddyhttp"

// Gated reports whether a request for a path of a site may meet Caddy's own
// authentication, such as basic_auth, before it meets the handler.
func Gated(app *caddyhttp.App, find Finder, s *Site, path string) bool {
	for i := range s.RedirectURIs {
		r, ok := s.RedirectURIs[i].request(path)
		if !ok {
			continue
		}
		walk := reachWalk{request: r, find: find, target: s, hostKnown: true, pathKnown: true, gate: new(bool)}
		if walk.arrives(app) && *walk.gate {
			return true
		}
	}
	return false
}
