package routes

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Gated reports whether a request for a path of a site may meet Caddy's own
// authentication, such as basic_auth, before it meets the handler. Of several servers
// that have the handler those count that listen on the port of the redirect URI, and all
// if none does: then something in front of Caddy has that port.
func Gated(app *caddyhttp.App, find Finder, s *Site, path string) bool {
	for i := range s.RedirectURIs {
		r, ok := s.RedirectURIs[i].request(path)
		if !ok {
			continue
		}
		var onPort, elsewhere []bool // whether it is gated there
		for _, server := range app.Servers {
			gated := false
			walk := reachWalk{request: r, find: find, target: s, hostKnown: true, pathKnown: true}
			walk.passes = func(name string, _ caddyhttp.MiddlewareHandler, _ bool) { gated = gated || name == "authentication" }
			switch {
			case !walk.arrivesIn(server):
			case listensAt(server, r.URL):
				onPort = append(onPort, gated)
			default:
				elsewhere = append(elsewhere, gated)
			}
		}
		if slices.Contains(onPort, true) || onPort == nil && slices.Contains(elsewhere, true) {
			return true
		}
	}
	return false
}

// listensAt reports whether a server listens on the port of a URL.
func listensAt(server *caddyhttp.Server, at *url.URL) bool {
	standard := map[string]string{"http": "80", "https": "443"}[at.Scheme]
	port, _ := strconv.Atoi(cmp.Or(at.Port(), standard))
	return slices.ContainsFunc(server.Listen, func(listen string) bool {
		address, err := caddy.ParseNetworkAddress(listen)
		return err == nil && address.StartPort <= uint(port) && uint(port) <= address.EndPort
	})
}
