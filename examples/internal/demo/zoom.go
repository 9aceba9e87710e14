package demo

import "github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"

// Ada and Grace are the people at the simulated Zoom.
var (
	Ada = zoomtest.User{
		ID: "aDa1815", AccountID: "AnalyticalEngine",
		Email: "ada@example.com", Verified: 1, FirstName: "Ada", LastName: "Lovelace",
	}
	Grace = zoomtest.User{
		ID: "gRace1906", AccountID: "Compilers",
		Email: "grace@example.org", Verified: 1, FirstName: "Grace", LastName: "Hopper",
	}
)

// StartZoom starts a simulated Zoom that knows both and one app.
func StartZoom(app zoomtest.App) *zoomtest.Server {
	zoom := zoomtest.NewServer()
	zoom.AddApp(app)
	zoom.AddUser(Ada)
	zoom.AddUser(Grace)
	return zoom
}
