package routes

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// StrayURIs are the redirect URIs of an app at which a visitor who comes back
// from Zoom does not meet the handler that sent them there. What cannot be told
// without the request itself counts as meeting it.
type StrayURIs struct {
	ByHost []string // would meet it if they had another host
	ByPath []string // would meet it on no host
}

// What an operator is told of them.
const (
	StrayByHost = "requests for this redirect URI do not reach this handler: its site has another address; " +
		"give the site the address of the redirect URI or the other way round, unless another Caddy serves that host or a proxy in front rewrites Host"
	StrayByPath = "requests for this redirect URI do not reach this handler: zoom_pkce stands inside a handle or route " +
		"with a matcher; put `zoom_pkce <matcher>` at the top of the site instead"
)

// Stray follows a made-up request for each redirect URI of an app's
// handlers through the routes of all servers. The further URIs of zoom_app are
// pages.
func Stray(app *caddyhttp.App, find Finder, sites []*Site) (stray StrayURIs) {
	looked := make(map[string]bool)
	for _, s := range sites {
		for i := range s.RedirectURIs {
			uri := &s.RedirectURIs[i]
			if looked[uri.URI] {
				continue
			}
			looked[uri.URI] = true
			walk, ok := callbackWalk(find, s, uri)
			if !ok {
				continue
			}
			anyHost, anywhere := walk, walk
			anyHost.hostKnown = false
			anywhere.blind = true
			switch {
			// Who stands where this walk never comes, inside other handlers than
			// `subroute` and `invoke` or outside the http app, may be met there.
			case walk.arrives(app) || !anywhere.arrives(app):
			case anyHost.arrives(app):
				stray.ByHost = append(stray.ByHost, uri.URI)
			default:
				stray.ByPath = append(stray.ByPath, uri.URI)
			}
		}
	}
	return stray
}

// callbackWalk follows a visitor who comes back to a redirect URI.
func callbackWalk(find Finder, s *Site, uri *RedirectURI) (walk reachWalk, ok bool) {
	r, ok := uri.request(s.CallbackPath)
	return reachWalk{request: r, find: find, target: s, hostKnown: true, pathKnown: true}, ok
}

// reachWalk looks for the handlers that a request for a callback can meet.
type reachWalk struct {
	find      Finder
	request   *http.Request
	target    *Site            // whose callback it is
	has       func(*Site) bool // only such a handler will do; nil: all
	hostKnown bool             // no handler so far may have changed it
	pathKnown bool
	blind     bool // every route may be taken

	// passes is told of each handler of Caddy's on the way, and whether the request surely
	// meets it; nil: nobody asks.
	passes func(name string, handler caddyhttp.MiddlewareHandler, surely bool)

	unsure bool // the request may not be here

	named   namedRoutes
	groups  map[string]bool // of which a route was taken
	steps   int
	arrived bool
}

// maxReachSteps bounds the work for named routes that invoke each other.
const maxReachSteps = 100_000

// arrives reports whether the request may meet a handler that knows the
// callback, in any server: which port it comes by is not ours to say behind a
// load balancer.
func (w reachWalk) arrives(app *caddyhttp.App) bool {
	for _, server := range app.Servers {
		if w.arrivesIn(server) {
			return true
		}
	}
	return false
}

// arrivesIn reports the same of one server.
func (w reachWalk) arrivesIn(server *caddyhttp.Server) bool {
	w.named, w.groups = newNamedRoutes(server), make(map[string]bool)
	w.routes(server.Routes)
	if server.Errors != nil {
		w.errorRoutes(server.Errors.Routes)
	}
	return w.arrived
}

// routes walks on through list and reports whether the request surely goes no
// further.
func (w *reachWalk) routes(list caddyhttp.RouteList) (ended bool) {
	for i := range list {
		route := &list[i]
		if w.steps++; w.steps > maxReachSteps {
			w.arrived = true
		}
		if w.arrived {
			return true
		}
		if route.Group != "" && w.groups[route.Group] {
			continue
		}
		taken := w.match(route.MatcherSets)
		if taken == no {
			continue
		}
		before, unsure := w.groups, w.unsure
		if taken == maybe {
			w.groups, w.unsure = maps.Clone(before), true
		} else if route.Group != "" {
			w.groups[route.Group] = true
		}
		over := slices.ContainsFunc(route.Handlers, w.handler) || route.Terminal
		w.groups, w.unsure = before, unsure
		if over && taken == yes {
			return true
		}
	}
	return w.arrived
}

// errorRoutes walks through routes that only some requests take.
func (w *reachWalk) errorRoutes(list caddyhttp.RouteList) {
	w.groups, w.unsure = make(map[string]bool), true // routes puts back what was before
	w.routes(list)
}

// handler follows the request into one handler and reports whether it surely
// does not come out of it.
func (w *reachWalk) handler(handler caddyhttp.MiddlewareHandler) (ended bool) {
	if site := w.find(handler); site != nil {
		if w.has != nil && !w.has(site) {
			return isBelow(w.request.URL.Path, site.PathPrefix) // it answers that there is nothing
		}
		// The path counts as the visitor sent it, whatever was rewritten.
		w.arrived = w.arrived || site.CallbackPath == w.target.CallbackPath && site.AppID == w.target.AppID
		return w.arrived
	}
	if inside, leave, ok := w.named.enter(handler); ok {
		defer leave()
		ended = w.routes(inside.routes)
		w.errorRoutes(inside.errors)
		return ended
	}
	if _, answers := handler.(*caddyhttp.StaticResponse); answers && w.has != nil {
		return true
	}
	w.passThrough(handler)
	return false
}

// harmlessHandlers are those of Caddy that hand a request on with the host and
// path it has, if they do.
var harmlessHandlers = []string{
	"acme_server", "authentication", "copy_response", "copy_response_headers", "encode", "error", "file_server",
	"intercept", "log_append", "map", "metrics", "push", "request_body", "reverse_proxy", "static_response",
	"templates", "timeouts", "tracing", "vars",
}

// passThrough notes what a handler may have made of the request.
func (w *reachWalk) passThrough(handler caddyhttp.MiddlewareHandler) {
	var name string
	if module, ok := handler.(caddy.Module); ok {
		name = strings.TrimPrefix(string(module.CaddyModule().ID), "http.handlers.")
	}
	if w.passes != nil {
		w.passes(name, handler, !w.unsure)
	}
	switch {
	case slices.Contains(harmlessHandlers, name):
	case name == "rewrite":
		w.pathKnown = false
	case name == "headers": // which has a special case for Host
		w.hostKnown = false
	default:
		w.hostKnown, w.pathKnown = false, false
	}
}
