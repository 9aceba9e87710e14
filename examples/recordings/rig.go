package main

import (
	"context"
	"errors"
	"io"
	"log"
	"net/url"
	"os"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// rig is everything that runs.
type rig struct {
	url    string // of Caddy
	zoom   *zoomtest.Server
	app    *app
	server *demo.Server       // of the app
	end    context.CancelFunc // of the app's downloads
	dir    string             // what Caddy stores
}

// startRig starts Zoom, the app and Caddy, whose port is 0 for any.
func startRig(port int, stderr io.Writer) (*rig, error) {
	addr, err := demo.FreeAddress(port)
	if err != nil {
		return nil, err
	}
	r := &rig{url: "http://" + addr}
	if err := r.start(addr, stderr); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	return r, nil
}

func (r *rig) start(addr string, stderr io.Writer) (err error) {
	r.zoom = demo.StartZoom(zoomtest.App{
		ClientID:      clientID,
		ClientSecret:  clientSecret,
		RedirectURIs:  []string{r.url + "/zoom_pkce/callback"},
		WebhookURL:    r.url + "/zoom_pkce/webhook",
		WebhookSecret: webhookSecret,
	})
	zoomURL, err := url.Parse(r.zoom.URL)
	if err != nil {
		return err
	}
	if r.server, err = demo.Listen("the app", 0); err != nil {
		return err
	}
	r.app = newApp(r.url+"/zoom_pkce/backend", backendSecret, zoomURL, log.New(stderr, "the app: ", 0))
	r.server.Start(r.app.handler())
	var ctx context.Context
	ctx, r.end = context.WithCancel(context.Background())
	go r.app.work(ctx)
	if r.dir, err = os.MkdirTemp("", "zoom_pkce-recordings-"); err != nil {
		return err
	}
	return demo.StartCaddy(demo.GlobalOptions(r.dir, "http.handlers.zoom_pkce") + siteConfig(addr, r.zoom.URL, r.server.Addr))
}

// stop ends what was started, the visitors' side first.
func (r *rig) stop() error {
	err := errors.Join(demo.StopCaddy(), r.server.Stop())
	if r.end != nil {
		r.end()
	}
	if r.zoom != nil {
		r.zoom.Close()
	}
	if r.dir != "" {
		err = errors.Join(err, os.RemoveAll(r.dir))
	}
	return err
}
