package main

import (
	"errors"
	"os"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// rig is everything that runs.
type rig struct {
	url  string // of Caddy
	zoom *zoomtest.Server
	app  *demo.Server // nil where the visitor has brought one
	site string       // what is behind Caddy, and how
	dir  string       // what Caddy stores
}

// startRig starts Zoom, an app and Caddy, whose port is 0 for a free one. No appAddr
// is the small app.
func startRig(port int, appAddr string) (*rig, error) {
	addr, err := chooseAddress(port, appAddr)
	if err != nil {
		return nil, err
	}
	r := &rig{url: "http://" + addr}
	if err := r.start(addr, appAddr); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	return r, nil
}

func (r *rig) start(addr, appAddr string) (err error) {
	r.zoom = demo.StartZoom(zoomtest.App{
		ClientID:     clientID,
		ClientSecret: clientSecret,
		RedirectURIs: []string{r.url + "/zoom_pkce/callback"},
	})
	if appAddr == "" {
		if r.app, err = demo.Listen("the app", 0); err != nil {
			return err
		}
		appAddr = r.app.Addr
	}
	if r.dir, err = os.MkdirTemp("", "zoom_pkce-quickstart-"); err != nil {
		return err
	}
	r.site = siteConfig(addr, r.zoom.URL, appAddr)
	if r.app != nil {
		r.app.Start(newApp(r.site))
	}
	return demo.StartCaddy(demo.GlobalOptions(r.dir) + r.site)
}

// stop ends what was started, the visitors' side first.
func (r *rig) stop() error {
	err := errors.Join(demo.StopCaddy(), r.app.Stop())
	if r.zoom != nil {
		r.zoom.Close()
	}
	if r.dir != "" {
		err = errors.Join(err, os.RemoveAll(r.dir))
	}
	return err
}
