package main

import "github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"

// The credentials of the Zoom app, which Caddy has and the program has not.
const (
	zoomID     = "native"
	zoomSecret = "known-to-everybody"
)

// clientID is what the program calls itself at the site. It is no secret.
const clientID = "cli"

// siteConfig is the part of the Caddyfile that matters.
func siteConfig(addr, zoomURL, appAddr string) string {
	return `http://:` + demo.PortOf(addr) + ` {
	bind 127.0.0.1
	zoom_pkce {
		client_id ` + zoomID + `
		client_secret ` + zoomSecret + `
		redirect_uri http://` + addr + `/zoom_pkce/callback
		oauth_url ` + zoomURL + `
		zak off
		meeting_sdk
		allow {
			account_id ` + demo.Ada.AccountID + ` ` + demo.Grace.AccountID + `
		}
		programs {
			client ` + clientID + ` {
				name "Meetings on the command line"
				redirect_uri http://127.0.0.1/callback
			}
		}
	}
	reverse_proxy ` + appAddr + `
}
`
}
