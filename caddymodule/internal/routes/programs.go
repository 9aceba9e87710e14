package routes

import (
	"fmt"
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
		if !s.hasPrograms() {
			continue
		}
		for _, uri := range s.served(app, find) {
			for _, path := range append(slices.Clip(s.Metadata), s.PathPrefix+"/oauth/token") {
				if address, arrives := s.reaches(app, find, uri, path, (*Site).hasPrograms); !arrives {
					stray = append(stray, address)
				}
			}
		}
	}
	return stray
}

func (s *Site) hasPrograms() bool { return len(s.Metadata) > 0 }

// twicePrograms refuses two handlers that let programs in on one host: programs would
// find one of them, and be sent to the other.
func twicePrograms(met []metHandler) error {
	for i := range met {
		for j := range i {
			a, b := &met[i], &met[j]
			if a.handler == b.handler || !a.site.hasPrograms() || !b.site.hasPrograms() || !a.sharesHost(b) {
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
