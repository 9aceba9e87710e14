package routes

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// StrayMetadata tells an operator of an address that StrayMetadataOf returns.
const StrayMetadata = "requests for this address, at which programs sign in, do not reach the zoom_pkce with programs: " +
	"something before it answers them, or it stands inside a handle or route with a matcher; put it at the top of the site"

// StrayMetadataOf follows a made-up request for each of those addresses of an app's
// handlers, and returns those that do not arrive.
func StrayMetadataOf(app *caddyhttp.App, find Finder, sites []*Site) (stray []string) {
	for _, s := range sites {
		if len(s.Metadata) == 0 {
			continue
		}
		for i := range s.RedirectURIs {
			for _, path := range append(slices.Clip(s.Metadata), s.PathPrefix+"/oauth/token") {
				if address, arrives := s.arrivesAt(app, find, &s.RedirectURIs[i], path); !arrives {
					stray = append(stray, address)
				}
			}
		}
	}
	return stray
}

// arrivesAt reports whether a request for a path arrives, as far as can be told. Where
// the callback does not arrive either, that is what there is to tell.
func (s *Site) arrivesAt(app *caddyhttp.App, find Finder, uri *RedirectURI, path string) (address string, arrives bool) {
	back, ok := uri.request(s.CallbackPath)
	if !ok {
		return "", true
	}
	r, _ := uri.request(path)
	reaches := func(r *http.Request, programs bool) bool {
		return reachWalk{request: r, find: find, target: s, programs: programs, hostKnown: true, pathKnown: true}.arrives(app)
	}
	return r.URL.Scheme + "://" + r.URL.Host + path, !reaches(back, false) || reaches(r, true)
}

// twicePrograms refuses two handlers that let programs in on one host: programs would
// find one of them, and be sent to the other.
func twicePrograms(met []metHandler) error {
	for i := range met {
		for j := range i {
			a, b := &met[i], &met[j]
			if a.handler == b.handler || len(a.site.Metadata) == 0 || len(b.site.Metadata) == 0 || !a.sharesHost(b) {
				continue
			}
			for _, uri := range a.site.RedirectURIs {
				if slices.ContainsFunc(b.site.RedirectURIs, func(other RedirectURI) bool { return other.Host == uri.Host }) {
					return fmt.Errorf("two zoom_pkce handlers of the host %s have programs (client_id %s and client_id %s): "+
						"leave the block out of one of them", uri.Host, b.site.ClientID, a.site.ClientID)
				}
			}
		}
	}
	return nil
}
