package routes

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"
)

// certainty is what can be said of a match without the request itself.
type certainty int

const (
	no certainty = iota
	maybe
	yes
)

// match tells whether the request takes a route with these matchers.
func (w *reachWalk) match(sets caddyhttp.MatcherSets) certainty {
	if w.blind {
		return maybe
	}
	if len(sets) == 0 {
		return yes
	}
	return w.anySet(sets)
}

func (w *reachWalk) anySet(sets []caddyhttp.MatcherSet) certainty {
	best := no
	for _, set := range sets {
		best = max(best, w.all(set))
	}
	return best
}

func (w *reachWalk) all(set caddyhttp.MatcherSet) certainty {
	worst := yes
	for _, matcher := range set {
		worst = min(worst, w.one(matcher))
	}
	return worst
}

// one asks the matchers that look at nothing but host or path. All others need
// a connection, headers or files, and may match.
func (w *reachWalk) one(matcher any) certainty {
	switch m := matcher.(type) {
	case *caddyhttp.MatchHost:
		return w.ask(m, w.hostKnown && !slices.ContainsFunc(*m, isVariable))
	case *caddyhttp.MatchPath:
		return w.ask(m, w.pathKnown && !slices.ContainsFunc(*m, isVariable))
	case *caddyhttp.MatchPathRE:
		return w.ask(m, w.pathKnown)
	case *caddyhttp.MatchNot:
		// Turned round, yes is no, and maybe stays.
		return yes - w.anySet(m.MatcherSets)
	}
	return maybe
}

func (w *reachWalk) ask(matcher caddyhttp.RequestMatcherWithError, known bool) certainty {
	if !known {
		return maybe
	}
	if match, _ := matcher.MatchWithError(w.request); match { // those that are asked never fail
		return yes
	}
	return no
}

// isVariable reports whether a pattern has placeholders that depend on the
// request.
func isVariable(pattern string) bool {
	return strings.Contains(conf.SourcePlaceholder.ReplaceAllString(pattern, ""), "{")
}
