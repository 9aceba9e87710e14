package main

import (
	"net/http"
	"slices"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// trouble is something that can be wrong with Zoom, or with the app there, for
// as long as it is switched on.
type trouble struct {
	Name, Title, Effect string

	// bring changes Zoom, or the app before Zoom is told of it.
	bring func(zoom *zoomtest.Server, app *zoomtest.App)
}

var troubles = []trouble{
	{
		"scope", "A scope is missing",
		"The app has no user:read:zak any more. Tokens keep what they hold: sign out and in again, and there is no ZAK.",
		func(_ *zoomtest.Server, app *zoomtest.App) {
			app.Scopes = slices.DeleteFunc(zoomtest.DefaultScopes(), func(scope string) bool { return scope == "user:read:zak" })
		},
	},
	{
		"secret", "The credentials are refused",
		"The app's secret has changed at Zoom. Nobody can sign in, and no token is refreshed.",
		func(_ *zoomtest.Server, app *zoomtest.App) { app.ClientSecret = "changed at Zoom" },
	},
	{
		"limit", "Too many calls in this second",
		"ZAK and OBF calls are answered 429. Sign-ins go on, and a ZAK that is there serves for four minutes.",
		func(zoom *zoomtest.Server, _ *zoomtest.App) { limit(zoom, "", meetingCalls) },
	},
	{
		"daily-limit", "The account has used up its day",
		"All REST calls are answered 429 until midnight UTC. A sign-in needs one.",
		func(zoom *zoomtest.Server, _ *zoomtest.App) {
			midnight := zoom.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
			limit(zoom, midnight.Format(time.RFC3339), append(slices.Clone(meetingCalls), zoomtest.CallMe))
		},
	},
	{
		"down", "Zoom is down",
		"Everything is answered 503, the consent page too. Whoever is signed in goes on while the access token lives.",
		func(zoom *zoomtest.Server, _ *zoomtest.App) {
			zoom.Fail(zoomtest.CallAny, -1, zoomtest.Status(http.StatusServiceUnavailable, "The simulated Zoom is down.\n",
				"Content-Type", "text/plain"))
		},
	},
}

var meetingCalls = []zoomtest.Call{zoomtest.CallZAK, zoomtest.CallZAKToken, zoomtest.CallOBF}

// limit refuses calls for their number; that of the day says when it ends.
func limit(zoom *zoomtest.Server, dayEnds string, calls []zoomtest.Call) {
	for _, call := range calls {
		zoom.Fail(call, -1, zoomtest.RateLimited(dayEnds, dayEnds != ""))
	}
}

// bring makes Zoom have exactly the troubles named.
func (r *rig) bring(on map[string]bool) {
	r.zoom.Restore(zoomtest.CallAny)
	app := r.app
	for _, t := range troubles {
		if on[t.Name] {
			t.bring(r.zoom, &app)
		}
	}
	r.zoom.AddApp(app)
}
