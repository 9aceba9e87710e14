package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// The credentials of the app at the simulated Zoom.
const (
	clientID     = "meetingsdk-web"
	clientSecret = "known-to-everybody"
)

// rig is a simulated Zoom and a Caddy with the Caddyfile of this directory.
type rig struct {
	url     string // of Caddy
	zoom    *zoomtest.Server
	storage string // what Caddy stores
}

func startRig(dir string, port int) (*rig, error) {
	addr, err := demo.FreeAddress(port)
	if err != nil {
		return nil, err
	}
	r := &rig{url: "http://" + addr}
	if err := r.start(dir); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	return r, nil
}

func (r *rig) start(dir string) (err error) {
	r.zoom = demo.StartZoom(zoomtest.App{
		ClientID:     clientID,
		ClientSecret: clientSecret,
		RedirectURIs: []string{r.url + "/zoom_pkce/callback"},
	})
	if r.storage, err = os.MkdirTemp("", "zoom_pkce-meetingsdk-web-"); err != nil {
		return err
	}
	for name, value := range map[string]string{
		"SITE": r.url, "BIND": "127.0.0.1", "DIR": dir, "ZOOM_URL": r.zoom.URL, "ZOOM_ACCOUNT_ID": demo.Ada.AccountID,
		"ZOOM_CLIENT_ID": clientID, "ZOOM_CLIENT_SECRET": clientSecret,
	} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	site, err := os.ReadFile(filepath.Join(dir, "Caddyfile"))
	if err != nil {
		return fmt.Errorf("reading the Caddyfile: %w", err)
	}
	// The demo has global options of its own.
	return demo.StartCaddy(globalBlock.ReplaceAllLiteralString(string(site), demo.GlobalOptions(r.storage)))
}

// globalBlock is that of the Caddyfile.
var globalBlock = regexp.MustCompile(`(?ms)^\{$.*?^\}$`)

// environment lists what the Caddyfile reads.
var environment = []string{
	"SITE", "BIND", "DIR", "ZOOM_URL", "ZOOM_ACCOUNT_ID", "ZOOM_CLIENT_ID", "ZOOM_CLIENT_SECRET",
}

// stop ends what was started, the visitors' side first.
func (r *rig) stop() error {
	err := demo.StopCaddy()
	if r.zoom != nil {
		r.zoom.Close()
	}
	if r.storage != "" {
		err = errors.Join(err, os.RemoveAll(r.storage))
	}
	return err
}
