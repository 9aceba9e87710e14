package main

import (
	"fmt"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/zoompkce/caddy-zoom-pkce/caddymodule"
)

// siteConfig is the part of the Caddyfile that matters. The app shows it.
func siteConfig(port int, zoomURL, appAddr string) string {
	p := strconv.Itoa(port)
	return `http://:` + p + ` {
	bind 127.0.0.1
	zoom_pkce {
		client_id ` + clientID + `
		client_secret ` + clientSecret + `
		redirect_uri http://127.0.0.1:` + p + `/zoom_pkce/callback
		oauth_url ` + zoomURL + `
	}
	reverse_proxy ` + appAddr + `
}
`
}

// globalOptions keep this Caddy to itself: no admin API, no certificates,
// nothing outside of dir, and no logs but trouble.
func globalOptions(dir string) string {
	return "{\n" +
		"	admin off\n" +
		"	persist_config off\n" +
		"	auto_https off\n" +
		"	storage file_system `" + dir + "`\n" +
		"	storage_clean_interval off\n" +
		"	servers {\n" +
		"		protocols h1\n" +
		"	}\n" +
		"	log {\n" +
		"		level WARN\n" +
		"		exclude admin\n" +
		"	}\n" +
		"}\n"
}

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
