package main

import "github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"

// The credentials of the app at the simulated Zoom, and the secret that the app
// shares with Caddy.
const (
	clientID      = "recordings"
	clientSecret  = "known-to-everybody"
	webhookSecret = "known-to-everybody-too"
	backendSecret = "known-to-everybody-as-an-example-is"
)

func siteConfig(addr, zoomURL, appAddr string) string {
	return `http://:` + demo.PortOf(addr) + ` {
	bind 127.0.0.1
	zoom_pkce {
		client_id ` + clientID + `
		client_secret ` + clientSecret + `
		redirect_uri http://` + addr + `/zoom_pkce/callback
		oauth_url ` + zoomURL + `
		webhook {
			secret_token ` + webhookSecret + `
			hand_on on
		}
		backend {
			secret ` + backendSecret + `
			keep_grants 24h
		}
	}
	reverse_proxy ` + appAddr + `
}
`
}
