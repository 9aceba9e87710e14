package caddymodule

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/caddystore"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/routes"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storecheck"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/telemetry"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/logformat"
	_ "github.com/zoompkce/caddy-zoom-pkce/caddymodule/redisstore" // registered with us: one --with is enough
)

func init() {
	caddy.RegisterModule(new(App))
}

// App is where the zoom_pkce handlers of a configuration meet. It has no
// options and needs no place in a configuration: the handlers load it. It makes
// sure that handlers of one Zoom app agree on what they share and that those of
// different apps stay out of each other's way, and removes expired session
// records.
type App struct {
	ctx    caddy.Context
	logger *zap.Logger

	mu   sync.Mutex
	apps map[string][]*site // by app id

	includes func() bool // Caddy may make requests of those it serves

	events     *telemetry.EventQueue
	stop       context.CancelFunc
	background sync.WaitGroup // sweeps, and the first look at each store
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "zoom_pkce",
		New: func() caddy.Module { return new(App) },
	}
}

// Provision sets up the app.
func (a *App) Provision(ctx caddy.Context) error {
	a.ctx, a.logger = ctx, ctx.Logger()
	a.apps = make(map[string][]*site)
	a.includes = sync.OnceValue(a.hasTemplates)
	events, err := ctx.App("events")
	if err != nil {
		return err
	}
	a.events = telemetry.NewEventQueue(ctx, events.(*caddyevents.App), a.logger)
	return telemetry.Metrics.Register(ctx.GetMetricsRegistry())
}

// hasTemplates is for requests to ask: earlier the routes are not known. Of the apps
// the http app may be the first to start.
func (a *App) hasTemplates() bool {
	http, err := a.ctx.AppIfConfigured("http")
	return err == nil && routes.HasTemplates(http.(*caddyhttp.App))
}

// sites returns all handlers by app id.
func (a *App) sites() map[string][]*site {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.apps)
}

// join adds a handler. Handlers of one Zoom app share users, sessions and
// cookies, so they cannot have different ideas of them.
func (a *App) join(s *site) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	id := s.client.AppID()
	for _, other := range a.apps[id] {
		option := disagreement(s, other)
		if option == "" {
			continue
		}
		mine, others := s.redirectURIs[0].raw, other.redirectURIs[0].raw
		which := fmt.Sprintf("the one with redirect_uri %s and the one with redirect_uri %s", others, mine)
		if mine == others {
			which = "both with redirect_uri " + mine
		}
		return fmt.Errorf("two zoom_pkce handlers of the Zoom app with client_id %s disagree on %s: %s; "+
			"sessions are shared by all handlers of an app, so write the same in both", s.clientID, option, which)
	}
	for other, sites := range a.apps {
		if i := slices.IndexFunc(sites, s.sharesBackendSecret); other != id && i >= 0 {
			return fmt.Errorf("backend secret: the Zoom apps with client_id %s and %s have the same one, "+
				"which would entitle to the tokens of both: user ids are the same in all apps; give each its own",
				sites[i].clientID, s.clientID)
		}
	}
	a.apps[id] = append(a.apps[id], s)
	return nil
}

// disagreement names the first option that two handlers of an app have to
// agree on and do not.
func disagreement(a, b *site) string {
	for _, option := range []struct {
		name string
		same bool
	}{
		{"client_secret", bytes.Equal(a.clientSecret, b.clientSecret)},
		{"client_key", a.clientKey == b.clientKey && a.clientKeyID == b.clientKeyID},
		{"api_url", a.apiURL == b.apiURL},
		{"session store", a.session.store == b.session.store},
		{"session idle_timeout", a.session.idleTimeout == b.session.idleTimeout},
		{"session max_lifetime", a.session.maxLifetime == b.session.maxLifetime},
		{"session sync_interval", a.session.syncInterval == b.session.syncInterval},
		{"session max_sessions", a.session.maxSessions == b.session.maxSessions},
		{"session cache_size", a.session.cacheSize == b.session.cacheSize},
		{"session", a.session == b.session},
		{"programs idle_timeout", programLives(a, b, func(l programsLife) any { return l.idle })},
		{"programs max_lifetime", programLives(a, b, func(l programsLife) any { return l.max })},
		{"programs max_programs", programLives(a, b, func(l programsLife) any { return l.count })},
		{"the scheme of redirect_uri", a.secure == b.secure},
		{"cookie name", a.cookie.name == b.cookie.name},
		{"cookie domain", a.cookie.domain == b.cookie.domain},
		{"cookie same_site", a.cookie.sameSite == b.cookie.sameSite},
		{"cookie secret", slices.EqualFunc(a.cookie.secrets, b.cookie.secrets, bytes.Equal)},
	} {
		if !option.same {
			return option.name
		}
	}
	return ""
}

