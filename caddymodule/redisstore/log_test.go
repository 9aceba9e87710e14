package redisstore

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/logging"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storebench"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
)

// The client's messages go to Caddy's log, where who looks for trouble sees them.
func TestRedisClientLogs(t *testing.T) {
	for level, logged := range map[string]bool{"DEBUG": true, "INFO": false} {
		t.Run(level, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "log")
			writer, _ := json.Marshal(map[string]string{"output": "file", "filename": file})
			provision(t, &caddy.Logging{Logs: map[string]*caddy.CustomLog{
				"default": {BaseLog: caddy.BaseLog{Level: level, WriterRaw: writer}},
			}})
			t.Cleanup(func() { provision(t, nil) })
			store := openRedis(t, &Store{URLs: []string{"redis://127.0.0.1:" + testkit.FreePort(t)}})
			if _, _, err := store.Load(t.Context(), storebench.Key(1)); err == nil {
				t.Error("there is no Redis")
			}
			text, err := os.ReadFile(file)
			if err != nil && logged {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "redis client") != logged {
				t.Errorf("logged %q", text)
			}
		})
	}
}

// provision gives the process another log.
func provision(t *testing.T, logging *caddy.Logging) {
	t.Helper()
	_, err := caddy.ProvisionContext(&caddy.Config{
		Admin:   &caddy.AdminConfig{Disabled: true, Config: &caddy.ConfigSettings{Persist: new(bool)}},
		Logging: logging,
	})
	if err != nil {
		t.Fatal(err)
	}
}
