package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/doctor"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/programs"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/routes"
)

func init() {
	caddycmd.RegisterCommand(doctor.Command(doctor.Module{Sites: examinedSites, Find: findSite}))
}

// examinedSites tells the doctor what it has to know of the handlers of an app.
func examinedSites(app caddy.App) map[string][]*doctor.Site {
	found := make(map[string][]*doctor.Site)
	for id, sites := range app.(*App).sites() {
		for _, s := range sites {
			found[id] = append(found[id], s.examined())
		}
	}
	return found
}

func (s *site) examined() *doctor.Site {
	return &doctor.Site{
		Zoom:           s.zoomConfig(),
		AppID:          s.client.AppID(),
		RedirectURIs:   redirectURIsOf([]*site{s}),
		LoginURL:       s.redirectURIs[0].origin + s.pathPrefix + "/login",
		Store:          s.store,
		CookieSecrets:  s.cookie.secrets,
		BackendSecrets: s.backendSecrets(),
		Route:          s.inRoutes(),
		Protect:        s.protect,
		Survey:         s.manager.Survey,
		AllowsByEmail:  s.allow != nil && s.allow.asksForEmail(),
		ZAK:            s.zak != nil,
		LastingZAK:     s.zak != nil && s.zak.lifetime > 0,
		OBF:            s.obf != nil,
		PageTokens:     s.pageTokens,
		KeyPrograms:    s.programs != nil && len(s.programs.clients.Configured) > 0,
	}
}

// findSite tells what of a handler matters in routes.
func findSite(handler caddyhttp.MiddlewareHandler) *routes.Site {
	if h, ok := handler.(*Handler); ok {
		return h.site.inRoutes()
	}
	return nil
}

func (s *site) inRoutes() *routes.Site {
	found := &routes.Site{
		AppID: s.client.AppID(), ClientID: s.clientID, CallbackPath: s.callbackPath, PathPrefix: s.pathPrefix,
		Headers: s.headerNames(), Endpoints: s.optionalEndpoints(),
	}
	if s.hasPrograms() {
		found.Metadata = programs.MetadataPaths
	}
	for _, uri := range s.redirectURIs {
		found.RedirectURIs = append(found.RedirectURIs, routes.RedirectURI{URI: uri.uri, Host: uri.host})
	}
	return found
}

func inRoutes(sites []*site) (found []*routes.Site) {
	for _, s := range sites {
		found = append(found, s.inRoutes())
	}
	return found
}
