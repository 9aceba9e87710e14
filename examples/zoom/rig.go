package main

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// The credentials stay the same, so that a Caddyfile keeps working.
const (
	clientID      = "zoom-example"
	clientSecret  = "known-to-everybody"
	webhookSecret = "known-to-everybody-too"
)

// rig is everything that runs.
type rig struct {
	zoom   *zoomtest.Server
	server *demo.Server
	app    zoomtest.App // as it is without trouble
	site   string       // origin of the visitor's own site
}

// startRig starts Zoom on a port, 0 for any, with one app. No webhook is the one
// of a directive that says nothing else.
func startRig(port int, redirectURI, webhook string, public bool) (*rig, error) {
	u, err := url.Parse(redirectURI)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("-redirect-uri %q: this is no http or https URL", redirectURI)
	}
	r := &rig{site: u.Scheme + "://" + u.Host}
	r.app = zoomtest.App{
		ClientID:      clientID,
		ClientSecret:  clientSecret,
		RedirectURIs:  []string{redirectURI},
		WebhookURL:    cmp.Or(webhook, r.site+"/zoom_pkce/webhook"),
		WebhookSecret: webhookSecret,
	}
	if public {
		r.app.ClientSecret = ""
	}
	if r.server, err = demo.Listen("the simulated Zoom", port); err != nil {
		return nil, err
	}
	r.zoom = zoomtest.NewUnstartedServer()
	r.zoom.URL = "http://" + r.server.Addr
	r.zoom.APIURL = r.zoom.URL
	r.zoom.AddApp(r.app)
	r.zoom.AddUser(demo.Ada)
	r.zoom.AddUser(demo.Grace)

	mux := http.NewServeMux()
	mux.Handle("/", r.zoom)
	mux.Handle(troublePath, newPanel(r))
	r.server.Start(mux)
	return r, nil
}

// stop ends what was started. Zoom first: it lets go of calls that wait.
func (r *rig) stop() error {
	r.zoom.Close()
	return r.server.Stop()
}

// globalOptions keep tokens out of Caddy's own log.
const globalOptions = "{\n\tlog {\n\t\tformat zoom_pkce\n\t}\n}\n\n"

// caddyfile is what makes Caddy take this Zoom for the real one.
func (r *rig) caddyfile() string {
	bind, secret := "", ""
	if strings.HasPrefix(r.site, "http://127.0.0.1:") {
		bind = "\n\tbind 127.0.0.1"
	}
	if r.app.ClientSecret != "" {
		secret = "\n\t\tclient_secret " + r.app.ClientSecret
	}
	return globalOptions + r.site + ` {` + bind + `
	zoom_pkce {
		client_id ` + r.app.ClientID + secret + `
		redirect_uri ` + r.app.RedirectURIs[0] + `
		oauth_url ` + r.zoom.URL + `
		webhook {
			secret_token ` + r.app.WebhookSecret + `
		}
	}
	reverse_proxy localhost:3000
}
`
}
