package main

import "github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"

// The credentials of the app at the simulated Zoom.
const (
	clientID     = "quickstart"
	clientSecret = "known-to-everybody"
)

// startZoom starts a simulated Zoom with one app and two people.
func startZoom(redirectURI string) *zoomtest.Server {
	zoom := zoomtest.NewServer()
	zoom.AddApp(zoomtest.App{
		ClientID:     clientID,
		ClientSecret: clientSecret,
		RedirectURIs: []string{redirectURI},
	})
	zoom.AddUser(zoomtest.User{
		ID: "aDa1815", AccountID: "AnalyticalEngine",
		Email: "ada@example.com", Verified: 1, FirstName: "Ada", LastName: "Lovelace",
	})
	zoom.AddUser(zoomtest.User{
		ID: "gRace1906", AccountID: "Compilers",
		Email: "grace@example.org", Verified: 1, FirstName: "Grace", LastName: "Hopper",
	})
	return zoom
}
