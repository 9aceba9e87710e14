package caddymodule

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// Neither adapting nor validating a configuration needs a Redis.
func TestRedisStoreInASite(t *testing.T) {
	const input = `{
	admin off
	storage file_system {$TEST_STORAGE_DIR}
}
http://127.0.0.1:0 {
	zoom_pkce {
		client_id id
		redirect_uri http://127.0.0.1/zoom_pkce/callback
		session {
			store redis redis://127.0.0.1:1 {
				password {env.TEST_REDIS_PASSWORD}
			}
			idle_timeout 1h
		}
	}
}
`
	t.Setenv("TEST_STORAGE_DIR", t.TempDir())
	t.Setenv("TEST_REDIS_PASSWORD", "hunter2")
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(input), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := `"store":{"module":"redis","password":"{env.TEST_REDIS_PASSWORD}","urls":["redis://127.0.0.1:1"]}`
	if !strings.Contains(string(adapted), want) {
		t.Errorf("got %s", adapted)
	}
	config := new(caddy.Config)
	if err := json.Unmarshal(adapted, config); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(config); err != nil {
		t.Error(err)
	}
}
