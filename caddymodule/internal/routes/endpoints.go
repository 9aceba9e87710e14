package routes

import (
	"cmp"
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// StrayEndpoints tells an operator of addresses that StrayEndpointsOf returns.
const StrayEndpoints = "requests for these addresses do not reach a zoom_pkce with the options for them: " +
	"another one of the same app answers before it that there is nothing, or something else answers; " +
	"give the options to the first zoom_pkce of the site"

// StrayEndpointsOf follows a made-up request for each endpoint that handlers of an app
// have by their options, and returns the address of those that arrive on no host of
// their handler.
func StrayEndpointsOf(app *caddyhttp.App, find Finder, sites []*Site) (stray []string) {
	for _, s := range sites {
		hosts := s.served(app, find)
		for _, name := range s.Endpoints {
			has := func(other *Site) bool { return slices.Contains(other.Endpoints, name) }
			first := ""
			arrives := slices.ContainsFunc(hosts, func(uri *RedirectURI) bool {
				address, arrives := s.reaches(app, find, uri, s.PathPrefix+"/"+name, has)
				first = cmp.Or(first, address)
				return arrives
			})
			if first != "" && !arrives && !slices.Contains(stray, first) {
				stray = append(stray, first)
			}
		}
	}
	return stray
}

// served returns the redirect URIs at which visitors come back to a handler, as far as can
// be told. Where they do not, that is what there is to tell.
func (s *Site) served(app *caddyhttp.App, find Finder) (uris []*RedirectURI) {
	for i := range s.RedirectURIs {
		if walk, ok := callbackWalk(find, s, &s.RedirectURIs[i]); ok && walk.arrives(app) {
			uris = append(uris, &s.RedirectURIs[i])
		}
	}
	return uris
}

// reaches reports whether a request for a path where uri is may meet a handler of the app
// that has what is there.
func (s *Site) reaches(
	app *caddyhttp.App, find Finder, uri *RedirectURI, path string, has func(*Site) bool,
) (address string, arrives bool) {
	r, _ := uri.request(path) // served has found it to be a URL
	walk := reachWalk{request: r, find: find, target: s, has: has, hostKnown: true, pathKnown: true}
	return r.URL.Scheme + "://" + r.URL.Host + path, walk.arrives(app)
}
