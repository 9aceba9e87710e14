package main

import (
	"strings"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

// The credentials of the app at the simulated Zoom.
const (
	clientID      = "zoom-app"
	clientSecret  = "known-to-everybody"
	webhookSecret = "known-to-everybody-too"
)

// caddyfile is that of README.md, for the simulated Zoom. Visitors reach Caddy
// at origin, through what stands in for the Zoom client.
func (r *rig) caddyfile() string {
	return demo.GlobalOptions(r.dir) + strings.NewReplacer(
		"PORT", demo.PortOf(r.caddyAddr), "CLIENT_ID", clientID, "CLIENT_SECRET", clientSecret,
		"ORIGIN", r.url, "ZOOM", r.zoom.URL, "WEBHOOK_SECRET", webhookSecret, "APP", r.app.Addr,
	).Replace(siteTemplate)
}

const siteTemplate = `http://:PORT {
	bind 127.0.0.1
	header {
		Strict-Transport-Security max-age=31536000
		X-Content-Type-Options nosniff
		Referrer-Policy same-origin
		Content-Security-Policy "default-src 'self'; frame-ancestors 'self' https://zoom.us https://*.zoom.us"
	}
	zoom_pkce {
		client_id CLIENT_ID
		client_secret CLIENT_SECRET
		redirect_uri ORIGIN/zoom_pkce/callback
		oauth_url ZOOM
		zak off
		zoom_app {
			redirect_uri ORIGIN/
			sign_in_from_context on
		}
		webhook {
			secret_token WEBHOOK_SECRET
		}
	}
	request_header X-App-Context-Type {http.zoom_pkce.app_context.typ}
	request_header X-App-Context-Meeting {http.zoom_pkce.app_context.mid}
	reverse_proxy APP
}
`
