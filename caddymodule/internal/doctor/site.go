package doctor

import (
	"context"
	"net/url"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/routes"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// Site is what the doctor has to know of one handler.
type Site struct {
	Zoom           zoomapi.Config // as the handler's own client has it
	AppID          string
	RedirectURIs   []string // all that have to be registered at Zoom, the handler's own first
	LoginURL       string   // where a person can try it
	Store          zoompkce.Store
	CookieSecrets  [][]byte
	BackendSecrets [][]byte
	Route          *routes.Site
	Protect        caddyhttp.MatcherSets // which requests are protected; none: all

	// Survey looks at some of the records in Store.
	Survey func(ctx context.Context, limit int) (zoompkce.Survey, error)

	AllowsByEmail bool // allow looks at e-mail addresses
	ZAK           bool // requests carry one
	LastingZAK    bool // with a lifetime of its own
	OBF           bool // requests carry one
	PageTokens    bool // pages may fetch both
	KeyPrograms   bool // programs may fetch both
}

// fetchers are the options that let somebody ask for a ZAK or an OBF token.
func (s *Site) fetchers() (options []string) {
	if s.PageTokens {
		options = append(options, "page_tokens")
	}
	if s.KeyPrograms {
		options = append(options, "programs")
	}
	if len(s.BackendSecrets) > 0 {
		options = append(options, "backend")
	}
	return options
}

func (s *Site) public() bool { return s.Zoom.ClientSecret == "" && s.Zoom.ClientKey == "" }

// credential names what proves to Zoom that the app is the app.
func (s *Site) credential() string {
	if s.Zoom.ClientKey != "" {
		return "client_key"
	}
	return "client_secret"
}

// marketplace is where the app is set up. Zoom for Government has one of its own.
func (s *Site) marketplace() string {
	if u, err := url.Parse(s.Zoom.OAuthURL); err == nil && conf.InDomain(u.Hostname(), "zoomgov.com") {
		return "marketplace.zoomgov.com"
	}
	return "marketplace.zoom.us"
}

// Module is how the doctor looks into a configuration.
type Module struct {
	// Sites returns the handlers of the zoom_pkce app, by Zoom app.
	Sites func(caddy.App) map[string][]*Site
	// Find tells what a handler is in routes.
	Find routes.Finder
}
