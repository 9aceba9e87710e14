package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

const (
	testClientID     = "AbCdEfGhIjKlMnOpQrStU"
	testClientSecret = "a-client-secret-that-no-log-may-show"
	testCookieSecret = "Lq3vQ9xZ_t1RrC8mWb0yJ5nKpE7uDgAiSoHfV2XwTzM"
)

// testClientKey is a private key in PEM.
var testClientKey = func() string {
	key, err := zoomapi.GenerateClientKey()
	if err != nil {
		panic(err)
	}
	return key
}()

// adapt makes JSON of a Caddyfile.
func adapt(text string) ([]byte, error) {
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	return adapted, err
}
