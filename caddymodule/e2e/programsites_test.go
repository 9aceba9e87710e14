package e2e

import (
	"strings"
	"testing"
)

const strayMetadata = "requests for this address, at which programs sign in, do not reach the zoom_pkce with programs: " +
	"something before it answers them, or it stands inside a handle or route with a matcher; put it at the top of the site"

// A load warns where programs do not find the site's sign-in.
func TestStartWarnsWhereProgramsDoNotFindTheSite(t *testing.T) {
	for name, tt := range map[string]struct {
		site string
		want string // paths
	}{
		"at the top":                     {"ZP\nrespond ok", ""},
		"in a handle for everything":     {"handle /api/* {\nrespond ok\n}\nhandle {\nZP\n}", ""},
		"after what answers":             {"route {\nrespond /.well-known/oauth-* ok\nZP\n}", "/.well-known/oauth-authorization-server /.well-known/oauth-protected-resource"},
		"in a handle with the endpoints": {"handle /zoom_pkce/* {\nZP\n}", "/.well-known/oauth-authorization-server /.well-known/oauth-protected-resource"},
		"in a handle without any":        {"handle /app/* {\nZP\n}", ""}, // which the warning about the callback is for
	} {
		w := newWorld(t)
		w.load(w.caddyfile(strings.ReplaceAll(tt.site, "ZP", "zoom_pkce {\n"+w.options()+programOptions+"\n}")))
		var got []string
		for _, line := range w.logLines(strayMetadata) {
			got = append(got, strings.TrimPrefix(line["address"].(string), w.url))
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: warned of %q", name, got)
		}
	}
}

// What stays in the records that directives share is no matter of one of them.
func TestProgramsOfOneAppLastAsLong(t *testing.T) {
	w := newWorld(t)
	directive := func(path, options string) string {
		return "zoom_pkce " + path + " {\n" + w.options() + "programs {\nclient cli http://127.0.0.1/\n" + options + "\n}\n}\n"
	}
	err := w.tryLoad(w.caddyfile(directive("/a/*", "") + directive("/b/*", "idle_timeout 1d")))
	if err == nil || !strings.Contains(err.Error(), "disagree on programs") {
		t.Error(err)
	}
}

// On one host only one directive can let programs in.
func TestOneDirectiveOfAHostLetsProgramsIn(t *testing.T) {
	const second = "client_id second\nclient_secret s\nredirect_uri URL/two/callback\noauth_url ZOOM\npath_prefix /two\nheaders {\naccess_token X-A\nuser_id X-B\naccount_id X-C\nemail X-D\nname X-E\n}\nzak off\n"
	for name, tt := range map[string]struct {
		site    string
		refused bool
	}{
		"twice":                     {"zoom_pkce /a/* {\nONE PROGRAMS\n}\nzoom_pkce /b/* {\nONE PROGRAMS\n}", true},
		"in handles":                {"handle /a/* {\nzoom_pkce {\nONE PROGRAMS\n}\n}\nhandle {\nzoom_pkce {\nONE PROGRAMS\n}\n}", true},
		"of two apps":               {"zoom_pkce /a/* {\nONE PROGRAMS\n}\nzoom_pkce /b/* {\nTWO PROGRAMS\n}", true},
		"once":                      {"zoom_pkce /a/* {\nONE PROGRAMS\n}\nzoom_pkce /b/* {\nONE\n}", false},
		"the same in a named route": {"invoke named\ninvoke named", false},
	} {
		w := newWorld(t)
		programs := "programs {\nclient cli http://127.0.0.1/\n}"
		fill := strings.NewReplacer("ONE", w.options(), "TWO", strings.NewReplacer("URL", w.url, "ZOOM", w.zoom.URL).Replace(second), "PROGRAMS", programs)
		site := w.caddyfile(fill.Replace(tt.site))
		named := "\n&(named) {\nzoom_pkce {\n" + fill.Replace("ONE PROGRAMS") + "\n}\n}\n"
		site = strings.Replace(site, "\n}\nhttp://", "\n}\n"+named+"http://", 1)
		err := w.tryLoad(site)
		if tt.refused != (err != nil && strings.Contains(err.Error(), "have programs")) || !tt.refused && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
