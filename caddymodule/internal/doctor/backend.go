package doctor

import (
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/routes"
)

// backendFindings judge what the app's own servers come with: secrets that nobody
// guesses, in an Authorization header that no other directive takes for its own.
func (d *doctor) backendFindings(app *caddyhttp.App, sites []*Site) (found []finding) {
	for _, s := range sites {
		if len(s.BackendSecrets) == 0 {
			continue
		}
		if weak := s.weak(s.BackendSecrets, s.CookieSecrets...); weak != "" {
			found = append(found, finding{
				ClientID: s.Zoom.ClientID, Check: "secrets", Status: verdictFail, Message: "backend secret " + weak,
				Advice: "replace it by one that `caddy zoom-pkce keygen` prints; whoever has it gets the tokens of every user",
			})
		}
		path := s.Route.PathPrefix + "/backend/token"
		if routes.Gated(app, d.module.Find, s.Route, path) {
			found = append(found, finding{
				ClientID: s.Zoom.ClientID, Check: "secrets", Status: verdictWarn,
				Message: "requests of back ends meet another directive that reads Authorization, such as basic_auth, which refuses them",
				Values:  []string{path},
				Advice:  "leave " + s.Route.PathPrefix + "/backend/* out of that directive",
			})
		}
	}
	return found
}
