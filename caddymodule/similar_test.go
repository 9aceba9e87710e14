package caddymodule

import (
	"strings"
	"testing"
)

func TestUnrecognizedSubdirectiveNamesTheNearest(t *testing.T) {
	for lines, want := range map[string]string{
		"redirect_url https://a.example/cb":   "subdirective 'redirect_url' (did you mean 'redirect_uri'?), at Caddyfile:3",
		"client_secert x":                     "(did you mean 'client_secret'?)",
		"cookie {\nsecrets x\n}":              "unrecognized cookie subdirective 'secrets' (did you mean 'secret'?), at Caddyfile:4",
		"session {\nstor caddy\n}":            "(did you mean 'store'?)",
		"callback_url x":                      "subdirective 'callback_url', at Caddyfile:3",
		"protekt x":                           "subdirective 'protekt', at",
		"zak {\ndisable\n}":                   "subdirective 'disable', at",
		"session {\nstore caddy {\nx y\n}\n}": "unrecognized caddy store subdirective 'x', at",
	} {
		_, err := adapt("example.com {\nzoom_pkce {\n" + lines + "\n}\n}\n")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %q, want %q in it", lines, err, want)
		}
	}
}
