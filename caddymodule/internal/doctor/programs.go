package doctor

import (
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/routes"
)

// programFindings judge whether programs reach the handlers that let them in: where
// they look for the sign-in, and with their tokens.
func (d *doctor) programFindings(app *caddyhttp.App, sites []*Site) (found []finding) {
	warn := func(s *Site, message, advice string, values ...string) {
		found = append(found, finding{
			ClientID: s.Zoom.ClientID, Check: "programs", Status: verdictWarn, Message: message, Values: values, Advice: advice,
		})
	}
	for _, s := range sites {
		if len(s.Route.Metadata) == 0 {
			continue
		}
		if stray := routes.StrayMetadataOf(app, d.module.Find, []*routes.Site{s.Route}); len(stray) > 0 {
			warn(s, "requests for these addresses, at which programs sign in, do not reach the zoom_pkce with programs",
				"put it at the top of the site, before what answers them", stray...)
		}
		for _, path := range []string{"/", s.Route.PathPrefix + "/oauth/token"} {
			if routes.Gated(app, d.module.Find, s.Route, path) {
				warn(s, "requests of programs meet another directive that reads Authorization, such as basic_auth, which refuses them",
					"a site with programs can have no such directive before zoom_pkce; leave it out, or to paths that programs do not use", path)
				break
			}
		}
	}
	return found
}
