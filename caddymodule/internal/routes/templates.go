package routes

import (
	"maps"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/intercept"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// HasTemplates reports whether `templates` stands anywhere in the routes of an app:
// then Caddy may make requests of those it serves. Handlers of others that have
// routes are not looked into.
func HasTemplates(app *caddyhttp.App) bool {
	for _, server := range app.Servers {
		if inAny(server.Routes) || server.Errors != nil && inAny(server.Errors.Routes) {
			return true
		}
		for route := range maps.Values(server.NamedRoutes) {
			if route != nil && slices.ContainsFunc(route.Handlers, isTemplates) {
				return true
			}
		}
	}
	return false
}

func inAny(list caddyhttp.RouteList) bool {
	return slices.ContainsFunc(list, func(route caddyhttp.Route) bool {
		return slices.ContainsFunc(route.Handlers, isTemplates)
	})
}

// isTemplates reports whether a handler is `templates` or has it in its routes.
func isTemplates(handler caddyhttp.MiddlewareHandler) bool {
	switch h := handler.(type) {
	case *caddyhttp.Subroute:
		return inAny(h.Routes) || h.Errors != nil && inAny(h.Errors.Routes)
	case *reverseproxy.Handler:
		return inResponses(h.HandleResponse)
	case *intercept.Intercept:
		return inResponses(h.HandleResponse)
	case caddy.Module:
		return h.CaddyModule().ID == "http.handlers.templates"
	}
	return false
}

func inResponses(handlers []caddyhttp.ResponseHandler) bool {
	return slices.ContainsFunc(handlers, func(h caddyhttp.ResponseHandler) bool { return inAny(h.Routes) })
}
