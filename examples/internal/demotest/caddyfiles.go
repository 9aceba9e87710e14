package demotest

import (
	"os"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

// CheckCaddyfiles checks that the Caddyfiles which the README of a test's directory
// shows are as caddy fmt writes them, and that Caddy would run each of them. What
// they read from the environment has to be set.
func CheckCaddyfiles(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```caddyfile\n")[1:]
	if len(blocks) == 0 {
		t.Fatal("the README shows no Caddyfile")
	}
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		if formatted := caddyfile.Format([]byte(block)); string(formatted) != block {
			t.Errorf("caddy fmt would write this as:\n%s", formatted)
		}
		config, err := demo.Adapt(demo.GlobalOptions(t.TempDir()) + block)
		if err != nil {
			t.Fatal(err)
		}
		var parsed caddy.Config
		if err := caddy.StrictUnmarshalJSON(config, &parsed); err != nil {
			t.Fatal(err)
		}
		if err := caddy.Validate(&parsed); err != nil {
			t.Errorf("%v\n%s", err, block)
		}
	}
}