// programLives compares what matters of two programs blocks, if there are two.
func programLives(a, b *site, part func(programsLife) any) bool {
	return a.programs == nil || b.programs == nil || part(a.programs.life) == part(b.programs.life)
}

// Start refuses apps that clash, begins the sweeps, and tells which redirect
// URIs have to be registered and which of them lead past the handlers.
func (a *App) Start() error {
	// Only now all routes are known. There may be handlers without an http app:
	// another app can have routes of its own.
	http := new(caddyhttp.App)
	if app, err := a.ctx.AppIfConfigured("http"); err == nil {
		http = app.(*caddyhttp.App)
	}
	if err := routes.Clash(http, findSite); err != nil {
		return err
	}
	a.warnReadableLogs()
	a.events.Start()
	ctx, cancel := context.WithCancel(context.Background())
	a.stop = cancel
	for id, sites := range a.apps {
		first := sites[0]
		first.state.SetCacheSize(first.session.cacheSize)
		for _, s := range sites {
			running.enter(s)
		}
		a.background.Go(func() { caddystore.NewSweeper(first.store, id, first.logger).Run(ctx) })
		a.background.Go(func() { storecheck.AtStart(ctx, first.logger, first.manager, id, first.clientID) })

		for _, s := range sites {
			s.warnOpenSignatures()
			s.warnIdleOptions()
		}
		first.logger.Info("register exactly these redirect URIs at Zoom, in the app's OAuth allow list",
			zap.String("client_id", first.clientID), zap.Strings("redirect_uris", redirectURIsOf(sites)))
		if domain := first.cookie.domain; domain != "" {
			first.logger.Warn("cookie domain makes every host below it part of the sign-in: each of them can read and replace the cookies",
				zap.String("domain", domain), zap.String("client_id", first.clientID))
		}
		stray := routes.Stray(http, findSite, inRoutes(sites))
		for _, uri := range stray.ByHost {
			first.logger.Warn(routes.StrayByHost, zap.String("redirect_uri", uri), zap.String("client_id", first.clientID))
		}
		for _, uri := range stray.ByPath {
			first.logger.Warn(routes.StrayByPath, zap.String("redirect_uri", uri), zap.String("client_id", first.clientID))
		}
		for _, address := range routes.StrayMetadataOf(http, findSite, inRoutes(sites)) {
			first.logger.Warn(routes.StrayMetadata, zap.String("address", address), zap.String("client_id", first.clientID))
		}
		if stray := routes.StrayEndpointsOf(http, findSite, inRoutes(sites)); stray != nil {
			first.logger.Warn(routes.StrayEndpoints, zap.Strings("addresses", stray), zap.String("client_id", first.clientID))
		}
	}
	return nil
}

// warnReadableLogs says that Caddy's logs will show tokens, whatever their level
// is. It concerns all handlers, so one of them says it for all.
func (a *App) warnReadableLogs() {
	if logformat.InUse(a.ctx) {
		return
	}
	for _, sites := range a.apps {
		sites[0].logger.Warn(logformat.Missing)
		return
	}
}

// Stop ends the background work. It is the last moment at which all stores are
// open: Cleanup comes for the modules of a configuration in no order.
func (a *App) Stop() error {
	a.stop()
	a.background.Wait()
	for _, sites := range a.apps {
		for _, s := range sites {
			running.leave(s)
		}
	}
	var retiring sync.WaitGroup
	for _, sites := range a.apps {
		for _, s := range sites {
			retiring.Go(s.retire)
		}
	}
	retiring.Wait()
	a.events.Close()
	return nil
}

// Interface guards
var (
	_ caddy.App         = (*App)(nil)
	_ caddy.Provisioner = (*App)(nil)
)
