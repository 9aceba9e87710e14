package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// rig is everything that runs beside the program.
type rig struct {
	url  string // of Caddy
	zoom *zoomtest.Server
	app  *demo.Server
	dir  string // what Caddy stores
}

func startRig(port int) (*rig, error) {
	addr, err := demo.FreeAddress(port)
	if err != nil {
		return nil, err
	}
	r := &rig{url: "http://" + addr}
	if err := r.start(addr); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	return r, nil
}

func (r *rig) start(addr string) (err error) {
	r.zoom = demo.StartZoom(zoomtest.App{
		ClientID:     zoomID,
		ClientSecret: zoomSecret,
		RedirectURIs: []string{r.url + "/zoom_pkce/callback"},
	})
	if r.app, err = demo.Listen("the app", 0); err != nil {
		return err
	}
	r.app.Start(http.HandlerFunc(greet))
	if r.dir, err = os.MkdirTemp("", "zoom_pkce-native-"); err != nil {
		return err
	}
	return demo.StartCaddy(demo.GlobalOptions(r.dir) + siteConfig(addr, r.zoom.URL, r.app.Addr))
}

// greet is the app behind Caddy: it reads the same headers as for browsers.
func greet(w http.ResponseWriter, r *http.Request) {
	name := r.Header.Get("X-Zoom-User-Name")
	if decoded, err := url.PathUnescape(name); err == nil {
		name = decoded
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "Hello, %s\n", name)
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
