package programs

import (
	"net/url"
	"slices"
	"strings"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

var errTarget = &refusal{invalidTarget, "the resource is not one of this site"}

// resource says what tokens are to be for (RFC 8707). It is the zero Resource
// if the request does not say.
func (s *Server) resource(asked []string) (zoompkce.Resource, error) {
	var resource zoompkce.Resource
	for _, value := range asked {
		u, err := url.Parse(value)
		if err != nil || u.Host == "" || u.User != nil || strings.Contains(value, "#") {
			return resource, errTarget
		}
		origin := originOf(u)
		if !slices.Contains(s.Origins, origin) || resource.Origin != "" && resource.Origin != origin {
			return resource, errTarget
		}
		resource.Origin = origin
		resource.HasPath = resource.HasPath || u.Path != "" && u.Path != "/" || u.RawQuery != ""
	}
	return resource, nil
}

// originOf is the origin of a URL as browsers write it.
func originOf(u *url.URL) string {
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	switch scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return scheme + "://" + host
}
