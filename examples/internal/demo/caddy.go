package demo

import (
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/zoompkce/caddy-zoom-pkce/caddymodule"
)

// GlobalOptions are the first block of the Caddyfile of a Caddy that keeps to
// itself: no admin API, no certificates, nothing stored outside of a directory,
// and no logs but trouble, without that of the loggers named.
func GlobalOptions(storage string, silent ...string) string {
	return `{
	admin off
	persist_config off
	auto_https off
	storage file_system "` + storage + `"
	storage_clean_interval off
	servers {
		protocols h1
	}
	log {
		format zoom_pkce
		level WARN
		exclude ` + strings.Join(append(silent, "admin"), " ") + `
	}
}
`
}

// Adapt makes JSON of a Caddyfile, as Caddy does.
func Adapt(caddyfile string) ([]byte, error) {
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), nil)
	if err != nil {
		return nil, fmt.Errorf("reading the Caddyfile: %w", err)
	}
	return config, nil
}

// StartCaddy starts the Caddy of this process.
func StartCaddy(caddyfile string) error {
	config, err := Adapt(caddyfile)
	if err != nil {
		return err
	}
	if err := caddy.Load(config, true); err != nil {
		return fmt.Errorf("starting Caddy: %w", err)
	}
	return nil
}

// StopCaddy stops it, if it was started.
func StopCaddy() error {
	if err := caddy.Stop(); err != nil {
		return fmt.Errorf("stopping Caddy: %w", err)
	}
	return nil
}
