package e2e

import (
	"encoding/json"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// load (re)loads Caddy.
func (w *world) load(caddyfile string) {
	w.t.Helper()
	if err := w.tryLoad(caddyfile); err != nil {
		w.t.Fatalf("loading Caddy: %v\n%s", err, caddyfile)
	}
}

func (w *world) tryLoad(caddyfile string) error {
	adapted, err := adapt(caddyfile)
	if err != nil {
		return err
	}
	defer awaitHandover()
	return caddy.Load(adapted, true)
}

func adapt(caddyfile string) ([]byte, error) {
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	return adapted, err
}

// changed is a Caddyfile as JSON with something changed in it.
func changed(t testing.TB, caddyfile string, change func(config map[string]any)) []byte {
	t.Helper()
	adapted, err := adapt(caddyfile)
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal(adapted, &config); err != nil {
		t.Fatal(err)
	}
	change(config)
	adapted, err = json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	return adapted
}

func (w *world) loadJSON(config []byte) {
	w.t.Helper()
	defer awaitHandover()
	if err := caddy.Load(config, true); err != nil {
		w.t.Fatalf("loading Caddy: %v", err)
	}
}
