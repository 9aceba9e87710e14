package pages

import (
	"net/http"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
)

// InClient is the page that signs in inside the Zoom client.
type InClient struct {
	Title, Message string
	Mark           mark
	Script         string // the file of the script
	SDK            string // the URL of Zoom's
	Authorize      string // our endpoints
	Authorized     string
	Registered     string // redirect URIs of the app, separated by spaces
	Next           string // where to go on to; default: the address of the page
	Wait           bool   // for a click
}

// Write answers with the page.
func (p InClient) Write(w http.ResponseWriter, security Security) {
	p.Title, p.Message, p.Mark = "Signing you in", "One moment, Zoom is asked who you are.", markKey
	if p.Wait {
		p.Title, p.Message = "Sign in to continue", outcome.SignInRequired.Detail()
	}
	p.Script, p.SDK = "inclient.js", zoomSDK
	if !isSafeLink(p.Next) {
		p.Next = ""
	}
	security.script = p.SDK + " " + pageScripts[p.Script].source
	security.connect = "'self'"
	// What Zoom's client makes of pages with other statuses is not documented.
	writeHTML(w, http.StatusOK, "inclient.html", p, security)
}

// zoomSDK is the one foreign script a page of ours loads: it is the way to
// talk to the Zoom client. It has no integrity hash, because Zoom changes it
// to fit new clients (github.com/zoom/appssdk, README). Zoom for Government
// publishes none of its own.
const zoomSDK = "https://appssdk.zoom.us/sdk.min.js"
