// Caddy with zoom_pkce built in, like a build with xcaddy:
//
//	go run ./examples/caddy run --config Caddyfile
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/zoompkce/caddy-zoom-pkce/caddymodule"
)

func main() {
	caddycmd.Main()
}
