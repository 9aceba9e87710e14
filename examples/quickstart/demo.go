package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// demo is everything that runs.
type demo struct {
	url  string // of Caddy
	zoom *zoomtest.Server
	app  *app
	dir  string // what Caddy stores
}

// startDemo starts Zoom, the app and Caddy. Port 0 is the memorable one, or a
// free one if that is taken.
func startDemo(port int) (*demo, error) {
	port, err := choosePort(port)
	if err != nil {
		return nil, err
	}
	d := &demo{url: "http://127.0.0.1:" + strconv.Itoa(port)}
	if err := d.start(port); err != nil {
		return nil, errors.Join(err, d.stop())
	}
	return d, nil
}

func (d *demo) start(port int) (err error) {
	d.zoom = startZoom(d.url + "/zoom_pkce/callback")
	if d.app, err = newApp(); err != nil {
		return err
	}
	if d.dir, err = os.MkdirTemp("", "zoom_pkce-quickstart-"); err != nil {
		return err
	}
	site := siteConfig(port, d.zoom.URL, d.app.addr)
	d.app.start(site)
	return startCaddy(globalOptions(d.dir) + site)
}

// stop ends what was started, the visitors' side first.
func (d *demo) stop() error {
	err := stopCaddy()
	if d.app != nil {
		err = errors.Join(err, d.app.stop())
	}
	if d.zoom != nil {
		d.zoom.Close()
	}
	if d.dir != "" {
		err = errors.Join(err, os.RemoveAll(d.dir))
	}
	return err
}

// choosePort returns a port that Caddy can listen on. Zoom has to know it
// before Caddy does, so it is tried out here.
func choosePort(wish int) (int, error) {
	candidates := []int{wish}
	if wish == 0 {
		candidates = []int{8080, 0}
	}
	var err error
	for _, port := range candidates {
		var listener net.Listener
		listener, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			port = listener.Addr().(*net.TCPAddr).Port
			return port, listener.Close()
		}
	}
	return 0, fmt.Errorf("looking for a port: %w", err)
}
