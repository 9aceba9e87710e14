package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/routes"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/logformat"
)

// loadedConfig is a configuration that is provisioned and not running.
type loadedConfig struct {
	raw    []byte
	open   []string       // logs that show credentials
	http   *caddyhttp.App // its routes; empty if there is none
	apps   [][]*Site      // by Zoom app
	unload func()
}

// load reads, adapts and provisions the configuration as `caddy validate` does.
func (d *doctor) load() (*loadedConfig, error) {
	// What Caddy logs while it reads a configuration stays off the screen.
	_, _ = caddy.ProvisionContext(&caddy.Config{Logging: noLogging()})
	for _, name := range d.envFiles {
		if err := loadEnvFile(name); err != nil {
			return nil, err
		}
	}
	raw, _, _, err := caddycmd.LoadConfig(d.config, d.adapter)
	if err != nil {
		return nil, err
	}
	if len(raw) == 0 {
		return nil, errors.New("there is no Caddyfile in this directory; name a configuration with --config")
	}
	raw = caddy.RemoveMetaFields(raw)
	var cfg *caddy.Config
	if err := caddy.StrictUnmarshalJSON(raw, &cfg); err != nil {
		return nil, fmt.Errorf("decoding config: %w", err)
	}
	return d.provisionOnly(raw, cfg)
}

// provisionOnly provisions a configuration in a context that can be ended
// again, which caddy.ProvisionContext alone does not offer. Its logs are not
// opened: run as root, the doctor would create log files that Caddy itself then cannot write.
func (d *doctor) provisionOnly(raw []byte, cfg *caddy.Config) (*loadedConfig, error) {
	apps, open := cfg.AppsRaw, logformat.Without(cfg.Logging)
	cfg.AppsRaw = nil
	cfg.Logging = noLogging()
	base, err := caddy.ProvisionContext(cfg)
	if err != nil {
		return nil, err
	}
	cfg.AppsRaw = apps
	ctx, cancel := caddy.NewContext(base)
	for _, name := range slices.Sorted(maps.Keys(apps)) {
		if _, err := ctx.App(name); err != nil {
			cancel()
			return nil, err
		}
	}
	app, err := ctx.AppIfConfigured("zoom_pkce")
	if err != nil {
		cancel()
		return nil, errors.New("the configuration has no zoom_pkce directive")
	}
	loaded := &loadedConfig{raw: raw, open: open, http: new(caddyhttp.App), unload: cancel}
	if app, err := ctx.AppIfConfigured("http"); err == nil {
		loaded.http = app.(*caddyhttp.App)
	}
	// What only starting would find out.
	if err := routes.Clash(loaded.http, d.module.Find); err != nil {
		cancel()
		return nil, &clashError{err}
	}
	byID := d.module.Sites(app.(caddy.App))
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		loaded.apps = append(loaded.apps, byID[id])
	}
	return loaded, nil
}

// clashError is what `caddy validate` says nothing of: it starts nothing, and all
// routes are known only then.
type clashError struct{ error }

func noLogging() *caddy.Logging {
	return &caddy.Logging{Logs: map[string]*caddy.CustomLog{
		"default": {BaseLog: caddy.BaseLog{WriterRaw: json.RawMessage(`{"output":"discard"}`)}},
	}}
}

func (c *loadedConfig) summary() finding {
	handlers := 0
	for _, sites := range c.apps {
		handlers += len(sites)
	}
	var peace string
	if len(c.apps) > 1 {
		peace = ", which do not clash in any site (`caddy validate` cannot see that)"
	}
	return finding{
		Check: "configuration", Status: verdictOK,
		Message: fmt.Sprintf("loads; zoom_pkce stands in it %s, for %s%s", times(handlers, "time"), times(len(c.apps), "Zoom app"), peace),
	}
}

func times(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// logs tells which of Caddy's logs show credentials.
func (c *loadedConfig) logs() finding {
	if len(c.open) == 0 {
		return finding{Check: "logs", Status: verdictOK, Message: "all keep tokens, codes and cookies out"}
	}
	return finding{
		Check: "logs", Status: verdictWarn, Values: c.open,
		Message: "these have no format zoom_pkce and show access tokens and ZAKs when a transfer breaks off, and the query of the callback",
		Advice:  "write a `log` block with `format zoom_pkce` into the global options, and that line into every other `log` block",
	}
}

// secretOptions are the options that hold a secret, in JSON.
var secretOptions = []string{"client_secret", "client_key", "secret", "sdk_secret", "secret_token", "password"}

// literalSecrets finds secrets that stand in the configuration itself.
func (c *loadedConfig) literalSecrets() finding {
	var root any
	_ = json.Unmarshal(c.raw, &root) // it was loaded from there
	found := make(map[string]struct{})
	searchHandlers(root, func(handler map[string]any) { findLiterals(handler, "", found) })
	if len(found) == 0 {
		return finding{Check: "secrets", Status: verdictOK, Message: "none is written into the configuration itself"}
	}
	return finding{
		Check: "secrets", Status: verdictWarn,
		Message: "written into the configuration itself, or put there by {$...}",
		Values:  slices.Sorted(maps.Keys(found)),
		Advice:  "write {env.NAME} or {file./path}: literal secrets show up in `caddy adapt`, in the autosaved configuration and at the admin API",
	}
}

// searchHandlers visits the zoom_pkce handlers of a JSON configuration.
func searchHandlers(node any, visit func(map[string]any)) {
	switch node := node.(type) {
	case map[string]any:
		if node["handler"] == "zoom_pkce" {
			visit(node)
			return
		}
		for _, child := range node {
			searchHandlers(child, visit)
		}
	case []any:
		for _, child := range node {
			searchHandlers(child, visit)
		}
	}
}

// findLiterals names the options whose secrets come from no placeholder.
func findLiterals(node any, option string, found map[string]struct{}) {
	switch node := node.(type) {
	case map[string]any:
		for name, child := range node {
			findLiterals(child, name, found)
		}
	case []any:
		for _, child := range node {
			findLiterals(child, option, found)
		}
	case string:
		secret := slices.Contains(secretOptions, option) && strings.TrimSpace(node) != "" && !conf.SourcePlaceholder.MatchString(node)
		if secret || hasPassword(node) {
			found[option] = struct{}{}
		}
	}
}

// hasPassword reports whether a value is a URL with a password that comes from no
// placeholder, as that of a session store may be.
func hasPassword(value string) bool {
	u, err := url.Parse(conf.SourcePlaceholder.ReplaceAllString(value, ""))
	if err != nil {
		return false
	}
	password, _ := u.User.Password()
	return password != ""
}
