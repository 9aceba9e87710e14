package routes

import (
	"cmp"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Plain returns the https redirect URIs of an app's handlers that no server with TLS
// serves, but one without: visitors come back there only if a proxy in front ends TLS.
func Plain(app *caddyhttp.App, find Finder, sites []*Site) (uris []string) {
	for _, s := range sites {
		for i := range s.RedirectURIs {
			uri := &s.RedirectURIs[i]
			walk, ok := callbackWalk(find, s, uri)
			if !ok || !strings.HasPrefix(uri.URI, "https://") {
				continue
			}
			var plain, secure bool
			for _, server := range app.Servers {
				if walk.arrivesIn(server) {
					tls := endsTLS(app, server)
					plain, secure = plain || !tls, secure || tls
				}
			}
			if plain && !secure {
				uris = append(uris, uri.URI)
			}
		}
	}
	return uris
}

// endsTLS reports whether a server speaks TLS on one of its ports, as Caddy decides it
// when it starts.
func endsTLS(app *caddyhttp.App, server *caddyhttp.Server) bool {
	if len(server.TLSConnPolicies) == 0 {
		return false
	}
	httpPort := uint(cmp.Or(app.HTTPPort, caddyhttp.DefaultHTTPPort))
	for _, listen := range server.Listen {
		address, err := caddy.ParseNetworkAddress(listen)
		if err != nil || address.StartPort != httpPort || address.EndPort != httpPort {
			return true
		}
	}
	return false
}
