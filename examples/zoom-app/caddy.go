package main

import (
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/zoompkce/caddy-zoom-pkce/caddymodule"
)

// The credentials of the app at the simulated Zoom.
const (
	clientID      = "zoom-app"
	clientSecret  = "known-to-everybody"
	webhookSecret = "known-to-everybody-too"
)

// caddyfile is that of README.md, for the simulated Zoom. Visitors reach Caddy
// at origin, through what stands in for the Zoom client.
func (d *demo) caddyfile() string {
	return strings.NewReplacer(
		"STORAGE", d.dir, "PORT", d.caddyPort, "CLIENT_ID", clientID, "CLIENT_SECRET", clientSecret,
		"ORIGIN", d.url, "ZOOM", d.zoom.URL, "WEBHOOK_SECRET", webhookSecret, "APP", d.app.addr,
	).Replace(caddyfileTemplate)
}

const caddyfileTemplate = `{
	admin off
	persist_config off
	auto_https off
	storage file_system "STORAGE"
	storage_clean_interval off
	servers {
		protocols h1
	}
	log {
		level WARN
		exclude admin
	}
}
http://:PORT {
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

func startCaddy(caddyfile string) error {
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), nil)
	if err != nil {
		return fmt.Errorf("reading the Caddyfile: %w", err)
	}
	if err := caddy.Load(config, true); err != nil {
		return fmt.Errorf("starting Caddy: %w", err)
	}
	return nil
}

func stopCaddy() error {
	if err := caddy.Stop(); err != nil {
		return fmt.Errorf("stopping Caddy: %w", err)
	}
	return nil
}
