package doctor

import (
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/routes"
)

// strayFindings tell which redirect URIs and endpoints lead past the handlers, and which
// URIs come by plain http.
func (d *doctor) strayFindings(app *caddyhttp.App, sites []*Site) (found []finding) {
	var inRoutes []*routes.Site
	for _, s := range sites {
		inRoutes = append(inRoutes, s.Route)
	}
	stray := routes.Stray(app, d.module.Find, inRoutes)
	if len(stray.ByPath) > 0 {
		found = append(found, finding{
			ClientID: sites[0].Zoom.ClientID, Check: "redirect_uris", Status: verdictFail,
			Message: "requests for this redirect URI do not reach this handler: zoom_pkce stands inside a handle or route with a matcher",
			Values:  stray.ByPath,
			Advice:  "put `zoom_pkce <matcher>` at the top of the site instead",
		})
	}
	if len(stray.ByHost) > 0 {
		found = append(found, finding{
			ClientID: sites[0].Zoom.ClientID, Check: "redirect_uris", Status: verdictWarn,
			Message: "requests for this redirect URI do not reach this handler: its site has another address",
			Values:  stray.ByHost,
			Advice: "give the site the address of the redirect URI or the other way round; " +
				"nothing is wrong if another Caddy serves that host, or a proxy in front rewrites Host",
		})
	}
	// One that is not met at all has been told of.
	if plain := routes.Plain(app, d.module.Find, inRoutes); len(plain) > 0 && len(found) == 0 {
		found = append(found, finding{
			ClientID: sites[0].Zoom.ClientID, Check: "redirect_uris", Status: verdictWarn,
			Message: "the URI is https and Caddy serves its site by plain http: right only behind a proxy that ends TLS",
			Values:  plain,
			Advice:  "without such a proxy give the site an https address; with one, let nobody reach Caddy past it",
		})
	}
	if stray := routes.StrayEndpointsOf(app, d.module.Find, inRoutes); len(stray) > 0 {
		found = append(found, finding{
			ClientID: sites[0].Zoom.ClientID, Check: "endpoints", Status: verdictWarn,
			Message: "requests for these addresses do not reach a zoom_pkce with the options for them: " +
				"another one of the same app answers before it that there is nothing, or something else answers",
			Values: stray,
			Advice: "give the options to the first zoom_pkce of the site",
		})
	}
	return found
}
