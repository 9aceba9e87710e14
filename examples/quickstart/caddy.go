package main

import "github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"

// The credentials of the app at the simulated Zoom.
const (
	clientID     = "quickstart"
	clientSecret = "known-to-everybody"
)

// siteConfig is the part of the Caddyfile that matters. The app shows it.
func siteConfig(addr, zoomURL, appAddr string) string {
	return `http://:` + demo.PortOf(addr) + ` {
	bind 127.0.0.1
	zoom_pkce {
		client_id ` + clientID + `
		client_secret ` + clientSecret + `
		redirect_uri http://` + addr + `/zoom_pkce/callback
		oauth_url ` + zoomURL + `
	}
	reverse_proxy ` + appAddr + `
}
`
}
