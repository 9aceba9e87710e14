package caddymodule

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/backend"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/programs"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/scrub"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/telemetry"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/logformat"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// site is a provisioned Handler: what its requests work with.
type site struct {
	*settings
	app      *App
	logger   *zap.Logger
	manager  *zoompkce.Manager
	client   *zoomapi.Client
	store    zoompkce.Store
	relay    *relay // to store
	state    *sharedState
	protect  caddyhttp.MatcherSets
	zakFor   caddyhttp.MatcherSets
	tokenFor caddyhttp.MatcherSets
	names    promised // of the headers
	rejected [2]string
	scrubber *scrub.Headers

	clients       *programs.Clients // nil, like programServer: no programs are let in
	programServer *programs.Server
	tokenPrefix   string // of manager, made once

	backends   *backend.Server        // nil: off
	ownsCookie func(name string) bool // of manager, made once
	cleaned    atomic.Bool
	logLimit   telemetry.LogLimit
	unhide     func() // tells the logs that its names are not used any more
}

// zoomHTTP is the one client for all calls to Zoom, so that connections are
// shared by all handlers and survive reloads.
var zoomHTTP = sync.OnceValue(zoomapi.NewHTTPClient)

// states holds what a process remembers of each Zoom app. It lives in a pool so
// that a reload forgets nothing; it holds no configuration, no store and no
// Caddy context, which belong to one configuration.
var states = caddy.NewUsagePool()

// sharedState is the pooled state of one app.
type sharedState struct{ *zoompkce.Memory }

// Destruct implements caddy.Destructor.
func (s *sharedState) Destruct() error {
	s.Close()
	return nil
}

// Provision sets up the handler. It does no I/O, since it also runs for `caddy
// validate`.
func (h *Handler) Provision(ctx caddy.Context) error {
	settings, err := h.resolve(caddy.NewReplacer())
	if err != nil {
		return err
	}
	s := &site{
		settings: settings, logger: ctx.Logger(),
		names: settings.promised(), rejected: rejectedFields(settings.headers.accessToken), scrubber: scrub.NewHeaders(settings.scrubbedNames()),
	}
	if s.protect, err = loadMatchers(ctx, h, "Protect", len(h.Protect)); err != nil {
		return fmt.Errorf("protect: %w", err)
	}
	if h.ZAK != nil {
		if s.zakFor, err = loadMatchers(ctx, h.ZAK, "Match", len(h.ZAK.Match)); err != nil {
			return fmt.Errorf("zak match: %w", err)
		}
	}
	if h.Headers != nil && h.Headers.AccessToken != nil {
		token := h.Headers.AccessToken
		if s.tokenFor, err = loadMatchers(ctx, token, "Match", len(token.Match)); err != nil {
			return fmt.Errorf("headers access_token match: %w", err)
		}
	}
	if s.store, err = h.loadStore(ctx); err != nil {
		return err
	}
	s.relay = &relay{site: s}
	zoom := s.zoomConfig()
	zoom.HTTPClient, zoom.Trace = zoomHTTP(), telemetry.TraceZoom
	s.client, err = zoomapi.NewClient(zoom)
	if err != nil {
		return err
	}
	app, err := ctx.App("zoom_pkce")
	if err != nil {
		return err
	}
	s.app = app.(*App)

	shared, _, err := states.LoadOrNew(s.client.AppID(), func() (caddy.Destructor, error) {
		return &sharedState{zoompkce.NewMemory()}, nil
	})
	if err != nil {
		return err
	}
	s.state = shared.(*sharedState)
	h.site = s // from here on Cleanup has something to undo
	s.unhide = logformat.Register(s.hiddenInLogs())
	if s.programs != nil {
		s.clients = programs.NewClients(s.programs.clients)
	}
	s.manager, err = zoompkce.NewManager(zoompkce.ManagerConfig{
		Client:  s.client,
		Store:   telemetry.TracedStore{Store: s.relay},
		Memory:  s.state.Memory,
		Secrets: s.cookie.secrets,
		Cookies: zoompkce.CookieConfig{
			Prefix:       s.cookie.name,
			Domain:       s.cookie.domain,
			SameSiteNone: s.cookie.sameSite == http.SameSiteNoneMode,
			Insecure:     !s.cookie.secure,
		},
		RefreshMargin: max(s.refreshMargin, 1), // 0 would be the default
		IdleTimeout:   s.session.idleTimeout,
		MaxLifetime:   s.session.maxLifetime,
		SyncInterval:  s.session.syncInterval,
		MaxSessions:   s.session.maxSessions,
		Programs:      s.programConfig(),
		KeepGrants:    s.keepGrants(),
		Observe:       s.observe,
	})
	if err != nil {
		return err
	}
	s.ownsCookie, s.tokenPrefix = s.manager.OwnsCookie, s.manager.TokenPrefix()
	s.programServer = newProgramServer(s)
	s.backends = newBackends(s)
	return s.app.join(s)
}

// loadStore loads the session store, by default the one on Caddy's storage.
func (h *Handler) loadStore(ctx caddy.Context) (zoompkce.Store, error) {
	var module any
	var err error
	if h.Session != nil && h.Session.StoreRaw != nil {
		module, err = ctx.LoadModule(h.Session, "StoreRaw")
	} else {
		module, err = ctx.LoadModuleByID(storeNamespace+".caddy", nil)
	}
	if err != nil {
		return nil, fmt.Errorf("session store: %w", err)
	}
	store, ok := module.(zoompkce.Store)
	if !ok {
		return nil, fmt.Errorf("session store: %T is not a session store", module)
	}
	return store, nil
}

func loadMatchers(ctx caddy.Context, owner any, field string, count int) (sets caddyhttp.MatcherSets, err error) {
	if count == 0 {
		return nil, nil
	}
	loaded, err := ctx.LoadModule(owner, field)
	if err != nil {
		return nil, err
	}
	err = sets.FromInterface(loaded)
	return sets, err
}

// Cleanup ends what the handler has begun. Caddy calls it after a failed
// Provision, too. Requests may still come: see succession.
func (h *Handler) Cleanup() error {
	s := h.site
	if s == nil || s.cleaned.Swap(true) {
		return nil
	}
	s.unhide()
	if s.manager != nil {
		s.retire()
		if running.heirOf(s) == nil {
			s.manager.Close()
		}
	}
	_, err := states.Delete(s.client.AppID())
	return err
}

// emit makes an event for Caddy's event handlers.
func (s *site) emit(name string, data map[string]any) {
	data["client_id"] = s.clientID
	if s.app.events.Emit(name, data) {
		return
	}
	if heir := running.heirOf(s); heir != nil {
		heir.app.events.Emit(name, data)
	}
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
