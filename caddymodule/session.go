package caddymodule

import (
	"encoding/json"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"
)

// storeNamespace is where session stores register.
const storeNamespace = "http.zoom_pkce.session_stores"

// maxSessionLife is how long browsers keep a cookie at most
// (draft-ietf-httpbis-rfc6265bis section 5.5).
const maxSessionLife = 400 * 24 * time.Hour

// Session configures how long sessions last and where user records are stored.
type Session struct {
	// The module that stores user records, encrypted. Default: `caddy`, which
	// uses the storage that Caddy itself uses.
	StoreRaw json.RawMessage `json:"store,omitempty" caddy:"namespace=http.zoom_pkce.session_stores inline_key=module"`

	// How long a session lasts without a page load or a fetch of its page.
	// More than `max_lifetime` is as much as that. Default: 24h.
	IdleTimeout caddy.Duration `json:"idle_timeout,omitempty"`

	// How long a session lasts at most, up to 400 days. Default: 720h.
	MaxLifetime caddy.Duration `json:"max_lifetime,omitempty"`

	// How long a process may work with its cached copy of a user record, up to a
	// day: a session that ends elsewhere ends here within it. Default: 10s.
	SyncInterval caddy.Duration `json:"sync_interval,omitempty"`

	// How many open sessions a user may have, at most 1000; one more closes the
	// one that was unseen for the longest time. Default: 50.
	MaxSessions int `json:"max_sessions,omitempty"`

	// How many users are cached in memory. Default: 10000.
	CacheSize int `json:"cache_size,omitempty"`
}

type sessionSettings struct {
	store        string // the store's configuration, for comparing
	idleTimeout  time.Duration
	maxLifetime  time.Duration
	syncInterval time.Duration
	maxSessions  int
	cacheSize    int
}

func (s *Session) subdirective(b *conf.Block) error {
	switch b.Val() {
	case "store":
		return s.unmarshalStore(b)
	case "idle_timeout":
		return b.Duration(&s.IdleTimeout)
	case "max_lifetime":
		return b.Duration(&s.MaxLifetime)
	case "sync_interval":
		return b.Duration(&s.SyncInterval)
	case "max_sessions":
		return b.Count(&s.MaxSessions)
	case "cache_size":
		return b.Count(&s.CacheSize)
	default:
		return b.Unrecognized()
	}
}

// unmarshalStore hands the rest of the line, and its block, to the store.
func (s *Session) unmarshalStore(b *conf.Block) error {
	if err := b.Once(); err != nil {
		return err
	}
	if !b.NextArg() {
		return b.WrongCount("store", "takes the name of a store and its arguments")
	}
	name := b.Val()
	store, err := caddyfile.UnmarshalModule(b.Dispenser, storeNamespace+"."+name)
	if err != nil {
		return err
	}
	s.StoreRaw = caddyconfig.JSONModuleObject(store, "module", name, nil)
	if s.StoreRaw == nil {
		return b.Errf("session store %s cannot be written as JSON", name)
	}
	return nil
}

func (s *Session) resolve(r *resolver) sessionSettings {
	if s == nil {
		s = new(Session)
	}
	life := r.Duration("session max_lifetime", s.MaxLifetime, 720*time.Hour)
	resolved := sessionSettings{
		store:        canonicalStore(s.StoreRaw),
		maxLifetime:  life,
		idleTimeout:  min(r.Duration("session idle_timeout", s.IdleTimeout, 24*time.Hour), life),
		syncInterval: r.Duration("session sync_interval", s.SyncInterval, 10*time.Second),
		maxSessions:  r.Count("session max_sessions", s.MaxSessions, 50, 1000),
		cacheSize:    r.Count("session cache_size", s.CacheSize, 10_000, 10_000_000),
	}
	if life > maxSessionLife {
		r.Failf("session max_lifetime", "%s is more than the 400 days for which browsers keep a cookie", life)
	}
	if resolved.syncInterval > 24*time.Hour {
		r.Failf("session sync_interval",
			"%s is more than a day: ended sessions would go on that long", resolved.syncInterval)
	}
	return resolved
}

// canonicalStore is the configuration of a store in one spelling, to be compared.
func canonicalStore(raw json.RawMessage) string {
	if raw == nil {
		raw = json.RawMessage(`{"module":"caddy"}`)
	}
	var config any
	_ = json.Unmarshal(raw, &config) // what is no JSON is the module's to complain about
	canonical, _ := json.Marshal(config)
	return string(canonical)
}
