package routes

import (
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/pages"
)

// Overridden tells an operator of addresses that OverriddenOf returns.
const Overridden = "a header directive around zoom_pkce changes Cache-Control of finished answers, of this address for example: " +
	"shared caches may keep what is for one visitor alone; write the field in a header directive without - and > and defer"

// OverriddenOf follows a made-up request for an endpoint of each handler of an app, and
// returns the addresses at which a `header` that is deferred surely takes `no-store` off
// the answer. One that other conditions decide about is not looked at.
func OverriddenOf(app *caddyhttp.App, find Finder, sites []*Site) (addresses []string) {
	for _, s := range sites {
		for _, uri := range s.served(app, find) {
			r, _ := uri.request(s.PathPrefix + "/session") // served has found it to be a URL
			for _, server := range app.Servers {
				overridden := false
				walk := reachWalk{request: r, find: find, target: s, hostKnown: true, pathKnown: true}
				walk.passes = func(_ string, handler caddyhttp.MiddlewareHandler, surely bool) {
					overridden = overridden || surely && overrides(handler)
				}
				if walk.arrivesIn(server) && overridden {
					addresses = append(addresses, r.URL.String())
					break
				}
			}
		}
	}
	return addresses
}

// overrides reports whether a handler lets shared caches keep an answer that says they
// must not.
func overrides(handler caddyhttp.MiddlewareHandler) bool {
	h, ok := handler.(*headers.Handler)
	if !ok || h.Response == nil || !h.Response.Deferred || h.Response.Require != nil {
		return false
	}
	answer := http.Header{"Cache-Control": {"no-store"}}
	h.Response.ApplyTo(answer, caddy.NewReplacer())
	control := strings.ToLower(answer.Get("Cache-Control"))
	kept := strings.Contains(control, "no-store") || strings.Contains(control, "private") || strings.Contains(control, "{")
	fields := len(answer)
	pages.DropSharedCacheFields(answer)
	return !kept || len(answer) < fields
}
