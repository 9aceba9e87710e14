package doctor

import (
	"slices"
	"strings"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"
)

// neededScope is a scope that a feature needs.
type neededScope struct {
	name    string   // granular
	classic []string // what apps of before granular scopes have instead
	why     string
	vital   bool // without it nothing that was asked for works
}

// scopesOf lists the scopes that the chosen features of an app's handlers need
// (developers.zoom.us/docs/integrations/oauth-scopes-overview; the two ZAK
// endpoints need different ones).
func scopesOf(sites []*Site) (needed []neededScope) {
	var profile, zak, token bool
	var zakFetchers, obfFetchers []string
	for _, s := range sites {
		profile = profile || s.AllowsByEmail
		zak = zak || s.ZAK && !s.LastingZAK
		// Pages, programs and servers may ask for a ZAK where requests carry none.
		if !s.LastingZAK {
			zakFetchers = append(zakFetchers, s.fetchers()...)
		}
		token = token || s.LastingZAK || s.OBF
		obfFetchers = append(obfFetchers, s.fetchers()...)
	}
	needed = append(needed, neededScope{
		"user:read:user", []string{"user:read", "user_info:read", "user_profile"}, "name and e-mail address", profile,
	})
	if zak || len(zakFetchers) > 0 {
		why := "zak"
		if !zak {
			why = "POST zak of " + strings.Join(conf.Unique(zakFetchers), ", ")
		}
		needed = append(needed, neededScope{"user:read:zak", []string{"user_zak:read"}, why, zak})
	}
	if token || len(obfFetchers) > 0 {
		why := "zak lifetime, obf"
		if !token {
			why = "POST obf of " + strings.Join(conf.Unique(obfFetchers), ", ")
		}
		needed = append(needed, neededScope{"user:read:token", []string{"user:read"}, why, token})
	}
	return needed
}

// asked reports whether a list of scopes has what is needed, in any of its forms.
func (n neededScope) asked(scopes []string) bool {
	return slices.ContainsFunc(scopes, func(scope string) bool {
		scope = strings.TrimSuffix(strings.TrimSuffix(scope, ":admin"), ":master")
		return scope == n.name || slices.Contains(n.classic, scope)
	})
}

func scopeFinding(sites []*Site, probe zoomProbe) finding {
	s := sites[0]
	f := finding{
		ClientID: s.Zoom.ClientID, Check: "scopes", Status: verdictSkipped,
		Message: "not checked, please compare at " + s.marketplace() + ": the app needs",
		Advice:  "add there under Scopes what is missing; which ones the app has shows only when somebody signs in",
	}
	for _, n := range scopesOf(sites) {
		f.Values = append(f.Values, n.name)
		if n.name == "user:read:token" && !n.vital {
			f.Advice += "; " + n.name + " is only for " + n.why
		}
	}
	for _, page := range probe.page {
		if page == pageRefusesScopes {
			f.Status, f.Message = verdictFail, "Zoom refuses the scopes that the option scopes asks for; the app needs"
			f.Advice = "add the scopes to the app at " + s.marketplace() + ", or take out of scopes what it does not have"
			return f
		}
	}
	var vital, useful []string
	for _, one := range sites {
		if len(one.Zoom.Scopes) == 0 {
			continue // the app's own
		}
		for _, n := range scopesOf([]*Site{one}) {
			switch {
			case n.asked(one.Zoom.Scopes):
			case n.vital:
				vital = append(vital, n.name+" ("+n.why+")")
			default:
				useful = append(useful, n.name+" ("+n.why+")")
			}
		}
	}
	switch {
	case len(vital) > 0:
		f.Status, f.Values = verdictFail, conf.Unique(append(vital, useful...))
		f.Message, f.Advice = "the option scopes leaves out", "add them to scopes, or remove scopes to ask for all that the app has"
	case len(useful) > 0:
		f.Status, f.Values = verdictWarn, conf.Unique(useful)
		f.Message, f.Advice = "the option scopes leaves out", "what stands in parentheses is missing without it; add it to scopes, or remove scopes"
	}
	return f
}
