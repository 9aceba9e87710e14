package doctor

import (
	"path"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// protectionFindings tell which requests each handler protects. A path without * is
// that path alone to Caddy, and few who write `zoom_pkce /app` mean that.
func protectionFindings(sites []*Site) (found []finding) {
	for _, s := range sites {
		f := finding{ClientID: s.Zoom.ClientID, Check: "protected", Status: verdictOK}
		values, exact := protection(s.Protect)
		f.Message, f.Values = "at "+s.RedirectURIs[0]+", these requests and no others", values
		switch {
		case len(s.Protect) == 0:
			f.Message, f.Values = "at "+s.RedirectURIs[0]+", every request", nil
		case len(exact) > 0:
			f.Status = verdictWarn
			f.Message = "nothing below " + strings.Join(exact, ", ") + " is, for a path without * is that path alone; " + f.Message
			f.Advice = "if what lies below is meant too, write a matcher such as `@app path " + exact[0] + " " + strings.TrimSuffix(exact[0], "/") + "/*`, and `zoom_pkce @app`"
		}
		found = append(found, f)
	}
	return found
}

// protection describes matchers: the paths they name, and in words what else they
// look at. exact are paths that look like those of a directory, with nothing that
// matches what lies below.
func protection(sets caddyhttp.MatcherSets) (described, exact []string) {
	var all caddyhttp.MatchPath
	for _, set := range sets {
		var paths caddyhttp.MatchPath
		var others []string
		for _, matcher := range set {
			if m, ok := matcher.(*caddyhttp.MatchPath); ok {
				paths = append(paths, *m...)
			} else if m, ok := matcher.(caddy.Module); ok {
				others = append(others, m.CaddyModule().ID.Name())
			}
		}
		text := strings.Join(paths, " ")
		if len(others) > 0 {
			text = strings.TrimSpace(text + " (those that match by " + strings.Join(others, ", ") + ")")
		}
		described = append(described, text)
		all = append(all, paths...)
	}
	for _, pattern := range all {
		if !strings.ContainsAny(pattern, "*{%") && path.Ext(pattern) == "" && !anyBelow(all, pattern) {
			exact = append(exact, pattern)
		}
	}
	return described, exact
}

// anyBelow reports whether one of the patterns covers something below a path.
func anyBelow(patterns caddyhttp.MatchPath, p string) bool {
	below := strings.TrimSuffix(p, "/") + "/"
	for _, pattern := range patterns {
		before, _, wild := strings.Cut(pattern, "*")
		if wild && (strings.HasPrefix(below, before) || strings.HasPrefix(before, below)) {
			return true
		}
	}
	return false
}
