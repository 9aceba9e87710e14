package main

import "github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"

// The credentials of the app at the simulated Zoom.
const (
	clientID     = "mcp"
	clientSecret = "known-to-everybody"
)

// siteConfig is the part of the Caddyfile that matters. A server that does not ask
// Zoom gets no token of Zoom's.
func siteConfig(addr, zoomURL, everything, zoom string) string {
	return `http://:` + demo.PortOf(addr) + ` {
	bind 127.0.0.1
	zoom_pkce {
		client_id ` + clientID + `
		client_secret ` + clientSecret + `
		redirect_uri http://` + addr + `/zoom_pkce/callback
		oauth_url ` + zoomURL + `
		zak off
		programs {
			registration on
		}
	}
	reverse_proxy /mcp "unix/` + everything + `" {
		header_up -X-Zoom-Access-Token
	}
	reverse_proxy /zoom "unix/` + zoom + `"
}
`
}
