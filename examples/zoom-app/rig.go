package main

import (
	"errors"
	"os"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// rig is everything that runs.
type rig struct {
	url       string // of the client, through which all go
	zoom      *zoomtest.Server
	app       *demo.Server
	client    *demo.Server
	caddyAddr string
	dir       string // what Caddy stores
}

// startRig starts Zoom, the app, Caddy and the client, which listens on port.
func startRig(port int, files sdk) (*rig, error) {
	r := new(rig)
	if err := r.start(port, files); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	return r, nil
}

func (r *rig) start(port int, files sdk) (err error) {
	if r.client, err = demo.Listen("the client", port); err != nil {
		return err
	}
	r.url = "http://" + r.client.Addr
	if r.app, err = demo.Listen("the app", 0); err != nil {
		return err
	}
	if r.caddyAddr, err = demo.FreeAddress(0); err != nil {
		return err
	}
	caddyURL := "http://" + r.caddyAddr
	r.zoom = demo.StartZoom(zoomtest.App{
		ClientID:      clientID,
		ClientSecret:  clientSecret,
		RedirectURIs:  []string{r.url + "/zoom_pkce/callback", r.url + "/"},
		WebhookURL:    caddyURL + "/zoom_pkce/webhook",
		WebhookSecret: webhookSecret,
	})
	if r.dir, err = os.MkdirTemp("", "zoom_pkce-zoom-app-"); err != nil {
		return err
	}
	r.app.Start(app(files))
	if err := demo.StartCaddy(r.caddyfile()); err != nil {
		return err
	}
	client, err := newClient(r.zoom, r.url, caddyURL, files)
	if err != nil {
		return err
	}
	r.client.Start(client)
	return nil
}

// stop ends what was started, the visitors' side first.
func (r *rig) stop() error {
	err := errors.Join(r.client.Stop(), demo.StopCaddy(), r.app.Stop())
	if r.zoom != nil {
		r.zoom.Close()
	}
	if r.dir != "" {
		err = errors.Join(err, os.RemoveAll(r.dir))
	}
	return err
}
