// Package routes walks over Caddy's routes: which handlers of ours one request can meet,
// and whether a callback reaches the one that waits for it. It is told what a handler
// is; it never serves a request.
package routes

import (
	"net/http"
	"net/url"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Site is what has to be known of one of our handlers to find it in routes.
type Site struct {
	AppID        string
	ClientID     string
	CallbackPath string
	PathPrefix   string
	Headers      []string // the names of those it sets
	Metadata     []string // paths at which programs find out how to sign in; none: it lets none in
	Endpoints    []string // names below PathPrefix of those it has by its options
	RedirectURIs []RedirectURI
}

// RedirectURI is a redirect URI and the host that browsers send for it.
type RedirectURI struct{ URI, Host string }

// request makes up one for a path where u is; ok is false if that is no URL. It comes by
// no connection and to no server, which could ask others for the addresses of trusted
// proxies.
func (u *RedirectURI) request(path string) (r *http.Request, ok bool) {
	at, err := url.Parse(u.URI)
	if err != nil {
		return nil, false
	}
	at.Path, at.RawPath = path, ""
	r = &http.Request{Method: http.MethodGet, URL: at, Host: u.Host, RequestURI: path, Header: make(http.Header)}
	return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), nil, nil), true
}

// Finder tells what a handler is of ours, nil if it is another one.
type Finder func(caddyhttp.MiddlewareHandler) *Site

// insides are the routes inside a handler: those that requests take, and those
// that some take after an error.
type insides struct{ routes, errors caddyhttp.RouteList }

// namedRoutes are those of a server, and which of them are under way: they may
// invoke each other and themselves.
type namedRoutes struct {
	routes   map[string]*caddyhttp.Route
	underWay map[string]bool
}

func newNamedRoutes(server *caddyhttp.Server) namedRoutes {
	return namedRoutes{server.NamedRoutes, make(map[string]bool)}
}

// enter returns what is inside a handler that has routes; ok is false for all
// others. leave has to be called when they have been looked at.
func (n namedRoutes) enter(handler caddyhttp.MiddlewareHandler) (inside insides, leave func(), ok bool) {
	leave = func() {}
	switch h := handler.(type) {
	case *caddyhttp.Subroute:
		inside.routes = h.Routes
		if h.Errors != nil {
			inside.errors = h.Errors.Routes
		}
		return inside, leave, true
	case *caddyhttp.Invoke:
		if route := n.routes[h.Name]; route != nil && !n.underWay[h.Name] {
			n.underWay[h.Name] = true
			leave = func() { delete(n.underWay, h.Name) }
			inside.routes = caddyhttp.RouteList{*route}
		}
		return inside, leave, true
	}
	return inside, leave, false
}
