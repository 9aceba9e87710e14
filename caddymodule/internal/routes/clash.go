package routes

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/scrub"
)

// Clash looks for handlers of different Zoom apps that see the same
// requests and would take each other's paths or headers for their own: the
// first of them would answer for both, or remove what the other one has set.
// Handlers inside the routes of other handlers than `subroute` and `invoke` are
// not seen.
func Clash(app *caddyhttp.App, find Finder) error {
	for _, name := range slices.Sorted(maps.Keys(app.Servers)) {
		server := app.Servers[name]
		w := &clashWalk{find: find, named: newNamedRoutes(server)}
		met := w.routes(server.Routes)
		if w.clash == nil {
			w.clash = twicePrograms(met)
		}
		if server.Errors != nil {
			w.join(met, w.routes(server.Errors.Routes))
		}
		if w.clash != nil {
			return w.clash
		}
	}
	return nil
}

// clashWalk finds the handlers in the routes of one server and compares those
// that one request can meet.
type clashWalk struct {
	find  Finder
	named namedRoutes
	clash error // the first one
}

// metHandler is a handler and, for each matcher of hosts on the way to it,
// which ones those are.
type metHandler struct {
	handler caddyhttp.MiddlewareHandler
	site    *Site
	hosts   [][]string
}

// routes returns the handlers that requests going through list can meet.
func (w *clashWalk) routes(list caddyhttp.RouteList) (all []metHandler) {
	inRoute := make([][]metHandler, len(list))
	for i := range list {
		for _, handler := range list[i].Handlers {
			inRoute[i] = w.join(inRoute[i], w.handler(handler))
		}
		if hosts := hostsOf(list[i].MatcherSets); hosts != nil {
			for j := range inRoute[i] {
				inRoute[i][j].hosts = append(inRoute[i][j].hosts, hosts)
			}
		}
		for before := range i {
			if !excludes(&list[before], &list[i]) {
				w.compare(inRoute[before], inRoute[i])
			}
		}
		all = append(all, inRoute[i]...)
	}
	return all
}

// excludes reports whether a request that takes route never takes a later one.
func excludes(route, later *caddyhttp.Route) bool {
	return route.Terminal || route.Group != "" && route.Group == later.Group
}

// handler returns what requests meet inside one handler of a route.
func (w *clashWalk) handler(handler caddyhttp.MiddlewareHandler) (met []metHandler) {
	if site := w.find(handler); site != nil {
		return []metHandler{{handler: handler, site: site}}
	}
	inside, leave, ok := w.named.enter(handler)
	if !ok {
		return nil
	}
	defer leave()
	return w.join(w.routes(inside.routes), w.routes(inside.errors))
}

// join puts together what the same request can meet.
func (w *clashWalk) join(a, b []metHandler) []metHandler {
	w.compare(a, b)
	return append(a, b...)
}

func (w *clashWalk) compare(a, b []metHandler) {
	for i := range a {
		for j := range b {
			if w.clash == nil && a[i].site.AppID != b[j].site.AppID && a[i].sharesHost(&b[j]) {
				w.clash = clashOf(a[i].site, b[j].site)
			}
		}
	}
}

func (m *metHandler) sharesHost(other *metHandler) bool {
	for _, a := range m.hosts {
		for _, b := range other.hosts {
			if !slices.ContainsFunc(a, func(host string) bool { return slices.Contains(b, host) }) {
				return false
			}
		}
	}
	return true
}

// hostsOf returns the hosts that pass matchers, nil if they cannot be listed.
func hostsOf(sets caddyhttp.MatcherSets) (hosts []string) {
	for _, set := range sets {
		listed := false
		for _, matcher := range set {
			if match, ok := matcher.(*caddyhttp.MatchHost); ok {
				for _, host := range *match {
					if strings.ContainsAny(host, "*{") {
						return nil
					}
					hosts = append(hosts, strings.ToLower(host))
				}
				listed = true
			}
		}
		if !listed {
			return nil
		}
	}
	return hosts
}

// clashOf says what two sites of different apps both claim.
func clashOf(a, b *Site) error {
	refuse := func(what, value, option string) error {
		return fmt.Errorf("two Zoom apps in one site: the zoom_pkce handlers with client_id %s and client_id %s both %s %s; give one of them another %s",
			a.ClientID, b.ClientID, what, value, option)
	}
	switch {
	case a.CallbackPath == b.CallbackPath:
		return refuse("have the callback", a.CallbackPath, "path of redirect_uri")
	case isBelow(a.PathPrefix, b.PathPrefix):
		return refuse("answer below", a.PathPrefix, "path_prefix")
	case isBelow(b.PathPrefix, a.PathPrefix):
		return refuse("answer below", b.PathPrefix, "path_prefix")
	case isBelow(a.CallbackPath, b.PathPrefix):
		return refuse("answer at", a.CallbackPath, "path of redirect_uri or path_prefix")
	case isBelow(b.CallbackPath, a.PathPrefix):
		return refuse("answer at", b.CallbackPath, "path of redirect_uri or path_prefix")
	}
	for _, name := range a.Headers {
		for _, other := range b.Headers {
			if scrub.FoldName(name) == scrub.FoldName(other) {
				return refuse("set the header", name, "header name, or turn the header off")
			}
		}
	}
	return nil
}

// isBelow reports whether path is prefix or lies below it.
func isBelow(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/')
}
