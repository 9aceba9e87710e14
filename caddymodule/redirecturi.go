package caddymodule

import (
	"net/url"
	"strings"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"
)

// redirectURI is one URI to which Zoom sends visitors back.
type redirectURI struct {
	raw      string // as configured, for messages
	uri      string // byte for byte what is registered: Zoom compares strings
	origin   string // "https://app.example.com:8443"
	host     string // as browsers send it in Host
	hostname string // lower case, without the port
}

// redirectURIFor returns the redirect URI of the host that a request names. Some front
// proxies drop the port: a name alone is that of its one URI, if it has no more.
func (s *settings) redirectURIFor(host string) (*redirectURI, bool) {
	scheme := "http"
	if s.secure {
		scheme = "https"
	}
	asSent := url.URL{Host: strings.ToLower(host)}
	host = conf.BrowserHost(scheme, host)
	var named []*redirectURI
	for i := range s.redirectURIs {
		uri := &s.redirectURIs[i]
		if uri.host == host {
			return uri, true
		}
		if asSent.Port() == "" && uri.hostname == asSent.Hostname() {
			named = append(named, uri)
		}
	}
	if len(named) != 1 {
		return nil, false
	}
	return named[0], true
}

// resolveRedirectURIs fills in the redirect URIs and what they decide: the
// callback path and whether visitors come by https. The request never decides
// it, because a load balancer may end TLS before Caddy.
func (s *settings) resolveRedirectURIs(r *resolver, raws []string) {
	const option = "redirect_uri"
	if len(raws) == 0 {
		r.Failf(option, "is required: the absolute URI as registered at Zoom, "+
			"for example https://app.example.com/zoom_pkce/callback")
	}
	schemes := make(map[string]string)
	hosts := make(map[string]string)
	for _, v := range r.Texts(option, raws) {
		u, ok := r.AbsoluteURL(v)
		if !ok {
			continue
		}
		if u.RawQuery != "" || u.ForceQuery || strings.Contains(v.Text, "#") {
			r.Fail(v, "must not have a query or a fragment")
		}
		if !conf.IsPlainPath(u.EscapedPath()) {
			r.Fail(v, "needs a path of its own, not /, without a trailing slash, double slashes, dots "+
				"or percent-encoding")
			continue
		}
		uri := redirectURI{
			raw: v.Raw, uri: v.Text, origin: conf.Origin(u),
			host: conf.BrowserHost(u.Scheme, u.Host), hostname: strings.ToLower(u.Hostname()),
		}
		if other, taken := hosts[uri.host]; taken {
			r.Fail(v, "has the same host as %q; one for each host is enough", other)
		}
		hosts[uri.host] = v.Raw
		schemes[u.Scheme] = v.Raw
		if len(s.redirectURIs) > 0 && u.Path != s.callbackPath {
			r.Fail(v, "must have the same path as %q", s.redirectURIs[0].raw)
		} else {
			s.callbackPath = u.Path
		}
		s.secure = u.Scheme == "https"
		s.redirectURIs = append(s.redirectURIs, uri)
	}
	if len(schemes) > 1 {
		r.Failf(option, "%q is https and %q is not: cookie names and attributes depend on the scheme, "+
			"so all must have the same one",
			schemes["https"], schemes["http"])
	}
}

// checkCallbackPath refuses a callback in the place of an endpoint.
func (s *settings) checkCallbackPath(r *resolver) {
	for endpoint := range endpointTable {
		if s.callbackPath == s.pathPrefix+"/"+endpoint {
			r.Failf("redirect_uri",
				"its path is that of the endpoint %q below path_prefix; choose another one", endpoint)
		}
	}
}
