package caddymodule

import "github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"

// ZoomApp configures the directive for a Zoom App, a page that runs inside the
// Zoom client.
type ZoomApp struct {
	// Further redirect URIs that are registered at Zoom for the in-client flow,
	// where Zoom names the calling page, perhaps with its hash route. Default:
	// only the `redirect_uri` of the handler.
	RedirectURI []string `json:"redirect_uri,omitempty"`

	// Whether the encrypted app context that the Zoom client sends with a page
	// load signs its user in, if that user has authorized the app before.
	// Default: false.
	SignInFromContext bool `json:"sign_in_from_context,omitempty"`

	// Whether a sign-in that the Marketplace's "Add" button began ends in the Zoom
	// client, with the app open, instead of on the site. Default: false.
	OpenInClient bool `json:"open_in_client,omitempty"`
}

type zoomAppSettings struct {
	// RedirectURIs are those of the directive in their order, own in number,
	// then the further ones: an in-client exchange that names none means the first.
	redirectURIs      []string
	own               int
	signInFromContext bool
	openInClient      bool
}

func (z *ZoomApp) subdirective(b *conf.Block) error {
	switch b.Val() {
	case "redirect_uri":
		return b.List(&z.RedirectURI)
	case "sign_in_from_context":
		return b.OnOff(&z.SignInFromContext)
	case "open_in_client":
		return b.OnOff(&z.OpenInClient)
	default:
		return b.Unrecognized()
	}
}

// resolve returns nil if the app is no Zoom App.
func (z *ZoomApp) resolve(r *resolver, app *Handler, s *settings) *zoomAppSettings {
	if z == nil {
		return nil
	}
	if app.ClientSecret == "" {
		// The key of the app context is SHA-256 of the client secret
		// (https://developers.zoom.us/docs/zoom-apps/zoom-app-context/).
		r.Failf("zoom_app",
			"needs client_secret, with which Zoom encrypts the app context, also beside client_key; a public client has none")
	}
	zoomApp := &zoomAppSettings{signInFromContext: z.SignInFromContext, openInClient: z.OpenInClient}
	for i := range s.redirectURIs {
		zoomApp.redirectURIs = append(zoomApp.redirectURIs, s.redirectURIs[i].uri)
	}
	zoomApp.own = len(zoomApp.redirectURIs)
	for _, v := range r.Texts("zoom_app redirect_uri", z.RedirectURI) {
		if _, ok := r.AbsoluteURL(v); ok {
			zoomApp.redirectURIs = append(zoomApp.redirectURIs, v.Text)
		}
	}
	return zoomApp
}
