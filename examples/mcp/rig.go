package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// rig is everything that runs.
type rig struct {
	url              string // of Caddy
	dir              string // of the example
	zoom             *zoomtest.Server
	everything, asks *node  // the servers
	temp             string // what Caddy stores, and the sockets
}

// startRig starts Zoom, the servers and Caddy, whose port is 0 for any.
func startRig(ctx context.Context, dir string, port int) (*rig, error) {
	addr, err := demo.FreeAddress(port)
	if err != nil {
		return nil, err
	}
	r := &rig{url: "http://" + addr, dir: dir}
	if err := r.start(ctx, addr); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	return r, nil
}

func (r *rig) start(ctx context.Context, addr string) (err error) {
	r.zoom = demo.StartZoom(zoomtest.App{
		ClientID:     clientID,
		ClientSecret: clientSecret,
		RedirectURIs: []string{r.url + "/zoom_pkce/callback"},
	})
	// Nobody else can look into a temporary directory, and so reach a socket in it.
	if r.temp, err = os.MkdirTemp("", "zoom_pkce-mcp-"); err != nil {
		return err
	}
	everythingAt, zoomAt := filepath.Join(r.temp, "everything"), filepath.Join(r.temp, "zoom")
	if r.everything, err = startNode(ctx, "the server of npm's", r.dir, everythingAt, nil, everything, "streamableHttp"); err != nil {
		return err
	}
	if r.asks, err = startNode(ctx, "the server that asks Zoom", r.dir, zoomAt, []string{"ZOOM_API_URL=" + r.zoom.URL}, "zoom.js"); err != nil {
		return err
	}
	// Clients leave streams as they like, which the proxy warns of.
	return demo.StartCaddy(demo.GlobalOptions(r.temp, "http.handlers.reverse_proxy") + siteConfig(addr, r.zoom.URL, everythingAt, zoomAt))
}

// stop ends what was started, the clients' side first.
func (r *rig) stop() error {
	err := demo.StopCaddy()
	r.everything.end()
	r.asks.end()
	if r.zoom != nil {
		r.zoom.Close()
	}
	if r.temp != "" {
		err = errors.Join(err, os.RemoveAll(r.temp))
	}
	return err
}
